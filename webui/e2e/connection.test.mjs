/** A manager that goes away and comes back while the dashboard is open. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { AWAY, clean, live, openBrowser, openPage } from './browser.mjs'
import { model, startManager } from './manager.mjs'

let browser
before(async () => (browser = await openBrowser()))
after(() => browser?.close())

describe('the connection', () => {
  it('may be lost and come back, also to a fresh manager', async (t) => {
    const manager = await startManager({ models: [model('a')] })
    t.after(() => manager.stop())
    await manager.api('/api/models/a/start', 'POST')
    const page = await openPage(browser, manager)
    t.after(() => page.context().close())
    await page.goto('/models')
    await live(page)
    await page.locator('[data-state="ready"]').waitFor()
    await manager.halt()
    await page.getByText(/was lost/).waitFor()
    assert.equal(await page.locator('[data-model="a"]').count(), 1, 'what was known stays')
    await manager.start()
    await live(page)
    await page.locator('[data-model="a"][data-state="stopped"]').waitFor()
    await page.getByText(/was lost/).waitFor({ state: 'detached' })
    await page.getByRole('button', { name: 'Start: a' }).click()
    await page.locator('[data-model="a"][data-state="ready"]').waitFor()
    clean(page, AWAY)
  })

  it('that is lost ends no log: it goes on when the manager is back', async (t) => {
    const manager = await startManager({ models: [model('a')] })
    t.after(() => manager.stop())
    const page = await openPage(browser, manager)
    t.after(() => page.context().close())
    await page.goto('/logs?model=a')
    await live(page)
    await manager.ask('a', { fake: 'log=before-the-end' })
    await page.getByRole('log').getByText('before-the-end').waitFor()
    await manager.halt()
    await page.getByText(/was lost/).waitFor()
    await manager.start()
    await live(page)
    await manager.ask('a', { fake: 'log=after-the-return' })
    await page.getByRole('log').getByText('after-the-return').waitFor()
    clean(page, AWAY)
  })
})
