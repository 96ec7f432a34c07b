import { expect, it } from 'vitest'
import { eventTexts, isEvent } from './words'

it('knows every event in both languages', () => {
  expect(Object.keys(eventTexts.zh)).toEqual(Object.keys(eventTexts.en))
  expect(isEvent('model_failed')).toBe(true)
  expect(isEvent('toString')).toBe(false)
})
