/** A model as a piece of config.yaml, and that piece in its place. Nothing else of the file is touched. */

export interface Entry {
  name: string
  aliases: string[]
  mode: string
  port: number | null
  variant: string
  devices: { name: string; memoryMb: number | null }[]
  /** One of the two. */
  command: string[] | null
  script: string | null
}

const PLAIN = /^[A-Za-z][\w.-]*$/
const WORDS = /^(?:true|false|yes|no|on|off|null|y|n)$/i

function scalar(text: string): string {
  return PLAIN.test(text) && !WORDS.test(text) ? text : JSON.stringify(text)
}

const list = (items: readonly string[]) => `[${items.map((item) => JSON.stringify(item)).join(', ')}]`

export function entryLines(entry: Entry, indent = 2): string[] {
  const pad = ' '.repeat(indent)
  const memory = entry.devices.filter((device) => device.memoryMb !== null)
  const own = [
    ...(entry.aliases.length > 0 ? [`aliases: ${list(entry.aliases)}`] : []),
    `mode: ${scalar(entry.mode)}`,
    ...(entry.port === null ? [] : [`port: ${entry.port}`]),
    `${scalar(entry.variant)}:`,
    ...(entry.devices.length > 0 ? [`  required_devices: ${list(entry.devices.map((device) => device.name))}`] : []),
    // Nothing written: the manager estimates it from the model's file, and measures it later.
    ...(entry.devices.length > 0 && memory.length === 0 ? ['  memory_mb: auto'] : []),
    ...(memory.length > 0 ? [`  memory_mb: {${memory.map((device) => `${JSON.stringify(device.name)}: ${device.memoryMb ?? 0}`).join(', ')}}`] : []),
    entry.script !== null ? `  script_path: ${JSON.stringify(entry.script)}` : `  command: ${list(entry.command ?? [])}`,
  ]
  return [`${pad}${scalar(entry.name)}:`, ...own.map((line) => `${pad}  ${line}`)]
}

const SECTION = /^(?:Local-Models|"Local-Models"|'Local-Models')\s*:(.*)$/

/** The text with the model behind all others; null if models are written in a way that takes a person to change. */
export function withModel(text: string, entry: Entry): string | null {
  const newline = text.includes('\r\n') ? '\r\n' : '\n'
  const lines = text.split(/\r?\n/)
  const at = lines.findIndex((line) => SECTION.test(line))
  if (at < 0) {
    while (lines.at(-1)?.trim() === '') lines.pop()
    return [...lines, 'Local-Models:', ...entryLines(entry), ''].join(newline)
  }
  const value = (SECTION.exec(lines[at] ?? '')?.[1] ?? '').trim()
  const [, written = '', remark = ''] = /^(.*?)(\s*#.*)?$/.exec(value) ?? []
  if (!/^(?:\{\s*\}|null|~|)$/.test(written.trim())) return null
  lines[at] = `Local-Models:${remark ? ` ${remark.trim()}` : ''}`
  let end = at + 1
  let last = at
  let indent = 0
  for (; end < lines.length; end += 1) {
    const line = lines[end] ?? ''
    if (line.trim() === '' || /^\s*#/.test(line)) continue
    const depth = line.length - line.trimStart().length
    if (depth === 0) break
    indent ||= depth
    last = end
  }
  lines.splice(last + 1, 0, ...entryLines(entry, indent || 2))
  return lines.join(newline)
}

/** A line as a shell would split it: quotes hold words together, a backslash takes the next character as it is. */
export function words(line: string): string[] {
  const found: string[] = []
  let word: string | null = null
  let quote = ''
  for (let index = 0; index < line.length; index += 1) {
    const character = line[index] ?? ''
    if (quote) {
      if (character === quote) quote = ''
      else if (character === '\\' && quote === '"' && /["\\]/.test(line[index + 1] ?? '')) word = (word ?? '') + (line[(index += 1)] ?? '')
      else word = (word ?? '') + character
    } else if (character === '"' || character === "'") {
      quote = character
      word ??= ''
    } else if (character === '\\' && index + 1 < line.length) word = (word ?? '') + (line[(index += 1)] ?? '')
    else if (/\s/.test(character)) {
      if (word !== null) found.push(word)
      word = null
    } else word = (word ?? '') + character
  }
  if (word !== null) found.push(word)
  return found
}
