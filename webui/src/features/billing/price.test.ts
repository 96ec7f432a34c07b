import { describe, expect, it } from 'vitest'
import type { Tier, TieredPlan } from '@/shared/api/types'
import { text } from '@/shared/money/decimal'
import { priceOfRequest, priceOfTime, problems } from './price'

const tier = (more: Partial<Tier> = {}): Tier => ({ max_input: null, max_output: null, input: '0.8', output: '2', cache_read: '0.2', cache_write: '0', ...more })
const plan = (tiers: Tier[], cache_pricing = true): TieredPlan => ({ method: 'tiered', currency: 'CNY', cache_pricing, tiers })
const total = (of: TieredPlan, input: number, cached: number, output: number) => {
  const priced = priceOfRequest(of, { input, cached, output })
  return priced && `${priced.tier}: ${text(priced.total)}`
}

describe('a tiered plan', () => {
  const two = plan([tier({ max_input: 32_768 }), tier({ input: '2.4', output: '24' })])

  it('prices the whole request by the first tier that fits', () => {
    expect(total(two, 32_768, 0, 1000)).toBe('0: 0.0282144')
    expect(total(two, 32_769, 0, 1000)).toBe('1: 0.1026456')
  })

  it('looks at both limits', () => {
    const both = plan([tier({ max_input: 100, max_output: 10 }), tier({ max_input: 100, input: '1' })])
    expect(total(both, 100, 0, 10)?.startsWith('0:')).toBe(true)
    expect(total(both, 100, 0, 11)?.startsWith('1:')).toBe(true)
    expect(total(both, 101, 0, 1)).toBeNull()
  })

  it('takes cached tokens at their own price, and what is written on top', () => {
    expect(total(plan([tier({ cache_write: '0.1' })]), 1_000_000, 400_000, 0)).toBe('0: 0.62')
    expect(total(plan([tier()], false), 1_000_000, 400_000, 0)).toBe('0: 0.8')
    // More cached than input: all of it.
    expect(total(plan([tier()]), 10, 99, 0)).toBe('0: 0.000002')
  })

  it('never rounds', () => {
    expect(total(plan([tier({ input: '0.000001', output: '0.000001' })]), 1, 0, 1)).toBe('0: 0.000000000002')
    expect(total(plan([tier({ input: '999999.999999', output: '0' })], false), Number.MAX_SAFE_INTEGER, 0, 0)).toBe('0: 9007199254731983.800745259009')
  })
})

it('prices hours to the second', () => {
  expect(text(priceOfTime('1.50', 3600))).toBe('1.5')
  expect(text(priceOfTime('1.50', 1))).toBe('0.000416666667')
  expect(text(priceOfTime('2', 90.4))).toBe('0.05')
})

it('tells all problems at once', () => {
  const bad = plan([tier({ input: '', output: '1e3' }), tier({ cache_read: '0.1234567', max_input: -1 })])
  expect(problems({ ...bad, currency: 'yuan' }).map((problem) => `${problem.at} ${problem.wrong}`)).toEqual([
    'currency currency', 'tiers[0].input missing', 'tiers[0].output decimal', 'tiers[1].max_input limit', 'tiers[1].cache_read digits', 'tiers[1] unreachable',
  ])
  expect(problems(plan([]))).toEqual([{ at: 'tiers', wrong: 'no_tiers' }])
  expect(problems(plan([tier({ max_input: 5 }), tier({ max_input: 9 })]))).toEqual([])
  expect(problems({ method: 'hourly', currency: 'CNY', per_hour: '-1', parked_per_hour: '0' })).toEqual([{ at: 'per_hour', wrong: 'decimal' }])
})
