/** Screenshots of every page into e2e/out: `npm run shots [-- names]`. */
import { mkdirSync } from 'node:fs'
import { live, openBrowser, openPage } from './browser.mjs'
import { startManager, until } from './manager.mjs'
import { mock } from './mock.mjs'
import { demoDevices, demoModels, PAGES, useDemo } from './demo.mjs'

const wanted = process.argv.slice(2)
const out = new URL('./out/', import.meta.url).pathname
mkdirSync(out, { recursive: true })

const manager = await startManager({ models: demoModels(), top: demoDevices(), program: ['alive_time: 15', 'Disable_GPU_monitoring: false'] })
const browser = await openBrowser()
try {
  const stop = await useDemo(manager)
  await until(async () => (await manager.api('/api/models')).some((model) => model.state === 'ready'), 'a ready model')
  for (const [name, path] of Object.entries(PAGES)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue
    const kinds = [
      ['light', { theme: 'light' }], ['dark', { theme: 'dark' }], ['phone', { theme: 'light', phone: true }],
      ['zh', { theme: 'dark', language: 'zh-CN', phone: true }],
    ]
    for (const [kind, options] of kinds) {
      const page = await openPage(browser, manager, options)
      if (process.env.MOCK) await mock(page)
      await page.goto(path)
      await live(page)
      await page.waitForTimeout(name === 'devices' ? 5000 : 1200)
      await page.screenshot({ path: `${out}${name}-${kind}.png` })
      if (page.errors.length > 0) console.log(name, kind, page.errors)
      await page.context().close()
    }
  }
  stop()
} finally {
  await browser.close()
  await manager.stop()
}
