/** A new model from the dashboard: its file is looked for on the manager's machine. */
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { clean, openBrowser, openPage, settled, violations } from './browser.mjs'
import { startManager } from './manager.mjs'

let browser
before(async () => (browser = await openBrowser()))
after(() => browser?.close())

describe('a new model', () => {
  it('gets its file by looking into folders, and a folder where that is what is wanted', async (t) => {
    const manager = await startManager({
      prepare: (dir) => {
        mkdirSync(join(dir, 'models/deeper'), { recursive: true })
        for (const name of ['notes.txt', 'Tiny Model.gguf', 'run.sh']) writeFileSync(join(dir, 'models', name), 'x'.repeat(2048))
      },
    })
    t.after(() => manager.stop())
    const page = await openPage(browser, manager)
    t.after(() => page.context().close())
    await page.goto('/')
    await settled(page)
    await page.getByRole('button', { name: 'Browse' }).click()
    const dialog = page.getByRole('alertdialog', { name: 'Choose a file' })
    await dialog.getByText(manager.dir, { exact: true }).waitFor()
    await dialog.getByRole('button', { name: 'models', exact: true }).click()
    const listed = dialog.getByRole('list', { name: 'In this folder' }).getByRole('button')
    await dialog.getByText('Tiny Model.gguf').waitFor()
    assert.deepEqual(await listed.allTextContents(), ['deeper', 'Tiny Model.gguf2.0 KiB'])
    assert.deepEqual(await violations(page, '[role=alertdialog]'), [])
    await dialog.getByRole('button', { name: 'deeper' }).click()
    await dialog.getByText('Nothing to choose here').waitFor()
    await dialog.getByRole('button', { name: 'One folder up' }).click()
    await dialog.getByRole('button', { name: 'Tiny Model.gguf' }).click()
    await dialog.waitFor({ state: 'detached' })
    assert.equal(await page.getByRole('textbox', { name: 'Model file' }).inputValue(), 'models/Tiny Model.gguf')
    await page.getByLabel('What is written into config.yaml').last().getByText('"-m", "models/Tiny Model.gguf"', { exact: false }).waitFor()
    await page.getByRole('button', { name: 'vLLM' }).click()
    await page.getByRole('button', { name: 'Browse' }).click()
    const folders = page.getByRole('alertdialog', { name: 'Choose a folder' })
    await folders.getByRole('button', { name: 'models', exact: true }).click()
    await folders.getByText(join(manager.dir, 'models'), { exact: true }).waitFor()
    await folders.getByRole('button', { name: 'Use this folder' }).click()
    assert.equal(await page.getByRole('textbox', { name: 'Model (name or folder)' }).inputValue(), 'models')
    clean(page)
  })
})
