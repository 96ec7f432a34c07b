/** Who did it: orders and rules on their page, in both languages. */
import { after, before, describe, it } from 'node:test'
import { clean, live, openBrowser, openPage } from './browser.mjs'
import { model, startManager, until } from './manager.mjs'

let browser
before(async () => (browser = await openBrowser()))
after(() => browser?.close())

describe('who did it', () => {
  for (const [language, words] of [
    ['en-GB', { start: 'Started', stop: 'Stopped', rule: 'Rule', who: 'Who', ended: 'Stopped by 127.0.0.1', asked: 'Started by a request' }],
    ['zh-CN', { start: '启动', stop: '停止', rule: '规则', who: '操作者', ended: '由 127.0.0.1 停止', asked: '由一个请求启动' }],
  ]) {
    it(`is listed in ${language}`, async (t) => {
      const manager = await startManager({ models: [model('asked'), model('ordered')] })
      t.after(() => manager.stop())
      await manager.ask('asked')
      await manager.api('/api/models/ordered/start', 'POST')
      await manager.api('/api/models/ordered/stop', 'POST')
      await until(async () => (await manager.api('/api/audit')).rows.length >= 3, 'all of it is recorded')
      const page = await openPage(browser, manager, { language })
      t.after(() => page.context().close())
      await page.goto('/audit')
      await live(page)
      const stopped = page.locator('tr[data-action="stop"]')
      await stopped.getByText(words.stop, { exact: true }).waitFor()
      await stopped.getByText('ordered').waitFor()
      await page.locator('tr[data-action="start"]', { hasText: 'asked' }).getByText(words.rule).waitFor()
      // By a model, and by who.
      await page.goto('/audit?model=asked')
      await page.locator('tr[data-action="start"]', { hasText: 'asked' }).waitFor()
      await until(async () => (await page.locator('tr[data-action]').count()) === 1, 'only that model is shown')
      await page.goto('/audit')
      await page.getByRole('searchbox', { name: words.who }).fill('request')
      await until(async () => (await page.locator('tr[data-action]').count()) === 1, 'only that rule is shown')
      // The timeline says it of each run.
      await page.goto('/timeline')
      await page.getByRole('row').filter({ hasText: 'ordered' }).getByText(words.ended).waitFor()
      await page.getByRole('row').filter({ hasText: 'asked' }).getByText(words.asked).waitFor()
      clean(page)
    })
  }
})
