import { texts } from '@/shared/i18n/texts'

export const scopeTexts = texts(
  { infer: 'infer: use models', read: 'read: look at everything', operate: 'operate: start and stop', admin: 'admin: everything' },
  { infer: 'infer：使用模型', read: 'read：查看', operate: 'operate：启动和停止', admin: 'admin：全部' },
)
