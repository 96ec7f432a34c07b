/** Times and durations as people read them. All of them take `now`, so that tests need no clock. */
import type { Language } from '@/shared/i18n/language'
import { NOTHING } from './number'

const two = (value: number) => String(Math.trunc(value)).padStart(2, '0')

/** 0.4 ms, 420 ms, 7.5 s, 12 s, 3:07, 2:03:04, 3 d 4 h: whatever fits the size. */
export function duration(seconds: number | null | undefined): string {
  if (seconds == null || !Number.isFinite(seconds)) return NOTHING
  const total = Math.max(0, seconds)
  if (total < 1) return total === 0 ? '0 s' : Math.round(total * 1000) === 1000 ? '1.0 s' : latency(total * 1000)
  if (total < 10) return `${(Math.floor(total * 10) / 10).toFixed(1)} s`
  return whole(total)
}

/** The same without fractions, for what counts up or down each second. */
export function whole(seconds: number | null | undefined): string {
  if (seconds == null || !Number.isFinite(seconds)) return NOTHING
  const total = Math.max(0, Math.floor(seconds))
  if (total < 60) return `${total} s`
  if (total < 3600) return `${Math.floor(total / 60)}:${two(total % 60)}`
  if (total < 86_400) return `${Math.floor(total / 3600)}:${two((total % 3600) / 60)}:${two(total % 60)}`
  return `${Math.floor(total / 86_400)} d ${Math.floor((total % 86_400) / 3600)} h`
}

/** 420 ms, 1.24 s: how long something took. */
export function latency(ms: number | null | undefined): string {
  if (ms == null || !Number.isFinite(ms)) return NOTHING
  if (ms < 10) return `${ms.toFixed(1)} ms`
  if (ms < 1000) return `${Math.round(ms)} ms`
  return ms < 60_000 ? `${(ms / 1000).toFixed(2)} s` : whole(ms / 1000)
}

/** 14:03:07 in the visitor's time zone. */
export function clock(time: Date): string {
  return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`
}

export function clockWithMillis(time: Date): string {
  return `${clock(time)}.${String(time.getMilliseconds()).padStart(3, '0')}`
}

/** 2026-11-22 */
export function day(time: Date): string {
  return `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`
}

/** 14:03:07 today, else 11-22 14:03:07, with the year if it is another one. */
export function moment(time: Date, now: Date): string {
  if (day(time) === day(now)) return clock(time)
  const date = day(time)
  return `${time.getFullYear() === now.getFullYear() ? date.slice(5) : date} ${clock(time)}`
}

/** 5 min ago. */
export function ago(time: Date, now: Date, language: Language): string {
  const seconds = Math.max(0, (now.getTime() - time.getTime()) / 1000)
  const zh = language === 'zh'
  if (seconds < 5) return zh ? '刚刚' : 'just now'
  if (seconds < 60) return zh ? `${Math.floor(seconds)} 秒前` : `${Math.floor(seconds)} s ago`
  if (seconds < 3600) return zh ? `${Math.floor(seconds / 60)} 分钟前` : `${Math.floor(seconds / 60)} min ago`
  if (seconds < 86_400) return zh ? `${Math.floor(seconds / 3600)} 小时前` : `${Math.floor(seconds / 3600)} h ago`
  return zh ? `${Math.floor(seconds / 86_400)} 天前` : `${Math.floor(seconds / 86_400)} d ago`
}
