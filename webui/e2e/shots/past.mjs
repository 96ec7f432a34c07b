/**
 * A month that this house has had, in minutes: real requests through a real manager, whose clock runs faster.
 * The clock is Debian's faketime; without it there is no past, and the pictures begin today.
 */
import { existsSync } from 'node:fs'
import { wait } from '../speed/stand.mjs'
import { house } from './house.mjs'

const FAKETIME = ['/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1', '/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1'].find(existsSync)
const HOUR = 3600_000
const DAY = 24 * HOUR

/** A clock that shows `from` now and `to` after so many seconds. */
function clock(from, to, lasts) {
  const began = new Date(from).toISOString().slice(0, 19).replace('T', ' ')
  return { LD_PRELOAD: FAKETIME, FAKETIME: `@${began} x${((to - from) / 1000 / lasts).toFixed(3)}`, FAKETIME_DONT_FAKE_MONOTONIC: '1', NO_FAKE_STAT: '1', TZ: 'UTC' }
}

const pick = (weights) => {
  let left = Math.random() * Object.values(weights).reduce((sum, weight) => sum + weight, 0)
  return Object.keys(weights).find((name) => (left -= weights[name]) < 0)
}
const between = (low, high) => Math.round(low + (high - low) * Math.random() ** 2)

/** How busy an hour of a day is, 0 to 1. */
const busyness = (at) => {
  const hour = at.getHours() + at.getMinutes() / 60
  const week = [0, 6].includes(at.getDay()) ? 0.35 : 1
  return week * (0.06 + 0.94 * Math.max(0, Math.sin(((hour - 7) / 16) * Math.PI)) ** 1.4)
}

/** One request as its kind is asked. */
export function ask(manager, name, words = '') {
  if (name === 'bge-m3') return manager.ask(name, { path: '/v1/embeddings', input: 'text', fake: `prompt=${between(200, 6000)},cached=0,tokens=0${words}` })
  if (name === 'bge-reranker-v2-m3') return manager.ask(name, { path: '/v1/rerank', query: 'q', documents: ['a', 'b'], fake: `prompt=${between(400, 3000)},cached=0,tokens=0${words}` })
  const prompt = between(300, Math.random() < 0.06 ? 60000 : 9000)
  return manager.ask(name, { stream: true, fake: `prompt=${prompt},cached=${Math.round(prompt * 0.6 * Math.random())},tokens=${between(60, 1400)}${words}` })
}

const WEIGHTS = { 'Qwen2.5-14B-Instruct': 60, 'Qwen2.5-Coder-7B': 34, 'bge-m3': 44, 'bge-reranker-v2-m3': 12 }
/** These want most of a card, and so come seldom and make the others leave. */
const LARGE = { 'DeepSeek-R1-Distill-32B': 3, 'Llama-3.3-70B': 1 }

/** At the end of a stage nothing is asked for so long: answers end, and the clock does not run on with them. */
const CALM = 1.5

/** Lives from `from` to `to` within so many seconds of ours. */
async function live(manager, from, to, lasts) {
  const began = Date.now()
  const asked = new Set()
  let large = { name: '', left: 0 }
  for (;;) {
    const spent = (Date.now() - began) / 1000
    if (spent > lasts - CALM) break
    const at = new Date(from + (spent / lasts) * (to - from))
    if (Math.random() < busyness(at)) {
      if (large.left === 0 && Math.random() < 0.01) large = { name: pick(LARGE), left: 30 }
      const name = large.left > 0 ? large.name : pick(WEIGHTS)
      if (large.left > 0) large.left -= 1
      const odd = Math.random()
      const one = ask(manager, name, odd < 0.004 ? ',cut=mid-stream' : odd < 0.008 ? ',status=500' : '').catch(() => undefined)
      asked.add(one)
      void one.then(() => asked.delete(one))
      // Those who wait for a large model's memory don't pile up.
      if (asked.size > 12) await Promise.race(asked)
    }
    await wait(0.012)
  }
  await Promise.race([Promise.all(asked), wait(CALM / 2)])
}

/** The manager with its past behind it, on the real clock. */
export async function withPast(binary, scale = 1) {
  if (!FAKETIME) {
    console.log('faketime is not installed (Debian: libfaketime): the pictures have no past')
    return house(binary, {})
  }
  const lasts = [150, 80, 110].map((seconds) => seconds * scale)
  const now = Date.now() + lasts.reduce((sum, one) => sum + one, 0) * 1000
  const edges = [now - 29 * DAY, now - 2 * DAY, now - 4 * HOUR, now]
  let manager = null
  for (const [stage, seconds] of lasts.entries()) {
    const env = clock(edges[stage], edges[stage + 1], seconds)
    if (manager) {
      manager.env = env
      await manager.start()
    } else manager = await house(binary, env)
    await live(manager, edges[stage], edges[stage + 1], seconds)
    await manager.halt()
  }
  manager.env = {}
  await manager.start()
  return manager
}
