/** Debian's Chromium through playwright-core, with every error of a page gathered. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { chromium } from 'playwright-core'

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** `CHROMIUM` says where it is, if it is elsewhere. */
const CHROMIUM = process.env.CHROMIUM ?? ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync)

export async function openBrowser(more = []) {
  if (!CHROMIUM) throw new Error('there is no Chromium: install it (Debian: chromium), or say where it is with CHROMIUM=/path')
  return chromium.launch({
    executablePath: CHROMIUM,
    args: [
      ...more,
      '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
      '--disable-sync',
    ],
  })
}

/** These stay open for as long as a page is. */
const STREAM = /\/api\/events|[?&]follow=true|\/v1\//

export async function openPage(browser, manager, { theme = 'light', language = 'en-GB', phone = false, motion = 'reduce' } = {}) {
  const context = await browser.newContext({
    baseURL: manager.url,
    colorScheme: theme,
    locale: language,
    viewport: phone ? { width: 390, height: 844 } : { width: 1440, height: 900 },
    deviceScaleFactor: 1,
    reducedMotion: motion,
  })
  const page = await context.newPage()
  page.errors = []
  page.foreign = []
  page.asked = new Set()
  page.on('console', (message) => {
    if (message.type() === 'error') page.errors.push(`${message.text()} ${message.location().url}`)
  })
  page.on('pageerror', (error) => page.errors.push(String(error.stack ?? error)))
  page.on('request', (request) => {
    if (!request.url().startsWith(manager.url) && !request.url().startsWith('data:')) page.foreign.push(request.url())
    if (!STREAM.test(request.url())) page.asked.add(request)
  })
  for (const end of ['requestfinished', 'requestfailed']) page.on(end, (request) => page.asked.delete(request))
  return page
}

/** The playground with this model chosen; closed when the test ends. */
export async function openPlayground(t, browser, manager, model, options) {
  const page = await openPage(browser, manager, options)
  t.after(() => page.context().close())
  await page.goto(`/playground?model=${model}`)
  await live(page)
  return page
}

export async function live(page) {
  await page.waitForSelector('[data-connection=live]', { state: 'attached' })
}

/** Waits until a page has all that it asked for and has painted it. */
export async function settled(page) {
  await live(page)
  await page.locator('#content h1').first().waitFor()
  const deadline = Date.now() + 15_000
  for (let calm = 0; calm < 2; ) {
    const loading = await page.locator('[data-loading]').count()
    calm = page.asked.size === 0 && loading === 0 ? calm + 1 : 0
    if (Date.now() > deadline) throw new Error(`${page.url()} still loads: ${[...page.asked].map((request) => request.url())}, ${loading} faces`)
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))))
  }
}

/** What the browser says of a manager that is away. */
export const AWAY = /ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET/

/** What must be true of any page that was looked at; `allowed` are errors that the test provoked. */
export function clean(page, allowed = /^$/) {
  assert.deepEqual(page.errors.filter((error) => !allowed.test(error)), [], 'errors on the console')
  assert.deepEqual(page.foreign, [], 'requests to other hosts')
}

/** Violations of WCAG 2.2 A and AA and of axe's best practices, in a form that can be read. */
export async function violations(page, within = 'html') {
  // A dialog comes with a chunk of its own.
  await page.locator(within).first().waitFor({ state: 'attached' })
  // Through the debugger, which the page's Content-Security-Policy does not bind.
  await page.evaluate(AXE)
  const found = await page.evaluate(async (within) => {
    const result = await window.axe.run(within, { resultTypes: ['violations'] })
    return result.violations.map((rule) => ({ id: rule.id, help: rule.help, nodes: rule.nodes.slice(0, 4).map((node) => `${node.html.slice(0, 160)} :: ${node.failureSummary}`) }))
  }, within)
  return found
}
