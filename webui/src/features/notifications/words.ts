/** What is told, in words. An event that this page does not know is shown as the manager calls it. */
import { texts } from '@/shared/i18n/texts'

export const eventTexts = texts(
  {
    model_failed: 'a model that keeps failing', budget_80: 'a budget at 80 %', budget_100: 'a budget that is used up', device_gone: 'a device that is gone', device_back: 'a device that is back',
    rows_waiting: 'a ledger that cannot be written', certificate: 'a certificate that ends soon',
  },
  {
    model_failed: '模型持续失败', budget_80: '预算用到 80%', budget_100: '预算用完', device_gone: '设备离线', device_back: '设备恢复',
    rows_waiting: '账本无法写入', certificate: '证书即将到期',
  },
)

export type EventName = keyof typeof eventTexts.en

export const isEvent = (event: string): event is EventName => Object.hasOwn(eventTexts.en, event)
