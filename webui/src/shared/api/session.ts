/** Whether a key is wanted here, and whose this browser has. */
import { useQuery } from '@tanstack/react-query'
import { apiJson } from './client'
import { keys } from './keys'

export interface Session {
  key_wanted: boolean
  signed_in: boolean
  /** The label of the key in the ledger. */
  key: string | null
}

export function useSession(): Session | null {
  const asked = useQuery({
    queryKey: keys.session,
    queryFn: ({ signal }) => apiJson<Session>('/api/session', { signal }),
    staleTime: Infinity,
  })
  return asked.data ?? null
}
