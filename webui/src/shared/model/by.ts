/** Who has started or stopped a model, in words. */
import type { By } from '@/shared/api/types'
import { texts } from '@/shared/i18n/texts'

export const kindTexts = texts(
  { key: 'Key', session: 'Browser', local: 'Command line', anyone: 'Anyone', rule: 'Rule' },
  { key: '密钥', session: '浏览器', local: '命令行', anyone: '任何人', rule: '规则' },
)

/** Rules that aren't called by a key of the configuration. */
const ruleTexts = {
  en: { request: 'a request', 'changed configuration': 'a changed configuration' },
  zh: { request: '一个请求', 'changed configuration': '配置变更' },
}

function rule(name: string, words: Record<keyof typeof ruleTexts.en, string>): string {
  const known = Object.entries(words).find(([key]) => key === name)
  return known ? known[1] : name
}

function who({ kind, who: name }: By, language: 'en' | 'zh'): string {
  if (kind === 'rule') return rule(name, ruleTexts[language])
  const kinds = kindTexts[language]
  // Of whom nothing else is known, the address is.
  if (kind === 'anyone' || name === '') return name || kinds.anyone
  const kindIn = language === 'en' ? kinds[kind].toLowerCase() : kinds[kind]
  return language === 'en' ? `${name} (${kindIn})` : `${name}（${kindIn}）`
}

/** A name among Chinese words: letters of ours have a space on either side. */
const among = (name: string) => name.replace(/^(?=[\w.-])/, ' ').replace(/(?<=[\w.-])$/, ' ')

export const byTexts = texts(
  { who: (by: By) => who(by, 'en'), among: (by: By) => who(by, 'en'), startedBy: (by: By) => `Started by ${who(by, 'en')}` },
  { who: (by: By) => who(by, 'zh'), among: (by: By) => among(who(by, 'zh')), startedBy: (by: By) => `由${among(who(by, 'zh'))}启动` },
)
