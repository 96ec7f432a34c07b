/** Numbers as people read them. */
import type { Language } from '@/shared/i18n/language'

export const NOTHING = '–'

const cache = new Map<string, Intl.NumberFormat>()

function format(language: Language, options: Intl.NumberFormatOptions, value: number): string {
  const key = language + JSON.stringify(options)
  let formatter = cache.get(key)
  if (!formatter) cache.set(key, (formatter = new Intl.NumberFormat(language === 'zh' ? 'zh-CN' : 'en-GB', options)))
  return formatter.format(value)
}

/** 12,345 */
export function count(value: number | null | undefined, language: Language): string {
  return value == null || !Number.isFinite(value) ? NOTHING : format(language, { maximumFractionDigits: 0 }, value)
}

/** 12.3k, 4.56M: at most four characters of digits, for tiles and axes. */
export function short(value: number | null | undefined): string {
  if (value == null || !Number.isFinite(value)) return NOTHING
  const size = Math.abs(value)
  if (size < 10) return trimmed(value, size === 0 || Number.isInteger(value) ? 0 : size < 1 ? 2 : 1)
  if (size < 1000) return trimmed(value, 0)
  for (const [unit, scale] of [['k', 1e3], ['M', 1e6], ['G', 1e9], ['T', 1e12]] as const) {
    const scaled = value / scale
    if (Math.abs(scaled) < 999.5 || unit === 'T') return trimmed(scaled, Math.abs(scaled) < 10 ? 2 : Math.abs(scaled) < 100 ? 1 : 0) + unit
  }
  return NOTHING
}

function trimmed(value: number, digits: number): string {
  const text = value.toFixed(digits)
  return digits > 0 ? text.replace(/\.?0+$/, '') : text
}

/** 3.4 or 120: a rate per second. */
export function rate(value: number | null | undefined): string {
  if (value == null || !Number.isFinite(value)) return NOTHING
  return value !== 0 && Math.abs(value) < 100 ? value.toFixed(1) : short(value)
}

/** A share of 0 to 1. */
export function percent(share: number | null | undefined, digits = 0): string {
  return share == null || !Number.isFinite(share) ? NOTHING : `${(share * 100).toFixed(digits)}%`
}

/** MiB as MiB or GiB. */
export function mebibytes(value: number | null | undefined): string {
  if (value == null || !Number.isFinite(value)) return NOTHING
  if (Math.abs(value) < 1024) return `${Math.round(value)} MiB`
  const gib = value / 1024
  return `${gib.toFixed(gib < 100 ? 1 : 0)} GiB`
}

/** 0.42 Wh, 812 Wh, 3.25 kWh. */
export function wattHours(value: number | null | undefined): string {
  if (value == null || !Number.isFinite(value)) return NOTHING
  if (value < 1000) return `${trimmed(value, value < 10 ? 2 : value < 100 ? 1 : 0)} Wh`
  return `${trimmed(value / 1000, value < 100_000 ? 2 : 0)} kWh`
}

export function bytes(value: number | null | undefined): string {
  if (value == null || !Number.isFinite(value)) return NOTHING
  if (value < 1024) return `${value} B`
  const units = ['KiB', 'MiB', 'GiB', 'TiB']
  let scaled = value
  let unit = -1
  while (unit < units.length - 1 && scaled >= 1023.95) {
    scaled /= 1024
    unit += 1
  }
  return `${scaled.toFixed(scaled < 100 ? 1 : 0)} ${units[unit] ?? ''}`
}
