/** Ranges of time that people ask for, with buckets that fit them. */
import type { Bucket } from '@/shared/api/types'

export const RANGES = ['hour', 'today', 'week', 'month', 'lastMonth', 'quarter', 'custom'] as const
export type RangeName = (typeof RANGES)[number]

export interface Range {
  from: Date
  /** Null: until now. */
  to: Date | null
}

const midnight = (time: Date, days = 0) => new Date(time.getFullYear(), time.getMonth(), time.getDate() + days)

/** `custom` is `FROM..TO` with two dates, the last one included. */
export function rangeOf(name: RangeName, now: Date, custom = ''): Range {
  switch (name) {
    case 'hour':
      return { from: new Date(now.getTime() - 3_600_000), to: null }
    case 'today':
      return { from: midnight(now), to: null }
    case 'week':
      return { from: midnight(now, -6), to: null }
    case 'month':
      return { from: new Date(now.getFullYear(), now.getMonth(), 1), to: null }
    case 'lastMonth':
      return { from: new Date(now.getFullYear(), now.getMonth() - 1, 1), to: new Date(now.getFullYear(), now.getMonth(), 1) }
    case 'quarter':
      return { from: midnight(now, -89), to: null }
    case 'custom': {
      const [first, last] = custom.split('..').map(dayOf)
      if (!first || !last || last < first) return rangeOf('week', now)
      return { from: first, to: midnight(last, 1) }
    }
  }
}

/** `2026-01-31` in the visitor's time zone. */
export function dayOf(text: string): Date | null {
  const match = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text)
  if (!match) return null
  const [year, month, day] = match.slice(1).map(Number) as [number, number, number]
  const date = new Date(year, month - 1, day)
  return date.getMonth() === month - 1 && date.getDate() === day ? date : null
}

const HOUR = 3_600_000
const widths: Record<Bucket, number> = { minute: 60_000, quarter: HOUR / 4, hour: HOUR, day: 24 * HOUR, week: 168 * HOUR, month: 730 * HOUR }
const MOST = 400

/** Buckets that are neither too many to draw nor too few to tell anything. */
export function bucketsFor({ from, to }: Range, now: Date): Bucket[] {
  const length = (to ?? now).getTime() - from.getTime()
  const fitting = (Object.keys(widths) as Bucket[]).filter((bucket) => length / widths[bucket] <= MOST && length / widths[bucket] >= 1)
  return fitting.length > 0 ? fitting : ['minute']
}

const BARS = 30

/** The one that makes about as many bars. */
export function bestBucket(range: Range, now: Date): Bucket {
  const length = (range.to ?? now).getTime() - range.from.getTime()
  return bucketsFor(range, now).reduce((best, bucket) =>
    Math.abs(Math.log(length / widths[bucket] / BARS)) < Math.abs(Math.log(length / widths[best] / BARS)) ? bucket : best,
  )
}

/** `days`: there is more than one day in the picture, so that an hour alone would not tell which. */
export function bucketLabel(time: Date, bucket: Bucket, days = false): string {
  const two = (value: number) => String(value).padStart(2, '0')
  const date = `${two(time.getMonth() + 1)}-${two(time.getDate())}`
  if (bucket === 'month') return `${time.getFullYear()}-${two(time.getMonth() + 1)}`
  if (bucket === 'day' || bucket === 'week') return date
  const hour = `${two(time.getHours())}:${two(time.getMinutes())}`
  if (time.getHours() === 0 && time.getMinutes() === 0) return date
  return days ? `${date} ${hour}` : hour
}
