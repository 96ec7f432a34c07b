/** What is asked of the log of requests. */
import { withQuery } from '@/shared/api/client'
import type { RequestRow } from '@/shared/api/types'

/** `failed` as the sums count it: `backend_error` and what the manager itself failed at. */
export const OUTCOMES = ['ok', 'not_ok', 'failed', 'backend_error', 'rejected', 'refused', 'client_left', 'cancelled'] as const
export const SPANS = ['hour', 'day', 'week'] as const

export interface RequestFilter {
  model: string
  outcome: '' | (typeof OUTCOMES)[number]
  /** The id that the client was told. */
  id: string
  /** The label of a key. */
  key: string
  /** How far back; empty: as far as rows are kept. */
  span: '' | (typeof SPANS)[number]
}

export const NO_REQUEST_FILTER: RequestFilter = { model: '', outcome: '', id: '', key: '', span: '' }
export const PAGE = 100

const HOUR = 3_600_000
const lengths: Record<(typeof SPANS)[number], number> = { hour: HOUR, day: 24 * HOUR, week: 168 * HOUR }

interface Asked {
  after?: string | null
  limit?: number
  shares?: boolean
  now?: number
}

export function requestsPath({ model, outcome, id, key, span }: RequestFilter, { after, limit = PAGE, shares, now = Date.now() }: Asked = {}): string {
  // Whole minutes, so that further pages are of the same question.
  const from = span ? new Date(Math.floor((now - lengths[span]) / 60_000) * 60_000).toISOString() : ''
  return withQuery('/api/requests', { model, outcome, request_id: id.trim(), api_key: key.trim(), from, limit, after, shares: shares || undefined })
}

/** Shorter than this, only the clock's grain would be measured. */
const SHORTEST = 0.05

type Timed = Pick<RequestRow, 'output_tokens' | 'duration_seconds' | 'queue_seconds' | 'first_byte_seconds'>

/** Tokens per second of the answer, once it began; of an answer that came at once, over all of its time. */
export function speed({ output_tokens, duration_seconds, queue_seconds, first_byte_seconds }: Timed): number | null {
  if (output_tokens === null || output_tokens < 2 || first_byte_seconds === null) return null
  const streamed = duration_seconds - first_byte_seconds
  if (streamed >= SHORTEST) return (output_tokens - 1) / streamed
  const worked = duration_seconds - queue_seconds
  return worked >= SHORTEST ? output_tokens / worked : null
}
