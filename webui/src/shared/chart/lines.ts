/** The geometry of lines: no more points than there are pixels to show them. */

export type Point = [x: number, y: number]

/** The index of the time that is nearest; times rise. */
export function nearest(times: readonly number[], wanted: number): number {
  let [low, high] = [0, times.length - 1]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((times[middle] ?? 0) < wanted) low = middle + 1
    else high = middle
  }
  const [before, after] = [times[low - 1], times[low]]
  return before !== undefined && after !== undefined && wanted - before < after - wanted ? low - 1 : Math.max(0, low)
}

/** The stretches of a line without a gap, in pixels. Of points in one column only the first, the extremes and the last are kept. */
export function thinned(times: readonly number[], values: readonly (number | null)[], first: number, x: (time: number) => number, y: (value: number) => number): Point[][] {
  const runs: Point[][] = []
  let run: Point[] | null = null
  let column: Point[] = []
  const close = () => {
    if (column.length > 4) {
      const [top, bottom] = [column.reduce((a, b) => (b[1] < a[1] ? b : a)), column.reduce((a, b) => (b[1] > a[1] ? b : a))]
      const kept = new Set([column[0], top, bottom, column.at(-1)])
      column = column.filter((point) => kept.has(point))
    }
    run?.push(...column)
    column = []
  }
  for (let at = first; at < times.length; at += 1) {
    const value = values[at] ?? null
    if (value === null) {
      close()
      run = null
      continue
    }
    if (!run) runs.push((run = []))
    const point: Point = [x(times[at] ?? 0), y(value)]
    if (column[0] && Math.floor(column[0][0]) !== Math.floor(point[0])) close()
    column.push(point)
  }
  close()
  return runs
}

const short = (value: number) => String(Math.round(value * 10) / 10)

/** As SVG wants it; with a `ground`, the area above that. A point alone is a dash that can be seen. */
export function path(runs: readonly Point[][], ground?: number): string {
  return runs
    .map((run) => {
      const [head, tail] = [run[0], run.at(-1)]
      if (!head || !tail) return ''
      const line = run.map(([x, y]) => `${short(x)},${short(y)}`).join('L')
      if (ground !== undefined) return `M${short(head[0])},${short(ground)}L${line}L${short(tail[0])},${short(ground)}Z`
      return run.length === 1 ? `M${line}h1` : `M${line}`
    })
    .join('')
}
