/** How fast answers came, request by request: nothing of it is thinned by hours in which nobody asked. */
import type { RequestRow } from '@/shared/api/types'
import { speed } from '@/shared/requests/query'

/** A request that was held up longer than this waited for its model, or for a place in it. */
const HELD_UP_SECONDS = 0.05

export interface Spread {
  requests: number
  /** The one in the middle, and the one that is worse than nine in ten. */
  middle: number
  worst: number
}

export interface Pace {
  /** Tokens a second while an answer was written. */
  writing: Spread | null
  /** Seconds to the first byte where the model was ready. */
  warm: Spread | null
  /** The same where it had to be waited for. */
  cold: Spread | null
}

type Row = Pick<RequestRow, 'outcome' | 'output_tokens' | 'duration_seconds' | 'queue_seconds' | 'first_byte_seconds'>

function spread(values: number[], most: 'highest' | 'lowest'): Spread | null {
  if (values.length === 0) return null
  const sorted = values.toSorted((a, b) => (most === 'highest' ? a - b : b - a))
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0
  return { requests: sorted.length, middle: at(0.5), worst: at(0.9) }
}

export function paceOf(rows: readonly Row[]): Pace {
  const answered = rows.filter((row) => row.outcome === 'ok' && row.first_byte_seconds !== null)
  const first = (held: boolean) => answered.filter((row) => row.queue_seconds >= HELD_UP_SECONDS === held).map((row) => row.first_byte_seconds ?? 0)
  return { writing: spread(answered.flatMap((row) => speed(row) ?? []), 'lowest'), warm: spread(first(false), 'highest'), cold: spread(first(true), 'highest') }
}
