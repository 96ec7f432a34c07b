/** Runs as bars on a line of time. */
import type { By } from '@/shared/api/types'
import type { LiveModel, Notice } from '@/shared/live/reducer'
import type { Run } from '@/shared/model/runs'

export type Phase = 'queued' | 'loading' | 'ready' | 'parked' | 'ending'

export interface Span {
  phase: Phase
  /** Milliseconds since the epoch. */
  from: number
  to: number
}

export interface Bar {
  /** Of the run in the ledger. */
  id: number | null
  model: string
  variant: string
  spans: Span[]
  from: number
  to: number
  running: boolean
  /** Never got ready. */
  failed: boolean
  /** Null: not known. */
  startedBy: By | null
  /** Why it ended; null while it runs, and for waits. */
  run: Run | null
}

/** Shorter waits are no waits: something always takes a moment. */
const SHORTEST_WAIT_MS = 500

/** Ready, but for the times in which it was parked. */
function awake(from: number, to: number, parked: Run['parked']): Span[] {
  const spans: Span[] = []
  let at = from
  for (const asleep of parked) {
    if (asleep.from >= to || asleep.to <= at) continue
    const end = Math.min(asleep.to, to)
    if (asleep.from > at) spans.push({ phase: 'ready', from: at, to: asleep.from })
    spans.push({ phase: 'parked', from: Math.max(asleep.from, at), to: end })
    at = end
  }
  if (to > at || spans.length === 0) spans.push({ phase: 'ready', from: at, to })
  return spans
}

export function pastBar(run: Run): Bar | null {
  if (run.ended === null) return null
  const waited = run.queued !== null && run.started - run.queued >= SHORTEST_WAIT_MS ? run.queued : null
  const spans: Span[] = waited === null ? [] : [{ phase: 'queued', from: waited, to: run.started }]
  spans.push({ phase: 'loading', from: run.started, to: run.ready ?? run.ended })
  if (run.ready !== null) spans.push(...awake(run.ready, run.ended, run.parked))
  return { id: run.id, model: run.model, variant: run.variant, spans, from: waited ?? run.started, to: run.ended, running: false, failed: run.ready === null && run.cause !== 'aborted', startedBy: run.startedBy, run }
}

/** The run that goes on now, or the wait for one. `runs` are the newest first. */
export function presentBar(model: LiveModel, now: number, runs: readonly Run[] = []): Bar | null {
  const since = Date.parse(model.since)
  const run = model.state === 'queued' ? undefined : runs.find((one) => one.model === model.name && one.ended === null)
  const id = run?.id ?? null
  const bar = (from: number, spans: Span[]): Bar => ({ id, model: model.name, variant: model.variant ?? '', from, to: now, running: true, failed: false, startedBy: run?.startedBy ?? null, run: null, spans })
  if (model.state === 'queued') return bar(since, [{ phase: 'queued', from: since, to: now }])
  if (!model.started_at || model.state === 'stopped' || model.state === 'failed') return null
  const from = Date.parse(model.started_at)
  const ready = model.ready_at ? Date.parse(model.ready_at) : null
  const ending = model.state === 'draining' || model.state === 'stopping' ? since : null
  const asleep = ['parking', 'parked', 'waking'].includes(model.state) ? since : null
  const spans: Span[] = [{ phase: 'loading', from, to: ready ?? ending ?? now }]
  if (ready !== null) spans.push(...awake(ready, ending ?? asleep ?? now, run?.parked ?? []))
  if (asleep !== null) spans.push({ phase: 'parked', from: asleep, to: now })
  if (ending !== null) spans.push({ phase: 'ending', from: ending, to: now })
  return bar(from, spans)
}

/** Waits for memory that this page has seen begin, and end without a run: those with one are a part of its bar. */
export function waits(notices: readonly Notice[]): Bar[] {
  const bars: Bar[] = []
  const since = new Map<string, number>()
  for (const notice of notices.toReversed()) {
    if (notice.kind !== 'state') continue
    if (notice.to === 'queued') since.set(notice.model, notice.at)
    const from = notice.from === 'queued' ? since.get(notice.model) : undefined
    if (from === undefined) continue
    since.delete(notice.model)
    if (notice.to === 'starting') continue
    bars.push({ id: null, model: notice.model, variant: '', from, to: notice.at, running: false, failed: false, startedBy: null, run: null, spans: [{ phase: 'queued', from, to: notice.at }] })
  }
  return bars
}

/** The part of a span that can be seen, as shares of the window. */
export function placed(span: { from: number; to: number }, from: number, to: number): { x: number; width: number } | null {
  const start = Math.max(span.from, from)
  const end = Math.min(span.to, to)
  if (end < start || to <= from) return null
  return { x: (start - from) / (to - from), width: (end - start) / (to - from) }
}
