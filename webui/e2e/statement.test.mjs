/** The statement of a month: what each key used, equal to the ledger, and on paper of A4 without the page around it. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { clean, live, openBrowser, openPage, violations } from './browser.mjs'
import { model, startManager, until } from './manager.mjs'

let browser
before(async () => (browser = await openBrowser()))
after(() => browser?.close())

const PLAN = {
  method: 'tiered', currency: 'CNY', cache_pricing: false,
  tiers: [{ max_input: null, max_output: null, input: '1000', output: '2000', cache_read: null, cache_write: null }],
}
/** CSS pixels of A4 at 96 to the inch, less the browser's own margins of 0.4 inch. */
const A4 = { width: 794 - 2 * 38, height: 1123 - 2 * 38 }

describe('the statement of a month', () => {
  for (const [language, words] of [
    ['en-GB', { keys: 'By key', models: 'By model', total: 'Total', print: 'Print', month: 'Month' }],
    ['zh-CN', { keys: '按密钥', models: '按模型', total: '合计', print: '打印', month: '月份' }],
  ]) {
    it(`adds up to the ledger and fits on A4 in ${language}`, async (t) => {
      const manager = await startManager({ models: [model('a'), model('a-model-with-a-rather-long-name-of-its-own')] })
      t.after(() => manager.stop())
      for (const name of ['a', 'a-model-with-a-rather-long-name-of-its-own']) {
        await manager.api(`/api/billing/${name}`, 'PUT', PLAN)
        await manager.ask(name, { fake: 'prompt=30,tokens=20' })
      }
      const month = new Date().toISOString().slice(0, 7)
      const statement = await until(async () => {
        const found = await manager.api(`/api/statement?month=${month}&tz=UTC`)
        return found.total.requests === 2 && found
      }, 'both requests are in the statement')
      const page = await openPage(browser, manager, { language })
      t.after(() => page.context().close())
      await page.goto(`/statement?month=${month}`)
      await live(page)
      for (const head of [words.keys, words.models]) await page.getByRole('heading', { name: head }).waitFor()
      // 30 x 0.001 and 20 x 0.002, twice.
      assert.equal(statement.total.cost.CNY, '0.14')
      const total = await page.locator('tfoot tr').first().textContent()
      assert.ok(total.includes(words.total) && total.includes('0.14'), total)
      assert.deepEqual(await violations(page), [])

      const around = [page.getByRole('button', { name: words.print }), page.getByLabel(words.month), page.getByRole('navigation').first()]
      for (const one of around) assert.equal(await one.isVisible(), true)
      await page.emulateMedia({ media: 'print' })
      await page.setViewportSize(A4)
      for (const one of around) assert.equal(await one.isVisible(), false, 'what is for the screen is not on paper')
      const wide = await page.evaluate(() => [...document.querySelectorAll('.statement table')].map((table) => table.getBoundingClientRect().right))
      assert.ok(wide.length === 2 && wide.every((right) => right <= A4.width), `the tables end at ${wide} of ${A4.width}`)
      const sheets = await page.pdf({ format: 'A4' })
      assert.equal(sheets.toString('latin1').match(/\/Type \/Page\b/g).length, 1, 'two models need one sheet')
      clean(page)
    })
  }
})
