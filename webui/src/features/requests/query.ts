/** What the page of requests asks for. */
import { withQuery } from '@/shared/api/client'

export interface RequestFilter {
  model: string
  outcome: '' | 'ok' | 'failed' | 'client_left' | 'backend_error' | 'refused'
  /** The id that the client was told. */
  id: string
}

export const NO_REQUEST_FILTER: RequestFilter = { model: '', outcome: '', id: '' }
export const PAGE = 100

export function requestsPath(filter: RequestFilter, after: string | null, limit: number = PAGE, shares = false): string {
  return withQuery('/api/requests', { model: filter.model, outcome: filter.outcome, request_id: filter.id.trim(), limit, after, shares: shares || undefined })
}

/** Tokens per second of the answer, once it began. */
export function speed(output: number | null, duration: number, firstByte: number | null): number | null {
  if (output === null || output < 2 || firstByte === null) return null
  const seconds = duration - firstByte
  return seconds > 0 ? (output - 1) / seconds : null
}
