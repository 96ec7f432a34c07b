import { expect, it } from 'vitest'
import type { UsageGroup, UsageSummary } from '@/shared/api/types'
import { costOf, csv, currencies, partsOf, ranked } from './table'

const group = (key: string, output_tokens: number, cost: Record<string, string>, run_cost?: Record<string, string>): UsageGroup => ({
  key, keys: { model: key }, requests: 2, failed: 0, rejected: 0, client_left: 0, refused: 1, cancelled: 0, estimated: 0, unrecorded: 0, unpriced: 0, input_tokens: 10, cached_tokens: 4,
  output_tokens, reasoning_tokens: 0, replayed: 0, cache_write_tokens: 0, duration_seconds: 1, queue_seconds: 0, first_byte_seconds: 0.5, first_bytes: 2,
  cost, run_cost: run_cost ?? {}, energy_wh: 0, energy_cost: {},
})
const summary: UsageSummary = {
  from: '', to: '', total: group('', 30, { CNY: '0.3' }, { USD: '1.5' }), groups: [group('a,"b"', 10, { CNY: '0.1' }), group('=c', 20, { CNY: '0.2' }, { USD: '1.5' })],
}

it('adds hours to requests, exactly, by currency', () => {
  expect(costOf(group('x', 1, { CNY: '0.1' }, { CNY: '0.2', USD: '1' }))).toEqual({ CNY: '0.3', USD: '1' })
  expect(currencies([summary])).toEqual(['CNY', 'USD'])
})

it('adds electricity', () => {
  const warm = { ...group('x', 1, { CNY: '0.1' }, { CNY: '0.2' }), energy_wh: 12.5, energy_cost: { CNY: '0.004' } }
  expect(costOf(warm)).toEqual({ CNY: '0.304' })
  expect(partsOf(warm)).toEqual(['cost', 'run_cost', 'energy_cost'])
  expect(csv('model', { ...summary, total: warm, groups: [warm] }, ['CNY']).split('\r\n')[1]).toBe('x,2,0,0,1,0,0,10,4,1,0,0,0,0.1,0.2,0.004,0.304,12.5')
  expect(partsOf(group('x', 1, {}))).toEqual([])
})

it('puts the largest first', () => {
  expect(ranked(summary.groups, 'output_tokens', '').map((one) => one.key)).toEqual(['=c', 'a,"b"'])
  expect(ranked(summary.groups, 'cost', 'CNY').map((one) => one.key)).toEqual(['=c', 'a,"b"'])
})

it('writes files that spreadsheets read and do not run', () => {
  const lines = csv('model', summary, ['CNY', 'USD']).split('\r\n')
  expect(lines[0]).toBe('model,requests,failed,rejected,refused,client_left,cancelled,input_tokens,cached_tokens,output_tokens,unrecorded,estimated,unpriced,request_cost_CNY,request_cost_USD,run_cost_CNY,run_cost_USD,cost_CNY,cost_USD')
  expect(lines[1]).toBe('"a,""b""",2,0,0,1,0,0,10,4,10,0,0,0,0.1,0,0,0,0.1,0')
  expect(lines[2]?.startsWith("'=c,")).toBe(true)
  expect(lines[3]).toBe('total,2,0,0,1,0,0,10,4,30,0,0,0,0.3,0,0,1.5,0.3,1.5')
})
