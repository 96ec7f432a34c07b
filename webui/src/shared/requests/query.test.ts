import { expect, it } from 'vitest'
import { NO_REQUEST_FILTER, requestsPath, speed } from './query'

it('asks for pages', () => {
  expect(requestsPath(NO_REQUEST_FILTER)).toBe('/api/requests?limit=100')
  const filter = { ...NO_REQUEST_FILTER, model: 'a b', outcome: 'refused', id: ' x ', key: 'team' } as const
  expect(requestsPath(filter, { after: 'c', limit: 5, shares: true })).toBe('/api/requests?model=a+b&outcome=refused&request_id=x&api_key=team&limit=5&after=c&shares=true')
  expect(requestsPath({ ...NO_REQUEST_FILTER, span: 'hour' }, { now: Date.parse('2026-01-01T02:00:59Z') })).toBe('/api/requests?from=2026-01-01T01%3A00%3A00.000Z&limit=100')
})

it('measures speed from the first token on', () => {
  const of = (output_tokens: number | null, duration_seconds: number, first_byte_seconds: number | null, queue_seconds = 0) => speed({ output_tokens, duration_seconds, queue_seconds, first_byte_seconds })
  expect(of(11, 3, 1)).toBe(5)
  expect(of(1, 3, 1)).toBeNull()
  expect(of(null, 3, 1)).toBeNull()
  expect(of(10, 3, null)).toBeNull()
  // Not streamed: all of it came at the end.
  expect(of(10, 3, 3, 1)).toBe(5)
  expect(of(10, 0.01, 0.01)).toBeNull()
})
