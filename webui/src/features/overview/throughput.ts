/** Rates over time, from what `/api/events` tells each second, and from the minutes of the ledger. */
import type { ModelThroughput, Throughput, UsageSeries } from '@/shared/api/types'

export type By = 'mode' | 'model'
export type Direction = 'output' | 'input'

export interface Rates {
  /** Seconds since the epoch. */
  times: number[]
  lines: { label: string; values: number[] }[]
}

type Row = (readonly [string, number])[]

/** More lines than this cannot be told apart: the rest is one line. */
const LINES = 7
/** Of an hour, so many seconds of live figures make one point. */
const STEP = 10
/** What is older comes from the ledger, which forgets nothing when a page is closed. */
const LIVE_SECONDS = 300

const valueOf = (row: ModelThroughput, direction: Direction) => (direction === 'output' ? row.output_tokens_per_second : row.input_tokens_per_second)
const timeOf = (point: Throughput) => Date.parse(point.time) / 1000

export function liveRates(points: readonly Throughput[], by: By, direction: Direction, rest: string): Rates {
  const rows = points.map((point): Row => point.models.map((row) => [row[by], valueOf(row, direction)]))
  return ranked(points.map(timeOf), rows, rest)
}

/** The ledger's minutes, and from where the live figures begin, those. `now` is in seconds. */
export function hourRates(series: UsageSeries, points: readonly Throughput[], by: By, direction: Direction, rest: string, now: number): Rates {
  const fresh = points.filter((point) => timeOf(point) >= now - LIVE_SECONDS)
  const cut = fresh[0] ? timeOf(fresh[0]) : Infinity
  const times: number[] = []
  const rows: Row[] = []
  for (const point of series.points) {
    const [from, to] = [Date.parse(point.from) / 1000, Date.parse(point.to) / 1000]
    // A minute that has hardly begun tells nothing yet.
    if (from >= cut || to - from < STEP) continue
    times.push((from + to) / 2)
    rows.push(point.groups.map((group) => [group.key, (direction === 'output' ? group.output_tokens : group.input_tokens) / Math.max(1, to - from)]))
  }
  const steps = new Map<number, Throughput[]>()
  for (const point of fresh) {
    const step = Math.floor(timeOf(point) / STEP)
    steps.set(step, [...(steps.get(step) ?? []), point])
  }
  for (const [step, seconds] of steps) {
    const time = step * STEP + STEP / 2
    if (time <= (times.at(-1) ?? 0)) continue
    times.push(time)
    rows.push(seconds.flatMap((point) => point.models.map((row) => [row[by], valueOf(row, direction) / seconds.length] as const)))
  }
  return ranked(times, rows, rest)
}

export interface Present {
  output: number
  input: number
  requests: number
}

/** What went through in the last seconds; an old figure says nothing about now. */
export function present(points: readonly Throughput[], now: number): Present {
  const last = points.at(-1)
  const rows = last && now - timeOf(last) < 5 ? last.models : []
  const sum = (of: (row: ModelThroughput) => number) => rows.reduce((total, row) => total + of(row), 0)
  return { output: sum((row) => row.output_tokens_per_second), input: sum((row) => row.input_tokens_per_second), requests: sum((row) => row.requests_per_second) }
}

function ranked(times: number[], rows: Row[], rest: string): Rates {
  const sums = new Map<string, number>()
  for (const row of rows) for (const [key, value] of row) sums.set(key, (sums.get(key) ?? 0) + value)
  // Who had requests but no tokens has no line.
  const keys = [...sums.keys()].filter((key) => (sums.get(key) ?? 0) > 0).sort((a, b) => (sums.get(b) ?? 0) - (sums.get(a) ?? 0) || a.localeCompare(b))
  const own = keys.length > LINES + 1 ? keys.slice(0, LINES) : keys
  const labels = own.length < keys.length ? [...own, rest] : own
  const lines = labels.map((label) => ({ label, values: times.map(() => 0) }))
  rows.forEach((row, index) => {
    for (const [key, value] of row) {
      if (value === 0) continue
      const line = lines[own.includes(key) ? own.indexOf(key) : lines.length - 1]
      if (line) line.values[index] = (line.values[index] ?? 0) + value
    }
  })
  return { times, lines }
}
