import { expect, it } from 'vitest'
import type { Notice } from '@/shared/live/reducer'
import type { Run } from '@/shared/model/runs'
import { happenings } from './happenings'

const run = (model: string, started: number, ready: number | null, ended: number | null): Run => ({
  id: started, model, variant: '', queued: null, started, ready, ended, cause: 'idle', evictedFor: null, startedBy: null, endedBy: null, exit: null, paidSeconds: null, parked: [], cost: {}, energyWh: null, energyCost: {},
})
const notices = [
  { id: 2, at: 70_000, kind: 'supervision', path: 'devices', message: 'panicked' },
  { id: 1, at: 5000, kind: 'state', model: 'c', from: 'stopped', to: 'queued', error: null },
  { id: 0, at: 4000, kind: 'state', model: 'c', from: 'ready', to: 'stopped', error: null },
] as Notice[]

it('tells newest first what runs and parts of the manager did', () => {
  const told = happenings([run('a', 1000, 2500, 60_000), run('b', 50_000, null, null)], notices, 10)
  expect(told.map((one) => `${one.at} ${one.what}`)).toEqual(['70000 crashed', '60000 ended', '5000 queued', '2500 ready'])
  expect(told[3]).toMatchObject({ model: 'a', seconds: 1.5 })
  expect(happenings([], notices, 1)).toHaveLength(1)
})
