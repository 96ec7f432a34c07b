import { expect, it } from 'vitest'
import { ITEM } from './place'
import { defaultOf, described, ending, freeNames, keysOf, rangeOf, type Schema, schemaAt, typesOf, valuesOf } from './schema'

const root: Schema = {
  type: 'object',
  properties: {
    program: { type: ['object', 'null'], properties: { port: { type: 'integer', minimum: 1, maximum: 65535, default: 8080 }, debug: { type: ['boolean', 'null'], default: false } } },
    devices: { type: 'array', items: { type: 'object', required: ['name'], properties: { command: { type: 'array' }, name: { type: 'string' } } } },
    'Local-Models': {
      type: 'object',
      additionalProperties: {
        properties: { mode: { enum: ['GET', 'get', 'POST', null] } },
        additionalProperties: { anyOf: [{ const: 'auto' }, { type: 'object', properties: { command: { type: 'array' } } }] },
      },
    },
  },
}
const at = (...path: string[]) => schemaAt(root, path)

it('follows names, own names and lists', () => {
  expect(at('program', 'port')?.default).toBe(8080)
  expect(at('devices', ITEM, 'name')?.type).toBe('string')
  expect(at('Local-Models', 'any', 'CPU', 'command')?.type).toBe('array')
  expect(at('Local-Models', 'any', 'mode')?.enum).toHaveLength(4)
  expect(at('program', 'nothing', 'below')).toBeNull()
})

it('lists the keys that have a name, required ones first', () => {
  expect(keysOf(at('devices', ITEM) ?? {}).map((one) => [one.key, one.required])).toEqual([['name', true], ['command', false]])
  expect(keysOf(at('Local-Models', 'any', 'CPU') ?? {}).map((one) => one.key)).toEqual(['command'])
  expect(keysOf(at('Local-Models') ?? {})).toEqual([])
  expect(freeNames(at('Local-Models') ?? {})?.properties).toHaveProperty('mode')
  expect(freeNames(at('program') ?? {})).toBeNull()
})

it('says what a value may be', () => {
  const port = at('program', 'port') ?? {}
  expect([typesOf(port), rangeOf(port), defaultOf(port)]).toEqual([['integer'], '1 … 65535', '8080'])
  expect(valuesOf(at('program', 'debug') ?? {})).toEqual(['true', 'false'])
  expect(valuesOf(at('Local-Models', 'any', 'mode') ?? {})).toEqual(['GET', 'POST'])
  expect([ending(port), ending({ type: 'array' }), ending({ type: 'object' })]).toEqual([': ', ': []', ':\n'])
})

it('takes descriptions from elsewhere', () => {
  const english: Schema = {
    properties: { a: { description: 'A', additionalProperties: { properties: { b: { description: 'B' } } } }, list: { items: { description: 'entry' } }, c: { description: 'C' }, d: {} },
  }
  const chinese = described(english, { a: '甲', 'a.*.b': '乙', 'list.-': '条目', d: '丁' })
  expect(schemaAt(chinese, ['a'])?.description).toBe('甲')
  expect(schemaAt(chinese, ['a', 'any', 'b'])?.description).toBe('乙')
  expect(schemaAt(chinese, ['list', ITEM])?.description).toBe('条目')
  expect(schemaAt(chinese, ['c'])?.description).toBe('C')
})
