/** The usage table: rows that add up to the total, as text for a file too. */
import type { Costs, UsageGroup, UsageSummary, UsageTotals } from '@/shared/api/types'
import { together } from '@/shared/money/money'

export type Measure = 'output_tokens' | 'input_tokens' | 'requests' | 'cost' | 'energy_wh'

/** Requests, hours of ready time and electricity cost money: all of it, by currency. */
export function costOf(totals: UsageTotals): Costs {
  return together(totals.cost, totals.run_cost, totals.energy_cost)
}

/** What a cost is made of, as far as there is any of it. */
export const PARTS = ['cost', 'run_cost', 'energy_cost'] as const
export type Part = (typeof PARTS)[number]

export function partsOf(totals: UsageTotals): Part[] {
  return PARTS.filter((part) => Object.keys(totals[part]).length > 0)
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

const COLUMNS = ['requests', 'failed', 'rejected', 'refused', 'client_left', 'cancelled', 'input_tokens', 'cached_tokens', 'output_tokens', 'unrecorded', 'estimated', 'unpriced'] as const

/** RFC 4180, with the exact figures. */
export function csv(by: string, summary: UsageSummary, money: readonly string[]): string {
  const parts = partsOf(summary.total)
  const energy = summary.total.energy_wh > 0
  const amounts = (totals: UsageTotals) => [
    ...(parts.length > 1 ? parts.flatMap((part) => money.map((currency) => totals[part][currency] ?? '0')) : []),
    ...money.map((currency) => costOf(totals)[currency] ?? '0'),
    ...(energy ? [String(totals.energy_wh)] : []),
  ]
  const row = (key: string, totals: UsageTotals) => [key, ...COLUMNS.map((column) => String(totals[column])), ...amounts(totals)]
  const rows = [
    [
      by, ...COLUMNS,
      ...(parts.length > 1 ? parts.flatMap((part) => money.map((currency) => `${names[part]}_${currency}`)) : []),
      ...money.map((currency) => `cost_${currency}`),
      ...(energy ? ['energy_wh'] : []),
    ],
    ...summary.groups.map((group) => row(group.key, group)),
    row('total', summary.total),
  ]
  return rows.map((cells) => cells.map(quoted).join(',')).join('\r\n') + '\r\n'
}

/** Parts of `cost_…`, which is all of them. */
const names: Record<Part, string> = { cost: 'request_cost', run_cost: 'run_cost', energy_cost: 'energy_cost' }

/** A cell that a spreadsheet would run as a formula gets an apostrophe. */
function quoted(cell: string): string {
  const safe = /^[=+@]|^-\D/.test(cell) ? `'${cell}` : cell
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
