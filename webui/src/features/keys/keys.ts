/** Keys over HTTP: who may come in, and with what limits. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { apiJson } from '@/shared/api/client'
import { keys } from '@/shared/api/keys'
import type { Session } from '@/shared/api/session'
import { tellSecret, type Told } from '@/shared/secret/secret'
import { toast } from '@/shared/ui/Toasts'

export const SCOPES = ['infer', 'read', 'operate', 'admin'] as const
export type Scope = (typeof SCOPES)[number]
export const CLASSES = ['interactive', 'normal', 'batch'] as const

export interface Budget {
  period: 'day' | 'month'
  /** Decimal. */
  amount: string
  /** `tokens`, or a currency. */
  unit: string
  /** Null: not known yet. */
  left: string | null
}

export interface Key {
  name: string
  /** Where it stands: `api_keys` and `keys` of the configuration, or `made` while the manager ran. */
  source: 'api_keys' | 'keys' | 'made'
  scopes: Scope[]
  models: string[]
  expires: string | null
  expired: boolean
  requests_per_minute: number | null
  tokens_per_minute: number | null
  budget: Budget | null
  priority: string | null
  /** What the header `x-llm-manager-priority` may ask for. */
  max_priority: string | null
}

export interface Wanted {
  name: string
  scopes: Scope[]
  models?: string[]
  expires?: string
  requests_per_minute?: number
  tokens_per_minute?: number
  budget?: string
  priority?: string
  max_priority?: string
}

const path = (name: string, what = '') => `/api/keys/${encodeURIComponent(name)}${what}`

export function useKeys() {
  return useQuery({ queryKey: keys.apiKeys, queryFn: ({ signal }) => apiJson<{ keys: Key[] }>('/api/keys', { signal }), refetchInterval: (query) => (query.state.error ? false : 10_000) })
}

/** What changes keys; `wanted` is whether one was wanted before. */
export function useKeyOrders(wanted: boolean) {
  const client = useQueryClient()
  const after = () => client.invalidateQueries({ queryKey: keys.apiKeys })
  const onError = (error: Error) => toast('bad', error.message)
  async function told(secret: Told) {
    tellSecret(secret)
    // From the first key on the door is closed: whoever made it stays inside.
    if (!wanted) await apiJson<Session>('/api/session', { method: 'POST', body: { key: secret.secret } }).catch(() => undefined)
    await client.invalidateQueries({ queryKey: keys.session })
    await after()
  }
  const add = useMutation({ mutationFn: (key: Wanted) => apiJson<Told>('/api/keys', { method: 'POST', body: key }), onSuccess: told, onError })
  const rotate = useMutation({ mutationFn: (name: string) => apiJson<Told>(path(name, '/rotate'), { method: 'POST' }), onSuccess: told, onError })
  const revoke = useMutation({ mutationFn: (name: string) => apiJson<unknown>(path(name), { method: 'DELETE' }), onSuccess: after, onError })
  return { add, rotate, revoke }
}
