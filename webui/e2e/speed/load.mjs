/** The first visit: what it transfers, and when one can use it. */
import { openBrowser, openPage, settled } from '../browser.mjs'
import { median, stand } from './stand.mjs'

const LOADS = 9
/** As Lighthouse has it: interactive is where the last long task ended that was followed by this much quiet. */
const QUIET_MS = 5000

export async function load() {
  const manager = await stand(20)
  // With traffic there is a chart to be drawn.
  await manager.ask('model-1', { stream: true, fake: 'tokens=20,delay_ms=5' })
  const browser = await openBrowser()
  const seen = []
  try {
    for (let n = 0; n < LOADS; n += 1) {
      const page = await openPage(browser, manager)
      await page.addInitScript(() => {
        globalThis.longTasks = []
        new PerformanceObserver((list) => globalThis.longTasks.push(...list.getEntries().map((task) => task.startTime + task.duration))).observe({ type: 'longtask', buffered: true })
        const look = () => {
          if (document.querySelector('[data-connection=live]') && document.querySelector('#content h1') && !document.querySelector('[data-loading]')) globalThis.wholeAt = performance.now()
          else requestAnimationFrame(look)
        }
        requestAnimationFrame(look)
      })
      await page.goto('/')
      await settled(page)
      await page.waitForTimeout(QUIET_MS)
      seen.push(
        await page.evaluate(() => {
          const files = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')].filter((entry) => !entry.name.includes('/api/'))
          const painted = performance.getEntriesByName('first-contentful-paint')[0].startTime
          const lastTask = Math.max(0, ...globalThis.longTasks.filter((end) => end < globalThis.wholeAt + 5000))
          return { bytes: files.reduce((sum, entry) => sum + entry.encodedBodySize, 0), files: files.length, painted, whole: globalThis.wholeAt, interactive: Math.max(painted, globalThis.wholeAt, lastTask) }
        }),
      )
      await page.context().close()
    }
  } finally {
    await browser.close()
    await manager.stop()
  }
  const of = (what) => median(seen.map((one) => one[what]))
  const worst = Math.max(...seen.map((one) => one.interactive))
  return [
    ['First load with a chart, gzipped, without data', `${(of('bytes') / 1024).toFixed(0)} KiB in ${of('files')} files`, '160 KiB', of('bytes') < 160 * 1024],
    ['First paint of content, empty cache, loopback', `${of('painted').toFixed(0)} ms`, '', true],
    ['Interactive: all data there, no long task after it', `${of('interactive').toFixed(0)} ms (worst of ${LOADS}: ${worst.toFixed(0)} ms)`, '1 s', of('interactive') < 1000],
  ]
}
