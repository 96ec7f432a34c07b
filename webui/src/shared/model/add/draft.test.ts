import { expect, it } from 'vitest'
import { EMPTY, entryOf, missing } from './draft'
import { nameFrom } from './templates'

it('makes a model of a form', () => {
  expect(missing(EMPTY)).toBe('source')
  const draft = { ...EMPTY, source: 'models/Qwen 2.5 7b.gguf', aliases: 'a, b ,', port: '10001', devices: { 'rtx 4060': '8000', v100: '' } }
  expect(missing(draft)).toBeNull()
  expect(entryOf(draft)).toEqual({
    name: 'Qwen-2.5-7b', aliases: ['a', 'b'], mode: 'Chat', port: 10001, variant: 'GPU-Config', devices: [{ name: 'rtx 4060', memoryMb: 8000 }, { name: 'v100', memoryMb: null }],
    command: ['llama-server', '-m', 'models/Qwen 2.5 7b.gguf', '--port', '{port}', '--alias', '{model}'], script: null,
  })
  expect(entryOf({ ...EMPTY, template: 'script', source: 'run.sh', devices: { cpu: '' } })).toMatchObject({ name: 'run', variant: 'CPU-Config', command: null, script: 'run.sh' })
  expect(entryOf({ ...EMPTY, mode: 'Embedding', source: 'x.gguf' }).command?.at(-1)).toBe('--embedding')
  expect(entryOf({ ...EMPTY, template: 'command', source: 'a "b c" {port}' }).command).toEqual(['a', 'b c', '{port}'])
})

it('makes names of paths', () => {
  expect(['Qwen/Qwen2.5-7B', 'C:\\m\\a b.GGUF', 'x/', '..'].map(nameFrom)).toEqual(['Qwen2.5-7B', 'a-b', '', '..'])
})
