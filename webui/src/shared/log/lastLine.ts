/** The last line that a model's backend wrote, for as long as somebody watches its start. */
import { useQuery } from '@tanstack/react-query'
import { apiJson, modelPath, withQuery } from '@/shared/api/client'
import { keys } from '@/shared/api/keys'
import type { LogLine } from '@/shared/api/types'
import { plainText } from './ansi'

export function useLastLine(name: string): string {
  const asked = useQuery({
    queryKey: keys.lastLine(name),
    queryFn: ({ signal }) => apiJson<LogLine[]>(withQuery(modelPath(name, 'logs'), { tail: 1 }), { signal }),
    refetchInterval: (query) => (query.state.error ? false : 1500),
    gcTime: 0,
  })
  return plainText(asked.data?.at(-1)?.line ?? '').trim()
}
