/** Sentences that the manager says in English, in the reader's language. */

/** A sentence, and how it is said in Chinese: `say` does the same for a sentence within it. Null: it is another one after all. */
export type Rule = [RegExp, (say: (sentence: string) => string, ...found: string[]) => string | null]

/** By the first of the rules that fits; a sentence that none knows stays as it is. */
export function by(rules: Rule[], say: (sentence: string) => string, sentence: string): string {
  for (const [pattern, rule] of rules) {
    const found = pattern.exec(sentence)
    const said = found && rule(say, ...found.slice(1).map((part: string | undefined) => part ?? ''))
    if (said) return said
  }
  return sentence
}

/** "1.5 s", "200 ms". */
export const time = (text: string) => text.replace(/ ms$/, ' 毫秒').replace(/ s$/, ' 秒')

/** "exit code 1", "killed by SIGKILL". */
export const exit = (text: string) => text.replace(/^exit code /, '退出码 ').replace(/^killed by signal /, '被信号终止：').replace(/^killed by /, '被终止：').replace(' (core dumped)', '（有核心转储）')

/** "`a`, `b`, 3 more", "`a`, `b` and 3 more". */
export const more = (text: string) => text.replaceAll(', ', '、').replace(/(?:、| and )(\d+) more$/, ' 等，另有 $1 个')
