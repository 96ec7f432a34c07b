import { expect, it } from 'vitest'
import type { LiveModel } from '@/shared/live/reducer'
import { belongs, matches } from './filter'

const model = { name: 'Qwen/14B', aliases: ['gpt-4'], mode: 'Chat', state: 'queued' } as unknown as LiveModel

it('finds models by name, alias and mode', () => {
  expect(['', ' qwen', '14b', 'GPT', 'chat'].every((search) => matches(model, search))).toBe(true)
  expect(matches(model, 'llama')).toBe(false)
})

it('counts whatever is not at rest as active', () => {
  expect(belongs(model, 'all')).toBe(true)
  expect(belongs(model, 'active')).toBe(true)
  expect(belongs(model, 'failed')).toBe(false)
  expect(belongs({ ...model, state: 'stopped' }, 'stopped')).toBe(true)
})
