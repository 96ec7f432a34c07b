/**
 * An hour in front of the page at 20 events a second. In real time for some minutes, with real models and real
 * requests, for the CPU; then the events of a minute of that are told again, 72,000 in all, as fast as the page
 * takes them, for the memory: what an hour gathers is counted in events, not in seconds.
 */
import { createServer, request } from 'node:http'
import { freePort } from '../manager.mjs'
import { stand, traffic, wait, watched } from './stand.mjs'

const MODELS = 20
const EVENTS = 20 * 3600
/** Five times a second 160 at once: 800 a second, and a pause to paint between them. */
const BURST = 160

/** Everything that the manager tells within so many seconds, as it came. */
async function record(manager, seconds) {
  const leave = new AbortController()
  const stream = await fetch(`${manager.url}/api/events`, { signal: leave.signal })
  const timer = setTimeout(() => leave.abort(), seconds * 1000)
  let text = ''
  try {
    for await (const bytes of stream.body) text += Buffer.from(bytes).toString()
  } catch (error) {
    if (error.name !== 'AbortError') throw error
  }
  clearTimeout(timer)
  return text.split('\n\n').slice(0, -1).filter((event) => event.startsWith('data:'))
}

/** The manager under another port, with our own events. */
async function retold(manager, events) {
  const tell = new Set()
  const server = createServer((asked, answer) => {
    if (asked.url === '/api/events') {
      answer.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' })
      answer.write(`${events[0]}\n\n`)
      tell.add(answer)
      asked.on('close', () => tell.delete(answer))
      return
    }
    const headers = { ...asked.headers, host: `127.0.0.1:${manager.port}` }
    const passed = request({ port: manager.port, host: '127.0.0.1', path: asked.url, method: asked.method, headers }, (got) => {
      answer.writeHead(got.statusCode, got.headers)
      got.pipe(answer)
    })
    passed.on('error', () => answer.destroy())
    asked.pipe(passed)
  })
  const port = await freePort()
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve))
  const say = (text) => tell.forEach((answer) => answer.write(text))
  return { url: `http://127.0.0.1:${port}`, say, close: () => server.closeAllConnections() ?? server.close() }
}

/** CPU in shares of a core, while the page is open for so many seconds. */
async function realTime(manager, path, seconds) {
  const view = await watched(manager, path)
  try {
    await wait(5)
    const before = { at: Date.now(), renderer: await view.renderer(), all: await view.browserCpu(), heap: await view.heap() }
    await wait(seconds)
    const after = { at: Date.now(), renderer: await view.renderer(), all: await view.browserCpu() }
    const took = (after.at - before.at) / 1000
    return { renderer: (after.renderer - before.renderer) / took, all: (after.all - before.all) / took, heap: (await view.heap()) - before.heap }
  } finally {
    await view.browser.close()
  }
}

async function compressed(manager, events, path) {
  const other = await retold(manager, events)
  const view = await watched(other, path)
  try {
    await wait(3)
    const before = await view.heap()
    const rest = events.slice(1)
    for (let told = 0; told < EVENTS; told += BURST) {
      let text = ''
      for (let n = told; n < Math.min(EVENTS, told + BURST); n += 1) text += `${rest[n % rest.length]}\n\n`
      other.say(text)
      await wait(0.2)
    }
    // The page has taken them all when it shows the last one.
    const last = JSON.parse(rest.findLast((event) => event.includes('"type":"model"')).slice(5))
    other.say(`data: ${JSON.stringify({ ...last, data: { ...last.data, state: 'failed' } })}\n\n`)
    await view.page.getByLabel('1 failed').waitFor({ timeout: 120_000 })
    return { before, after: await view.heap() }
  } finally {
    await view.browser.close()
    other.close()
  }
}

export async function hour({ minutes, pages }) {
  const manager = await stand(MODELS)
  const stop = traffic(manager, MODELS)
  const rows = []
  try {
    const events = await record(manager, 60)
    const rate = events.length / 60
    for (const path of pages) {
      const live = await realTime(manager, path, minutes * 60)
      const cpu = `${(live.renderer * 100).toFixed(1)} % of a core (all of Chromium: ${(live.all * 100).toFixed(1)} %)`
      rows.push([`\`${path}\` open for ${minutes} min at ${rate.toFixed(0)} events/s: CPU of the page`, cpu, '5 %', live.renderer < 0.05])
      rows.push([`\`${path}\`, the same time: heap after collection grew by`, `${live.heap.toFixed(1)} MiB`, '20 MB', live.heap < 19])
    }
    await stop()
    for (const path of pages) {
      const { before, after } = await compressed(manager, events, path)
      rows.push([`\`${path}\`, the events of an hour (${EVENTS}) told again: heap after collection`, `${before.toFixed(1)} → ${after.toFixed(1)} MiB`, '+20 MB', after - before < 19])
    }
  } finally {
    await stop()
    await manager.stop()
  }
  return rows
}
