/** What the measurements stand on: a manager whose models are busy, and the clocks that are read. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { openBrowser, openPage, settled } from '../browser.mjs'
import { model, startManager, TARGET } from '../manager.mjs'

/** The release build, if there is one: a debug build costs ten times as much. */
const RELEASE = join(TARGET, 'release', 'llm-manager')
export const binary = process.env.LLM_MANAGER_BIN ?? (existsSync(RELEASE) ? RELEASE : join(TARGET, 'debug', 'llm-manager'))

export const wait = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000))
export const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]

/** A manager with this many ready models; devices are looked at. */
export async function stand(count) {
  const models = Array.from({ length: count }, (_, n) => model(`model-${n + 1}`))
  const manager = await startManager({ models, program: ['Disable_GPU_monitoring: false', 'log_level: WARN'], binary })
  for (let n = 1; n <= count; n += 1) await manager.api(`/api/models/model-${n}/start`, 'POST')
  return manager
}

/** Requests to every model, so that each of them has news every second; the answer ends it. */
export function traffic(manager, count) {
  let going = true
  const one = async (n) => {
    while (going) {
      await manager.ask(`model-${n}`, { stream: true, fake: 'tokens=10,delay_ms=40' }).catch(() => undefined)
      await wait(0.3)
    }
  }
  const all = Array.from({ length: count }, (_, n) => one(n + 1))
  return async () => {
    going = false
    await Promise.all(all)
  }
}

/** Seconds of CPU that the threads of a process have used, without its children: the scheduler's own nanoseconds. */
export function cpuOf(pid) {
  const threads = readdirSync(`/proc/${pid}/task`)
  return threads.reduce((sum, thread) => sum + Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]), 0) / 1e9
}

/** A page as people have it open, with the debugger's view of it. */
export async function watched(manager, path) {
  const browser = await openBrowser(['--js-flags=--expose-gc'])
  const page = await openPage(browser, manager, { motion: 'no-preference' })
  await page.goto(path)
  await settled(page)
  const session = await page.context().newCDPSession(page)
  await session.send('Performance.enable')
  const whole = await browser.newBrowserCDPSession()
  const renderer = async () => {
    const { processInfo } = await whole.send('SystemInfo.getProcessInfo')
    // Of two renderers one is the spare that Chromium keeps ready.
    return processInfo.filter(({ type }) => type === 'renderer').sort((a, b) => b.cpuTime - a.cpuTime)[0].cpuTime
  }
  const browserCpu = async () => (await whole.send('SystemInfo.getProcessInfo')).processInfo.reduce((sum, one) => sum + one.cpuTime, 0)
  const heap = async () => {
    for (let n = 0; n < 3; n += 1) await session.send('HeapProfiler.collectGarbage')
    return (await session.send('Runtime.getHeapUsage')).usedSize / 2 ** 20
  }
  return { browser, page, renderer, browserCpu, heap }
}

/** The machine, in a line. */
export function machine() {
  const [cpu] = cpus()
  const load = readFileSync('/proc/loadavg', 'utf8').split(' ')[0]
  return `${cpus().length} cores (${cpu.model.trim()}), Node ${process.version}, load ${load} at the start`
}
