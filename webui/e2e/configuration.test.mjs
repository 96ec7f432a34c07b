/** The configuration page: problems as one types, what would change, a backup, and the restart. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { clean, openBrowser, openPage, settled, violations } from './browser.mjs'
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
  return { manager, page, editor, file, backups, save: page.getByRole('button', { name: 'Save', exact: true }) }
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

  it('saves a change after it has shown it, and keeps a backup', async (t) => {
    const { page, editor, file, backups, save } = await open(t)
    const text = file()
    const other = text.replace('drain_timeout: 2', 'drain_timeout: 7')
    await editor.fill(other)
    await page.getByText('Valid', { exact: true }).waitFor()
    await save.click()
    const dialog = page.getByRole('alertdialog')
    await dialog.getByText('drain_timeout: 2').waitFor()
    await dialog.getByText('drain_timeout: 7').waitFor()
    assert.deepEqual(await violations(page, '[role=alertdialog]'), [])
    assert.equal(file(), text, 'nothing is written before it was confirmed')
    await dialog.getByRole('button', { name: 'Save' }).click()
    await page.getByText(/Saved/).first().waitFor()
    assert.equal(file(), other)
    assert.deepEqual(backups(), [text])
    clean(page)
  })
})
