/** Where the time of a start went: the moments of a swap, as the timeline and the runs of a model show them. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { clean, live, openBrowser, openPage, settled, violations } from './browser.mjs'
import { model, startManager, until } from './manager.mjs'

let browser
before(async () => (browser = await openBrowser()))
after(() => browser?.close())

/** One card that holds one of the two models at a time. */
const CARD = `devices:\n  - name: V100\n    command: ["echo", '{"online":true,"memory_total_mb":16000,"memory_used_mb":100}']\n`
const MODELS = [
  model('first', { memory: { v100: 12000 } }),
  model('second', { memory: { v100: 12000 }, flags: ['--bind-delay-ms', '150', '--load-delay-ms', '700'] }),
]

/** A swap: the second model makes the first one leave. The run of each, by model. */
async function swapped(t) {
  const manager = await startManager({ models: MODELS, top: CARD, program: ['Disable_GPU_monitoring: false', 'min_hold: 0'] })
  t.after(() => manager.stop())
  assert.deepEqual([await manager.ask('first'), await manager.ask('second')], [200, 200])
  const run = await until(async () => {
    const { runs } = await manager.api('/api/runs?model=second')
    const one = runs[0] && (await manager.api(`/api/runs/${runs[0].id}`))
    return one?.first_byte_at && one
  }, 'the ledger has the run and its first answer')
  return { manager, run }
}

const steps = (sheet) => sheet.locator('[data-step]').evaluateAll((rows) => rows.map((row) => `${row.dataset.step} ${row.dataset.whose}`))

describe('a start', () => {
  it('shows its eight moments, whose time each step was, and says it in a sentence', async (t) => {
    const { manager, run } = await swapped(t)
    const page = await openPage(browser, manager)
    t.after(() => page.context().close())
    await page.goto('/timeline')
    await settled(page)
    await page.getByRole('row').filter({ has: page.getByRole('link', { name: 'second', exact: true }) }).getByRole('button', { name: /where the time of this start went/ }).click()
    const sheet = page.getByRole('dialog', { name: 'Where the time of this start went' })
    await sheet.locator('[data-step=first]').waitFor()
    const wanted = ['victims others', run.memory_free_at && 'memory driver', 'placing manager', 'launch manager', 'port server', 'load server', 'first server']
    assert.deepEqual(await steps(sheet), wanted.filter(Boolean))
    // The sums of the sentence are those of the API.
    const loaded = (Date.parse(run.ready_at) - Date.parse(run.port_open_at)) / 1000
    const told = await sheet.locator('[data-step=load] td').first().textContent()
    const shown = told.endsWith(' ms') ? Number.parseFloat(told) / 1000 : Number.parseFloat(told)
    assert.ok(loaded > 0.5 && Math.abs(shown - loaded) < 0.011, `${told} for ${loaded} s`)
    const said = await sheet.getByTestId('start-summary').textContent()
    assert.match(said, /^Ready after .+: .+ in the model server, .*in the manager/)
    assert.match(said, /first answer began .+ later\.$/)
    await sheet.getByText('Longest: The server loads the model.').waitFor()
    assert.deepEqual(await violations(page, '[role=dialog]'), [])
    // By keyboard: back where one was.
    await page.keyboard.press('Escape')
    await sheet.waitFor({ state: 'detached' })
    await page.keyboard.press('Enter')
    await sheet.waitFor()
    clean(page)
  })

  it('is reached by a link, from the request that waited for it too, in Chinese too', async (t) => {
    const { manager, run } = await swapped(t)
    const page = await openPage(browser, manager, { theme: 'dark', language: 'zh-CN', phone: true })
    t.after(() => page.context().close())
    await page.goto(`/models/second?tab=runs&run=${run.id}`)
    await live(page)
    const sheet = page.getByRole('dialog')
    await sheet.locator('[data-step=launch]').getByText('管理器').waitFor()
    assert.deepEqual(await violations(page, '[role=dialog]'), [])
    await page.keyboard.press('Escape')
    await sheet.waitFor({ state: 'detached' })
    assert.equal(new URL(page.url()).search, '?tab=runs')
    await page.goto('/requests?model=second')
    await settled(page)
    await page.getByRole('button', { name: /的详情/ }).first().click()
    await page.getByRole('dialog').getByRole('link', { name: String(run.id) }).click()
    await page.locator('[data-step=load]').waitFor()
    clean(page)
  })
})
