/** What a part is doing comes in the English of the log; here it is in Chinese. What isn't known stays as it came. */
import { causeOf, causeTexts } from '@/shared/model/cause'
import { stateTexts } from '@/shared/ui/Status'
import type { Language } from '@/shared/i18n/language'
import { by, type Rule } from '@/shared/i18n/rule'

const states: Record<string, string> = { ...stateTexts.zh, idle: '空闲', flushing: '写入中', backoff: '稍后重试', closed: '已关闭' }
const cause = (code: string) => causeOf({ cause: code, evictedFor: null, endedBy: null }, causeTexts.zh)

/** Whole details, or the parts of one that stand in brackets after a model's state. */
const words: Rule[] = [
  [/^off$/, () => '关闭'],
  [/^(\w+), (\d+) rows written(?:: (.*))?$/, (_, state, rows, error) => `${states[state] ?? state}，已写入 ${rows} 行${error ? `：${error}` : ''}`],
  [/^requests in flight: (\d+), connections: (\d+)$/, (_, requests, connections) => `处理中的请求 ${requests} 个，到后端的连接 ${connections} 个`],
  [/^(\d+) online(?:, (\d+) offline)?(?:, (\d+) in trouble)?, every ([\d.]+) s$/, (_, online, offline, trouble, pause) =>
    [`在线 ${online} 个`, offline && `离线 ${offline} 个`, trouble && `${trouble} 处有问题`, `每 ${pause} 秒查询`].filter(Boolean).join('，')],
  [/^(\d+) outlets?$/, (_, outlets) => `${outlets} 个通知去向`],
  [/^variant (.+)$/, (_, variant) => `变体 ${variant}`],
  [/^pid (\d+)$/, (_, pid) => `进程 ${pid}`],
  [/^its only run failed, last reason: (\w+)$/, (_, code) => `唯一的一次运行失败，原因：${cause(code)}`],
  [/^(\d+) of its last (\d+) runs failed, last reason: (\w+)$/, (_, failed, all, code) => `最近 ${all} 次运行中 ${failed} 次失败，最后的原因：${cause(code)}`],
]

const inWords = (text: string): string => by(words, inWords, text)

export function doing(detail: string | null, language: Language): string | null {
  if (detail === null || language === 'en') return detail
  const model = /^(\w+) \((.*)\)$/.exec(detail)
  if (!model) return states[detail] ?? inWords(detail)
  const [, state = '', rest = ''] = model
  // The reason of a failure has a comma of its own; nothing else does.
  const parts = rest.split(/, (?!last reason)/).map(inWords)
  return `${states[state] ?? state}（${parts.join('，')}）`
}
