/** Starting, cancelling and stopping models from the dashboard. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { clean, live, openBrowser, openPage, violations } from './browser.mjs'
import { model, startManager, until } from './manager.mjs'

let browser
before(async () => (browser = await openBrowser()))
after(() => browser?.close())

async function open(t, models, path = '/models') {
  const manager = await startManager({ models })
  t.after(() => manager.stop())
  const page = await openPage(browser, manager)
  t.after(() => page.context().close())
  await page.goto(path)
  await live(page)
  return { manager, page, becomes: (name, state) => page.locator(`[data-model="${name}"][data-state="${state}"]`).waitFor() }
}

describe('orders', () => {
  it('starts, shows what a start waits for, cancels it, stops', async (t) => {
    const { manager, page, becomes } = await open(t, [model('quick'), model('slow', { flags: ['--bind-delay-ms', '600000'] })])
    await page.getByRole('button', { name: 'Start: quick' }).click()
    await becomes('quick', 'ready')
    await page.getByRole('button', { name: 'Start: slow' }).click()
    await becomes('slow', 'starting')
    await page.locator('[data-model="slow"]').getByText(/waits for GET/).waitFor()
    await page.getByRole('button', { name: 'Cancel start: slow' }).click()
    await becomes('slow', 'stopped')
    await page.getByRole('button', { name: 'Stop: quick' }).click()
    await becomes('quick', 'stopped')
    assert.deepEqual((await manager.api('/api/models')).map((one) => [one.state, one.pid]), [['stopped', null], ['stopped', null]])
    clean(page)
  })

  it('gives a running model a new process', async (t) => {
    const { manager, page, becomes } = await open(t, [model('again')])
    await page.getByRole('button', { name: 'Start: again' }).click()
    await becomes('again', 'ready')
    const pid = async () => (await manager.api('/api/models'))[0].pid
    const first = await pid()
    await page.getByRole('button', { name: 'Restart: again' }).click()
    await until(async () => ![first, null].includes(await pid()), 'another process')
    await becomes('again', 'ready')
    clean(page)
  })

  it('tells why a start failed, with the last line of the backend', async (t) => {
    const { page, becomes } = await open(t, [model('broken', { flags: ['--die-at-start', '3'] })])
    await page.getByRole('button', { name: 'Start: broken' }).click()
    await becomes('broken', 'failed')
    await page.locator('[data-model="broken"]').getByText('exit code 3', { exact: false }).first().waitFor()
    await page.locator('[data-model="broken"] summary').click()
    await page.locator('[data-model="broken"]').getByText(/made of cheese/).waitFor()
    assert.deepEqual(await violations(page), [])
    clean(page, /status of 503.*\/api\/models\/broken\/start/)
  })

  it('asks before it stops a busy model, and can be used by keyboard', async (t) => {
    const { manager, page, becomes } = await open(t, [model('busy')])
    await manager.api('/api/models/busy/start', 'POST')
    const go = join(manager.dir, 'go')
    const asked = manager.ask('busy', { stream: true, fake: `tokens=4,stream_file=${go}` })
    await page.getByText('1 request running').waitFor()
    const stop = page.getByRole('button', { name: 'Stop: busy' })
    await stop.focus()
    await page.keyboard.press('Enter')
    const dialog = page.getByRole('alertdialog')
    await dialog.waitFor()
    assert.deepEqual(await violations(page, '[role=alertdialog]'), [])
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'detached' })
    assert.ok(await stop.evaluate((button) => button === document.activeElement), 'the focus is back on the button')
    assert.equal((await manager.api('/api/models'))[0].state, 'ready')
    writeFileSync(go, '')
    assert.equal(await asked, 200)
    await page.getByText('1 request running').waitFor({ state: 'detached' })
    await page.keyboard.press('Enter')
    await becomes('busy', 'stopped')
    clean(page)
  })
})
