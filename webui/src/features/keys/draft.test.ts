import { expect, it } from 'vitest'
import { EMPTY, wantedOf } from './draft'

const of = (change: Partial<typeof EMPTY>) => wantedOf({ ...EMPTY, name: ' agent ', ...change })

it('asks for what was written, and for nothing else', () => {
  expect(of({})).toEqual({ wanted: { name: 'agent', scopes: ['infer'] }, wrong: {} })
  expect(of({ models: 'qwen-14b, bge*', requests: '60', tokens: '100000', budget: '20', unit: 'CNY', priority: 'batch', scopes: ['read', 'infer'] }).wanted).toEqual({
    name: 'agent', scopes: ['read', 'infer'], models: ['qwen-14b', 'bge*'], requests_per_minute: 60, tokens_per_minute: 100000, budget: '20 CNY/month', priority: 'batch',
  })
  expect(of({ priority: 'batch', most: 'interactive' }).wanted).toMatchObject({ priority: 'batch', max_priority: 'interactive' })
  expect(of({ budget: '1000000', period: 'day' }).wanted.budget).toBe('1000000/day')
  // The whole of the last day.
  expect(of({ expires: '2027-01-31' }).wanted.expires).toBe(new Date(2027, 1, 1).toISOString())
})

it('says what cannot be', () => {
  expect(of({ requests: '0', tokens: '1.5', budget: 'much', unit: 'CNY', scopes: [] }).wrong).toEqual({ requests: 'number', tokens: 'number', budget: 'amount', scopes: 'scopes' })
  expect(of({ budget: '1.5' }).wrong).toEqual({ budget: 'number' })
  expect(of({ priority: 'normal', most: 'batch' }).wrong).toEqual({ most: 'below' })
  expect(of({ budget: '5', unit: 'yuan' }).wrong).toEqual({ unit: 'unit' })
})
