import { expect, it } from 'vitest'
import { NO_REQUEST_FILTER, requestsPath, speed } from './query'

it('asks for pages', () => {
  expect(requestsPath(NO_REQUEST_FILTER, null)).toBe('/api/requests?limit=100')
  expect(requestsPath({ model: 'a b', outcome: 'refused', id: ' x ' }, 'c', 5)).toBe('/api/requests?model=a+b&outcome=refused&request_id=x&limit=5&after=c')
})

it('measures speed from the first token on', () => {
  expect(speed(11, 3, 1)).toBe(5)
  expect(speed(1, 3, 1)).toBeNull()
  expect(speed(null, 3, 1)).toBeNull()
  expect(speed(10, 3, null)).toBeNull()
  expect(speed(10, 3, 3)).toBeNull()
})
