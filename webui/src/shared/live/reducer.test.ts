import { describe, expect, it } from 'vitest'
import type { ModelState, ModelView } from '@/shared/api/types'
import { HISTORY, idleLeft, initialState, type LiveEvent, type LiveState, NOTICES, reduce } from './reducer'

function model(name: string, state: ModelState = 'stopped', more: Partial<ModelView> = {}): ModelView {
  return {
    name, aliases: [], mode: 'Chat', port: null, place: null, place_ends_at: null, state, since: '2026-01-01T00:00:00Z', variant: null, pid: null, leases: 0,
    waiting: 0, idle_seconds_left: null, started_at: null, ready_at: null, retry_at: null, waits_for: null, last_error: null,
    failures: 0, auto_start: false, alive_seconds: 900, max_concurrency: null, can_park: false, replicas: [], max_replicas: 1, ...more,
  }
}

function after(events: LiveEvent[], start: LiveState = initialState(0)): LiveState {
  return events.reduce((state, event, index) => reduce(state, event, index + 1), start)
}

const snapshot = (...models: ModelView[]): LiveEvent => ({ type: 'snapshot', data: { models } })

describe('reduce', () => {
  it('keeps the order of the configuration', () => {
    const state = after([snapshot(model('b'), model('a')), { type: 'model', data: model('b', 'starting') }])
    expect(state.order).toEqual(['b', 'a'])
    expect(state.loaded).toBe(true)
    expect(state.models['b']?.state).toBe('starting')
  })

  it('forgets models that a new snapshot does not have', () => {
    const state = after([snapshot(model('a'), model('b')), snapshot(model('b'))])
    expect(Object.keys(state.models)).toEqual(['b'])
  })

  it('notes each change of state once, newest first, also across a gap', () => {
    const state = after([
      snapshot(model('a')),
      { type: 'model', data: model('a', 'starting') },
      { type: 'model', data: model('a', 'starting', { waits_for: 'weights' }) },
      { type: 'lost' },
      { type: 'opened' },
      snapshot(model('a', 'failed', { last_error: 'exit code 1' })),
    ])
    expect(state.notices.map((notice) => notice.kind === 'state' && [notice.from, notice.to, notice.error])).toEqual([
      ['starting', 'failed', 'exit code 1'],
      ['stopped', 'starting', null],
    ])
    expect(new Set(state.notices.map((notice) => notice.id)).size).toBe(2)
  })

  it('does not note what the first snapshot shows', () => {
    expect(after([snapshot(model('a', 'failed'))]).notices).toEqual([])
  })

  it('keeps what it knew while the connection is lost', () => {
    const state = after([{ type: 'opened' }, snapshot(model('a', 'ready')), { type: 'lost' }, { type: 'lost' }])
    expect(state.connection).toBe('lost')
    expect(state.connectionSince).toBe(3)
    expect(state.models['a']?.state).toBe('ready')
  })

  it('lets an event win over an answer that was asked for before it', () => {
    const state = after([snapshot(model('a')), { type: 'model', data: model('a', 'ready') }])
    const late = reduce(state, { type: 'refreshed', data: [model('a', 'starting')], askedAt: 1 }, 9)
    expect(late.models['a']?.state).toBe('ready')
    const fresh = reduce(state, { type: 'refreshed', data: [model('a', 'ready', { leases: 3 })], askedAt: 5 }, 9)
    expect(fresh.models['a']?.leases).toBe(3)
  })

  it('is bounded', () => {
    let state = after([snapshot(model('a'))])
    for (let i = 0; i < 2000; i += 1) {
      state = reduce(state, { type: 'supervision', data: { path: 'x', message: String(i) } }, i)
      state = reduce(state, { type: 'throughput', data: { time: '', models: [] } }, i)
      state = reduce(state, { type: 'devices', data: [] }, i)
    }
    expect([state.notices.length, state.throughput.length, state.deviceHistory.length]).toEqual([NOTICES, HISTORY, HISTORY])
  })

  it('ignores what it does not know', () => {
    const state = initialState(0)
    expect(reduce(state, { type: 'weather' } as unknown as LiveEvent, 1)).toBe(state)
  })
})

it('counts idle time down from when it was told', () => {
  const told = { ...model('a', 'ready', { idle_seconds_left: 10 }), seenAt: 1000 }
  expect(idleLeft(told, 4000)).toBe(7)
  expect(idleLeft(told, 99_000)).toBe(0)
  expect(idleLeft({ ...told, idle_seconds_left: null }, 4000)).toBeNull()
})
