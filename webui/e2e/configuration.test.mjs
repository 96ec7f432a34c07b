/** The configuration page: problems as one types, what would change, a backup, and the restart. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { AWAY, clean, live, openBrowser, openPage, settled, violations } from './browser.mjs'
import { model, startManager } from './manager.mjs'

let browser
before(async () => (browser = await openBrowser()))
after(() => browser?.close())

async function open(t) {
  const manager = await startManager({ models: [model('a')] })
  t.after(() => manager.stop())
  const page = await openPage(browser, manager)
  t.after(() => page.context().close())
  await page.goto('/configuration')
  await settled(page)
  const editor = page.getByRole('textbox', { name: 'config.yaml' })
  const file = () => readFileSync(join(manager.dir, 'config.yaml'), 'utf8')
  const backups = () => readdirSync(manager.dir).filter((name) => name.endsWith('.bak')).map((name) => readFileSync(join(manager.dir, name), 'utf8'))
  return { manager, page, editor, file, backups, save: page.getByRole('button', { name: 'Save …' }) }
}

describe('the configuration', () => {
  it('shows a problem with its line, and keeps it from being saved', async (t) => {
    const { page, editor, file, save } = await open(t)
    const text = file()
    assert.equal(await editor.inputValue(), text)
    assert.equal(await save.isDisabled(), true, 'nothing has changed yet')
    await editor.fill(text.replace('log_level: INFO', 'log_levle: INFO'))
    await page.getByText('program.log_levle').waitFor()
    await page.getByText(/log_level/).first().waitFor()
    assert.equal(await save.isDisabled(), true)
    assert.deepEqual(await violations(page), [])
    await page.getByRole('button', { name: 'Undo' }).click()
    assert.equal(await editor.inputValue(), text)
    clean(page)
  })

  it('says what a change does before it is saved, keeps a backup, and has it in force at once', async (t) => {
    const { manager, page, editor, file, backups, save } = await open(t)
    await manager.api('/api/models/a/start', 'POST')
    const text = file()
    const other = text.replace('drain_timeout: 2', 'drain_timeout: 7').replace('    mode: Chat\n', '    mode: Chat\n    aliases: ["also-a"]\n')
    await editor.fill(other)
    await page.getByText('Valid', { exact: true }).waitFor()
    await save.click()
    const dialog = page.getByRole('alertdialog')
    await dialog.getByText('drain_timeout: 2').waitFor()
    await dialog.getByText('drain_timeout: 7').waitFor()
    await dialog.getByText('What happens when it is saved').waitFor()
    await dialog.locator('[data-plan] li').filter({ hasText: /\ba\b/ }).first().waitFor()
    assert.deepEqual(await violations(page, '[role=alertdialog]'), [])
    assert.equal(file(), text, 'nothing is written before it was confirmed')
    await dialog.getByRole('button', { name: 'Save' }).click()
    await page.getByText(/^Saved\./).waitFor()
    await dialog.waitFor({ state: 'detached' })
    assert.equal(file(), other)
    assert.deepEqual(backups(), [text])
    assert.equal((await manager.api('/api/config')).restart_needed, false)
    const after = await manager.api('/api/models/a')
    assert.deepEqual([after.state, after.aliases], ['ready', ['also-a']])
    clean(page)
  })

  it('offers the restart that a change needs, and comes back with it', async (t) => {
    const { manager, page, editor, file, save } = await open(t)
    await manager.api('/api/models/a/start', 'POST')
    // Another host of the same machine: the address stays.
    await editor.fill(file().replace('host: 127.0.0.1', 'host: localhost'))
    await page.getByText('Valid', { exact: true }).waitFor()
    await save.click()
    const dialog = page.getByRole('alertdialog')
    await dialog.getByText(/Only after a restart of the manager/).waitFor()
    await dialog.getByRole('button', { name: 'Save' }).click()
    await dialog.getByText('Restart the manager?').waitFor()
    await dialog.getByText('These models are stopped: a.').waitFor()
    assert.deepEqual(await violations(page, '[role=alertdialog]'), [])
    // Not now: the page keeps saying so.
    await dialog.getByRole('button', { name: 'Cancel' }).click()
    await page.locator('[data-notice=restart]').getByRole('button').click()
    await dialog.getByRole('button', { name: 'Restart now' }).click()
    await page.getByText('The manager has restarted.').waitFor({ timeout: 60_000 })
    await live(page)
    await page.locator('[data-notice=restart]').waitFor({ state: 'detached' })
    assert.equal((await manager.api('/api/config')).restart_needed, false)
    assert.equal((await manager.api('/api/models/a')).state, 'stopped')
    clean(page, AWAY)
  })

  it('that somebody else has changed meanwhile is not overwritten', async (t) => {
    const { manager, page, editor, file, save } = await open(t)
    const theirs = `${file()}# theirs\n`
    await editor.fill(`${file()}# mine\n`)
    await page.getByText('Valid', { exact: true }).waitFor()
    writeFileSync(join(manager.dir, 'config.yaml'), theirs)
    await save.click()
    await page.getByRole('alertdialog').getByRole('button', { name: 'Save' }).click()
    await page.getByRole('button', { name: 'Read it again' }).waitFor()
    assert.equal(file(), theirs)
    assert.match(await editor.inputValue(), /# mine/, 'the draft is not lost')
    clean(page, /status of 409.*\/api\/config/)
  })

  it('is refused to a restart that would not come back', async (t) => {
    const { manager, page, editor, file, save } = await open(t)
    await editor.fill(file().replace('host: 127.0.0.1', 'host: localhost'))
    await page.getByText('Valid', { exact: true }).waitFor()
    await save.click()
    const dialog = page.getByRole('alertdialog')
    await dialog.getByRole('button', { name: 'Save' }).click()
    await dialog.getByText('Restart the manager?').waitFor()
    writeFileSync(join(manager.dir, 'config.yaml'), 'program: {prot: 1}\n')
    await page.getByRole('button', { name: 'Restart now', exact: true }).click()
    await dialog.getByText(/so it was not stopped/).waitFor()
    await dialog.getByText('program.prot').waitFor()
    assert.equal((await manager.api('/api/models')).length, 1)
    clean(page, /status of 409.*\/api\/restart/)
  })
})
