/** 200 models, and none; how much the first visit loads. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { clean, live, openBrowser, openPage, settled, violations } from './browser.mjs'
import { model, startManager, until } from './manager.mjs'

let browser
before(async () => (browser = await openBrowser()))
after(() => browser?.close())

async function open(t, models, path) {
  const manager = await startManager({ models })
  t.after(() => manager.stop())
  const page = await openPage(browser, manager)
  t.after(() => page.context().close())
  await page.goto(path)
  await live(page)
  return { manager, page }
}

describe('200 models', () => {
  it('are shown, filtered and searched', async (t) => {
    const models = Array.from({ length: 200 }, (_, index) => model(`org/model-${index}`, { lines: [`aliases: ["alias-${index}"]`] }))
    const { page } = await open(t, models, '/models')
    const cards = page.locator('[data-model]')
    await until(async () => (await cards.count()) === 200, 'all are shown')
    await page.getByRole('searchbox').fill('alias-123')
    await until(async () => (await cards.count()) === 1, 'one is left')
    await page.getByRole('button', { name: 'Start: org/model-123' }).click()
    await page.locator('[data-model="org/model-123"][data-state="ready"]').waitFor()
    await page.getByRole('link', { name: 'org/model-123' }).click()
    await page.getByRole('heading', { name: 'org/model-123' }).waitFor()
    await page.reload()
    await page.getByRole('heading', { name: 'org/model-123' }).waitFor()
    clean(page)
  })

  it('don’t break any page', async (t) => {
    const models = Array.from({ length: 200 }, (_, index) => model(`org/model-${index}`))
    const { page } = await open(t, models, '/')
    for (const path of ['/', '/timeline', '/usage', '/billing', '/supervision', '/data', '/playground', '/logs', '/configuration']) {
      await page.goto(path)
      await settled(page)
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
      assert.ok(wide <= 0, `${path} is ${wide} px wider than the window`)
    }
    clean(page)
  })
})

describe('no model at all', () => {
  it('shows the way to the first one', async (t) => {
    const { page } = await open(t, [], '/')
    await page.getByText('No model is configured yet').waitFor()
    assert.deepEqual(await violations(page), [])
    clean(page)
  })
})

describe('the first load', () => {
  it('is less than 160 KiB', async (t) => {
    const { page } = await open(t, Array.from({ length: 20 }, (_, n) => model(`m${n}`)), '/')
    await settled(page)
    const bytes = await page.evaluate(() =>
      [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
        .filter((entry) => !entry.name.includes('/api/'))
        .reduce((sum, entry) => sum + entry.encodedBodySize, 0),
    )
    t.diagnostic(`first load: ${(bytes / 1024).toFixed(1)} KiB gzipped`)
    const names = await page.evaluate(() => performance.getEntriesByType('resource').map((entry) => entry.name.replace(/.*\//, '')))
    assert.deepEqual(names.filter((name) => /^(Markdown|dialogs|RestartDialog|LogView|PlaygroundPage)/.test(name)), [], 'what comes later comes with it')
    assert.ok(bytes > 50_000 && bytes < 160 * 1024, `${bytes} bytes`)
    clean(page)
  })
})
