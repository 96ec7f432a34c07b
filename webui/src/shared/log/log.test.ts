import { describe, expect, it } from 'vitest'
import type { LogLine } from '@/shared/api/types'
import { LogBuffer, matcher, NO_FILTER } from './buffer'
import { levelOf, passes } from './level'
import { atEnd, visible } from './window'

const line = (seq: number, text = `line ${seq}`, time = `2026-01-01T00:00:00.${String(seq).padStart(9, '0')}Z`): LogLine => ({
  seq, time, stream: 'stdout', line: text,
})
const lines = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => line(from + i))

describe('the buffer', () => {
  it('leaves out the tail that it has already', () => {
    const buffer = new LogBuffer()
    buffer.push(lines(1, 6))
    buffer.push(lines(3, 9))
    expect(buffer.lines.map((l) => l.seq)).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
  })

  it('takes a manager that counts from one again', () => {
    const buffer = new LogBuffer()
    buffer.push(lines(1, 6))
    buffer.push([line(1, 'again', '2026-01-02T00:00:00Z')])
    expect(buffer.lines.at(-1)?.line).toBe('again')
    expect(new Set(buffer.lines.map((l) => l.id)).size).toBe(6)
  })

  it('makes a row of each line of an entry', () => {
    const buffer = new LogBuffer()
    buffer.push([line(1, 'ERROR it died\n | cheese\n'), line(2)])
    buffer.push([line(1, 'ERROR it died\n | cheese\n')])
    expect(buffer.lines.map((l) => [l.line, l.level, l.continued])).toEqual([
      ['ERROR it died', 'error', false], [' | cheese', 'error', true], ['line 2', null, false],
    ])
  })

  it('stays empty after it was cleared and the tail came again', () => {
    const buffer = new LogBuffer()
    buffer.push(lines(1, 6))
    buffer.clear()
    buffer.push(lines(1, 7))
    expect(buffer.lines.map((l) => l.seq)).toEqual([6])
  })

  it('is bounded, the filtered view too', () => {
    const buffer = new LogBuffer(100)
    buffer.filter({ text: '7', least: 'all' })
    for (let i = 0; i < 50; i += 1) buffer.push(lines(i * 20 + 1, i * 20 + 21))
    expect(buffer.lines.length).toBeLessThanOrEqual(200)
    expect(buffer.shown.every((l) => l.plain.includes('7') && l.id >= (buffer.lines[0]?.id ?? 0))).toBe(true)
    buffer.filter(NO_FILTER)
    expect(buffer.shown).toBe(buffer.lines)
  })

  it('filters what is there and what comes', () => {
    const buffer = new LogBuffer()
    buffer.push([line(1, '\u001b[31mERROR\u001b[0m disk'), line(2, 'INFO fine')])
    buffer.filter({ text: 'error d', least: 'all' })
    expect(buffer.shown.map((l) => l.seq)).toEqual([1])
    buffer.push([line(3, 'error Disk again')])
    expect(buffer.shown.map((l) => l.seq)).toEqual([1, 3])
  })

  it('knows regular expressions, and survives half of one', () => {
    const buffer = new LogBuffer()
    buffer.push([line(1, 'took 12 ms'), line(2, 'took long')])
    buffer.filter({ text: '/took \\d+/', least: 'all' })
    expect(buffer.shown.map((l) => l.seq)).toEqual([1])
    expect(matcher({ text: '/(/', least: 'all' })).toBeNull()
    buffer.filter({ text: '/(/', least: 'all' })
    expect(buffer.shown.length).toBe(1)
  })

  // A buffer that looked at all lines for each of them would run into the time limit of every test.
  it('takes 100,000 lines', () => {
    const buffer = new LogBuffer()
    buffer.push(lines(0, 100_000))
    buffer.filter({ text: '99', least: 'all' })
    expect(buffer.shown.length).toBeGreaterThan(0)
    expect(buffer.shown.length).toBeLessThan(buffer.lines.length)
  })
})

it('finds levels where programs write them', () => {
  expect(levelOf('[2026-01-01T00:00:00Z WARN  llm_manager] x')).toBe('warn')
  expect(levelOf('INFO:     Uvicorn running')).toBe('info')
  expect(levelOf('0.00.000.591 E srv init')).toBe('error')
  expect(levelOf('the tokens are fine')).toBeNull()
  expect(passes(null, 'all')).toBe(true)
  expect(passes(null, 'info')).toBe(false)
  expect(passes('error', 'warn')).toBe(true)
  expect(passes('debug', 'info')).toBe(false)
})

describe('the window', () => {
  it('covers what is in sight and a little more', () => {
    expect(visible(0, 400, 20, 1000)).toEqual({ first: 0, end: 32 })
    expect(visible(2000, 400, 20, 1000)).toEqual({ first: 88, end: 132 })
    expect(visible(19_600, 400, 20, 1000)).toEqual({ first: 968, end: 1000 })
  })

  it('never leaves the list', () => {
    expect(visible(999_999, 400, 20, 10)).toEqual({ first: 0, end: 10 })
    expect(visible(-50, 400, 20, 0)).toEqual({ first: 0, end: 0 })
    expect(visible(2_000_000, 600, 20, 100_000).end).toBe(100_000)
  })

  it('knows its end', () => {
    expect(atEnd(600, 400, 1000, 20)).toBe(true)
    expect(atEnd(595, 400, 1000, 20)).toBe(true)
    expect(atEnd(580, 400, 1000, 20)).toBe(false)
  })
})
