import { expect, it } from 'vitest'
import { ITEM, placeOf, readLine } from './place'

const TEXT = `# The manager itself
program:
  port: 8080
  #database: "x.db"

Local-Models:
  "org/model: a":
    aliases: ["x"]
    CPU-Config:
      memory_mb: {cpu: 1}
      |
  other:
    mode: Chat
devices:
  - name: npu
    command: ["x"]
  - name: two
`

/** The place of `|` in a text. */
function at(text: string) {
  return placeOf(text.replace('|', ''), text.indexOf('|'))
}
const path = (mark: string, text = TEXT.replace('|', '')) => placeOf(text, text.indexOf(mark) + 1)

it('knows which mapping a line belongs to', () => {
  expect(path('port:')).toMatchObject({ path: ['program'], key: 'port', siblings: [] })
  expect(path('aliases').path).toEqual(['Local-Models', 'org/model: a'])
  expect(path('memory_mb')).toMatchObject({ path: ['Local-Models', 'org/model: a', 'CPU-Config'], key: 'memory_mb' })
  expect(path('other')).toMatchObject({ path: ['Local-Models'], key: 'other', siblings: ['org/model: a'] })
  expect(path('mode: Chat').path).toEqual(['Local-Models', 'other'])
  expect(path('devices')).toMatchObject({ path: [], key: 'devices', siblings: ['Local-Models', 'program'] })
})

it('knows entries of lists', () => {
  expect(path('name: npu')).toMatchObject({ path: ['devices', ITEM], key: 'name', siblings: ['command'] })
  expect(path('command: ["x"]')).toMatchObject({ path: ['devices', ITEM], siblings: ['name'] })
  expect(path('name: two')).toMatchObject({ path: ['devices', ITEM], siblings: [] })
})

it('takes the column of an empty line for its depth', () => {
  expect(at(TEXT)).toMatchObject({ path: ['Local-Models', 'org/model: a', 'CPU-Config'], typed: { text: '', column: 6 }, siblings: ['memory_mb'] })
  expect(at('program:\n  port: 1\n|')).toMatchObject({ path: [], typed: { text: '', column: 0 }, siblings: ['program'] })
  expect(at('program:\n  |')).toMatchObject({ path: ['program'], siblings: [] })
})

it('says what is typed of a key, and where none can stand', () => {
  expect(at('program:\n  po|')).toMatchObject({ path: ['program'], typed: { text: 'po', column: 2 } })
  expect(at('program:\n  port: 80|')).toMatchObject({ key: 'port', inValue: true, typed: null })
  expect(at('# pro|').typed).toBeNull()
  expect(at('program:\n  - two words|').typed).toBeNull()
})

it('reads settings that are off', () => {
  expect(path('#database')).toMatchObject({ path: ['program'], key: 'database', typed: null })
  expect(readLine('# a remark: with a colon')).toMatchObject({ key: null, blank: true })
  expect(readLine("  'it''s': 1").key).toBe("it's")
  expect(readLine('url: http://x:1').key).toBe('url')
})
