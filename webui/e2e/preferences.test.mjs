/** Language and theme: by the system at first, then as chosen. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { clean, live, openBrowser, openPage } from './browser.mjs'
import { model, startManager } from './manager.mjs'

let browser, manager, ready
const setUp = async () => {
  browser = await openBrowser()
  manager = await startManager({ models: [model('a')] })
}
before(() => (ready ??= setUp()))
after(async () => {
  await browser?.close()
  await manager?.stop()
})

const look = (page) => page.evaluate(() => ({ theme: document.documentElement.dataset.theme, language: document.documentElement.lang }))

describe('preferences', () => {
  it('follow the browser', async (t) => {
    const page = await openPage(browser, manager, { theme: 'dark', language: 'zh-CN' })
    t.after(() => page.context().close())
    await page.goto('/')
    await page.getByRole('heading', { name: '总览' }).waitFor()
    assert.deepEqual(await look(page), { theme: 'dark', language: 'zh-CN' })
    await page.emulateMedia({ colorScheme: 'light' })
    await page.locator('html[data-theme=light]').waitFor({ state: 'attached' })
    clean(page)
  })

  it('switch at once, and are remembered', async (t) => {
    const page = await openPage(browser, manager, { theme: 'light' })
    t.after(() => page.context().close())
    await page.goto('/')
    await live(page)
    const colour = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor)
    const bright = await colour()
    assert.deepEqual(await look(page), { theme: 'light', language: 'en' })
    await page.getByRole('button', { name: /中文/ }).click()
    await page.getByRole('heading', { name: '总览' }).waitFor()
    await page.getByRole('button', { name: '主题：跟随系统' }).click()
    await page.getByRole('button', { name: '主题：浅色' }).click()
    assert.deepEqual(await look(page), { theme: 'dark', language: 'zh-CN' })
    assert.notEqual(await colour(), bright)
    await page.reload()
    await page.getByRole('heading', { name: '总览' }).waitFor()
    assert.deepEqual(await look(page), { theme: 'dark', language: 'zh-CN' })
    await page.getByRole('button', { name: /English/ }).click()
    await page.getByRole('heading', { name: 'Overview' }).waitFor()
    clean(page)
  })
})
