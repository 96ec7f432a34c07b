/** What a request waits for, in the reader's language. The manager says it in English; a sentence that isn't known here stays as it is. */
import type { Language } from '@/shared/i18n/language'
import { by, type Rule } from '@/shared/i18n/rule'
import { reason } from '@/shared/model/reason/reason'

/** What a model waits for is within; alone, too. */
const rules: Rule[] = [
  [/^its start$/, () => '模型启动'],
  [/^its start: (.+)$/s, (say, what) => `模型启动：${say(what)}`],
  [/^one of the (\d+) requests that it serves at once$/, (_, most) => `同时处理的 ${most} 个请求之一结束`],
  [/^its turn$/, () => '轮到它'],
  [/^the end of its last run$/, () => '上一次运行结束'],
  [/^a start$/, () => '一次启动'],
  [/^(.+)$/s, (say, what) => say(what)],
]

export function waitsFor(text: string, language: Language): string {
  return language === 'en' ? text : by(rules, (what) => reason(what, language), text)
}
