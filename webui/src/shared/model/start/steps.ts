/** A start as steps: what lies between the moments that `GET /api/runs/{id}` tells. */
import type { OneRun } from '@/shared/api/types'

/** In the order in which they come. */
const MOMENTS = ['asked_at', 'victims_gone_at', 'memory_free_at', 'placed_at', 'launched_at', 'port_open_at', 'ready_at', 'first_byte_at'] as const
type MomentName = (typeof MOMENTS)[number]

export type StepName = 'victims' | 'memory' | 'placing' | 'launch' | 'before' | 'port' | 'load' | 'first'
/** Whose time it is. `unknown`: the moments that would tell are forgotten. */
export type Whose = 'manager' | 'server' | 'others' | 'driver' | 'unknown'

export interface Step {
  name: StepName
  whose: Whose
  /** Milliseconds since the first moment. */
  from: number
  to: number
  /** `open`: it goes on; `broken`: the run ended in it. */
  end: 'done' | 'open' | 'broken'
}

/** To choose a place takes less; longer than this it was a wait for memory that others held. */
const LONGEST_CHOICE_MS = 100

const stepTo: Record<Exclude<MomentName, 'asked_at'>, StepName> = {
  victims_gone_at: 'victims', memory_free_at: 'memory', placed_at: 'placing', launched_at: 'launch', port_open_at: 'port', ready_at: 'load', first_byte_at: 'first',
}

/** What comes after a moment, as long as it has not come. */
const stepAfter: Partial<Record<MomentName, StepName>> = {
  asked_at: 'placing', victims_gone_at: 'placing', memory_free_at: 'placing', placed_at: 'launch', launched_at: 'port', port_open_at: 'load',
}

/** Milliseconds since the epoch; what is finer than a `Date` is kept. */
export function millis(text: string): number {
  const finer = /\.\d{3}(\d+)/.exec(text)?.[1]
  return Date.parse(text) + (finer ? Number(`0.${finer}`) : 0)
}

function whoseIs(name: StepName, after: MomentName, length: number): Whose {
  switch (name) {
    case 'victims':
      return 'others'
    case 'memory':
      return 'driver'
    case 'placing':
      return after === 'asked_at' && length >= LONGEST_CHOICE_MS ? 'others' : 'manager'
    case 'launch':
      return 'manager'
    case 'before':
      return 'unknown'
    default:
      return 'server'
  }
}

/** The steps so far. `now` is for a start that goes on. */
export function stepsOf(run: OneRun, now: number): Step[] {
  const known = MOMENTS.flatMap((name) => {
    const text = run[name]
    return text === null ? [] : [{ name, at: millis(text) }]
  })
  const [first] = known
  if (!first) return []
  const steps: Step[] = []
  let last = first
  const add = (name: StepName, at: number, end: Step['end']) => {
    // Clocks may be set back in between: no step takes less than nothing.
    const to = Math.max(at, last.at)
    steps.push({ name, whose: whoseIs(name, last.name, to - last.at), from: last.at - first.at, to: to - first.at, end })
    return to
  }
  for (const { name, at } of known.slice(1)) {
    if (name === 'asked_at') continue
    const step = name === 'launched_at' && last.name !== 'placed_at' ? 'before' : stepTo[name]
    last = { name, at: add(step, at, 'done') }
  }
  const next = stepAfter[last.name]
  if (next) add(next, run.ended_at === null ? now : millis(run.ended_at), run.ended_at === null ? 'open' : 'broken')
  return steps
}

/** Milliseconds by whose they were, until it was ready; the first answer is a thing of its own. */
export function sharesOf(steps: readonly Step[]): { whose: Whose; ms: number }[] {
  const sums = new Map<Whose, number>()
  for (const step of steps) {
    if (step.name !== 'first') sums.set(step.whose, (sums.get(step.whose) ?? 0) + step.to - step.from)
  }
  return [...sums].map(([whose, ms]) => ({ whose, ms })).sort((a, b) => b.ms - a.ms)
}

/** The one that took longest, if it took long enough to care. */
export function longest(steps: readonly Step[]): Step | null {
  const found = steps.reduce<Step | null>((most, step) => (most && most.to - most.from >= step.to - step.from ? most : step), null)
  return found && found.to - found.from >= LONGEST_CHOICE_MS ? found : null
}
