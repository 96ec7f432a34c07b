/** Logs: live, searched, paused, and never slow. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { clean, live, openBrowser, openPage, violations } from './browser.mjs'
import { model, startManager, until } from './manager.mjs'

let browser
before(async () => (browser = await openBrowser()))
after(() => browser?.close())

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
    const say = (text) => manager.ask('talks', { fake: `log=${text}` })
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

  it('wrap long lines if one wants it, keep that choice, and go on to follow', async (t) => {
    const manager = await startManager({ models: [model('wide', { flags: ['--flood-log', '1200', '--print', `${'word '.repeat(400)}the-end`] })] })
    t.after(() => manager.stop())
    const page = await openPage(browser, manager, { phone: true })
    t.after(() => page.context().close())
    await manager.api('/api/models/wide/start', 'POST')
    await page.goto('/models/wide')
    await live(page)
    const log = page.getByRole('log')
    await page.getByRole('searchbox').fill('the-end')
    await log.getByText('the-end').waitFor()
    const beyond = () => log.evaluate((box) => box.scrollWidth - box.clientWidth)
    assert.ok((await beyond()) > 1000, 'cut off at the edge')
    const wrap = page.getByRole('button', { name: 'Wrap' })
    await wrap.click()
    await until(async () => (await beyond()) === 0, 'nothing is beyond the edge')
    const { x, width } = await log.getByText('the-end').boundingBox()
    assert.ok(x >= 0 && x + width <= 390, 'its end is in sight')
    await page.reload()
    await live(page)
    assert.equal(await wrap.getAttribute('aria-pressed'), 'true')
    await page.getByText(/the latest 1,000 are shown/).waitFor()
    await manager.ask('wide', { fake: 'log=marker-new' })
    await log.getByText('marker-new').waitFor()
    await until(() => log.evaluate((box) => box.scrollHeight - box.scrollTop - box.clientHeight < 30), 'the end is in sight')
    assert.deepEqual(await violations(page), [])
    clean(page)
  })

  it('of the manager follow what happens, with colours for levels', async (t) => {
    const manager = await startManager({ models: [model('a')] })
    t.after(() => manager.stop())
    const page = await openPage(browser, manager)
    t.after(() => page.context().close())
    await page.goto('/logs')
    await live(page)
    await manager.api('/api/models/a/start', 'POST')
    await page.getByRole('log').getByText(/ready/).first().waitFor()
    clean(page)
  })

  it('of a run that failed opens at its end, also after the manager has come back', async (t) => {
    const manager = await startManager({ models: [model('broken', { flags: ['--flood-log', '400', '--die-at-start', '3'] })] })
    t.after(() => manager.stop())
    const refused = await fetch(`${manager.url}/api/models/broken/start`, { method: 'POST' })
    assert.equal(refused.status, 503)
    await refused.text()
    await manager.halt()
    await manager.start()
    const page = await openPage(browser, manager)
    t.after(() => page.context().close())
    await page.goto('/models/broken?tab=runs')
    await live(page)
    const open = page.getByRole('button', { name: /^Log of the run of / })
    await open.click()
    const sheet = page.getByRole('dialog', { name: /^Log of run \d+$/ })
    const log = sheet.getByRole('log')
    // Two pipes: either of them may come last.
    await log.getByText(/399|made of cheese/).first().waitFor()
    assert.ok(await log.evaluate((box) => box.scrollHeight > 2 * box.clientHeight), 'more than one sees at once')
    await until(() => log.evaluate((box) => box.scrollHeight - box.scrollTop - box.clientHeight < 30), 'the end is in sight')
    assert.equal(await sheet.getByRole('button', { name: /Pause|Follow|Clear/ }).count(), 0, 'nothing comes any more')
    assert.match(page.url(), /log=\d+/)
    await sheet.getByRole('searchbox').fill('cheese')
    await page.getByText(/^1 of [\d,]+ lines$/).waitFor()
    assert.deepEqual(await violations(page, '[role=dialog]'), [])
    await page.keyboard.press('Escape')
    await sheet.waitFor({ state: 'detached' })
    assert.ok(await open.evaluate((button) => button === document.activeElement), 'the focus is back')
    // The timeline has it too.
    await page.goto('/timeline')
    await page.getByRole('button', { name: /^Log of the run of .*, broken$/ }).click()
    await sheet.getByText(/399|made of cheese/).first().waitFor()
    clean(page)
  })

  it('of 100,000 lines can be scrolled and searched without a stutter', async (t) => {
    const manager = await startManager({ models: [model('a')] })
    t.after(() => manager.stop())
    const page = await openPage(browser, manager)
    t.after(() => page.context().close())
    const time = (n) => new Date(Date.UTC(2026, 0, 1) + n).toISOString()
    const line = (n) => ({ seq: n + 1, time: time(n), stream: 'stdout', line: `[${n}] \u001b[32mINFO\u001b[0m tokens per second: ${n % 977}` })
    const body = Array.from({ length: 100_000 }, (_, n) => `data: ${JSON.stringify(line(n))}\n\n`).join('')
    // A ring of the manager is smaller: what a day in front of the page gathers comes at once here.
    let first = true
    await page.route('**/api/logs?*', (route) => {
      const answer = first ? body : ': nothing more\n\n'
      first = false
      return route.fulfill({ contentType: 'text/event-stream', body: answer })
    })
    await page.goto('/logs')
    await page.locator('[data-log-count="100000"]').waitFor()
    const frames = await page.evaluate(async () => {
      const box = document.querySelector('[role=log]')
      const took = []
      let last = performance.now()
      for (let step = 0; step < 120; step += 1) {
        box.scrollTop = (box.scrollHeight * ((step * 37) % 120)) / 120
        await new Promise((resolve) => requestAnimationFrame(resolve))
        const now = performance.now()
        took.push(now - last)
        last = now
      }
      return took.sort((a, b) => a - b)
    })
    t.diagnostic(`frames of scrolling through 100,000 lines: median ${frames[60].toFixed(0)} ms, slowest ${frames[119].toFixed(0)} ms`)
    // The median: a single frame may have waited for another program.
    assert.ok(frames[60] < 100, `half of the frames took more than ${frames[60]} ms`)
    const began = Date.now()
    await page.getByRole('searchbox').fill('second: 976')
    await page.getByText('102 of 100,000 lines').waitFor()
    t.diagnostic(`search: ${Date.now() - began} ms`)
  })
})
