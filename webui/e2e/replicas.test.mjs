/** A model with several backends: each has a row, live, and a log of its own. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { openBrowser, openPage, settled, violations } from './browser.mjs'
import { model, startManager, until } from './manager.mjs'

let browser
before(async () => (browser = await openBrowser()))
after(() => browser?.close())

describe('replicas', () => {
  it('are shown one by one, with the log of each', async (t) => {
    const manager = await startManager({ models: [model('chat', { lines: ['replicas: {min: 2, max: 3}'] })] })
    t.after(() => manager.stop())
    const page = await openPage(browser, manager)
    t.after(() => page.context().close())
    await page.goto('/models/chat')
    await settled(page)
    await page.getByText('None runs').waitFor()
    await manager.api('/api/models/chat/start', 'POST')
    await page.locator('[data-replica="2"][data-state=ready]').waitFor()
    const shown = (await manager.api('/api/models/chat')).replicas
    const pids = await page.locator('[data-replica]').evaluateAll((rows) => rows.map((row) => row.cells[3].textContent))
    assert.deepEqual(pids, shown.map((replica) => String(replica.pid)))
    const log = page.locator('main').getByText(`listening on ${shown[1].port}`)
    assert.equal(await log.count(), 0, 'the log of the first one')
    await page.getByRole('combobox', { name: 'Log of replica' }).selectOption('2')
    await until(async () => (await log.count()) > 0, 'the log of the second one')
    assert.deepEqual(await violations(page), [])
    await page.goto('/models')
    await page.getByText('2 / 3').waitFor()
  })
})
