/** Notifications: whom word goes out to, how that goes, and the button that tests it, in both languages. */
import { after, before, describe, it } from 'node:test'
import { createServer } from 'node:http'
import { clean, live, openBrowser, openPage } from './browser.mjs'
import { startManager, until } from './manager.mjs'

let browser
before(async () => (browser = await openBrowser()))
after(() => browser?.close())

/** A server that keeps what it is sent. */
async function inbox(t, status) {
  const letters = []
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (data) => (body += data))
    request.on('end', () => {
      letters.push(JSON.parse(body))
      response.writeHead(status).end('as it likes')
    })
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  return { letters, url: `http://127.0.0.1:${server.address().port}` }
}

describe('notifications', () => {
  for (const [language, words] of [
    ['en-GB', { page: 'Notifications', test: 'Test', arrived: 'The test has arrived', never: 'nothing yet', told: 'a device that is gone', everything: 'everything', none: 'No notifications are set up' }],
    ['zh-CN', { page: '通知', test: '测试', arrived: '测试已送达', never: '尚无', told: '设备离线', everything: '全部', none: '没有设置通知' }],
  ]) {
    it(`are shown and tested in ${language}`, async (t) => {
      const [well, broken] = [await inbox(t, 200), await inbox(t, 403)]
      const top = `notify:\n  - {name: well, webhook: "${well.url}/hook"}\n  - {name: broken, webhook: "${broken.url}/hook", events: [device_gone]}\n`
      const manager = await startManager({ top })
      t.after(() => manager.stop())
      const page = await openPage(browser, manager, { language })
      t.after(() => page.context().close())
      await page.goto('/notifications')
      await live(page)
      await page.getByRole('heading', { name: words.page, level: 1 }).waitFor()
      const row = (name) => page.locator(`tr[data-outlet="${name}"]`)
      await row('well').getByText(words.never).waitFor()
      await row('well').getByText(words.everything, { exact: true }).waitFor()
      await row('broken').getByText(words.told).waitFor()
      await row('well').getByText(well.url, { exact: true }).waitFor()
      await row('well').getByRole('button', { name: `${words.test} well` }).click()
      await row('well').getByText(words.arrived).waitFor()
      await until(async () => (await row('well').getByText(words.never).count()) === 0, 'the time of the last one is shown')
      if (well.letters.length !== 1 || well.letters[0].event !== 'test') throw new Error(JSON.stringify(well.letters))
      await row('broken').getByRole('button', { name: `${words.test} broken` }).click()
      await row('broken').getByRole('status').getByText('it answered 403: as it likes').waitFor()
      await row('broken').locator('.text-bad', { hasText: 'it answered 403' }).waitFor()
      clean(page)
    })

    it(`say when there are none in ${language}`, async (t) => {
      const manager = await startManager()
      t.after(() => manager.stop())
      const page = await openPage(browser, manager, { language })
      t.after(() => page.context().close())
      await page.goto('/notifications')
      await page.getByText(words.none).waitFor()
      clean(page)
    })
  }
})
