import type { RequestRow } from '@/shared/api/types'
import type { StatusKind } from '@/shared/ui/Status'

/** What was refused or rejected warns; what the backend or the manager failed at is bad. */
export function kindOfOutcome({ outcome, status }: Pick<RequestRow, 'outcome' | 'status'>): StatusKind {
  if (outcome === 'client_left' || outcome === 'cancelled') return 'off'
  if (outcome === 'backend_error' || outcome === 'failed' || status >= 500) return 'bad'
  return outcome === 'ok' ? 'ok' : 'warn'
}
