/** What an operator may order of models, and how it is told when it failed. */
import { useMutation } from '@tanstack/react-query'
import { dispatch } from '@/shared/live/store'
import { toast } from '@/shared/ui/Toasts'
import { apiJson, modelPath, withQuery } from './client'
import type { ModelView } from './types'

export type Verb = 'start' | 'stop' | 'restart' | 'park' | 'wake'

function failed(error: Error) {
  toast('bad', error.message)
}

/** Answers at once; what comes of it is seen in the live state. */
export function useOrder() {
  return useMutation({
    mutationFn: ({ name, verb, now }: { name: string; verb: Verb; now?: boolean }) =>
      apiJson<ModelView>(withQuery(modelPath(name, verb), { wait: false, now: now || undefined }), { method: 'POST' }),
    onError: failed,
  })
}

export function useOrderAll() {
  return useMutation({
    mutationFn: (what: 'stop-all' | 'restart-autostart') =>
      apiJson<ModelView[]>(`/api/models/${what}?wait=false`, { method: 'POST' }),
    onSuccess: (models) => dispatch({ type: 'refreshed', data: models, askedAt: Date.now() - 1000 }),
    onError: failed,
  })
}
