import { expect, it } from 'vitest'
import type { Throughput, UsageSeries, UsageSummary } from '@/shared/api/types'
import { hourRates, liveRates, present } from './throughput'

const row = (model: string, mode: string, output: number) => ({
  model, mode, requests_per_second: 1, input_tokens_per_second: output * 10, output_tokens_per_second: output,
})

it('adds up by mode, the largest first', () => {
  const points: Throughput[] = [
    { time: '2026-01-01T00:00:00Z', models: [row('a', 'Chat', 1), row('b', 'Chat', 2), row('c', 'Embedding', 9)] },
    { time: '2026-01-01T00:00:01Z', models: [row('a', 'Chat', 4)] },
  ]
  const rates = liveRates(points, 'mode', 'output', 'rest')
  expect(rates.lines).toEqual([{ label: 'Embedding', values: [9, 0] }, { label: 'Chat', values: [3, 4] }])
  expect(liveRates(points, 'model', 'input', 'rest').lines.map((line) => line.label)).toEqual(['c', 'a', 'b'])
})

it('gathers the small ones when there are many', () => {
  const models = Array.from({ length: 20 }, (_, i) => row(`m${i}`, 'Chat', 20 - i))
  const rates = liveRates([{ time: '2026-01-01T00:00:00Z', models }], 'model', 'output', 'rest')
  expect(rates.lines.length).toBe(8)
  expect(rates.lines.at(-1)).toEqual({ label: 'rest', values: [91] })
})

it('goes on from the ledger’s minutes with the live seconds', () => {
  const at = (seconds: number) => new Date(seconds * 1000).toISOString()
  const point = (from: number, to: number, output_tokens: number) => ({ from: at(from), to: at(to), groups: [{ key: 'a', output_tokens }] }) as unknown as UsageSummary
  const series: UsageSeries = { bucket: 'minute', points: [point(0, 60, 120), point(60, 120, 600), point(120, 125, 100)] }
  // Not watched so far: the ledger alone, without the minute that has just begun.
  expect(hourRates(series, [], 'model', 'output', 'rest', 125)).toEqual({ times: [30, 90], lines: [{ label: 'a', values: [2, 10] }] })
  const points = [{ time: at(121), models: [row('a', 'Chat', 4)] }, { time: at(122), models: [row('a', 'Chat', 8)] }, { time: at(131), models: [] }]
  expect(hourRates(series, points, 'model', 'output', 'rest', 132)).toEqual({ times: [30, 90, 125, 135], lines: [{ label: 'a', values: [2, 10, 6, 0] }] })
  // What was watched long ago is the ledger's again.
  expect(hourRates(series, points, 'model', 'output', 'rest', 9999).times).toEqual([30, 90])
})

it('tells what goes through now, not before', () => {
  const points = [{ time: '2026-01-01T00:00:00Z', models: [row('a', 'Chat', 3), row('b', 'Chat', 2)] }]
  const now = Date.parse('2026-01-01T00:00:00Z') / 1000
  expect(present(points, now + 1).output).toBe(5)
  expect(present(points, now + 60).output).toBe(0)
  expect(present([], now)).toEqual({ output: 0, input: 0, requests: 0 })
})
