/** The usage table: rows that add up to the total, as text for a file too. */
import type { UsageGroup, UsageSummary, UsageTotals } from '@/shared/api/types'
import { sum } from '@/shared/money/money'

export type Measure = 'output_tokens' | 'input_tokens' | 'requests' | 'cost'

/** Requests and hours of ready time cost money: both, by currency. */
export function costOf(totals: UsageTotals): Record<string, string> {
  const all: Record<string, string> = {}
  for (const part of [totals.cost, totals.run_cost]) {
    for (const [currency, amount] of Object.entries(part)) all[currency] = sum([all[currency], amount])
  }
  return all
}

export function currencies(summaries: readonly UsageSummary[]): string[] {
  return [...new Set(summaries.flatMap((one) => [one.total, ...one.groups]).flatMap((totals) => Object.keys(costOf(totals))))].sort()
}

/** For drawing; `currency` matters to costs only. */
export function drawnValue(totals: UsageTotals, measure: Measure, currency: string): number {
  return measure === 'cost' ? Number(costOf(totals)[currency] ?? 0) : totals[measure]
}

export function ranked(groups: readonly UsageGroup[], measure: Measure, currency: string): UsageGroup[] {
  return groups.toSorted((a, b) => drawnValue(b, measure, currency) - drawnValue(a, measure, currency) || a.key.localeCompare(b.key))
}

const COLUMNS = ['requests', 'failed', 'refused', 'client_left', 'input_tokens', 'cached_tokens', 'output_tokens', 'unrecorded', 'estimated', 'unpriced'] as const

/** RFC 4180, with the exact figures. */
export function csv(by: string, summary: UsageSummary, money: readonly string[]): string {
  const row = (key: string, totals: UsageTotals) => [key, ...COLUMNS.map((column) => String(totals[column])), ...money.map((currency) => costOf(totals)[currency] ?? '0')]
  const rows = [
    [by, ...COLUMNS, ...money.map((currency) => `cost_${currency}`)],
    ...summary.groups.map((group) => row(group.key, group)),
    row('total', summary.total),
  ]
  return rows.map((cells) => cells.map(quoted).join(',')).join('\r\n') + '\r\n'
}

/** A cell that a spreadsheet would run as a formula gets an apostrophe. */
function quoted(cell: string): string {
  const safe = /^[=+@]|^-\D/.test(cell) ? `'${cell}` : cell
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
