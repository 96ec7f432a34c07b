import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { live, openBrowser, openPage, violations } from './browser.mjs'
import { demoDevices, demoModels, PAGES, useDemo } from './demo.mjs'
import { model, startManager, until } from './manager.mjs'
import { mock } from './mock.mjs'

let browser
before(async () => (browser = await openBrowser()))
after(() => browser.close())

/** What must be true of any page that was looked at. */
function clean(page) {
  assert.deepEqual(page.errors, [], 'errors on the console')
  assert.deepEqual(page.foreign, [], 'requests to other hosts')
}

describe('every page', () => {
  let manager
  let stop
  let ready
  async function setUp() {
    manager = await startManager({ models: demoModels(), top: demoDevices(), program: ['Disable_GPU_monitoring: false'] })
    stop = await useDemo(manager)
  }
  // Node 20 may call it more than once: for the suite and for its first test.
  before(() => (ready ??= setUp()))
  after(async () => {
    stop()
  })

  const looks = [
    ['light, desktop', { theme: 'light' }, true], ['dark, desktop', { theme: 'dark' }, true], ['light, phone, Chinese', { phone: true, language: 'zh-CN' }, true],
    ['dark, phone, with the real ledger', { theme: 'dark', phone: true }, false],
  ]
  for (const [name, options, mocked] of looks) {
    it(`renders and is accessible: ${name}`, async (t) => {
      const page = await openPage(browser, manager, options)
      t.after(() => page.context().close())
      if (mocked) await mock(page)
      for (const path of Object.values(PAGES)) {
        await page.goto(path)
        await live(page)
        await page.locator('#content h1').first().waitFor()
        await page.waitForTimeout(400)
        assert.deepEqual(await violations(page), [], `${path}`)
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
        assert.ok(wide <= 0, `${path} is ${wide} px wider than the window`)
      }
      clean(page)
    })
  }

  it('has headers that keep foreign scripts and frames out', async () => {
    const answer = await fetch(`${manager.url}/models/any/thing`, { headers: { Accept: 'text/html' } })
    assert.equal(answer.status, 200)
    const policy = answer.headers.get('content-security-policy')
    for (const part of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"]) assert.ok(policy.includes(part), policy)
    assert.equal(answer.headers.get('x-content-type-options'), 'nosniff')
    const again = await fetch(`${manager.url}/`, { headers: { 'If-None-Match': (await fetch(`${manager.url}/`)).headers.get('etag') } })
    assert.equal(again.status, 304)
    const script = /src="(\/assets\/[^"]+\.js)"/.exec(await (await fetch(`${manager.url}/`)).text())[1]
    assert.match((await fetch(manager.url + script)).headers.get('cache-control'), /immutable/)
    assert.equal((await fetch(`${manager.url}/assets/nothing.js`)).status, 404)
    assert.equal((await fetch(`${manager.url}/api/nothing`, { headers: { Accept: 'text/html' } })).status, 404)
    assert.equal((await fetch(`${manager.url}/nothing`)).status, 404)
  })
})

describe('orders', () => {
  it('starts, shows what a start waits for, cancels it, stops', async (t) => {
    const manager = await startManager({ models: [model('quick'), model('slow', { flags: ['--bind-delay-ms', '600000'] })] })
    t.after(() => manager.stop())
    const page = await openPage(browser, manager)
    t.after(() => page.context().close())
    const card = (name) => page.locator(`[data-model="${name}"]`)
    await page.goto('/models')
    await live(page)
    await page.getByRole('button', { name: 'Start: quick' }).click()
    await page.locator('[data-model="quick"][data-state="ready"]').waitFor()
    await page.getByRole('button', { name: 'Start: slow' }).click()
    await page.locator('[data-model="slow"][data-state="starting"]').waitFor()
    await card('slow').getByText(/waits for GET/).waitFor()
    await page.getByRole('button', { name: 'Cancel start: slow' }).click()
    await page.locator('[data-model="slow"][data-state="stopped"]').waitFor()
    await page.getByRole('button', { name: 'Stop: quick' }).click()
    await page.locator('[data-model="quick"][data-state="stopped"]').waitFor()
    assert.deepEqual((await manager.api('/api/models')).map((one) => one.state), ['stopped', 'stopped'])
    clean(page)
  })

  it('asks before it stops a busy model, and can be used by keyboard', async (t) => {
    const manager = await startManager({ models: [model('busy')] })
    t.after(() => manager.stop())
    await manager.api('/api/models/busy/start', 'POST')
    const asked = fetch(`${manager.url}/v1/chat/completions`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ model: 'busy', messages: [], x_fake: 'tokens=100,delay_ms=50' }) })
    const page = await openPage(browser, manager)
    t.after(() => page.context().close())
    await page.goto('/models')
    await live(page)
    await page.getByText('1 request running').waitFor()
    await page.getByRole('button', { name: 'Stop: busy' }).focus()
    await page.keyboard.press('Enter')
    const dialog = page.getByRole('alertdialog')
    await dialog.waitFor()
    assert.deepEqual(await violations(page, '[role=alertdialog]'), [])
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'detached' })
    assert.equal((await manager.api('/api/models'))[0].state, 'ready')
    await asked.then((answer) => answer.text())
    clean(page)
  })
})

describe('logs', () => {
  it('are live, can be searched and paused, and show only the rows in sight', async (t) => {
    const manager = await startManager({ models: [model('talks', { flags: ['--flood-log', '9000'] })] })
    t.after(() => manager.stop())
    const page = await openPage(browser, manager)
    t.after(() => page.context().close())
    await page.goto('/models/talks')
    await live(page)
    await page.getByRole('button', { name: 'Start: talks' }).click()
    const log = page.getByRole('log')
    // Two pipes: either of them may come last.
    await log.getByText(/8999|listening on/).first().waitFor()
    const say = (text) => fetch(`${manager.url}/v1/chat/completions?log=${text}`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ model: 'talks', messages: [] }) }).then((answer) => answer.text())
    await say('marker-one')
    await log.getByText('marker-one').waitFor()
    assert.ok((await log.locator(':scope > div > div').count()) < 120, 'only the rows in sight exist')
    await page.getByRole('button', { name: 'Pause' }).click()
    await say('marker-two')
    await page.getByText('1 new').waitFor()
    assert.equal(await log.getByText('marker-two').count(), 0)
    await page.getByRole('button', { name: 'Resume' }).click()
    await log.getByText('marker-two').waitFor()
    await page.getByRole('searchbox').fill('marker-')
    await page.getByText(/^2 of [\d,]+ lines$/).waitFor()
    await page.getByRole('searchbox').fill('/marker-(two|three)/')
    await page.getByText(/^1 of /).waitFor()
    clean(page)
  })
})

describe('100,000 lines', () => {
  it('can be scrolled and searched without a stutter', async (t) => {
    const manager = await startManager({ models: [model('a')] })
    t.after(() => manager.stop())
    const page = await openPage(browser, manager)
    t.after(() => page.context().close())
    const time = (n) => new Date(Date.UTC(2026, 0, 1) + n).toISOString()
    const body = Array.from({ length: 100_000 }, (_, n) => `data: ${JSON.stringify({ seq: n + 1, time: time(n), stream: 'stdout', line: `[${n}] \u001b[32mINFO\u001b[0m tokens per second: ${n % 977}` })}\n\n`).join('')
    let first = true
    await page.route('**/api/logs?*', (route) => {
      const answer = first ? body : ': nothing more\n\n'
      first = false
      return route.fulfill({ contentType: 'text/event-stream', body: answer })
    })
    await page.goto('/logs')
    await page.locator('[data-log-count="100000"]').waitFor()
    const worst = await page.evaluate(async () => {
      const box = document.querySelector('[role=log]')
      let last = performance.now()
      let worst = 0
      for (let step = 0; step < 120; step += 1) {
        box.scrollTop = (box.scrollHeight * ((step * 37) % 120)) / 120
        await new Promise((resolve) => requestAnimationFrame(resolve))
        const now = performance.now()
        worst = Math.max(worst, now - last)
        last = now
      }
      return worst
    })
    t.diagnostic(`slowest of 120 frames of scrolling through 100,000 lines: ${worst.toFixed(0)} ms`)
    assert.ok(worst < 250, `a frame took ${worst} ms`)
    const began = Date.now()
    await page.getByRole('searchbox').fill('second: 976')
    await page.getByText('102 of 100,000 lines').waitFor()
    t.diagnostic(`search: ${Date.now() - began} ms`)
  })
})

describe('the first load', () => {
  it('is small, and quickly live', async (t) => {
    const manager = await startManager({ models: Array.from({ length: 20 }, (_, n) => model(`m${n}`)) })
    t.after(() => manager.stop())
    const page = await openPage(browser, manager)
    t.after(() => page.context().close())
    const began = Date.now()
    await page.goto('/')
    await live(page)
    await page.getByRole('heading', { name: 'Overview' }).waitFor()
    const ms = Date.now() - began
    const bytes = await page.evaluate(() =>
      [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
        .filter((entry) => !entry.name.includes('/api/'))
        .reduce((sum, entry) => sum + entry.encodedBodySize, 0),
    )
    t.diagnostic(`first load: ${(bytes / 1024).toFixed(1)} KiB on the wire, live after ${ms} ms`)
    assert.ok(bytes > 50_000 && bytes < 250 * 1024, `${bytes} bytes`)
    assert.ok(ms < 5000, `${ms} ms`)
    clean(page)
  })
})

describe('a manager with keys', () => {
  it('asks for one before it shows anything', async (t) => {
    const manager = await startManager({ models: [model('secret')], program: ['api_keys: ["right"]'] })
    t.after(() => manager.stop())
    const page = await openPage(browser, manager)
    t.after(() => page.context().close())
    await page.goto('/')
    const key = page.getByLabel('API key')
    await key.fill('wrong')
    await page.keyboard.press('Enter')
    await page.getByText('not one of the configured ones').waitFor()
    assert.equal(await page.getByText('secret').count(), 0)
    assert.deepEqual(await violations(page), [])
    await key.fill('right')
    await page.keyboard.press('Enter')
    await page.getByText('no sign-in for browsers yet').or(page.getByRole('heading', { name: 'Overview' })).waitFor()
  })
})

describe('preferences', () => {
  it('switch language and theme, and are remembered', async (t) => {
    const manager = await startManager({ models: [model('a')] })
    t.after(() => manager.stop())
    const page = await openPage(browser, manager, { theme: 'light' })
    t.after(() => page.context().close())
    await page.goto('/')
    await live(page)
    assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'light')
    await page.getByRole('button', { name: /中文/ }).click()
    await page.getByRole('heading', { name: '总览' }).waitFor()
    assert.equal(await page.evaluate(() => document.documentElement.lang), 'zh-CN')
    await page.getByRole('button', { name: /主题/ }).click()
    await page.getByRole('button', { name: /主题/ }).click()
    assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark')
    await page.reload()
    await page.getByRole('heading', { name: '总览' }).waitFor()
    assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark')
    clean(page)
  })
})

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
    const other = page.errors.filter((error) => !/ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET/.test(error))
    assert.deepEqual(other, [])
  })
})

describe('the playground', () => {
  it('streams an answer with its speed, and stops one', async (t) => {
    const manager = await startManager({ models: [model('chat'), model('embed', { mode: 'Embedding' }), model('rank', { mode: 'Reranker' })] })
    t.after(() => manager.stop())
    const page = await openPage(browser, manager)
    t.after(() => page.context().close())
    await page.goto('/playground?model=chat')
    await live(page)
    await page.getByRole('textbox', { name: 'Message' }).fill('hello')
    await page.keyboard.press('Enter')
    await page.getByText(/tokens\/s · \d+ tokens/).waitFor()
    await page.route('**/v1/chat/completions', (route) => route.continue({ url: `${manager.url}/v1/chat/completions?tokens=1000&delay_ms=20` }))
    await page.getByRole('textbox', { name: 'Message' }).fill('a long one')
    await page.getByRole('button', { name: 'Send' }).click()
    await page.waitForTimeout(600)
    await page.getByRole('button', { name: 'Stop', exact: true }).click()
    await page.getByText(/Stopped · /).waitFor()
    await until(async () => (await manager.api('/api/models'))[0].leases === 0, 'the lease is free again')
    await page.goto('/playground?model=embed')
    await page.getByRole('button', { name: 'Embed' }).click()
    await page.getByText(/dimensions/).waitFor()
    await page.goto('/playground?model=rank')
    await page.getByRole('button', { name: 'Rerank' }).click()
    await page.getByRole('columnheader', { name: 'Score' }).waitFor()
    clean(page)
  })
})

describe('the tier editor', () => {
  it('saves a plan whose example the ledger agrees with', async (t) => {
    const manager = await startManager({ models: [model('a')] })
    t.after(() => manager.stop())
    const page = await openPage(browser, manager)
    t.after(() => page.context().close())
    await page.goto('/billing')
    await page.getByLabel('Cache write, tier 1').fill('0.05')
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByText('The plan is in force from now on').waitFor()
    await page.getByRole('row', { name: /dashboard or API/ }).waitFor()
    const told = (await page.getByTestId('example-total').textContent()).replace('¥', '')
    // The example's request: 12,000 tokens in, 4,000 of them cached, 800 out.
    const body = { model: 'a', messages: [], x_fake: 'prompt=12000,cached=4000,tokens=800' }
    await fetch(`${manager.url}/v1/chat/completions`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) }).then((answer) => answer.text())
    const row = await until(async () => (await manager.api('/api/requests')).rows[0], 'the request is in the ledger')
    assert.deepEqual([row.input_tokens, row.cached_tokens, row.output_tokens, row.cost, row.currency], [12000, 4000, 800, told, 'CNY'])
    await page.goto('/requests')
    await page.getByText(`¥${told}`).waitFor()
    await page.getByRole('button', { name: /Details of request/ }).click()
    await page.getByRole('dialog').getByText(row.request_id).waitFor()
    assert.deepEqual(await violations(page, '[role=dialog]'), [])
    await page.goto('/usage?range=hour')
    await page.getByRole('row', { name: /Total/ }).getByText('12,000').waitFor()
    await page.goto('/data')
    await page.getByRole('button', { name: 'Delete data of a' }).click()
    const confirm = page.getByRole('alertdialog').getByRole('button', { name: 'Delete' })
    assert.equal(await confirm.isDisabled(), true)
    await page.getByRole('alertdialog').getByRole('textbox').fill('a')
    await confirm.click()
    await until(async () => (await manager.api('/api/requests')).rows.length === 0, 'its rows are gone')
    clean(page)
  })

  it('recalculates its example as one types, and tells what is wrong', async (t) => {
    const manager = await startManager({ models: [model('a')] })
    t.after(() => manager.stop())
    const page = await openPage(browser, manager)
    t.after(() => page.context().close())
    await mock(page)
    await page.goto('/billing')
    const total = page.getByTestId('example-total')
    await total.getByText('¥0.0088', { exact: true }).or(total.filter({ hasText: '¥0.0088' })).first().waitFor()
    await page.getByLabel('Input tokens').fill('40000')
    await until(async () => (await total.textContent()) === '¥0.0936', 'the second tier prices all of it')
    await page.getByLabel('Input, tier 2', { exact: true }).fill('nonsense')
    await page.getByText('is not a decimal like 0.8').waitFor()
    assert.equal(await page.getByRole('button', { name: 'Save' }).isDisabled(), true)
    clean(page)
  })
})

describe('200 models', () => {
  it('are shown, filtered and searched without delay', async (t) => {
    const models = Array.from({ length: 200 }, (_, index) => model(`org/model-${index}`, { lines: [`aliases: ["alias-${index}"]`] }))
    const manager = await startManager({ models })
    t.after(() => manager.stop())
    const page = await openPage(browser, manager)
    t.after(() => page.context().close())
    await page.goto('/models')
    await live(page)
    await until(async () => (await page.locator('[data-model]').count()) === 200, 'all are shown')
    await page.getByRole('searchbox').fill('alias-123')
    await page.locator('[data-model="org/model-123"]').waitFor()
    await until(async () => (await page.locator('[data-model]').count()) === 1, 'one is left')
    await page.getByRole('link', { name: 'org/model-123' }).click()
    await page.getByRole('heading', { name: 'org/model-123' }).waitFor()
    await page.reload()
    await page.getByRole('heading', { name: 'org/model-123' }).waitFor()
    clean(page)
  })

  it('and none at all: the way to the first one is shown', async (t) => {
    const manager = await startManager()
    t.after(() => manager.stop())
    const page = await openPage(browser, manager)
    t.after(() => page.context().close())
    await page.goto('/')
    await page.getByText('No model is configured yet').waitFor()
    assert.deepEqual(await violations(page), [])
    clean(page)
  })
})
