/** Keys from the dashboard: made, seen once, limited, rotated, revoked; who makes the first one stays inside. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { clean, openBrowser, openPage, settled, violations } from './browser.mjs'
import { model, startManager } from './manager.mjs'

let browser
before(async () => (browser = await openBrowser()))
after(() => browser?.close())

const ask = async (manager, secret) => {
  const answer = await fetch(`${manager.url}/v1/chat/completions`, {
    method: 'POST', headers: { 'Content-Type': 'application/json', ...(secret && { Authorization: `Bearer ${secret}` }) }, body: JSON.stringify({ model: 'a', messages: [{ role: 'user', content: 'hello' }] }),
  })
  await answer.text()
  return answer.status
}

describe('keys', () => {
  it('are made, limited, rotated and revoked by clicking', async (t) => {
    const manager = await startManager({ models: [model('a')] })
    t.after(() => manager.stop())
    const page = await openPage(browser, manager)
    t.after(() => page.context().close())
    await page.goto('/keys')
    await settled(page)
    await page.getByText('No key is set').waitFor()
    assert.deepEqual(await violations(page), [])

    const dialog = page.getByRole('alertdialog')
    const secretOf = async (name) => {
      await dialog.getByText(`The secret of ${name}`).waitFor()
      const secret = (await dialog.getByLabel('Secret').textContent()).trim()
      assert.deepEqual(await violations(page, '[role=alertdialog]'), [])
      await dialog.getByRole('button', { name: 'I have copied it' }).click()
      await dialog.waitFor({ state: 'detached' })
      return secret
    }
    const row = (name) => page.locator(`[data-key="${name}"]`)
    const make = page.getByRole('button', { name: 'Create key' })

    await page.getByText(/This is the first key/).waitFor()
    await page.getByLabel('Name', { exact: true }).fill('boss')
    await make.click()
    const boss = await secretOf('boss')
    await row('boss').getByText('infer, admin').or(row('boss').getByText('admin')).first().waitFor()
    assert.deepEqual([await ask(manager), await ask(manager, boss)], [401, 200])

    await page.getByLabel('Name', { exact: true }).fill('agent')
    await page.getByLabel('Requests a minute').fill('none')
    await page.getByText('A whole number above 0').waitFor()
    assert.equal(await make.isDisabled(), true)
    await page.getByLabel('Requests a minute').fill('60')
    await page.getByLabel('Budget', { exact: true }).fill('100000')
    await page.getByLabel('Priority', { exact: true }).selectOption('interactive')
    await page.getByLabel('Requests may go up to').selectOption('batch')
    await page.getByText('Not below the priority').waitFor()
    await page.getByLabel('Priority', { exact: true }).selectOption('batch')
    await page.getByLabel('Requests may go up to').selectOption('normal')
    await make.click()
    const agent = await secretOf('agent')
    await row('agent').getByText('batch ≤ normal').waitFor()
    await row('agent').getByText('60 requests/min').waitFor()
    await row('agent').getByText(/100000 of 100000 tokens a month/).waitFor()
    assert.equal(await ask(manager, agent), 200)
    assert.deepEqual(await violations(page), [])

    await page.getByRole('button', { name: 'New secret for agent' }).click()
    await dialog.getByText('The old one opens nothing any more').waitFor()
    await dialog.getByRole('button', { name: 'New secret' }).click()
    const other = await secretOf('agent')
    assert.notEqual(other, agent)
    assert.deepEqual([await ask(manager, agent), await ask(manager, other)], [401, 200])

    await page.getByRole('button', { name: 'Revoke agent' }).click()
    await dialog.getByRole('button', { name: 'Revoke' }).click()
    await row('agent').waitFor({ state: 'detached' })
    assert.deepEqual([await ask(manager, other), await ask(manager, boss)], [401, 200])
    assert.equal((await page.content()).includes(other), false, 'no secret stays in the page')
    clean(page)
  })

  it('are not shown to one who may only use models', async (t) => {
    const secret = 'sk-only-for-asking-0123456789abcdef'
    const manager = await startManager({ models: [model('a')], top: `keys:\n  - {name: asker, secret: "${secret}", scopes: [infer]}\n`, headers: { Authorization: `Bearer ${secret}` } })
    t.after(() => manager.stop())
    const answer = await fetch(`${manager.url}/api/keys`, { headers: { Authorization: `Bearer ${secret}` } })
    assert.equal(answer.status, 403, await answer.text())
  })
})
