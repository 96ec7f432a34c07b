/** The configuration file over HTTP: its text, what is wrong with a draft of it, and saving. */
import { queryOptions, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { apiJson, type ConfigProblem } from '@/shared/api/client'
import { keys } from '@/shared/api/keys'

/** `GET /api/config`. */
export interface ConfigFile {
  path: string
  /** Where the program is: it need not be on the PATH of a shell. */
  program?: string
  text: string
  /** Changes with the text; a save that names an older one is refused. */
  version: string
  writable: boolean
  live_reload: boolean
  /** The manager that runs was started with another text. */
  restart_needed: boolean
}

/** What a save does to what runs, in the manager's words. */
export interface Plan {
  needs_restart: string[]
  restarted: string[]
  lines: string[]
}

export interface Checked {
  /** Null: the draft is wrong, or the manager does not tell. */
  plan?: Plan | null
  problems: ConfigProblem[]
  warnings: ConfigProblem[]
}

export interface Saved {
  restart_needed: boolean
  backup: string
  version: string
  /** Why the saved file is not in force yet. */
  error?: string | null
}

export const configFile = queryOptions({
  queryKey: keys.config,
  queryFn: ({ signal }) => apiJson<ConfigFile>('/api/config', { signal }),
  // What is being edited must not be exchanged under the hands.
  staleTime: Infinity,
  refetchOnWindowFocus: false,
})

export function check(text: string, signal?: AbortSignal): Promise<Checked> {
  return apiJson<Checked>('/api/config/check', { method: 'POST', body: { text }, signal })
}

/** Asked for apart from the text that is edited: it may change at any time, by another hand too. */
export function useRestartNeeded(): boolean {
  const asked = useQuery({
    queryKey: keys.restartNeeded,
    queryFn: async ({ signal }) => (await apiJson<ConfigFile>('/api/config', { signal })).restart_needed,
    staleTime: 30_000,
    // A manager that may not tell this visitor, or that cannot, is not asked again.
    refetchInterval: (query) => (query.state.error ? false : 60_000),
    refetchOnWindowFocus: (query) => !query.state.error,
  })
  return asked.data ?? false
}

export function useSaveConfig(onSaved: (saved: Saved) => void, onError: (error: Error) => void) {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (draft: { text: string; version: string }) => apiJson<Saved>('/api/config', { method: 'PUT', body: draft }),
    onSuccess: ({ restart_needed, version, backup, error }, { text }) => {
      client.setQueryData(keys.restartNeeded, restart_needed)
      client.setQueryData<ConfigFile>(keys.config, (file) => file && { ...file, text, version, restart_needed })
      onSaved({ restart_needed, version, backup, error })
    },
    onError,
  })
}
