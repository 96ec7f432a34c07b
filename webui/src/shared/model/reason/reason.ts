/** Why a model failed and what it waits for come in the English of the log; here they are in Chinese. What isn't known stays as it came, and
 * so does what others said: the system, an engine, a cluster, the lines that a backend printed. */
import type { Language } from '@/shared/i18n/language'
import { cluster } from './cluster'
import { memory } from './memory'
import { probe } from './probe'
import { process } from './process'
import { by, type Rule } from '@/shared/i18n/rule'

/** The more particular first: an end that wraps another sentence, then those of each subject. */
const rules: Rule[] = [...process, ...probe, ...cluster, ...memory]

const inChinese = (sentence: string): string => by(rules, inChinese, sentence)

/** The reason in the reader's language; the lines below the first are what the backend printed. */
export function reason(text: string, language: Language): string {
  if (language === 'en') return text
  const [first = '', ...printed] = text.split('\n')
  return [inChinese(first), ...printed].join('\n')
}
