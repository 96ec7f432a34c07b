/** The classes of requests: who is served first when several wait. */
import { texts } from '@/shared/i18n/texts'

export const classTexts = texts(
  { interactive: 'interactive', normal: 'normal', batch: 'batch' },
  { interactive: '交互', normal: '普通', batch: '批处理' },
)
