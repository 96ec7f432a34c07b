import { expect, it } from 'vitest'
import { bestBucket, bucketLabel, bucketsFor, dayOf, rangeOf } from './range'

const now = new Date(2026, 10, 22, 15, 30)

it('begins days at local midnight', () => {
  expect(rangeOf('today', now)).toEqual({ from: new Date(2026, 10, 22), to: null })
  expect(rangeOf('week', now).from).toEqual(new Date(2026, 10, 16))
  expect(rangeOf('month', now).from).toEqual(new Date(2026, 10, 1))
  expect(rangeOf('lastMonth', new Date(2026, 0, 5))).toEqual({ from: new Date(2025, 11, 1), to: new Date(2026, 0, 1) })
})

it('includes the last day of a range of days', () => {
  expect(rangeOf('custom', now, '2026-01-01..2026-01-31')).toEqual({ from: new Date(2026, 0, 1), to: new Date(2026, 1, 1) })
  expect(rangeOf('custom', now, '2026-02-01..2026-01-01')).toEqual(rangeOf('week', now))
  expect(rangeOf('custom', now, 'nonsense')).toEqual(rangeOf('week', now))
  expect(dayOf('2026-02-30')).toBeNull()
})

it('chooses buckets that can be drawn', () => {
  expect(bestBucket(rangeOf('hour', now), now)).toBe('minute')
  expect(bestBucket(rangeOf('week', now), now)).toBe('day')
  expect(bucketsFor(rangeOf('quarter', now), now)).toEqual(['day', 'week', 'month'])
  expect(bestBucket(rangeOf('quarter', now), now)).toBe('week')
  expect(bucketsFor({ from: now, to: now }, now)).toEqual(['minute'])
  expect(bucketLabel(new Date(2026, 0, 5), 'hour')).toBe('01-05')
  expect(bucketLabel(new Date(2026, 0, 5, 7), 'hour')).toBe('07:00')
  expect(bucketLabel(new Date(2026, 0, 5, 7), 'hour', true)).toBe('01-05 07:00')
  expect(bucketLabel(new Date(2026, 0, 5), 'hour', true)).toBe('01-05')
  expect(bucketLabel(new Date(2026, 0, 5), 'month')).toBe('2026-01')
})
