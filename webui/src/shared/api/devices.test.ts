import { expect, it } from 'vitest'
import { joined } from './devices'

const reading = { id: 'gpu', memory_used_mb: 1, utilization: 2, temperature_c: 3, power_w: 4 }
const time = (seconds: number) => new Date(seconds * 1000).toISOString()

it('puts the past before what is live, and nothing twice', () => {
  const past = { points: [10, 20, 30].map((seconds) => ({ time: time(seconds), devices: [reading] })) }
  const live = [25, 26].map((seconds) => ({ at: seconds * 1000, devices: [reading] }))
  expect(joined(past, live).map((point) => point.at / 1000)).toEqual([10, 20, 25, 26])
  expect(joined(past, []).map((point) => point.at / 1000)).toEqual([10, 20, 30])
  expect(joined(undefined, live)).toEqual(live)
})
