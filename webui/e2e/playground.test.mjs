/** The playground: chat, embed, rerank. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { clean, openBrowser, openPlayground } from './browser.mjs'
import { model, startManager, until } from './manager.mjs'

let browser, manager, ready
const setUp = async () => {
  browser = await openBrowser()
  manager = await startManager({ models: [model('chat'), model('embed', { mode: 'Embedding' }), model('rank', { mode: 'Reranker' })] })
}
before(() => (ready ??= setUp()))
after(async () => {
  await browser?.close()
  await manager?.stop()
})

const open = (t, name) => openPlayground(t, browser, manager, name)

describe('the playground', () => {
  it('streams an answer with its speed', async (t) => {
    const page = await open(t, 'chat')
    await page.getByRole('textbox', { name: 'Message' }).fill('hello')
    await page.keyboard.press('Enter')
    await page.getByText(/tokens\/s · 8 tokens/).waitFor()
    clean(page)
  })

  it('stops an answer, and with it the work of the backend', async (t) => {
    const page = await open(t, 'chat')
    // What the fake server is to do stands in the query.
    await page.route('**/v1/chat/completions', (route) => route.continue({ url: `${manager.url}/v1/chat/completions?tokens=100000&delay_ms=20` }))
    await page.getByRole('textbox', { name: 'Message' }).fill('a long one')
    await page.getByRole('button', { name: 'Send' }).click()
    await page.getByText(/tokens\/s/).waitFor()
    assert.equal((await manager.api('/api/models/chat')).leases, 1)
    await page.getByRole('button', { name: 'Stop', exact: true }).click()
    await page.getByText(/Stopped · /).waitFor()
    await until(async () => (await manager.api('/api/models/chat')).leases === 0, 'the lease is free again')
    const row = await until(async () => (await manager.api('/api/requests?outcome=client_left')).rows[0], 'the ledger has it')
    assert.equal(row.model, 'chat')
    clean(page)
  })

  it('tells what went wrong', async (t) => {
    const page = await open(t, 'chat')
    await page.route('**/v1/chat/completions', (route) => route.continue({ url: `${manager.url}/v1/chat/completions?cut=mid-stream&tokens=8` }))
    await page.getByRole('textbox', { name: 'Message' }).fill('hello')
    await page.keyboard.press('Enter')
    await page.getByRole('log').getByText(/backend/i).waitFor()
    clean(page, /ERR_/)
  })

  it('embeds', async (t) => {
    const page = await open(t, 'embed')
    await page.getByRole('button', { name: 'Embed' }).click()
    await page.getByText(/dimensions/).waitFor()
    clean(page)
  })

  it('reranks', async (t) => {
    const page = await open(t, 'rank')
    await page.getByRole('button', { name: 'Rerank' }).click()
    await page.getByRole('columnheader', { name: 'Score' }).waitFor()
    clean(page)
  })
})
