import { expect, it } from 'vitest'
import type { OneRun } from '@/shared/api/types'
import { longest, millis, sharesOf, stepsOf } from './steps'

const at = (ms: number) => new Date(1_000_000 + ms).toISOString()
const swap = {
  asked_at: at(0), victims_gone_at: at(200), memory_free_at: at(210), placed_at: at(212), launched_at: at(230), port_open_at: at(500), ready_at: at(4000), first_byte_at: at(4600),
  ended_at: null,
} as unknown as OneRun
const told = (run: Partial<OneRun>, now = 0) => stepsOf({ ...swap, ...run }, 1_000_000 + now).map(({ name, whose, from, to, end }) => [name, whose, from, to, end])

it('says whose each step is', () => {
  expect(told({})).toEqual([
    ['victims', 'others', 0, 200, 'done'], ['memory', 'driver', 200, 210, 'done'], ['placing', 'manager', 210, 212, 'done'], ['launch', 'manager', 212, 230, 'done'],
    ['port', 'server', 230, 500, 'done'], ['load', 'server', 500, 4000, 'done'], ['first', 'server', 4000, 4600, 'done'],
  ])
  expect(sharesOf(stepsOf(swap, 0))).toEqual([{ whose: 'server', ms: 3770 }, { whose: 'others', ms: 200 }, { whose: 'manager', ms: 20 }, { whose: 'driver', ms: 10 }])
  expect(longest(stepsOf(swap, 0))?.name).toBe('load')
})

it('tells a wait for memory from the choice of a place', () => {
  const free = { victims_gone_at: null, memory_free_at: null }
  expect(told({ ...free, placed_at: at(3) })[0]).toEqual(['placing', 'manager', 0, 3, 'done'])
  expect(told(free)[0]).toEqual(['placing', 'others', 0, 212, 'done'])
})

it('does not invent what is forgotten', () => {
  const old = { victims_gone_at: null, memory_free_at: null, placed_at: null, port_open_at: null, first_byte_at: null }
  expect(told(old)).toEqual([['before', 'unknown', 0, 230, 'done'], ['load', 'server', 230, 4000, 'done']])
  expect(told({ ...old, asked_at: null })).toEqual([['load', 'server', 0, 3770, 'done']])
  expect(told({ ...old, asked_at: null, launched_at: null, ready_at: null })).toEqual([])
})

it('shows a start that goes on, and one that broke', () => {
  const young = { port_open_at: null, ready_at: null, first_byte_at: null }
  expect(told(young, 900).at(-1)).toEqual(['port', 'server', 230, 900, 'open'])
  expect(told({ ...young, ended_at: at(700) }, 5000).at(-1)).toEqual(['port', 'server', 230, 700, 'broken'])
  expect(told({ first_byte_at: null }, 99_000).at(-1)?.[0]).toBe('load')
  // A clock that was set back.
  expect(told({ ready_at: at(400) }).slice(-2)).toEqual([['load', 'server', 500, 500, 'done'], ['first', 'server', 500, 4600, 'done']])
})

it('keeps parts of a millisecond', () => {
  expect(millis('1970-01-01T00:00:01.234567891Z') - 1234).toBeCloseTo(0.567891, 3)
  expect(millis('1970-01-01T00:00:01Z')).toBe(1000)
})
