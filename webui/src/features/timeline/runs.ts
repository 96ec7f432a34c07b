/** The runs of all models: each model tells its own, a few at a time. */
import { useQuery } from '@tanstack/react-query'
import { apiJson, Failure, modelPath } from '@/shared/api/client'
import { keys } from '@/shared/api/keys'
import type { ModelDetails, RunRecord } from '@/shared/api/types'

const AT_ONCE = 4

export interface ModelRuns {
  model: string
  runs: RunRecord[]
}

async function fetchRuns(names: readonly string[], signal: AbortSignal): Promise<ModelRuns[]> {
  const found: ModelRuns[] = []
  const left = [...names]
  async function worker() {
    for (let name = left.shift(); name !== undefined; name = left.shift()) {
      try {
        found.push({ model: name, runs: (await apiJson<ModelDetails>(modelPath(name), { signal })).runs })
      } catch (error) {
        // A model that has just left the configuration has no line.
        if (!(error instanceof Failure && error.code === 'model_not_found')) throw error
      }
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  return found
}

/** `changes` counts ended runs: the answer is asked for again when it rises. */
export function useRuns(names: readonly string[], changes: number) {
  return useQuery({
    queryKey: [...keys.runs(names), changes],
    queryFn: ({ signal }) => fetchRuns(names, signal),
    placeholderData: (before) => before,
    enabled: names.length > 0,
    staleTime: 30_000,
  })
}
