import { expect, it } from 'vitest'
import { diff, hunks } from './diff'

const signs = { same: ' ', added: '+', removed: '-' }
const shown = (before: string, after: string) => diff(before, after).map((line) => signs[line.kind] + line.text)

it('finds what was added, removed and changed', () => {
  expect(shown('a\nb\nc', 'a\nb\nc')).toEqual([' a', ' b', ' c'])
  expect(shown('a\nb\nc', 'a\nx\nc')).toEqual([' a', '-b', '+x', ' c'])
  expect(shown('a\nc', 'a\nb\nc\nd')).toEqual([' a', '+b', ' c', '+d'])
  expect(shown('a\nb\nc\nd\ne', 'a\nc\nb\nd\ne')).toEqual([' a', '-b', ' c', '+b', ' d', ' e'])
  expect(shown('', 'a')).toEqual(['-', '+a'])
})

it('rebuilds both texts', () => {
  const words = ['a', 'b', 'c']
  const random = (seed: number) => Array.from({ length: 12 }, (_, i) => words[(seed * (i + 7) * 31 + seed) % 3]).join('\n')
  for (let seed = 1; seed < 60; seed += 1) {
    const [before, after] = [random(seed), random(seed * 3 + 1)]
    const lines = diff(before, after)
    expect(lines.filter((line) => line.kind !== 'added').map((line) => line.text).join('\n')).toBe(before)
    expect(lines.filter((line) => line.kind !== 'removed').map((line) => line.text).join('\n')).toBe(after)
  }
})

it('leaves out what is far from any change', () => {
  const before = Array.from({ length: 30 }, (_, i) => `line ${i}`).join('\n')
  const shown = hunks(diff(before, before.replace('line 15', 'other')), 2)
  expect(shown.map((line) => line?.text ?? '…')).toEqual(['…', 'line 13', 'line 14', 'line 15', 'other', 'line 16', 'line 17', '…'])
})
