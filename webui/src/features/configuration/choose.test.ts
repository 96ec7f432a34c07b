import { expect, it } from 'vitest'
import { choicesAt, gist, helpAt } from './choose'
import { placeOf } from './place'
import type { Schema } from './schema'

const root: Schema = {
  properties: {
    program: { type: ['object', 'null'], description: 'The manager itself. May be left out.', properties: { port: { type: 'integer', description: 'TCP port to listen on. Default: 8080.' }, log_level: { type: 'string', enum: ['INFO', 'DEBUG'] }, host: { type: 'string' } } },
    'Local-Models': { type: 'object', additionalProperties: { type: 'object', properties: { mode: { type: 'string' } }, additionalProperties: { type: 'object', required: ['command'], properties: { command: { type: 'array' } } } } },
  },
}
function at(marked: string) {
  const offset = marked.indexOf('|')
  const text = marked.replace('|', '')
  const place = placeOf(text, offset)
  const { choices, replaces } = choicesAt(root, place, text.slice(text.lastIndexOf('\n', offset - 1) + 1, offset))
  return { help: helpAt(root, place), choices: choices.map((one) => one.insert), replaces }
}

it('offers keys that are not there yet', () => {
  expect(at('program:\n  port: 1\n  |')).toMatchObject({ choices: ['host: ', 'log_level: '], replaces: 0 })
  expect(at('program:\n  lo|')).toMatchObject({ choices: ['log_level: '], replaces: 2 })
  expect(at('pro|').choices).toEqual(['program:\n  '])
  expect(at('Local-Models:\n  a:\n    |').choices).toEqual([])
  expect(at('Local-Models:\n  a:\n    m|').choices).toEqual(['mode: '])
  expect(at('Local-Models:\n  a:\n    CPU:\n      |').choices).toEqual(['command: []'])
})

it('offers values of a choice', () => {
  expect(at('program:\n  log_level: D|')).toMatchObject({ choices: ['DEBUG'], replaces: 1 })
  expect(at('program:\n  port: |').choices).toEqual([])
})

it('explains the key at the cursor', () => {
  expect(at('program:\n  po|rt: 1').help).toMatchObject({ path: ['program', 'port'], schema: { type: 'integer' } })
  expect(at('program:\n  nonsense|: 1').help).toMatchObject({ path: ['program'] })
  expect(at('Local-Models:\n  a:\n    CPU:\n      comm|and: x').help).toMatchObject({ required: true, keys: [] })
  expect(gist({ description: 'TCP port to listen on. Default: 8080.' })).toBe('TCP port to listen on')
  expect(gist({ description: '监听的 TCP 端口。1024 以下需要 root。' })).toBe('监听的 TCP 端口')
  expect(gist({ description: 'no end' })).toBe('no end')
})
