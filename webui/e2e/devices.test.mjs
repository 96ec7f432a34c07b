/** A card that others use, too: who does, and "not now". */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { clean, live, openBrowser, openPage } from './browser.mjs'
import { model, startManager, until } from './manager.mjs'

const CARD = `devices:
  - name: gaming card
    keep_free_mb: 2000
    command: ["sh", "-c", "echo '{\\"memory_total_mb\\": 24000, \\"memory_used_mb\\": 5000, \\"processes\\": [{\\"pid\\": '$PPID', \\"memory_mb\\": 3000}]}'"]
`

let browser
before(async () => (browser = await openBrowser()))
after(() => browser?.close())

describe('devices', () => {
  for (const [language, words] of [
    ['en-GB', { notNow: 'Not now: gaming card', again: 'Use again: gaming card', paused: /No model may use it before/, kept: /are kept free for other programs/ }],
    ['zh-CN', { notNow: '暂不使用：gaming card', again: '恢复使用：gaming card', paused: /之前不让任何模型使用/, kept: /给其他程序/ }],
  ]) {
    it(`keeps models off a card for a while, in ${language}`, async (t) => {
      const manager = await startManager({ program: ['Disable_GPU_monitoring: false'], top: CARD, models: [model('chat', { memory: { 'gaming card': 4000 } })] })
      t.after(() => manager.stop())
      assert.equal(await manager.ask('chat'), 200)
      const page = await openPage(browser, manager, { language })
      t.after(() => page.context().close())
      await page.goto('/devices')
      await live(page)
      await page.locator('[data-program="llm-manager"]').waitFor()
      await page.getByText(words.kept).waitFor()
      await page.getByRole('button', { name: words.notNow }).click()
      await page.locator('[data-paused="gaming card"]').getByText(words.paused).waitFor()
      await until(async () => (await manager.api('/api/models/chat')).state === 'stopped', 'the model has gone')
      assert.equal(await manager.ask('chat'), 503)
      await page.getByRole('button', { name: words.again }).click()
      await page.getByRole('button', { name: words.notNow }).waitFor()
      assert.equal(await manager.ask('chat'), 200)
      clean(page)
    })
  }
})
