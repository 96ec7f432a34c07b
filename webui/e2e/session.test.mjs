/** A manager with keys: who gets in, how the browser keeps it, and what foreign pages may not do. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { after, before, describe, it } from 'node:test'
import { clean, live, openBrowser, openPage, violations } from './browser.mjs'
import { freePort, model, startManager, until } from './manager.mjs'

const KEY = 'right-and-long-enough'
let browser, manager, ready
const setUp = async () => {
  browser = await openBrowser(['--host-resolver-rules=MAP turned.example 127.0.0.1'])
  manager = await startManager({ models: [model('secret')], program: [`api_keys: ["${KEY}"]`], headers: { Authorization: `Bearer ${KEY}` } })
}
before(() => (ready ??= setUp()))
after(async () => {
  await browser?.close()
  await manager?.stop()
})

const REFUSED = /status of (401|403)/

async function open(t, path = '/') {
  const page = await openPage(browser, manager)
  t.after(() => page.context().close())
  await page.goto(path)
  return page
}

async function signIn(page) {
  await page.getByLabel('API key').fill(KEY)
  await page.keyboard.press('Enter')
  await live(page)
}

describe('sign-in', () => {
  it('shows nothing to a wrong key, and everything to a right one', async (t) => {
    const page = await open(t, '/models')
    await page.getByLabel('API key').fill('wrong')
    await page.keyboard.press('Enter')
    await page.getByText('not one of the configured ones').waitFor()
    assert.equal(await page.getByText('secret').count(), 0)
    assert.deepEqual(await page.context().cookies(), [])
    assert.deepEqual(await violations(page), [])
    await signIn(page)
    await page.locator('[data-model="secret"]').waitFor()
    await page.reload()
    await page.locator('[data-model="secret"]').waitFor()
    clean(page, REFUSED)
  })

  it('keeps the key where no script can read it', async (t) => {
    const page = await open(t)
    await signIn(page)
    const cookies = await page.context().cookies()
    assert.deepEqual(cookies.map(({ httpOnly, sameSite, path }) => ({ httpOnly, sameSite, path })), [{ httpOnly: true, sameSite: 'Strict', path: '/' }])
    assert.ok(!cookies[0].value.includes(KEY))
    const seen = await page.evaluate(() => document.cookie + JSON.stringify({ ...localStorage }) + JSON.stringify({ ...sessionStorage }))
    assert.ok(!seen.includes(KEY) && !seen.includes(cookies[0].value), seen)
  })

  it('ends with sign-out', async (t) => {
    const page = await open(t, '/models')
    await signIn(page)
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByLabel('API key').waitFor()
    assert.deepEqual(await page.context().cookies(), [])
    await page.reload()
    await page.getByLabel('API key').waitFor()
    assert.equal(await page.locator('[data-model]').count(), 0)
    clean(page, REFUSED)
  })

  it('is asked for again when the session is gone while the page is open', async (t) => {
    const page = await open(t, '/models')
    await signIn(page)
    await page.context().clearCookies()
    await page.getByRole('button', { name: 'Start: secret' }).click()
    await page.getByLabel('API key').waitFor()
    await signIn(page)
    await page.locator('[data-model="secret"]').waitFor()
    clean(page, REFUSED)
  })
})

describe('a foreign page', () => {
  const states = async () => (await manager.api('/api/models')).map((one) => one.state)

  it('can start nothing in the name of who has signed in', async (t) => {
    const page = await open(t)
    await signIn(page)
    // Another port of the same address: for cookies it is the same site, so only the manager can refuse it.
    const port = await freePort()
    const foreign = createServer((_, answer) => answer.setHeader('Content-Type', 'text/html').end('<!doctype html><title>evil</title>')).listen(port, '127.0.0.1')
    t.after(() => foreign.close())
    const evil = await page.context().newPage()
    await evil.goto(`http://127.0.0.1:${port}/`)
    const start = `${manager.url}/api/models/secret/start?wait=false`
    const statuses = []
    evil.on('response', (answer) => answer.url().startsWith(manager.url) && statuses.push(answer.status()))
    await evil.evaluate((url) => fetch(url, { method: 'POST', mode: 'no-cors', credentials: 'include' }).catch(() => undefined), start)
    await evil.evaluate((url) => {
      const form = Object.assign(document.createElement('form'), { method: 'POST', action: url })
      document.body.append(form)
      form.submit()
    }, start)
    await until(() => statuses.length >= 2, 'both were answered')
    assert.deepEqual(statuses, [403, 403])
    assert.deepEqual(await states(), ['stopped'])
    // The dashboard itself may.
    await page.goto('/models')
    await page.getByRole('button', { name: 'Start: secret' }).click()
    await page.locator('[data-model="secret"][data-state="ready"]').waitFor()
    await manager.api('/api/models/secret/stop', 'POST')
  })

  it('gets nothing under a name that was turned to this address', async (t) => {
    const page = await open(t)
    const answer = await page.goto(`http://turned.example:${manager.port}/`)
    assert.equal(answer.status(), 403)
    const api = await page.goto(`http://turned.example:${manager.port}/api/session`)
    assert.equal(api.status(), 403)
    assert.match(await page.content(), /host_not_allowed/)
  })
})
