import { describe, expect, it } from 'vitest'
import { bytes, count, mebibytes, percent, rate, short } from './number'
import { ago, duration, latency, moment, whole } from './time'

describe('numbers', () => {
  it('are short where space is short', () => {
    const cases: [number | null, string][] = [
      [null, '–'], [NaN, '–'], [0, '0'], [0.25, '0.25'], [7, '7'], [7.25, '7.3'], [42.4, '42'], [999, '999'], [1000, '1k'],
      [1234, '1.23k'], [12_345, '12.3k'], [999_600, '1M'], [4_560_000, '4.56M'], [2e12, '2T'], [5e16, '50000T'],
    ]
    for (const [value, text] of cases) expect(short(value)).toBe(text)
  })

  it('are grouped where they must be exact', () => {
    expect(count(1234567, 'en')).toBe('1,234,567')
    expect(count(undefined, 'zh')).toBe('–')
    expect(rate(3.44)).toBe('3.4')
    expect(rate(0)).toBe('0')
    expect(rate(1234)).toBe('1.23k')
    expect(percent(0.123, 1)).toBe('12.3%')
  })

  it('tell sizes in powers of 1024', () => {
    expect(mebibytes(512)).toBe('512 MiB')
    expect(mebibytes(24_576)).toBe('24.0 GiB')
    expect(bytes(100)).toBe('100 B')
    expect(bytes(1024)).toBe('1.0 KiB')
    expect(bytes(1024 * 1024 - 1)).toBe('1.0 MiB')
    expect(bytes(5 * 1024 ** 3)).toBe('5.0 GiB')
  })
})

describe('times', () => {
  it('take the form that fits their size', () => {
    const cases: [number | null, string][] = [
      [null, '–'], [-3, '0 s'], [0.0004, '0.4 ms'], [0.024, '24 ms'], [0.42, '420 ms'], [0.9996, '1.0 s'], [9.99, '9.9 s'], [12.7, '12 s'], [187, '3:07'], [7384, '2:03:04'], [273_600, '3 d 4 h'],
    ]
    for (const [seconds, text] of cases) expect(duration(seconds)).toBe(text)
    expect(whole(0.9)).toBe('0 s')
    expect(latency(4.25)).toBe('4.3 ms')
    expect(latency(420)).toBe('420 ms')
    expect(latency(1240)).toBe('1.24 s')
    expect(latency(61_000)).toBe('1:01')
  })

  it('name the day only if it is another one', () => {
    const now = new Date(2026, 10, 22, 15, 0, 0)
    expect(moment(new Date(2026, 10, 22, 14, 3, 7), now)).toBe('14:03:07')
    expect(moment(new Date(2026, 10, 21, 14, 3, 7), now)).toBe('11-21 14:03:07')
    expect(moment(new Date(2025, 10, 21, 14, 3, 7), now)).toBe('2025-11-21 14:03:07')
    expect(ago(new Date(now.getTime() - 300_000), now, 'en')).toBe('5 min ago')
    expect(ago(new Date(now.getTime() + 300_000), now, 'zh')).toBe('刚刚')
  })
})
