import { expect, it } from 'vitest'
import { AWAY_MS, next, type Phase, type Seen } from './restart'

const here = (life: string | null): Seen => ({ answers: true, life })
const gone: Seen = { answers: false }

/** One look a second at a manager whose life was `one`. */
function watch(looks: Seen[], start: Phase = { at: 'ending', since: 0 }): string[] {
  const phases: string[] = []
  looks.reduce((phase, seen, index) => {
    const after = next(phase, seen, 'one', (index + 1) * 1000)
    phases.push(after.at)
    return after
  }, start)
  return phases
}

it('waits until the manager has gone and has come back', () => {
  expect(watch([here('one'), here('one'), gone, gone, here('two')])).toEqual(['ending', 'ending', 'away', 'away', 'back'])
})

it('notices a restart between two looks', () => {
  expect(watch([here('one'), here('two')])).toEqual(['ending', 'back'])
  // A manager that does not tell its life is not taken for a new one.
  expect(watch([here(null), gone, here(null)])).toEqual(['ending', 'away', 'back'])
})

it('says when it takes too long, and still waits', () => {
  const away: Phase = { at: 'away', since: 0 }
  expect(next(away, gone, 'one', AWAY_MS)).toEqual(away)
  const missing = next(away, gone, 'one', AWAY_MS + 1)
  expect(missing.at).toBe('missing')
  expect(next(missing, here('two'), 'one', AWAY_MS + 9).at).toBe('back')
})

it('is at rest while nobody asked', () => {
  expect(watch([gone, here('two')], { at: 'idle' })).toEqual(['idle', 'idle'])
})
