/** What 50 open dashboards cost the manager: its CPU time with them less that without them, under the same traffic. */
import { get } from 'node:http'
import { cpuOf, stand, traffic, wait, watched } from './stand.mjs'

const DASHBOARDS = 50
const MODELS = 20
const SECONDS = 60

/** What a page asks for by itself, after it has loaded: path and period, as seen in a real one. */
async function habits(manager, path) {
  const { browser, page } = await watched(manager, path)
  try {
    const asked = new Map()
    page.on('request', (request) => {
      const url = new URL(request.url())
      if (!url.pathname.startsWith('/api/') || url.pathname === '/api/events') return
      // Times in the query move on; the question is the same.
      const known = asked.get(url.pathname + (url.searchParams.get('bucket') ?? '') + (url.searchParams.get('by') ?? '')) ?? { url: url.pathname + url.search, count: 0 }
      known.count += 1
      asked.set(url.pathname + (url.searchParams.get('bucket') ?? '') + (url.searchParams.get('by') ?? ''), known)
    })
    await wait(SECONDS)
    return [...asked.values()].map(({ url, count }) => ({ url, every: SECONDS / count }))
  } finally {
    await browser.close()
  }
}

/** One open dashboard, without a browser. */
function dashboard(manager, questions, counted) {
  const read = (path) =>
    get({ host: '127.0.0.1', port: manager.port, path, headers: { 'Accept-Encoding': 'gzip' } }, (answer) => {
      answer.on('data', (bytes) => (counted.bytes += bytes.length))
    }).on('error', () => undefined)
  const stream = read('/api/events')
  const timers = questions.map(({ url, every }) => {
    let timer = setTimeout(function again() {
      read(url)
      timer = setTimeout(again, every * 1000)
    }, Math.random() * every * 1000)
    return () => clearTimeout(timer)
  })
  return () => {
    stream.destroy()
    timers.forEach((stop) => stop())
  }
}

async function costs(manager) {
  const [from, began] = [cpuOf(manager.process.pid), Date.now()]
  await wait(SECONDS)
  return (cpuOf(manager.process.pid) - from) / ((Date.now() - began) / 1000)
}

async function compare(manager, questions) {
  const without = await costs(manager)
  const counted = { bytes: 0 }
  const open = Array.from({ length: DASHBOARDS }, () => dashboard(manager, questions, counted))
  await wait(3)
  counted.bytes = 0
  const withThem = await costs(manager)
  const rate = counted.bytes / SECONDS / DASHBOARDS / 1024
  open.forEach((close) => close())
  return { without, withThem, rate }
}

export async function dashboards() {
  const manager = await stand(MODELS)
  try {
    const questions = await habits(manager, '/')
    const asks = questions.map(({ url, every }) => `${url.split('?')[0]} every ${every.toFixed(0)} s`).join(', ') || 'nothing'
    const quiet = await compare(manager, questions)
    const stop = traffic(manager, MODELS)
    await wait(3)
    const busy = await compare(manager, questions)
    await stop()
    const percent = (share) => `${(share * 100).toFixed(1)} %`
    const row = (what, { without, withThem, rate }) => [
      `${DASHBOARDS} dashboards, ${what}: the manager's CPU`,
      `+${percent(withThem - without)} of a core (${percent(without)} → ${percent(withThem)}), ${rate.toFixed(1)} KiB/s each`,
      '5 %',
      withThem - without < 0.05,
    ]
    return [row(`${MODELS} models that rest`, quiet), row(`${MODELS} models with traffic`, busy), ['Beside `/api/events` each asks', asks, '', true]]
  } finally {
    await manager.stop()
  }
}
