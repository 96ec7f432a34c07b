/** One line of YAML in coloured pieces; it need not be right about the rare forms. */

export interface Piece {
  text: string
  kind: 'plain' | 'key' | 'string' | 'value' | 'comment' | 'mark'
}

const KEY = /^(\s*(?:- +)*)("(?:[^"\\]|\\.)*"|'[^']*'|[^\s"'#[\]{},&*!|>%@`][^#]*?)(\s*:)(?=\s|$)/
const TOKEN = /(\s#.*$)|("(?:[^"\\]|\\.)*"?|'(?:[^']|'')*'?)|(?<![\w.-])(-?\d+(?:\.\d+)?|true|false|null|~)(?![\w.-])|([[\]{},])/g

export function highlight(line: string): Piece[] {
  if (/^\s*#/.test(line)) return [{ text: line, kind: 'comment' }]
  const pieces: Piece[] = []
  const add = (text: string, kind: Piece['kind']) => {
    if (text) pieces.push({ text, kind })
  }
  const key = KEY.exec(line)
  let rest = line
  if (key) {
    add(key[1] ?? '', 'mark')
    add(key[2] ?? '', 'key')
    add(key[3] ?? '', 'mark')
    rest = line.slice(key[0].length)
  }
  let from = 0
  for (const match of rest.matchAll(TOKEN)) {
    add(rest.slice(from, match.index), 'plain')
    add(match[0], match[1] !== undefined ? 'comment' : match[2] !== undefined ? 'string' : match[3] !== undefined ? 'value' : 'mark')
    from = match.index + match[0].length
  }
  add(rest.slice(from), 'plain')
  return pieces
}
