import { expect, it } from 'vitest'
import { highlight } from './highlight'

const shown = (line: string) => highlight(line).filter((piece) => piece.text.trim()).map((piece) => `${piece.kind}:${piece.text.trim()}`)

it('colours a line', () => {
  expect(shown('  port: 8080 # of ours')).toEqual(['key:port', 'mark::', 'value:8080', 'comment:# of ours'])
  expect(shown('    aliases: ["a#b", c3]')).toEqual(['key:aliases', 'mark::', 'mark:[', 'string:"a#b"', 'mark:,', 'plain:c3', 'mark:]'])
  expect(shown('  - name: x')).toEqual(['mark:-', 'key:name', 'mark::', 'plain:x'])
  expect(shown('  # port: 1')).toEqual(['comment:# port: 1'])
  expect(shown('half "open')).toEqual(['plain:half', 'string:"open'])
})

it('loses no character', () => {
  for (const line of ['', '  ', 'a: b: c', "x: 'it''s' # y", '- - 1', 'url: http://a/#b', 'k:']) expect(highlight(line).map((piece) => piece.text).join('')).toBe(line)
})
