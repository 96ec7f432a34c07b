import { expect, it } from 'vitest'
import { add, compare, decimal, divide, multiply, rounded, shift, text, whole, ZERO } from './decimal'
import { costs, money, sum } from './money'

const d = (value: string) => decimal(value) ?? ZERO

it('reads and writes decimals', () => {
  for (const value of ['0', '12', '0.8', '-3.05', '1234567890123456789.123456789']) expect(text(d(value))).toBe(value)
  for (const value of ['', '.', '1.', '.5', '1e3', '1,5', 'NaN', '--1']) expect(decimal(value)).toBeNull()
  expect(text(d('1.500'), 2)).toBe('1.50')
})

it('calculates exactly', () => {
  expect(text(add(d('0.1'), d('0.2')))).toBe('0.3')
  expect(text(multiply(d('0.1'), d('0.2')))).toBe('0.02')
  expect(text(shift(multiply(whole(123_456_789), d('0.8')), 6))).toBe('98.7654312')
  expect(text(divide(d('1'), 3n, 4))).toBe('0.3333')
  expect(text(divide(d('2'), 3n, 4))).toBe('0.6667')
  expect(text(divide(d('-2'), 3n, 4))).toBe('-0.6667')
  expect(text(rounded(d('0.125'), 2))).toBe('0.13')
  expect(compare(d('1.10'), d('1.1'))).toBe(0)
})

it('shows money', () => {
  expect(money('1234.5', 'CNY')).toBe('¥1,234.50')
  expect(money('0', 'USD')).toBe('$0.00')
  expect(money('0.00042', 'USD')).toBe('$0.00042')
  expect(money('0.004', 'USD')).toBe('$0.004')
  expect(money('12.3456', 'EUR', 4)).toBe('€12.3456')
  expect(money('7', 'SEK')).toBe('7.00 SEK')
  expect(money(null, 'CNY')).toBe('–')
  expect(costs({ CNY: '1', USD: '2.5' })).toBe('¥1.00 + $2.50')
  expect(costs({})).toBe('–')
  expect(sum(['0.1', '0.2', null, undefined])).toBe('0.3')
})
