/** Every page, as it looks with a manager that is in use: whole, accessible, and never wider than the window. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { clean, live, openBrowser, openPage, settled, violations } from './browser.mjs'
import { demoDevices, demoModels, PAGES, useDemo } from './demo.mjs'
import { startManager } from './manager.mjs'

let browser, manager, stop, ready
async function setUp() {
  browser = await openBrowser()
  manager = await startManager({ models: demoModels(), top: demoDevices(), program: ['Disable_GPU_monitoring: false'] })
  stop = await useDemo(manager)
}
// Node 20 may call it more than once.
before(() => (ready ??= setUp()))
after(async () => {
  stop?.()
  await browser?.close()
  await manager?.stop()
})

/** What reaches beyond its panel, or the window, although nothing around it can be scrolled. */
const cut = (page) =>
  page.evaluate(() => {
    const scrolls = (element) => element && (['auto', 'scroll'].includes(getComputedStyle(element).overflowX) || scrolls(element.parentElement))
    return [...document.querySelectorAll('td, th, button, input, select, dd, dt, li, a')]
      .filter((element) => {
        const edge = element.closest('section')?.getBoundingClientRect().right ?? window.innerWidth
        return element.getClientRects().length > 0 && element.getBoundingClientRect().right > edge + 1 && !scrolls(element)
      })
      .map((element) => `${element.tagName} ${element.textContent.slice(0, 40)}`)
  })

describe('every page', () => {
  const looks = {
    'light, desktop, English': { theme: 'light' },
    'dark, desktop, Chinese': { theme: 'dark', language: 'zh-CN' },
    'light, phone, Chinese': { theme: 'light', language: 'zh-CN', phone: true },
    'dark, phone, English': { theme: 'dark', phone: true },
  }
  for (const [name, options] of Object.entries(looks)) {
    it(`renders and is accessible: ${name}`, async (t) => {
      const page = await openPage(browser, manager, options)
      t.after(() => page.context().close())
      for (const path of Object.values(PAGES)) {
        await page.goto(path)
        await settled(page)
        const look = await page.evaluate(() => [document.documentElement.dataset.theme, document.documentElement.lang])
        assert.deepEqual(look, [options.theme, options.language ?? 'en'], path)
        assert.deepEqual(await violations(page), [], path)
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
        assert.ok(wide <= 0, `${path} is ${wide} px wider than the window`)
        assert.deepEqual(await cut(page), [], `${path} cuts something off that can't be scrolled to`)
        assert.equal(await page.getByText(/Not available in this version|当前版本不提供此功能/).count(), 0, `${path} lacks a part`)
      }
      clean(page)
    })
  }

  it('is reached through the menu, by keyboard too', async (t) => {
    const page = await openPage(browser, manager)
    t.after(() => page.context().close())
    await page.goto('/models/Llama-3.3-70B')
    await live(page)
    const menu = page.getByRole('navigation', { name: 'Pages' }).getByRole('link')
    const names = (await menu.allTextContents()).map((name) => name.replace(/\d+$/, ''))
    assert.ok(names.length >= 12, `${names}`)
    for (const name of names) {
      await menu.filter({ hasText: name }).focus()
      await page.keyboard.press('Enter')
      await page.getByRole('heading', { level: 1, name }).waitFor()
      await settled(page)
      assert.equal(await page.title(), `${name} · LLM-Manager`)
      assert.equal(await page.evaluate(() => document.activeElement?.id), 'content', 'a screen reader begins at the top of the new page')
    }
    clean(page)
  })

  it('begins with a link that skips the menu', async (t) => {
    const page = await openPage(browser, manager)
    t.after(() => page.context().close())
    await page.goto('/models')
    await settled(page)
    await page.keyboard.press('Tab')
    const skip = page.getByRole('link', { name: 'Skip to content' })
    assert.ok(await skip.evaluate((link) => link === document.activeElement))
    await page.keyboard.press('Enter')
    await page.keyboard.press('Tab')
    assert.ok(await page.evaluate(() => document.querySelector('#content').contains(document.activeElement)))
  })
})

describe('what the dashboard is sent with', () => {
  it('keeps foreign scripts and frames out, and is asked for once', async () => {
    const answer = await fetch(`${manager.url}/models/any/thing`, { headers: { Accept: 'text/html' } })
    assert.equal(answer.status, 200)
    const policy = answer.headers.get('content-security-policy')
    for (const part of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"]) assert.ok(policy.includes(part), policy)
    assert.equal(answer.headers.get('x-content-type-options'), 'nosniff')
    const again = await fetch(`${manager.url}/`, { headers: { 'If-None-Match': (await fetch(`${manager.url}/`)).headers.get('etag') } })
    assert.equal(again.status, 304)
    const script = /src="\.?(\/assets\/[^"]+\.js)"/.exec(await (await fetch(`${manager.url}/`)).text())[1]
    assert.match((await fetch(manager.url + script)).headers.get('cache-control'), /immutable/)
  })

  it('is not sent for what is no page', async () => {
    const html = { headers: { Accept: 'text/html' } }
    assert.equal((await fetch(`${manager.url}/assets/nothing.js`)).status, 404)
    assert.equal((await fetch(`${manager.url}/api/nothing`, html)).status, 404)
    assert.equal((await fetch(`${manager.url}/nothing`)).status, 404)
  })
})
