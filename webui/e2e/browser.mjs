/** Debian's Chromium through playwright-core, with every error of a page gathered. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { chromium } from 'playwright-core'

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

export async function openBrowser() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
      '--disable-sync',
    ],
  })
}

/** Answers of endpoints that this manager does not have are no errors of the page. */
const EXPECTED = /Failed to load resource: the server responded with a status of 404/

export async function openPage(browser, manager, { theme = 'light', language = 'en-GB', phone = false, storage = {} } = {}) {
  const context = await browser.newContext({
    baseURL: manager.url,
    colorScheme: theme,
    locale: language,
    viewport: phone ? { width: 390, height: 844 } : { width: 1440, height: 900 },
    deviceScaleFactor: 1,
    reducedMotion: 'reduce',
  })
  const page = await context.newPage()
  page.errors = []
  page.foreign = []
  page.on('console', (message) => {
    if (message.type() === 'error' && !EXPECTED.test(message.text())) page.errors.push(message.text())
  })
  page.on('pageerror', (error) => page.errors.push(String(error.stack ?? error)))
  page.on('request', (request) => {
    if (!request.url().startsWith(manager.url) && !request.url().startsWith('data:')) page.foreign.push(request.url())
  })
  if (Object.keys(storage).length > 0) {
    await page.addInitScript((entries) => Object.entries(entries).forEach(([key, value]) => localStorage.setItem(key, value)), storage)
  }
  return page
}

export async function live(page) {
  await page.waitForSelector('[data-connection=live]', { state: 'attached' })
}

/** Violations of WCAG 2.2 A and AA and of axe's best practices, in a form that can be read. */
export async function violations(page, within = 'html') {
  // Through the debugger, which the page's Content-Security-Policy does not bind.
  await page.evaluate(AXE)
  const found = await page.evaluate(async (within) => {
    const result = await window.axe.run(within, { resultTypes: ['violations'] })
    return result.violations.map((rule) => ({ id: rule.id, help: rule.help, nodes: rule.nodes.slice(0, 4).map((node) => `${node.html.slice(0, 160)} :: ${node.failureSummary}`) }))
  }, within)
  return found
}
