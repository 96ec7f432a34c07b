/** The queue: who waits for what, who is served, live; and requests that an operator ends. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { clean, openBrowser, openPage, settled, violations } from './browser.mjs'
import { model, startManager } from './manager.mjs'

let browser
before(async () => (browser = await openBrowser()))
after(() => browser?.close())

async function open(t, models, options) {
  const manager = await startManager({ models })
  t.after(() => manager.stop())
  const page = await openPage(browser, manager, options)
  t.after(() => page.context().close())
  await page.goto('/queue')
  await settled(page)
  const ask = (name, id, { fake, ...body } = {}) => {
    const sent = { model: name, messages: [{ role: 'user', content: 'hello' }], ...body, ...(fake && { x_fake: fake }) }
    const headers = { 'Content-Type': 'application/json', 'x-request-id': id }
    return fetch(`${manager.url}/v1/chat/completions`, { method: 'POST', headers, body: JSON.stringify(sent) })
  }
  return { manager, page, ask, waiting: (id) => page.locator(`[data-waiting="${id}"]`), running: (id) => page.locator(`[data-running="${id}"]`) }
}

const cells = (row) => row.getByRole('cell').allTextContents()

describe('the queue', () => {
  it('shows who waits, in order, and who is served, and ends them', async (t) => {
    const { manager, page, ask, waiting, running } = await open(t, [model('chat', { lines: ['max_concurrency: 1'] })])
    await page.getByText('No request waits').waitFor()
    await page.getByText('No request runs').waitFor()
    await manager.api('/api/models/chat/start', 'POST')
    const answer = ask('chat', 'long', { stream: true, fake: `tokens=3,stream_file=${join(manager.dir, 'go')}` })
    await running('long').waitFor()
    const asked = {}
    for (const id of ['first', 'second', 'third']) {
      asked[id] = ask('chat', id)
      await waiting(id).waitFor()
    }
    const places = await page.locator('[data-waiting]').evaluateAll((rows) => rows.map((row) => `${row.cells[0].textContent} ${row.dataset.waiting}`))
    assert.deepEqual(places, ['1 first', '2 second', '3 third'])
    const [place, name, id, kind, key, waits, waited, estimate] = await cells(waiting('second'))
    assert.deepEqual([place, name, id, kind, key, waits, estimate], ['2', 'chat', 'second', 'normal', '–', 'one of the 1 requests that it serves at once', 'unknown'])
    assert.match(waited, /^\d+ s$/)
    assert.deepEqual((await cells(running('long'))).slice(0, 5), ['chat', 'long', 'normal', '–', 'Dual-GPU-Config'])
    assert.deepEqual(await violations(page), [])

    // Asked first: the wrong row is hit easily.
    const cancel = (what) => page.getByRole('button', { name: `Cancel request ${what}` })
    await cancel('second').click()
    const dialog = page.getByRole('alertdialog', { name: 'Cancel request second?' })
    await dialog.waitFor()
    assert.deepEqual(await violations(page, '[role=alertdialog]'), [])
    await dialog.getByRole('button', { name: 'Keep it' }).click()
    await dialog.waitFor({ state: 'detached' })
    await cancel('second').focus()
    await page.keyboard.press('Enter')
    await dialog.getByRole('button', { name: 'Cancel request' }).click()
    const refused = await asked.second
    assert.deepEqual([refused.status, (await refused.json()).error.code], [503, 'request_cancelled'])
    await waiting('second').waitFor({ state: 'detached' })
    assert.deepEqual((await cells(waiting('third'))).slice(0, 1), ['2'], 'who stood behind has moved up')

    // The one that is answered ends with an event, and the next one is served.
    await cancel('long').click()
    await page.getByRole('alertdialog').getByRole('button', { name: 'Cancel request' }).click()
    assert.match(await (await answer).text(), /request_cancelled/)
    assert.deepEqual([(await asked.first).status, (await asked.third).status], [200, 200])
    await page.getByText('No request waits').waitFor()
    await page.getByText('No request runs').waitFor()
    clean(page)
  })

  it('says why one could not be cancelled: it had ended', async (t) => {
    const { manager, page, ask, running } = await open(t, [model('chat')])
    const go = join(manager.dir, 'go')
    const answer = ask('chat', 'short', { stream: true, fake: `tokens=3,stream_file=${go}` })
    await running('short').waitFor()
    await page.getByRole('button', { name: 'Cancel request short' }).click()
    writeFileSync(go, '')
    await (await answer).text()
    await page.getByRole('alertdialog').getByRole('button', { name: 'Cancel request' }).click()
    await page.getByRole('region', { name: 'Messages' }).getByText(/no request `short` waits or runs/).waitFor()
    clean(page, /status of 404.*\/api\/requests\/short\/cancel/)
  })

  it('estimates the rest of a start by the last one, in Chinese too', async (t) => {
    const { manager, page, ask, waiting } = await open(t, [model('slow', { flags: ['--bind-delay-ms', '3000'] })], { language: 'zh-CN' })
    await manager.api('/api/models/slow/start', 'POST')
    await manager.api('/api/models/slow/stop', 'POST')
    const answer = ask('slow', 'patient')
    await waiting('patient').waitFor()
    await waiting('patient').getByText(/^约 [1-9] s$/).waitFor()
    await waiting('patient').getByText(/^模型启动/).waitFor()
    assert.equal((await answer).status, 200)
    await page.getByText('没有请求在等待').waitFor()
    clean(page)
  })
})
