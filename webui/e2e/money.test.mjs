/** Prices: what the editor's example says is what the ledger writes down. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { clean, live, openBrowser, openPage, settled, violations } from './browser.mjs'
import { model, startManager, until } from './manager.mjs'

let browser
before(async () => (browser = await openBrowser()))
after(() => browser?.close())

async function open(t, path) {
  const manager = await startManager({ models: [model('a')] })
  t.after(() => manager.stop())
  const page = await openPage(browser, manager)
  t.after(() => page.context().close())
  await page.goto(path)
  await live(page)
  return { manager, page }
}

/** Two tiers: a form without a plan is empty. */
const PLAN = {
  method: 'tiered',
  currency: 'CNY',
  cache_pricing: true,
  tiers: [
    { max_input: 32768, max_output: null, input: '0.8', output: '2', cache_read: '0.2', cache_write: '0' },
    { max_input: null, max_output: null, input: '2.4', output: '6', cache_read: '0.6', cache_write: '0' },
  ],
}

async function openWithPlan(t) {
  const opened = await open(t, '/billing')
  const reply = await fetch(`${opened.manager.url}/api/billing/a`, {
    method: 'PUT',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(PLAN),
  })
  assert.equal(reply.status, 200, await reply.text())
  await opened.page.reload()
  await live(opened.page)
  await opened.page.getByLabel('Cache write, tier 2').waitFor()
  return opened
}

/** What the example shows for a request, once it has been recalculated. */
async function example(page, [input, cached, output]) {
  await page.getByLabel('Input tokens').fill(String(input))
  await page.getByLabel('of them cached').fill(String(cached))
  await page.getByLabel('Output tokens', { exact: true }).fill(String(output))
  return (await page.getByTestId('example-total').textContent()).replace('¥', '')
}

/** The row of a request with these counts, as the ledger has priced it. */
async function priced(manager, [input, cached, output]) {
  await manager.ask('a', { fake: `prompt=${input},cached=${cached},tokens=${output}` })
  return until(
    async () => (await manager.api('/api/requests')).rows.find((row) => row.input_tokens === input && row.cached_tokens === cached && row.output_tokens === output),
    `a request of ${input} tokens is in the ledger`,
  )
}

const save = async (page) => {
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByText('The plan is in force from now on').last().waitFor()
}

describe('the tier editor', () => {
  it('shows an example that the ledger agrees with, for every tier and way to count', async (t) => {
    const { manager, page } = await openWithPlan(t)
    await page.getByLabel('Cache write, tier 1').fill('0.05')
    await save(page)
    await page.getByRole('row', { name: /dashboard or API/ }).first().waitFor()
    const cases = [[12000, 4000, 800], [32768, 0, 1], [32769, 32769, 2000], [7, 3, 11], [250000, 1, 4096]]
    for (const counts of cases) {
      const told = await example(page, counts)
      const row = await priced(manager, counts)
      assert.deepEqual([row.cost, row.currency, row.pricing], [told, 'CNY', 'priced'], `${counts}`)
    }
    await page.getByLabel(/Cached tokens have their own price/).uncheck()
    const told = await example(page, [5000, 4000, 10])
    await save(page)
    assert.equal((await priced(manager, [5000, 4000, 10])).cost, told)
    assert.deepEqual(await violations(page), [])
    clean(page)
  })

  it('recalculates its example as one types, and tells what is wrong', async (t) => {
    const { page } = await openWithPlan(t)
    const total = page.getByTestId('example-total')
    assert.equal(await example(page, [12000, 4000, 800]), '0.0088')
    await page.getByLabel('Input tokens').fill('40000')
    await until(async () => (await total.textContent()) === '¥0.0936', 'the second tier prices all of it')
    await page.getByLabel('Output, tier 2', { exact: true }).fill('10')
    await until(async () => (await total.textContent()) === '¥0.0968', 'the new price counts at once')
    await page.getByLabel('Input, tier 2', { exact: true }).fill('nonsense')
    await page.getByText('is not a decimal like 0.8').waitFor()
    assert.equal(await page.getByRole('button', { name: 'Save' }).isDisabled(), true)
    clean(page)
  })
})

describe('what the ledger has', () => {
  it('is in requests, in usage, and is deleted only on purpose', async (t) => {
    const { manager, page } = await openWithPlan(t)
    const row = await priced(manager, [12000, 4000, 800])
    await page.goto('/requests')
    await page.getByText(`¥${row.cost}`).waitFor()
    await page.getByRole('button', { name: /Details of request/ }).click()
    await page.getByRole('dialog').getByText(row.request_id).waitFor()
    assert.deepEqual(await violations(page, '[role=dialog]'), [])
    await page.goto('/usage?range=hour')
    await page.getByRole('row', { name: /Total/ }).getByText('12,000').waitFor()
    await page.getByRole('row', { name: /Total/ }).getByText(`¥${row.cost}`).waitFor()
    await page.goto('/data')
    await page.getByRole('button', { name: 'Delete data of a' }).click()
    const confirm = page.getByRole('alertdialog').getByRole('button', { name: 'Delete' })
    assert.equal(await confirm.isDisabled(), true)
    await page.getByRole('alertdialog').getByRole('textbox').fill('a')
    await confirm.click()
    await until(async () => (await manager.api('/api/requests')).rows.length === 0, 'its rows are gone')
    clean(page)
  })

  it('comes as CSV, with the same rows', async (t) => {
    const { manager, page } = await open(t, '/requests')
    await priced(manager, [100, 0, 8])
    await page.reload()
    await settled(page)
    const download = page.waitForEvent('download')
    await page.getByRole('button', { name: /CSV/ }).or(page.getByRole('link', { name: /CSV/ })).click()
    const text = await (await (await download).createReadStream()).toArray()
    const lines = Buffer.concat(text).toString().trim().split(/\r?\n/)
    assert.equal(lines.length, 2)
    assert.match(lines[0], /request_id/)
    clean(page)
  })
})
