import { expect, it } from 'vitest'
import type { QueuedRequest } from '@/shared/api/types'
import { left, pace, SHOWN, shownOf } from './queue'
import { waitsFor } from './waits'

const one = (id: number, estimate: number | null = null): QueuedRequest => ({
  id: String(id), model: 'm', api_key: '', class: 'normal', place: id, waits_for: 'memory', seconds: 1, estimate_seconds: estimate,
})

it('says what is waited for in Chinese, and leaves what it does not know', () => {
  expect(waitsFor('its start: GET /health', 'en')).toBe('its start: GET /health')
  expect(waitsFor('its start: GET /health', 'zh')).toBe('模型启动：GET /health')
  expect(waitsFor('one of the 4 requests that it serves at once', 'zh')).toBe('同时处理的 4 个请求之一结束')
  expect(waitsFor('a miracle', 'zh')).toBe('a miracle')
})

it('counts an estimate down, and never below nothing', () => {
  expect(left(one(1, 10), 3)).toBe(7)
  expect(left(one(1, 2), 3)).toBe(0)
  expect(left(one(1), 3)).toBeNull()
})

it('shows the head of a long line, and asks for it less often', () => {
  const long = Array.from({ length: SHOWN + 5 }, (_, index) => one(index + 1))
  expect(shownOf(long)).toEqual({ rows: long.slice(0, SHOWN), more: 5 })
  expect(shownOf([one(1)])).toEqual({ rows: [one(1)], more: 0 })
  expect(pace(1)).toBeLessThan(pace(10_000))
})
