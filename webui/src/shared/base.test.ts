import { expect, test } from 'vitest'
import { at, pathOf } from './base'

test('the base path has no slash at its end', () => {
  expect(pathOf('http://h:8080/')).toBe('')
  expect(pathOf('https://h/llm/')).toBe('/llm')
  expect(pathOf('https://h/a/b/')).toBe('/a/b')
})

test('without a base, paths stay as they are', () => {
  expect(at('/api/models')).toBe('/api/models')
})
