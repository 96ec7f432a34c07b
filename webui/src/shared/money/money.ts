/** Money as people read it: the currency's sign, at least two digits, and more only while they matter. */
import type { Costs } from '@/shared/api/types'
import { NOTHING } from '@/shared/format/number'
import { add, compare, decimal, rounded, text, ZERO } from './decimal'

const signs: Record<string, string> = { CNY: '¥', USD: '$', EUR: '€', GBP: '£', JPY: 'JP¥' }

export function money(amount: string | null | undefined, currency: string | null | undefined, digits = 2): string {
  const value = amount == null ? null : decimal(amount)
  if (!value) return amount ?? NOTHING
  const small = value.units !== 0n && compare(rounded(value, 2), ZERO) === 0
  const shown = text(rounded(value, small ? Math.max(digits, 6) : digits), 2)
  const sign = currency ? signs[currency] : ''
  const grouped = shown.replace(/^-?\d+/, (head) => head.replace(/\B(?=(\d{3})+$)/g, ','))
  return sign === undefined ? `${grouped} ${currency ?? ''}` : `${sign}${grouped}`
}

/** One amount per currency: they are never added up. */
export function costs(all: Costs | null | undefined, digits = 2): string {
  const entries = Object.entries(all ?? {})
  if (entries.length === 0) return NOTHING
  return entries.map(([currency, amount]) => money(amount, currency, digits)).join(' + ')
}

/** All digits, as the ledger has them: for what is added up by hand. */
export function exact(all: Costs | null | undefined): string {
  const entries = Object.entries(all ?? {})
  return entries.length === 0 ? NOTHING : entries.map(([currency, amount]) => `${amount} ${currency}`).join(' + ')
}

/** Costs of several kinds, by currency. */
export function together(...parts: (Costs | null | undefined)[]): Costs {
  const all: Record<string, string> = {}
  for (const part of parts) {
    for (const [currency, amount] of Object.entries(part ?? {})) all[currency] = sum([all[currency], amount])
  }
  return all
}

export function sum(amounts: readonly (string | null | undefined)[]): string {
  return text(amounts.reduce((total, amount) => add(total, (amount != null && decimal(amount)) || ZERO), ZERO))
}

/** For drawing only. */
export function drawn(amount: string | null | undefined): number {
  const value = amount == null ? NaN : Number(amount)
  return Number.isFinite(value) ? value : 0
}
