/** Where the cursor is in a YAML text: by indentation, as a person reads it. It never fails on half a line. */

/** Stands in a path for an entry of a list. */
export const ITEM = '-'

export interface Line {
  /** The column of the key, or of the first character. */
  indent: number
  key: string | null
  /** `- ` before the key; entries of a list may hold a mapping. */
  item: boolean
  /** The column behind the colon. */
  value: number
  /** `#key: …`, a setting that is off. */
  off: boolean
  blank: boolean
}

export interface Place {
  /** From 0. */
  line: number
  /** Keys that lead to the mapping which the cursor is in. */
  path: string[]
  /** The key of this line. */
  key: string | null
  inValue: boolean
  /** What is typed of a key so far, when one may stand here, and the column where it begins. */
  typed: { text: string; column: number } | null
  /** The other keys of the same mapping. */
  siblings: string[]
}

const KEY = /^(?:"((?:[^"\\]|\\.)*)"|'((?:[^']|'')*)'|([^\s"'#[\]{},&*!|>%@`-][^#]*?|-[^\s#][^#]*?))\s*:(?=\s|$)/

export function readLine(text: string): Line {
  let indent = text.length - text.trimStart().length
  let rest = text.slice(indent)
  // A `#` that touches a key is a setting that is off; one with a space behind it is a remark.
  const off = /^#[^\s#]/.test(rest)
  if (off) rest = rest.slice(1)
  const shift = off ? 1 : 0
  let item = false
  for (let dash = /^-(\s+|$)/.exec(rest); dash; dash = /^-(\s+|$)/.exec(rest)) {
    item = true
    indent += dash[0].length
    rest = rest.slice(dash[0].length)
  }
  const key = KEY.exec(rest)
  const blank = rest === '' ? !item : rest.startsWith('#')
  return { indent, key: key ? (key[1] ?? key[2]?.replaceAll("''", "'") ?? key[3] ?? null) : null, item, value: indent + shift + (key?.[0].length ?? 0), off, blank }
}

export function placeOf(text: string, offset: number): Place {
  const lines = text.split('\n')
  const before = text.slice(0, offset)
  const at = before.split('\n').length - 1
  const column = offset - (before.lastIndexOf('\n') + 1)
  const source = lines[at] ?? ''
  const here = readLine(source)
  // On an empty line the cursor itself says how deep it is.
  const depth = source.trim() === '' ? column : here.indent
  const parsed = lines.map(readLine)
  const inValue = here.key !== null && column >= here.value
  const typed = here.off || inValue || (here.blank && source.trim() !== '') || (here.key === null && /\S\s/.test(source.slice(here.indent, column))) || /^[["'{]/.test(source.slice(here.indent)) ? null : { text: source.slice(depth, column), column: Math.min(depth, column) }
  return { line: at, path: pathTo(parsed, at, depth, here.item), key: here.key, inValue, typed, siblings: siblingsOf(parsed, at, depth) }
}

function pathTo(lines: readonly Line[], at: number, depth: number, item: boolean): string[] {
  const path: string[] = []
  let limit = depth
  let within = item
  if (item) path.unshift(ITEM)
  for (let index = at - 1; index >= 0; index -= 1) {
    const line = lines[index]
    if (!line || line.blank || line.off) continue
    if (line.indent === limit && line.item && !within) {
      // A key of the same entry: the entry began there.
      path.unshift(ITEM)
      within = true
      limit = line.indent
    } else if (line.indent < limit && line.key !== null && (!within || !line.item)) {
      path.unshift(line.key)
      limit = line.indent
      within = false
      if (line.item) {
        path.unshift(ITEM)
        within = true
      }
    }
    if (limit === 0) break
  }
  return path
}

/** Keys at the same depth, up and down, until something less deep ends the mapping. */
function siblingsOf(lines: readonly Line[], at: number, depth: number): string[] {
  const found: string[] = []
  for (const step of [-1, 1]) {
    const first = lines[at]
    if (step === -1 && first?.item) continue
    for (let index = at + step; index >= 0 && index < lines.length; index += step) {
      const line = lines[index]
      if (!line || line.blank || line.off) continue
      if (line.indent < depth || (step === 1 && line.item && line.indent === depth)) break
      if (line.indent === depth && line.key !== null) found.push(line.key)
      if (line.item && line.indent === depth) break
    }
  }
  return found
}
