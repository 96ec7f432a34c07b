import { expect, it } from 'vitest'
import { parseAnsi, plainText } from './ansi'

const E = '\u001b'

function shown(line: string) {
  return parseAnsi(line).map(({ text, colour, bold }) => `${colour ?? ''}${bold ? 'b' : ''}:${text}`)
}

it('keeps colours and weights', () => {
  expect(shown('plain')).toEqual([':plain'])
  expect(shown(`${E}[31mred${E}[0m and ${E}[1;92mbold green${E}[m.`)).toEqual(['1:red', ': and ', '10b:bold green', ':.'])
  expect(shown(`${E}[1;34ma${E}[22mb${E}[39mc`)).toEqual(['4b:a', '4:b', ':c'])
})

it('knows 256 and 24 bit colours, and skips backgrounds', () => {
  expect(shown(`${E}[38;5;196mx`)).toEqual(['9:x'])
  expect(shown(`${E}[38;5;244mx`)).toEqual(['7:x'])
  expect(shown(`${E}[38;2;0;0;255mx`)).toEqual(['12:x'])
  expect(shown(`${E}[38:2:0:120:0mx`)).toEqual(['2:x'])
  expect(shown(`${E}[48;5;196;31mx`)).toEqual(['1:x'])
})

it('takes out what moves cursors, names windows or rings bells', () => {
  expect(plainText(`${E}[2K${E}[1Gdone${E}]0;title\u0007\u0007 ok${E}[?25h`)).toBe('done ok')
  expect(shown(`${E}]8;;https://x${E}\\link${E}]8;;${E}\\`)).toEqual([':link'])
  expect(plainText(`cut${E}`)).toBe('cut')
  expect(plainText(`cut${E}[3`)).toBe('cut[3')
})

it('shows the last writing of a progress bar', () => {
  expect(plainText('10%\r50%\r100%')).toBe('100%')
  expect(plainText('windows line\r')).toBe('windows line')
  expect(parseAnsi('')).toEqual([])
})
