/** Which models the page shows, in which order. */
import type { ModelState } from '@/shared/api/types'
import type { LiveModel } from '@/shared/live/reducer'

export type Shown = 'all' | 'active' | 'failed' | 'stopped'

const active: readonly ModelState[] = ['ready', 'starting', 'queued', 'draining', 'stopping', 'parking', 'parked', 'waking']

export function belongs(model: LiveModel, shown: Shown): boolean {
  if (shown === 'all') return true
  if (shown === 'active') return active.includes(model.state)
  return model.state === shown
}

/** By name, alias or mode. */
export function matches(model: LiveModel, search: string): boolean {
  const wanted = search.trim().toLowerCase()
  if (!wanted) return true
  return [model.name, model.mode, ...model.aliases].some((text) => text.toLowerCase().includes(wanted))
}
