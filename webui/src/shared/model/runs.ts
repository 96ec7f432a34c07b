/** Runs of models: from the ledger, which survives the manager; from the models' own memory where there is none. */
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { apiJson, Failure, modelPath, withQuery } from '@/shared/api/client'
import { keys } from '@/shared/api/keys'
import type { By, Costs, LedgerRun, LedgerRuns, ModelDetails, RunRecord } from '@/shared/api/types'

export interface Run {
  /** In the ledger. */
  id: number | null
  model: string
  variant: string
  /** Milliseconds since the epoch. */
  queued: number | null
  started: number
  ready: number | null
  /** Null: it still runs. */
  ended: number | null
  cause: string | null
  evictedFor: string | null
  startedBy: By | null
  endedBy: By | null
  /** The backend's own end, in the manager's words. */
  exit: string | null
  paidSeconds: number | null
  /** When it was parked, in order. */
  parked: { from: number; to: number }[]
  cost: Costs
  energyWh: number | null
  energyCost: Costs
}

const time = (text: string | null) => (text === null ? null : Date.parse(text))

export function ofLedger(run: LedgerRun): Run {
  return {
    id: run.id, model: run.model, variant: run.variant, queued: time(run.queued_at), started: Date.parse(run.started_at), ready: time(run.ready_at), ended: time(run.ended_at),
    cause: run.cause, evictedFor: run.evicted_for, startedBy: run.started_by, endedBy: run.ended_by, exit: run.exit, paidSeconds: run.paid_seconds, parked: run.parked.map(({ from, to }) => ({ from: Date.parse(from), to: Date.parse(to) })), cost: run.cost, energyWh: run.energy_wh, energyCost: run.energy_cost,
  }
}

export function ofModel(model: string, run: RunRecord): Run {
  return {
    id: null, model, variant: run.variant, queued: time(run.queued_at), started: Date.parse(run.started_at), ready: time(run.ready_at), ended: Date.parse(run.ended_at),
    cause: run.cause, evictedFor: run.evicted_for, startedBy: run.started_by, endedBy: run.ended_by, exit: run.exit, paidSeconds: null, parked: [], cost: {}, energyWh: null, energyCost: {},
  }
}

export interface RunsWanted {
  /** All of them, if it is empty. */
  model?: string
  from?: Date
  limit: number
}

/** So many models are asked at once for their own runs. */
const AT_ONCE = 4

async function ownRuns(names: readonly string[], signal: AbortSignal): Promise<Run[]> {
  const found: Run[] = []
  const left = [...names]
  async function worker() {
    for (let name = left.shift(); name !== undefined; name = left.shift()) {
      try {
        const { runs } = await apiJson<ModelDetails>(modelPath(name), { signal })
        found.push(...runs.map((run) => ofModel(name ?? '', run)))
      } catch (error) {
        // A model that has just left the configuration has no line.
        if (!(error instanceof Failure && error.code === 'model_not_found')) throw error
      }
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  return found.sort((a, b) => b.started - a.started)
}

async function askRuns({ model, from, limit }: RunsWanted, names: readonly string[], signal: AbortSignal): Promise<Run[]> {
  try {
    const { runs } = await apiJson<LedgerRuns>(withQuery('/api/runs', { model, from: from?.toISOString(), limit }), { signal })
    return runs.map(ofLedger)
  } catch (error) {
    if (error instanceof Failure && error.kind === 'missing') return ownRuns(model ? [model] : names, signal)
    throw error
  }
}

/** `changes` counts what has happened: the answer is asked for again when it rises. */
export function useRuns(name: string, wanted: () => RunsWanted, names: readonly string[], changes: string | number) {
  return useQuery({
    queryKey: keys.runs(name, changes),
    queryFn: ({ signal }) => askRuns(wanted(), names, signal),
    placeholderData: keepPreviousData,
    refetchInterval: (query) => (query.state.error ? false : 30_000),
  })
}
