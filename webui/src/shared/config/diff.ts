/** The difference of two texts, line by line (longest common lines, between common ends). */

export interface DiffLine {
  kind: 'same' | 'added' | 'removed'
  text: string
  /** Line numbers from 1. */
  before: number | null
  after: number | null
}

/** Texts that differ in more lines than this are shown as replaced. */
const MOST = 4000

export function diff(before: string, after: string): DiffLine[] {
  const a = before.split('\n')
  const b = after.split('\n')
  let head = 0
  while (head < a.length && head < b.length && a[head] === b[head]) head += 1
  let tail = 0
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail += 1
  const lines: DiffLine[] = []
  for (let i = 0; i < head; i += 1) lines.push(same(a[i], i, i))
  lines.push(...middle(a.slice(head, a.length - tail), b.slice(head, b.length - tail), head))
  for (let i = tail; i > 0; i -= 1) lines.push(same(a[a.length - i], a.length - i, b.length - i))
  return lines
}

function same(text: string | undefined, before: number, after: number): DiffLine {
  return { kind: 'same', text: text ?? '', before: before + 1, after: after + 1 }
}

function middle(a: string[], b: string[], offset: number): DiffLine[] {
  const removed = (i: number): DiffLine => ({ kind: 'removed', text: a[i] ?? '', before: offset + i + 1, after: null })
  const added = (j: number): DiffLine => ({ kind: 'added', text: b[j] ?? '', before: null, after: offset + j + 1 })
  if (a.length * b.length > MOST * MOST || a.length === 0 || b.length === 0) {
    return [...a.map((_, i) => removed(i)), ...b.map((_, j) => added(j))]
  }
  // The longest common lines, from the end.
  const width = b.length + 1
  const table = new Uint32Array((a.length + 1) * width)
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      table[i * width + j] = a[i] === b[j] ? 1 + (table[(i + 1) * width + j + 1] ?? 0) : Math.max(table[(i + 1) * width + j] ?? 0, table[i * width + j + 1] ?? 0)
    }
  }
  const lines: DiffLine[] = []
  let i = 0
  let j = 0
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      lines.push(same(a[i], offset + i, offset + j))
      i += 1
      j += 1
    } else if (i < a.length && (j >= b.length || (table[(i + 1) * width + j] ?? 0) >= (table[i * width + j + 1] ?? 0))) {
      lines.push(removed(i))
      i += 1
    } else {
      lines.push(added(j))
      j += 1
    }
  }
  return lines
}

/** What changed, with `context` lines around it; null stands for lines left out. */
export function hunks(lines: readonly DiffLine[], context = 3): (DiffLine | null)[] {
  const near = lines.map((_, index) => lines.slice(Math.max(0, index - context), index + context + 1).some((line) => line.kind !== 'same'))
  const shown: (DiffLine | null)[] = []
  lines.forEach((line, index) => {
    if (near[index]) shown.push(line)
    else if (shown.at(-1) !== null) shown.push(null)
  })
  return shown
}
