/** Reads what terminals understand: colours and weights stay, everything else is taken out. */

export interface Span {
  text: string
  /** 0 to 15 as in a terminal; null: the text's own colour. */
  colour: number | null
  bold: boolean
  dim: boolean
}

interface Style {
  colour: number | null
  bold: boolean
  dim: boolean
  inverse: boolean
}

const PLAIN: Style = { colour: null, bold: false, dim: false, inverse: false }
// CSI sequences, OSC sequences (titles, links), and other escapes of two bytes.
// eslint-disable-next-line no-control-regex
const ESCAPE = /\u001b(?:\[([0-9;:?<=>]*)([@-~])|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[@-Z\\^_])/g
// eslint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/g

/** The line in pieces of one style each. */
export function parseAnsi(line: string): Span[] {
  const visible = lastRewrite(line)
  if (!visible.includes('\u001b')) return visible ? [span(clean(visible), PLAIN)] : []
  const spans: Span[] = []
  let style = PLAIN
  let from = 0
  const take = (text: string) => {
    const cleaned = clean(text)
    if (cleaned) spans.push(span(cleaned, style))
  }
  for (const match of visible.matchAll(ESCAPE)) {
    take(visible.slice(from, match.index))
    from = match.index + match[0].length
    if (match[2] === 'm') style = restyle(style, match[1] ?? '')
  }
  take(visible.slice(from))
  return spans
}

/** The line without any escape, for search. */
export function plainText(line: string): string {
  const visible = lastRewrite(line)
  return clean(visible.includes('\u001b') ? visible.replace(ESCAPE, '') : visible)
}

/** A progress bar rewrites its line with carriage returns: only the last writing is seen. */
function lastRewrite(line: string): string {
  const ended = line.endsWith('\r') ? line.slice(0, -1) : line
  return ended.slice(ended.lastIndexOf('\r') + 1)
}

function clean(text: string): string {
  return text.replace(CONTROL, '').replaceAll('\t', '    ')
}

function span(text: string, style: Style): Span {
  return { text, colour: style.colour, bold: style.bold, dim: style.dim || style.inverse }
}

function restyle(style: Style, parameters: string): Style {
  const codes = (parameters || '0').split(/[;:]/).map(Number)
  let next = style
  for (let i = 0; i < codes.length; i += 1) {
    const code = codes[i] ?? 0
    if (code === 0) next = PLAIN
    else if (code === 1) next = { ...next, bold: true }
    else if (code === 2) next = { ...next, dim: true }
    else if (code === 7) next = { ...next, inverse: true }
    else if (code === 22) next = { ...next, bold: false, dim: false }
    else if (code === 27) next = { ...next, inverse: false }
    else if (code >= 30 && code <= 37) next = { ...next, colour: code - 30 }
    else if (code >= 90 && code <= 97) next = { ...next, colour: code - 82 }
    else if (code === 39) next = { ...next, colour: null }
    else if (code === 38 || code === 48) {
      const [colour, used] = extended(codes.slice(i + 1))
      if (code === 38) next = { ...next, colour }
      i += used
    }
  }
  return next
}

/** `5;N` or `2;R;G;B`, as the nearest of the sixteen: those are legible in both themes. */
function extended(codes: number[]): [number | null, number] {
  if (codes[0] === 5) return [from256(codes[1] ?? 0), 2]
  if (codes[0] === 2) return [fromRgb(codes[1] ?? 0, codes[2] ?? 0, codes[3] ?? 0), 4]
  return [null, 0]
}

function from256(code: number): number {
  if (code < 16) return code
  if (code >= 232) return code < 238 ? 8 : code < 247 ? 7 : 15
  const cube = code - 16
  const level = (step: number) => (step === 0 ? 0 : 55 + 40 * step)
  return fromRgb(level(Math.floor(cube / 36)), level(Math.floor(cube / 6) % 6), level(cube % 6))
}

function fromRgb(red: number, green: number, blue: number): number {
  const high = Math.max(red, green, blue)
  const low = Math.min(red, green, blue)
  if (high - low < 32) return high < 64 ? 8 : high < 192 ? 7 : 15
  const half = low + (high - low) / 2
  const base = (red > half ? 1 : 0) + (green > half ? 2 : 0) + (blue > half ? 4 : 0)
  return high > 192 ? base + 8 : base
}
