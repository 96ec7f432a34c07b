import { expect, it } from 'vitest'
import type { LiveModel, Notice } from '@/shared/live/reducer'
import type { Run } from '@/shared/model/runs'
import { pastBar, placed, presentBar, waits } from './spans'

const at = (second: number) => new Date(second * 1000).toISOString()
const run: Run = {
  id: 1, model: 'm', variant: 'v', queued: null, started: 10_000, ready: 15_000, ended: 40_000, cause: 'idle', evictedFor: null, startedBy: null, endedBy: null, exit: null, paidSeconds: null, parked: [], cost: {}, energyWh: null, energyCost: {},
}
const spans = (changed: Partial<Run>) => pastBar({ ...run, ...changed })?.spans.map((span) => `${span.phase} ${span.from}-${span.to}`)

it('makes bars of runs', () => {
  expect(spans({})).toEqual(['loading 10000-15000', 'ready 15000-40000'])
  expect(spans({ ready: null })).toEqual(['loading 10000-40000'])
  expect(spans({ queued: 4000 })).toEqual(['queued 4000-10000', 'loading 10000-15000', 'ready 15000-40000'])
  expect(spans({ queued: 9990 })).toEqual(spans({}))
  const parked = [{ from: 20_000, to: 25_000 }, { from: 30_000, to: 40_000 }]
  expect(spans({ parked })).toEqual(['loading 10000-15000', 'ready 15000-20000', 'parked 20000-25000', 'ready 25000-30000', 'parked 30000-40000'])
  expect(pastBar({ ...run, queued: 4000 })?.from).toBe(4000)
  expect([pastBar(run)?.failed, pastBar({ ...run, ready: null })?.failed, pastBar({ ...run, ready: null, cause: 'aborted' })?.failed]).toEqual([false, true, false])
  // What still runs is known better from the live state.
  expect(pastBar({ ...run, ended: null })).toBeNull()
})

it('shows what goes on now', () => {
  const model = { name: 'm', variant: 'v', state: 'stopping', since: at(50), started_at: at(10), ready_at: at(15) } as unknown as LiveModel
  expect(presentBar(model, 60_000)?.spans.map((span) => span.phase)).toEqual(['loading', 'ready', 'ending'])
  expect(presentBar({ ...model, state: 'queued', started_at: null }, 60_000)?.spans).toEqual([{ phase: 'queued', from: 50_000, to: 60_000 }])
  expect(presentBar({ ...model, state: 'stopped' }, 60_000)).toBeNull()
  const going = [{ ...run, id: 3, model: 'other', ended: null }, { ...run, id: 2, ended: null }, run]
  expect([presentBar(model, 60_000, going)?.id, presentBar(model, 60_000, [run])?.id]).toEqual([2, null])
})

it('remembers waits that came to nothing', () => {
  const notice = (id: number, seconds: number, from: string, to: string) => ({ id, at: seconds, kind: 'state', model: 'm', from, to, error: null }) as Notice
  expect(waits([notice(2, 9, 'queued', 'failed'), notice(1, 4, 'stopped', 'queued')])).toMatchObject([{ from: 4, to: 9 }])
  expect(waits([notice(2, 9, 'queued', 'starting'), notice(1, 4, 'stopped', 'queued')])).toEqual([])
  expect(waits([notice(1, 4, 'queued', 'failed')])).toEqual([])
})

it('cuts bars at the borders of the window', () => {
  expect(placed({ from: 0, to: 50 }, 0, 100)).toEqual({ x: 0, width: 0.5 })
  expect(placed({ from: -50, to: 50 }, 0, 100)).toEqual({ x: 0, width: 0.5 })
  expect(placed({ from: 90, to: 500 }, 0, 100)).toEqual({ x: 0.9, width: 0.1 })
  expect(placed({ from: 101, to: 500 }, 0, 100)).toBeNull()
})
