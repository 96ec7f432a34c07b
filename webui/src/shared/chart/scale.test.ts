import { expect, it } from 'vitest'
import { labelStep, ticks, timeTicks } from './scale'

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

it('puts time at round places of the local clock', () => {
  const at = (text: string) => Date.parse(`2026-11-25T${text}Z`)
  const shown = (from: string, to: string, most: number, offset = 0) => timeTicks(at(from), at(to), most, offset).map((time) => new Date(time + offset).toISOString().slice(11, 16))
  expect(shown('19:02:10', '20:02:10', 12)).toEqual(['19:05', '19:10', '19:15', '19:20', '19:25', '19:30', '19:35', '19:40', '19:45', '19:50', '19:55', '20:00'])
  expect(shown('14:02:00', '20:02:00', 12)).toEqual(['14:30', '15:00', '15:30', '16:00', '16:30', '17:00', '17:30', '18:00', '18:30', '19:00', '19:30', '20:00'])
  expect(shown('14:02:00', '20:02:00', 4)).toEqual(['16:00', '18:00', '20:00'])
  // India is half an hour off.
  expect(shown('10:00:00', '16:00:00', 3, 5.5 * 3_600_000)).toEqual(['16:00', '18:00', '20:00'])
  expect(timeTicks(0, 0, 0, 0)).toEqual([0])
})
