import { expect, it } from 'vitest'
import { type Entry, entryLines, withModel, words } from './entry'

const entry: Entry = {
  name: 'my-model', aliases: ['gpt'], mode: 'Chat', port: 10001, variant: 'GPU', devices: [{ name: 'rtx 4060', memoryMb: 8000 }, { name: 'v100', memoryMb: null }], command: ['llama-server', '--port', '{port}'], script: null,
}
const small: Entry = { name: 'm', aliases: [], mode: 'Chat', port: null, variant: 'CPU', devices: [], command: null, script: 'run.sh' }
const SMALL = '  m:\n    mode: Chat\n    CPU:\n      script_path: "run.sh"'

it('writes a model', () => {
  expect(entryLines(entry).join('\n')).toBe(
    `  my-model:
    aliases: ["gpt"]
    mode: Chat
    port: 10001
    GPU:
      required_devices: ["rtx 4060", "v100"]
      memory_mb: {"rtx 4060": 8000}
      command: ["llama-server", "--port", "{port}"]`,
  )
  expect(entryLines({ ...small, devices: [{ name: 'v100', memoryMb: null }] }).slice(3)).toEqual(['      required_devices: ["v100"]', '      memory_mb: auto', '      script_path: "run.sh"'])
  expect(entryLines({ ...small, name: 'on' })[0]).toBe('  "on":')
  expect(entryLines({ ...small, name: 'org/a: "b"' })[0]).toBe('  "org/a: \\"b\\"":')
})

it('puts it where models stand', () => {
  expect(withModel('program:\n  port: 1\nLocal-Models: {}\n', small)).toBe(`program:\n  port: 1\nLocal-Models:\n${SMALL}\n`)
  expect(withModel('Local-Models: # mine\ndevices: []\n', small)).toBe(`Local-Models: # mine\n${SMALL}\ndevices: []\n`)
  expect(withModel('program: {}\n\n', small)).toBe(`program: {}\nLocal-Models:\n${SMALL}\n`)
  expect(withModel('', small)).toBe(`Local-Models:\n${SMALL}\n`)
  expect(withModel('Local-Models: {a: {mode: Chat}}\n', small)).toBeNull()
  expect(withModel('Local-Models: null\r\nx: 1\r\n', small)).toBe(`Local-Models:\r\n${SMALL.replaceAll('\n', '\r\n')}\r\nx: 1\r\n`)
})

it('goes on as the file is written, behind all others', () => {
  const text = 'Local-Models:\n    a:\n        mode: Chat\n\n    # off\n    #b:\n\nprogram:\n  port: 1\n'
  expect(withModel(text, small)).toBe(`Local-Models:\n    a:\n        mode: Chat\n    m:\n      mode: Chat\n      CPU:\n        script_path: "run.sh"\n\n    # off\n    #b:\n\nprogram:\n  port: 1\n`)
})

it('splits a command as a shell does', () => {
  expect(words(`llama-server -m "my models/a.gguf" --x='y z' a\\ b "q\\"q" ''`)).toEqual(['llama-server', '-m', 'my models/a.gguf', '--x=y z', 'a b', 'q"q', ''])
  expect(words('   ')).toEqual([])
  expect(words('C:\\models\\x')).toEqual(['C:modelsx'])
})
