/**
 * The playground with the real llama.cpp server and a tiny model. Without `.engine` (`make engine`) this is
 * skipped, unless CI_REQUIRE_ENGINE=1.
 */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { clean, openBrowser, openPlayground } from './browser.mjs'
import { startManager, until } from './manager.mjs'

const ENGINE = process.env.LLM_MANAGER_ENGINE ?? fileURLToPath(new URL('../../.engine', import.meta.url))
const there = existsSync(join(ENGINE, 'llama-server')) && existsSync(join(ENGINE, 'models/tiny-chat.gguf'))
const skip = !there && process.env.CI_REQUIRE_ENGINE !== '1' && `no engine in ${ENGINE} (make engine)`

const real = (name, mode, extra = []) => {
  const command = [join(ENGINE, 'llama-server'), '-m', join(ENGINE, `models/${name}.gguf`), '--host', '127.0.0.1', '--port', '{port}', '-t', '1', '-c', '2048', '-a', name, ...extra]
  return `  ${name}:\n    mode: ${mode}\n    CPU:\n      command: ${JSON.stringify(command)}\n`
}

describe('with llama.cpp', { skip }, () => {
  let browser, manager, ready
  const setUp = async () => {
    assert.ok(there, `no engine in ${ENGINE}`)
    browser = await openBrowser()
    manager = await startManager({ models: [real('tiny-chat', 'Chat'), real('tiny-embed', 'Embedding', ['--embeddings']), real('tiny-rerank', 'Reranker', ['--reranking'])] })
  }
  before(() => (ready ??= setUp()))
  after(async () => {
    await browser?.close()
    await manager?.stop()
  })

  const open = (t, name) => openPlayground(t, browser, manager, name)

  it('a cold model is started by the first message, and its answer streams', async (t) => {
    const page = await open(t, 'tiny-chat')
    await page.getByText('Settings').click()
    await page.getByLabel('Most tokens').fill('64')
    await page.getByRole('textbox', { name: 'Message' }).fill('the people')
    await page.keyboard.press('Enter')
    await page.getByText(/tokens\/s · 64 tokens · \d+ in the prompt/).waitFor({ timeout: 60_000 })
    const row = await until(async () => (await manager.api('/api/requests')).rows[0], 'the ledger has it')
    assert.deepEqual([row.model, row.output_tokens, row.usage_source], ['tiny-chat', 64, 'backend'])
    clean(page)
  })

  it('the stop button ends the answer and frees the model', async (t) => {
    const page = await open(t, 'tiny-chat')
    await page.getByText('Settings').click()
    await page.getByLabel('Most tokens').fill('100000')
    await page.getByRole('textbox', { name: 'Message' }).fill('the people')
    await page.keyboard.press('Enter')
    await page.getByText(/tokens\/s/).waitFor({ timeout: 60_000 })
    await page.getByRole('button', { name: 'Stop', exact: true }).click()
    await page.getByText(/Stopped · /).waitFor()
    await until(async () => (await manager.api('/api/models/tiny-chat')).leases === 0, 'the lease is free again')
    clean(page)
  })

  it('embeds and reranks', async (t) => {
    const embed = await open(t, 'tiny-embed')
    await embed.getByRole('button', { name: 'Embed' }).click()
    await embed.getByText(/64 dimensions/).waitFor({ timeout: 60_000 })
    clean(embed)
    const rank = await open(t, 'tiny-rerank')
    await rank.getByRole('button', { name: 'Rerank' }).click()
    await rank.getByRole('columnheader', { name: 'Score' }).waitFor({ timeout: 60_000 })
    clean(rank)
  })
})
