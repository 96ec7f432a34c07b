import { expect, it } from 'vitest'
import { causeOf, causeTexts, kindOfCause } from './cause'
import { ofLedger, ofModel } from './runs'

const at = '2026-01-01T00:00:00Z'

it('says why a run ended, in both languages', () => {
  expect(causeOf({ cause: 'evicted', evictedFor: 'B', endedBy: null }, causeTexts.en)).toBe('Stopped to make room for B')
  expect(causeOf({ cause: 'evicted', evictedFor: null, endedBy: null }, causeTexts.zh)).toBe('为其他模型让出内存')
  expect(causeOf({ cause: 'idle', evictedFor: null, endedBy: null }, causeTexts.zh)).toBe('空闲超时')
  const alice = { kind: 'local', who: 'alice' } as const
  expect(causeOf({ cause: 'operator', evictedFor: null, endedBy: alice }, causeTexts.en)).toBe('Stopped by alice (command line)')
  expect(causeOf({ cause: 'operator', evictedFor: null, endedBy: { kind: 'session', who: 'boss' } }, causeTexts.zh)).toBe('由 boss（浏览器）停止')
  expect(causeOf({ cause: 'restart', evictedFor: null, endedBy: { kind: 'rule', who: 'changed configuration' } }, causeTexts.en)).toBe('Restarted by a changed configuration')
  expect(causeOf({ cause: 'operator', evictedFor: null, endedBy: null }, causeTexts.en)).toBe('Stopped by an operator')
  // A newer manager may know more causes.
  expect(causeOf({ cause: 'meteor', evictedFor: null, endedBy: null }, causeTexts.en)).toBe('meteor')
  expect(causeOf({ cause: null, evictedFor: null, endedBy: null }, causeTexts.en)).toBe('Ended')
  expect([kindOfCause('crashed'), kindOfCause('evicted'), kindOfCause('idle'), kindOfCause('meteor')]).toEqual(['bad', 'warn', 'off', 'off'])
})

it('makes one shape of the ledger’s runs and of a model’s own', () => {
  const own = ofModel('m', { variant: 'v', pid: 1, queued_at: at, started_at: at, ready_at: null, ended_at: at, exit: 'code 1', cause: 'start_failed', evicted_for: null, started_by: null, ended_by: null })
  const kept = ofLedger({
    id: 7, model: 'm', variant: 'v', queued_at: null, started_at: at, ready_at: at, ended_at: null, cause: null, evicted_for: null, started_by: { kind: 'rule', who: 'request' }, ended_by: null, exit: null, paid_seconds: 3, parked_seconds: 0, parked: [],
    cost: { CNY: '1' }, energy_wh: 2, energy_cost: {},
  })
  expect(own).toMatchObject({ id: null, model: 'm', ready: null, ended: Date.parse(at), cause: 'start_failed', cost: {} })
  expect(kept).toMatchObject({ id: 7, startedBy: { kind: 'rule', who: 'request' }, queued: null, ended: null, cost: { CNY: '1' }, energyWh: 2 })
})
