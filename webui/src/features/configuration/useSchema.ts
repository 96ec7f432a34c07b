import { useQuery } from '@tanstack/react-query'
import { apiJson } from '@/shared/api/client'
import { keys } from '@/shared/api/keys'
import { useLanguage } from '@/shared/i18n/language'
import { described, type Schema } from './schema'

/** The schema of the configuration, in the visitor's language; the translation is loaded by those who read it. */
export function useSchema() {
  const language = useLanguage()
  return useQuery({
    queryKey: [...keys.configSchema, language],
    queryFn: async ({ signal }) => {
      const schema = await apiJson<Schema>('/api/config/schema', { signal })
      return language === 'zh' ? described(schema, (await import('./chinese')).chinese) : schema
    },
    staleTime: Infinity,
  })
}
