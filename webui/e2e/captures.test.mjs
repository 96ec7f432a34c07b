/** What was sent: a request's details with who asked, and the bodies that its model keeps, in both languages. */
import { readFileSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import assert from 'node:assert/strict'
import { clean, live, openBrowser, openPage, violations } from './browser.mjs'
import { model, startManager, until } from './manager.mjs'

let browser
before(async () => (browser = await openBrowser()))
after(() => browser?.close())

async function send(manager, body, agent) {
  const answer = await fetch(`${manager.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'User-Agent': agent, Cookie: 'session=of-somebody' },
    body: JSON.stringify({ messages: [{ role: 'user', content: 'what is kept of this?' }], ...body }),
  })
  await answer.text()
  return answer.headers.get('x-request-id')
}

describe('what was sent', () => {
  for (const [language, words] of [
    ['en-GB', { asked: 'Asked for as', show: 'Show what was sent', whole: 'What its events come to', request: 'What the client sent', headers: 'Headers', save: 'Download' }],
    ['zh-CN', { asked: '请求的名称', show: '显示收发内容', whole: '事件合并成的响应', request: '客户端发送的内容', headers: '头', save: '下载' }],
  ]) {
    it(`is shown with a request in ${language}`, async (t) => {
      const manager = await startManager({ models: [model('kept', { lines: ['capture: true', 'aliases: [nick]'] }), model('plain')] })
      t.after(() => manager.stop())
      const id = await send(manager, { model: 'nick', stream: true }, 'story/1.0')
      await send(manager, { model: 'plain' }, 'story/2.0')
      await until(async () => (await manager.api('/api/requests')).rows.some((row) => row.captured), 'it is kept')
      const page = await openPage(browser, manager, { language })
      t.after(() => page.context().close())

      await page.goto('/requests?model=plain')
      await live(page)
      await page.locator('tbody tr').first().click()
      const sheet = page.getByRole('dialog')
      await sheet.getByText('story/2.0').waitFor()
      assert.equal(await sheet.getByRole('button', { name: words.show }).count(), 0, 'nothing is kept of it')
      await page.keyboard.press('Escape')

      await page.goto(`/requests?id=${id}`)
      await live(page)
      await page.locator('tbody tr').first().click()
      await sheet.getByText('story/1.0').waitFor()
      await sheet.getByText(words.asked, { exact: true }).waitFor()
      await sheet.getByText('nick', { exact: true }).waitFor()
      await sheet.getByText('127.0.0.1', { exact: true }).waitFor()
      await sheet.getByRole('button', { name: words.show }).click()
      await sheet.getByLabel(words.request, { exact: true }).getByText('what is kept of this?').waitFor()
      await sheet.getByLabel(words.whole, { exact: true }).getByText('chat.completion').waitFor()
      await sheet.locator('summary', { hasText: words.headers }).first().click()
      await sheet.getByText('***').first().waitFor()
      assert.equal(await sheet.getByText('of-somebody').count(), 0, 'no cookie is shown')
      const [saved] = await Promise.all([page.waitForEvent('download'), sheet.getByRole('button', { name: words.save }).click()])
      const kept = JSON.parse(readFileSync(await saved.path(), 'utf8'))
      assert.equal(kept.request_id, id)
      assert.ok(kept.answer.text.includes('data: '), kept.answer.text)
      assert.deepEqual(await violations(page), [])
      clean(page)
    })
  }
})
