/** What a request waits for, in the reader's language. The manager says it in English; a sentence that isn't known here stays as it is. */
import type { Language } from '@/shared/i18n/language'
import { reason } from '@/shared/model/reason/reason'

const chinese: [RegExp, (...found: string[]) => string][] = [
  [/^its start$/, () => '模型启动'],
  [/^its start: (.+)$/s, (what) => `模型启动：${reason(what, 'zh')}`],
  [/^one of the (\d+) requests that it serves at once$/, (most) => `同时处理的 ${most} 个请求之一结束`],
  [/^its turn$/, () => '轮到它'],
  [/^the end of its last run$/, () => '上一次运行结束'],
  [/^a start$/, () => '一次启动'],
]

export function waitsFor(text: string, language: Language): string {
  if (language === 'en') return text
  for (const [pattern, say] of chinese) {
    const found = pattern.exec(text)
    if (found) return say(...found.slice(1))
  }
  return reason(text, language)
}
