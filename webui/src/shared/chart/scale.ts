/** The maths of axes. */

/** Round values from 0 to at least `highest`, about `wanted` of them. */
export function ticks(highest: number, wanted = 4): number[] {
  if (!(highest > 0) || !Number.isFinite(highest)) return [0, 1]
  const rough = highest / wanted
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = ([1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough * 0.999) ?? 10) * power
  const count = Math.ceil(highest / step - 1e-9)
  return Array.from({ length: count + 1 }, (_, index) => Number((index * step).toPrecision(12)))
}

/** Which of `count` labels are shown, so that each has at least `room` pixels. */
export function labelStep(count: number, width: number, room: number): number {
  return Math.max(1, Math.ceil(count / Math.max(1, Math.floor(width / room))))
}

const SECOND = 1000
const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const STEPS = [SECOND, 2 * SECOND, 5 * SECOND, 10 * SECOND, 15 * SECOND, 30 * SECOND, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY]

/** Round times of the local clock between two moments (milliseconds), at most so many. `offset`: what the clock is ahead of UTC. */
export function timeTicks(from: number, to: number, most: number, offset = -new Date(from).getTimezoneOffset() * MINUTE): number[] {
  const step = STEPS.find((one) => (to - from) / one <= Math.max(1, most)) ?? to - from
  const first = Math.ceil((from + offset) / step) * step - offset
  return Array.from({ length: Math.max(0, Math.floor((to - first) / step) + 1) }, (_, index) => first + index * step)
}
