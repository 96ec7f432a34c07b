/** Which rows of a long list are in sight. All rows are equally high. */

export interface Window {
  first: number
  /** Behind the last one. */
  end: number
}

const OVERSCAN = 12

export function visible(scrollTop: number, height: number, rowHeight: number, count: number): Window {
  const top = Math.max(0, Math.min(scrollTop, count * rowHeight - height))
  const first = Math.max(0, Math.floor(top / rowHeight) - OVERSCAN)
  const end = Math.min(count, Math.ceil((top + height) / rowHeight) + OVERSCAN)
  return { first, end: Math.max(first, end) }
}

/** Within half a row of the end: then new lines are followed. */
export function atEnd(scrollTop: number, height: number, total: number, rowHeight: number): boolean {
  return scrollTop + height >= total - rowHeight / 2
}
