import type { RequestRow } from '@/shared/api/types'
import type { StatusKind } from '@/shared/ui/Status'

/** Refusals of the client's own making warn; what the backend or the manager failed at is bad. */
export function kindOfOutcome({ outcome, status }: Pick<RequestRow, 'outcome' | 'status'>): StatusKind {
  if (outcome === 'client_left') return 'off'
  if (outcome === 'backend_error' || status >= 500) return 'bad'
  if (outcome !== 'ok' || status >= 400) return 'warn'
  return 'ok'
}
