import { expect, it } from 'vitest'
import type { LiveModel, Notice } from '@/shared/live/reducer'
import { pastBar, placed, presentBar, waits } from './spans'

const at = (second: number) => new Date(second * 1000).toISOString()
const run = { variant: 'v', pid: 1, started_at: at(10), ready_at: at(15), ended_at: at(40), exit: 'stopped: idle' }

it('makes bars of runs', () => {
  expect(pastBar('m', run)).toMatchObject({
    failed: false, reason: 'stopped: idle',
    spans: [{ phase: 'loading', from: 10_000, to: 15_000 }, { phase: 'ready', from: 15_000, to: 40_000 }],
  })
  expect(pastBar('m', { ...run, ready_at: null })).toMatchObject({ failed: true, spans: [{ phase: 'loading', from: 10_000, to: 40_000 }] })
})

it('shows what goes on now', () => {
  const model = { name: 'm', variant: 'v', state: 'stopping', since: at(50), started_at: at(10), ready_at: at(15) } as unknown as LiveModel
  expect(presentBar(model, 60_000)?.spans.map((span) => span.phase)).toEqual(['loading', 'ready', 'ending'])
  expect(presentBar({ ...model, state: 'queued', started_at: null }, 60_000)?.spans).toEqual([{ phase: 'queued', from: 50_000, to: 60_000 }])
  expect(presentBar({ ...model, state: 'stopped' }, 60_000)).toBeNull()
})

it('remembers waits', () => {
  const notice = (id: number, seconds: number, from: string, to: string) => ({ id, at: seconds, kind: 'state', model: 'm', from, to, error: null }) as Notice
  expect(waits([notice(2, 9, 'queued', 'starting'), notice(1, 4, 'stopped', 'queued')])).toMatchObject([{ from: 4, to: 9 }])
  expect(waits([notice(1, 4, 'queued', 'starting')])).toEqual([])
})

it('cuts bars at the borders of the window', () => {
  expect(placed({ from: 0, to: 50 }, 0, 100)).toEqual({ x: 0, width: 0.5 })
  expect(placed({ from: -50, to: 50 }, 0, 100)).toEqual({ x: 0, width: 0.5 })
  expect(placed({ from: 90, to: 500 }, 0, 100)).toEqual({ x: 0.9, width: 0.1 })
  expect(placed({ from: 101, to: 500 }, 0, 100)).toBeNull()
})
