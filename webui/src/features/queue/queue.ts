/** Who waits and who is served, and the order that ends one of them. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { apiJson } from '@/shared/api/client'
import { keys } from '@/shared/api/keys'
import type { QueuedRequest, RunningRequest } from '@/shared/api/types'
import { toast } from '@/shared/ui/Toasts'

/** Nobody reads more rows than this. */
export const SHOWN = 200

/** Milliseconds to the next question: a line of thousands takes the manager and the browser longer. */
export function pace(length: number): number {
  return length <= 1000 ? 1000 : 5000
}

export function shownOf<T>(all: readonly T[]): { rows: readonly T[]; more: number } {
  return { rows: all.slice(0, SHOWN), more: Math.max(0, all.length - SHOWN) }
}

/** What is left of an estimate that was made so many seconds ago. */
export function left({ estimate_seconds }: QueuedRequest, ago: number): number | null {
  return estimate_seconds === null ? null : Math.max(0, estimate_seconds - ago)
}

function useRows<T>(path: string, key: readonly unknown[]) {
  return useQuery({
    queryKey: key,
    queryFn: ({ signal }) => apiJson<T[]>(path, { signal }),
    refetchInterval: (query) => (query.state.error ? 5000 : pace(query.state.data?.length ?? 0)),
  })
}

export const useWaiting = () => useRows<QueuedRequest>('/api/queue', keys.queue('waiting'))
export const useRunning = () => useRows<RunningRequest>('/api/requests/running', keys.queue('running'))

export function useCancel() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (id: string) => apiJson<{ id: string; was: 'waiting' | 'running' }>(`/api/requests/${encodeURIComponent(id)}/cancel`, { method: 'POST' }),
    onError: (error) => toast('bad', error.message),
    // Also after a refusal: it may have ended by itself.
    onSettled: () => client.invalidateQueries({ queryKey: keys.queue() }),
  })
}
