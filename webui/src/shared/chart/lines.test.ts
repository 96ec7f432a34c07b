import { expect, it } from 'vitest'
import { nearest, path, thinned } from './lines'

const same = (value: number) => value

it('finds the nearest time', () => {
  const times = [10, 20, 40]
  expect([0, 14, 16, 31, 29, 99].map((time) => nearest(times, time))).toEqual([0, 0, 1, 2, 1, 2])
  expect(nearest([], 5)).toBe(0)
})

it('breaks a line where a value is missing', () => {
  expect(thinned([1, 2, 3, 4], [5, null, 6, 7], 0, same, same)).toEqual([[[1, 5]], [[3, 6], [4, 7]]])
  expect(thinned([1, 2], [null, null], 0, same, same)).toEqual([])
  expect(thinned([1, 2, 3], [1, 2, 3], 1, same, same)).toEqual([[[2, 2], [3, 3]]])
})

it('keeps what can be seen of many points: the ends and the extremes of each pixel', () => {
  const times = Array.from({ length: 3600 }, (_, second) => second)
  const values = times.map((second) => (second === 1234 ? 99 : second === 1235 ? -9 : second % 2))
  const [run = []] = thinned(times, values, 0, (second) => second / 36, same)
  expect(run.length).toBeLessThanOrEqual(400)
  expect(run.map(([, y]) => y)).toEqual(expect.arrayContaining([99, -9]))
  expect([run[0]?.[0], run.at(-1)?.[0]]).toEqual([0, 3599 / 36])
  expect(run.every(([x], at) => at === 0 || x >= (run[at - 1]?.[0] ?? 0))).toBe(true)
})

it('writes paths', () => {
  expect(path([[[0, 1.234], [2, 3]], [[5, 6]]])).toBe('M0,1.2L2,3M5,6h1')
  expect(path([[[0, 1], [2, 3]]], 9)).toBe('M0,9L0,1L2,3L2,9Z')
  expect(path([])).toBe('')
})
