import { expect, it } from 'vitest'
import type { Throughput, UsageSummary } from '@/shared/api/types'
import { liveRates, pastRates } from './throughput'

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

it('makes rates of the ledger’s buckets', () => {
  const point = (from: string, to: string, output_tokens: number) => ({ from, to, groups: [{ key: 'a', output_tokens }] }) as unknown as UsageSummary
  const start = Date.parse('2026-01-01T00:00:00Z') / 1000
  const points = [point('2026-01-01T00:00:00Z', '2026-01-01T00:01:00Z', 120), point('2026-01-01T00:01:00Z', '2026-01-01T00:01:30Z', 60)]
  expect(pastRates({ bucket: 'minute', points }, 'output', 'rest')).toEqual({
    times: [start, start + 60], lines: [{ label: 'a', values: [2, 2] }],
  })
})
