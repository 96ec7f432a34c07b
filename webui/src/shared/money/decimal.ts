/** Exact decimal numbers: money never goes through a floating point number. */

export interface Decimal {
  units: bigint
  /** Digits behind the point. */
  scale: number
}

export const ZERO: Decimal = { units: 0n, scale: 0 }

/** `12`, `0.8`, `-3.50`; anything else is null. */
export function decimal(text: string): Decimal | null {
  const match = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text.trim())
  if (!match) return null
  const [, sign, whole, fraction = ''] = match
  const units = BigInt(`${whole ?? '0'}${fraction}`)
  return { units: sign ? -units : units, scale: fraction.length }
}

export function whole(value: number | bigint): Decimal {
  return { units: BigInt(value), scale: 0 }
}

function aligned(a: Decimal, b: Decimal): [bigint, bigint, number] {
  const scale = Math.max(a.scale, b.scale)
  return [a.units * 10n ** BigInt(scale - a.scale), b.units * 10n ** BigInt(scale - b.scale), scale]
}

export function add(a: Decimal, b: Decimal): Decimal {
  const [x, y, scale] = aligned(a, b)
  return { units: x + y, scale }
}

export function multiply(a: Decimal, b: Decimal): Decimal {
  return { units: a.units * b.units, scale: a.scale + b.scale }
}

/** Divided by a power of ten. */
export function shift(a: Decimal, digits: number): Decimal {
  return { units: a.units, scale: a.scale + digits }
}

export function compare(a: Decimal, b: Decimal): number {
  const [x, y] = aligned(a, b)
  return x < y ? -1 : x > y ? 1 : 0
}

/** Divided by a whole number, to `digits` behind the point, half away from zero. */
export function divide(a: Decimal, by: bigint, digits: number): Decimal {
  const raised = a.units * 10n ** BigInt(Math.max(0, digits - a.scale))
  const lowered = by * 10n ** BigInt(Math.max(0, a.scale - digits))
  return { units: roundedQuotient(raised, lowered), scale: digits }
}

function roundedQuotient(a: bigint, b: bigint): bigint {
  const negative = a < 0n !== b < 0n
  const [x, y] = [a < 0n ? -a : a, b < 0n ? -b : b]
  const quotient = (x * 2n + y) / (y * 2n)
  return negative ? -quotient : quotient
}

export function rounded(a: Decimal, digits: number): Decimal {
  return a.scale <= digits ? a : divide(a, 1n, digits)
}

/** All digits that count, at least `least` behind the point. */
export function text(a: Decimal, least = 0): string {
  const negative = a.units < 0n
  const digits = (negative ? -a.units : a.units).toString().padStart(a.scale + 1, '0')
  const point = digits.length - a.scale
  let fraction = digits.slice(point).replace(/0+$/, '')
  if (fraction.length < least) fraction = fraction.padEnd(least, '0')
  return `${negative ? '-' : ''}${digits.slice(0, point)}${fraction ? `.${fraction}` : ''}`
}
