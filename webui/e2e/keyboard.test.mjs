/** Everything without a mouse: each page can be walked through, its stops are seen, and each task can be done. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { clean, openBrowser, openPage, settled } from './browser.mjs'
import { PAGES } from './demo.mjs'
import { model, startManager, until } from './manager.mjs'

const NAMES = ['Qwen2.5-14B-Instruct', 'other']
let browser, manager, ready
const setUp = async () => {
  browser = await openBrowser()
  manager = await startManager({ models: NAMES.map((name) => model(name)) })
  await manager.ask(NAMES[0])
  await until(async () => (await manager.api('/api/requests')).rows.length === 1, 'the ledger has a request')
}
before(() => (ready ??= setUp()))
after(async () => {
  await browser?.close()
  await manager?.stop()
})

async function open(t, path, options) {
  const page = await openPage(browser, manager, options)
  t.after(() => page.context().close())
  await page.goto(path)
  await settled(page)
  return page
}

/** More stops than any page has. */
const STOPS = 150

/** Presses Tab until the focus is where it is wanted. */
async function reach(page, wanted, key = 'Tab') {
  await wanted.waitFor()
  for (let n = 0; n < STOPS; n += 1) {
    if (await wanted.evaluate((element) => element === document.activeElement)) return
    await page.keyboard.press(key)
  }
  assert.fail(`${wanted} is not reached by the keyboard`)
}

const press = async (page, wanted, key = 'Enter') => {
  await reach(page, wanted)
  await page.keyboard.press(key)
}
const write = async (page, wanted, text) => {
  await reach(page, wanted)
  await page.keyboard.press('Control+A')
  await page.keyboard.type(text)
}
const button = (page, name) => page.getByRole('button', { name, exact: typeof name === 'string' })

/** Where the focus is; null: on nothing of the page. */
const stop = (page) =>
  page.evaluate(() => {
    const element = document.activeElement
    if (!element || element === document.body) return null
    // The editor draws the ring around itself and its line numbers.
    const style = getComputedStyle(element.closest('.over-colours') ? element.closest('.rounded-md') : element)
    const { width, height, top, bottom } = element.getBoundingClientRect()
    return {
      what: element.outerHTML.slice(0, 140),
      ring: style.outlineStyle !== 'none' && Number.parseFloat(style.outlineWidth) > 0,
      seen: width > 0 && height > 0 && bottom > 0 && top < window.innerHeight,
      number: [...document.querySelectorAll('*')].indexOf(element),
    }
  })

describe('by keyboard alone', () => {
  for (const [name, path] of Object.entries(PAGES)) {
    it(`the page ${name} is walked through: each stop is seen, none holds fast`, async (t) => {
      const page = await open(t, path)
      const seen = new Set()
      let last = -1
      let same = 0
      for (let n = 0; n < STOPS; n += 1) {
        await page.keyboard.press('Tab')
        const at = await stop(page)
        if (at === null) break
        // A field for a date or a month has stops of its own inside: month, day, year, calendar.
        same = at.number === last ? same + 1 : 0
        assert.ok(same < (/type="(date|month)"/.test(at.what) ? 5 : 1), `it holds the focus: ${at.what}`)
        assert.ok(at.ring, `it does not show that it has the focus: ${at.what}`)
        assert.ok(at.seen, `it has the focus out of sight: ${at.what}`)
        last = at.number
        seen.add(at.number)
      }
      assert.ok(seen.size > 14, `${seen.size} stops`)
      assert.equal(await stop(page), null, 'the walk ends')
      clean(page)
    })
  }

  it('models are started and stopped', async (t) => {
    const page = await open(t, '/models')
    await press(page, button(page, 'Start: other'))
    await page.locator('[data-model=other][data-state=ready]').waitFor()
    await press(page, button(page, 'Stop: other'))
    await page.locator('[data-model=other][data-state=stopped]').waitFor()
    clean(page)
  })

  it('one talks to a model, asks again and changes a question', async (t) => {
    const page = await open(t, '/playground?model=other')
    await write(page, page.getByRole('textbox', { name: 'Message' }), 'hello')
    await page.keyboard.press('Enter')
    await press(page, button(page, 'Answer again'))
    await press(page, button(page, 'Edit'))
    await page.getByText('What followed this message will be replaced.').waitFor()
    await press(page, button(page, 'Keep it'))
    await press(page, page.getByText('Settings', { exact: true }))
    await write(page, page.getByLabel('Top-p'), '0.5')
    await press(page, button(page, 'Conversations'))
    await page.keyboard.press('Escape')
    await reach(page, button(page, 'Conversations'))
    clean(page)
  })

  it('requests and starts are looked into, and left again where one was', async (t) => {
    const page = await open(t, '/requests')
    for (const [path, name] of [['/requests', /Details of request/], ['/timeline', /where the time of this start went/]]) {
      if (!page.url().endsWith(path)) await page.goto(path)
      await settled(page)
      const opener = button(page, name).first()
      await press(page, opener)
      await page.getByRole('dialog').waitFor()
      await page.keyboard.press('Escape')
      await until(() => opener.evaluate((element) => element === document.activeElement), 'the focus is back')
    }
    clean(page)
  })

  it('a price is written and saved, and the plan ended', async (t) => {
    const page = await open(t, '/billing?model=other')
    await write(page, page.getByLabel('Input, tier 1', { exact: true }), '1')
    await write(page, page.getByLabel('Output, tier 1', { exact: true }), '2')
    await press(page, button(page, 'Save'))
    await page.getByText('The plan is in force from now on').last().waitFor()
    await press(page, button(page, 'No price from now on'))
    await page.getByText('No plan is in force').waitFor()
    clean(page)
  })

  it('a log is searched, wrapped and paused', async (t) => {
    const page = await open(t, '/logs')
    await write(page, page.getByRole('searchbox'), 'ready')
    await press(page, button(page, 'Wrap'), 'Space')
    await press(page, button(page, 'Pause'), 'Space')
    await reach(page, button(page, 'Resume'))
    clean(page)
  })

  it('the configuration is changed and saved', async (t) => {
    const page = await open(t, '/configuration')
    await reach(page, page.getByRole('textbox').first())
    await page.keyboard.press('Control+Home')
    await page.keyboard.type('# by keyboard\n')
    await press(page, button(page, /^Save/))
    const dialog = page.getByRole('alertdialog')
    await dialog.waitFor()
    await press(page, dialog.getByRole('button', { name: /Save/ }))
    await until(async () => (await manager.api('/api/config')).text.startsWith('# by keyboard\n'), 'it is in the file')
    clean(page)
  })

  it('language and theme are chosen', async (t) => {
    const page = await open(t, '/')
    await press(page, button(page, /中文/))
    await until(() => page.evaluate(() => document.documentElement.lang === 'zh-CN'), 'it is Chinese')
    clean(page)
  })
})

describe('at 200 % zoom', () => {
  for (const language of ['en-GB', 'zh-CN']) {
    it(`no page is wider than the window, and nothing is cut off its controls: ${language}`, async (t) => {
      const page = await openPage(browser, manager, { language })
      t.after(() => page.context().close())
      // What a window of 1440 by 900 shows of a page that is twice as large.
      await page.setViewportSize({ width: 720, height: 450 })
      for (const path of Object.values(PAGES)) {
        await page.goto(path)
        await settled(page)
        assert.ok((await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)) <= 0, `${path} is wider than the window`)
        const cut = await page.evaluate(() =>
          [...document.querySelectorAll('button, [role=tab], label')].filter((element) => element.clientWidth > 0 && element.scrollWidth > element.clientWidth + 1 && !element.classList.contains('sr-only')).map((element) => element.outerHTML.slice(0, 120)),
        )
        assert.deepEqual(cut, [], path)
      }
      clean(page)
    })
  }
})
