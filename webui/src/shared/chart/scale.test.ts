import { expect, it } from 'vitest'
import { labelStep, ticks } from './scale'

it('makes round ticks that reach the highest value', () => {
  expect(ticks(0)).toEqual([0, 1])
  expect(ticks(10)).toEqual([0, 2.5, 5, 7.5, 10])
  expect(ticks(93)).toEqual([0, 25, 50, 75, 100])
  expect(ticks(0.07)).toEqual([0, 0.02, 0.04, 0.06, 0.08])
  for (const highest of [1, 3, 7, 11, 999, 12_345, 1e9]) {
    const all = ticks(highest)
    expect(all.at(-1)).toBeGreaterThanOrEqual(highest)
    expect(all.length).toBeLessThanOrEqual(6)
  }
})

it('leaves labels out rather than overlap them', () => {
  expect(labelStep(24, 480, 40)).toBe(2)
  expect(labelStep(3, 900, 40)).toBe(1)
  expect(labelStep(30, 0, 40)).toBe(30)
})
