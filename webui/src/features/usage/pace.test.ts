import { expect, it } from 'vitest'
import { paceOf } from './pace'

const row = (first: number, whole: number, tokens: number | null, queue = 0, outcome = 'ok') => ({
  outcome, output_tokens: tokens, duration_seconds: whole, queue_seconds: queue, first_byte_seconds: first,
})

it('tells answers of a ready model from those that waited for it', () => {
  const pace = paceOf([row(0.2, 1.2, 51), row(0.4, 2.4, 41), row(9, 10, 31, 8.7), row(0.1, 0.1, null, 0, 'client_left')])
  expect(pace.warm).toEqual({ requests: 2, middle: 0.4, worst: 0.4 })
  expect(pace.cold).toEqual({ requests: 1, middle: 9, worst: 9 })
  // 50, 20 and 30 tokens a second; the slowest is the worst.
  expect(pace.writing?.requests).toBe(3)
  expect(pace.writing?.middle).toBeCloseTo(30)
  expect(pace.writing?.worst).toBeCloseTo(20)
})

it('has nothing to say of nothing', () => {
  expect(paceOf([])).toEqual({ writing: null, warm: null, cold: null })
  expect(paceOf([row(0.5, 0.5, null, 0, 'refused')])).toEqual({ writing: null, warm: null, cold: null })
  // An embedding has no output, but a first byte.
  expect(paceOf([row(0.5, 0.5, 0)])).toEqual({ writing: null, warm: { requests: 1, middle: 0.5, worst: 0.5 }, cold: null })
})
