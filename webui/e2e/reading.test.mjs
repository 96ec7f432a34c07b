/** What a person reads first: why a model failed, what runs, how fast it was, and that there is more to see. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { clean, openBrowser, openPage, settled } from './browser.mjs'
import { model, startManager, until } from './manager.mjs'

let browser
before(async () => (browser = await openBrowser()))
after(() => browser?.close())

async function open(t, models, options) {
  const manager = await startManager({ models })
  t.after(() => manager.stop())
  const page = await openPage(browser, manager, options)
  t.after(() => page.context().close())
  const go = async (path) => {
    await page.goto(path)
    await settled(page)
  }
  return { manager, page, go }
}

describe('reading', () => {
  it('finds the line of the backend that helps beside the failure', async (t) => {
    const { manager, page, go } = await open(t, [model('broken', { flags: ['--die-at-start', '3'] })])
    await manager.api('/api/models/broken/start?wait=false', 'POST')
    await until(async () => (await manager.api('/api/models'))[0].state === 'failed', 'it failed')
    await go('/')
    const attention = page.getByRole('region', { name: 'Needs attention' })
    await attention.getByText(/^exit code 3/).waitFor()
    assert.match(await attention.getByLabel('Its last words').textContent(), /^fake: /)
    clean(page)
  })

  it('tells a stopped model from one that runs, in the tree of the parts too', async (t) => {
    const { manager, page, go } = await open(t, [model('up'), model('down')])
    await manager.api('/api/models/up/start', 'POST')
    await go('/supervision')
    const state = (name) => page.locator(`[data-path="models/${name}"] td`).first().textContent()
    assert.deepEqual([await state('up'), await state('down')], ['Ready', 'Stopped'])
    assert.equal(await page.locator('[data-path="scheduler"], [data-path="models"]').first().locator('td').first().textContent(), 'running')
    clean(page)
  })

  it('shows tokens a second of the writing, and the first byte with and without a wait for the model', async (t) => {
    const { manager, page, go } = await open(t, [model('a', { flags: ['--bind-delay-ms', '400'] })])
    for (const tokens of [40, 41]) assert.equal(await manager.ask('a', { stream: true, fake: `tokens=${tokens},delay_ms=10` }), 200)
    await until(async () => (await manager.api('/api/requests')).rows.length === 2, 'both are in the ledger')
    await go('/usage?range=quarter')
    const row = async (name) => (await page.getByRole('row', { name }).getByRole('cell').allTextContents()).slice(0, 1)[0]
    const speed = Number(await row(/^Tokens\/s while an answer is written/))
    assert.ok(speed > 5 && speed < 101, `${speed} tokens/s of one each 10 ms`)
    assert.match(await row(/^First byte, model ready/), / ms$/)
    assert.match(await row(/^First byte, after a wait/), /^\d{3} ms$|s$/)
    clean(page)
  })

  it('opens a request wherever its row is hit, and pauses by a button that says so', async (t) => {
    const { manager, page, go } = await open(t, [model('a')])
    await manager.ask('a')
    await until(async () => (await manager.api('/api/requests')).rows.length === 1, 'it is in the ledger')
    await go('/requests')
    await page.getByRole('cell', { name: 'a', exact: true }).click()
    await page.getByRole('dialog', { name: 'Request' }).getByText('/v1/chat/completions').waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('button', { name: 'Pause', exact: true }).click()
    await page.getByText('Paused').waitFor()
    await page.getByRole('button', { name: 'Resume' }).waitFor()
    clean(page)
  })

  it('names what was asked for where there is no such model', async (t) => {
    const { manager, page, go } = await open(t, [model('a')])
    assert.equal(await manager.ask('nobody'), 404)
    await until(async () => (await manager.api('/api/requests')).rows.length === 1, 'it is in the ledger')
    await go('/requests')
    await page.getByRole('cell', { name: /^no model has the name or alias `nobody`/ }).click()
    const about = page.getByRole('dialog', { name: 'Request' })
    await about.getByText(/alias `nobody`/).waitFor()
    assert.equal(await about.getByRole('link').count(), 0, 'there is no page of a model that there is not')
    clean(page)
  })

  it('says on a phone that a table goes on, until its end is in sight', async (t) => {
    const { manager, page, go } = await open(t, [model('a')], { phone: true })
    await manager.ask('a')
    await until(async () => (await manager.api('/api/requests')).rows.length === 1, 'it is in the ledger')
    await go('/requests')
    const more = page.locator('[data-more]')
    await more.waitFor()
    await page.getByRole('group', { name: 'Requests' }).evaluate((box) => box.scrollTo(box.scrollWidth, 0))
    await more.waitFor({ state: 'detached' })
    clean(page)
  })

  it('hides nothing of a snippet behind its button, and copies commands that can be run', async (t) => {
    const { manager, page, go } = await open(t, [model('a')], { phone: true })
    await go('/models/a?tab=connect')
    const snippet = page.getByLabel('curl: In a terminal')
    const [text, button] = [await snippet.boundingBox(), await snippet.locator('xpath=..').getByRole('button', { name: 'Copy' }).boundingBox()]
    assert.ok(button.y + button.height <= text.y, 'the button is above the text')
    await go('/configuration')
    const commands = await page.getByLabel('Commands').textContent()
    assert.ok(commands.includes(`--config ${manager.dir}/config.yaml check`), commands)
    clean(page)
  })
})
