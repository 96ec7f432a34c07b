/** A manager below a path of a proxy: every link, file and call of the dashboard stays below it. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { clean, live, openBrowser, openPage } from './browser.mjs'
import { model, startManager } from './manager.mjs'

const KEY = 'right-and-long-enough'
let browser, manager, ready
const setUp = async () => {
  browser = await openBrowser()
  manager = await startManager({
    models: [model('chat'), model('org/M')], program: [`api_keys: ["${KEY}"]`, 'base_path: /llm/x'], headers: { Authorization: `Bearer ${KEY}` },
  })
}
before(() => (ready ??= setUp()))
after(async () => {
  await browser?.close()
  await manager?.stop()
})

describe('base_path', () => {
  it('keeps the whole dashboard below it', async (t) => {
    const page = await openPage(browser, manager)
    t.after(() => page.context().close())
    const elsewhere = []
    page.on('request', (request) => {
      const { origin, pathname } = new URL(request.url())
      if (origin === manager.url && pathname !== '/llm/x' && !pathname.startsWith('/llm/x/')) elsewhere.push(pathname)
    })
    await page.goto('/llm/x')
    await page.getByLabel('API key').fill(KEY)
    await page.keyboard.press('Enter')
    await live(page)
    assert.equal((await page.context().cookies())[0].path, '/llm/x')
    for (const name of ['Models', 'Requests', 'Logs']) {
      await page.getByRole('navigation').getByRole('link', { name, exact: true }).first().click()
      await page.waitForURL(`**/llm/x/${name.toLowerCase()}`)
    }
    await page.goto('/llm/x/models/org/M')
    await page.getByRole('heading', { name: 'org/M' }).first().waitFor()
    await page.reload()
    await page.getByRole('heading', { name: 'org/M' }).first().waitFor()
    await page.goto('/llm/x/playground?model=chat')
    await live(page)
    const answered = page.waitForResponse((response) => response.url().endsWith('/llm/x/v1/chat/completions') && response.ok())
    await page.getByRole('textbox', { name: 'Message' }).fill('hello')
    await page.getByRole('button', { name: 'Send', exact: true }).click()
    await answered
    assert.deepEqual(elsewhere, [])
    clean(page, /status of 401/)
  })
})
