/** Rates over time, from what `/api/events` tells each second, or from the minutes of the ledger. */
import type { Throughput, ModelThroughput, UsageSeries } from '@/shared/api/types'

export type By = 'mode' | 'model'
export type Direction = 'output' | 'input'

export interface Rates {
  /** Seconds since the epoch. */
  times: number[]
  lines: { label: string; values: number[] }[]
}

/** More lines than this cannot be told apart: the rest is one line. */
const LINES = 7

export function liveRates(points: readonly Throughput[], by: By, direction: Direction, rest: string): Rates {
  const value = (row: ModelThroughput) => (direction === 'output' ? row.output_tokens_per_second : row.input_tokens_per_second)
  const rows = points.map((point) => point.models.map((row) => [row[by], value(row)] as const))
  return ranked(points.map((point) => Date.parse(point.time) / 1000), rows, rest)
}

/** The ledger's buckets, each with its own length. */
export function pastRates(series: UsageSeries, direction: Direction, rest: string): Rates {
  const times = series.points.map((point) => Date.parse(point.from) / 1000)
  const rows = series.points.map((point) => {
    const seconds = Math.max(1, (Date.parse(point.to) - Date.parse(point.from)) / 1000)
    return point.groups.map((group) => [group.key, (direction === 'output' ? group.output_tokens : group.input_tokens) / seconds] as const)
  })
  return ranked(times, rows, rest)
}

function ranked(times: number[], rows: (readonly [string, number])[][], rest: string): Rates {
  const sums = new Map<string, number>()
  for (const row of rows) for (const [key, value] of row) sums.set(key, (sums.get(key) ?? 0) + value)
  const keys = [...sums.keys()].sort((a, b) => (sums.get(b) ?? 0) - (sums.get(a) ?? 0) || a.localeCompare(b))
  const own = keys.length > LINES + 1 ? keys.slice(0, LINES) : keys
  const labels = own.length < keys.length ? [...own, rest] : own
  const lines = labels.map((label) => ({ label, values: times.map(() => 0) }))
  rows.forEach((row, index) => {
    for (const [key, value] of row) {
      const line = lines[own.includes(key) ? own.indexOf(key) : lines.length - 1]
      if (line) line.values[index] = (line.values[index] ?? 0) + value
    }
  })
  return { times, lines }
}
