/**
 * The pictures of the README: `npm run shots`, about seven minutes; they go to docs/images. Real manager, fake model
 * servers, real requests; nothing on the pages is made up.
 *
 *   npm run shots -- overview usage    only these
 *   npm run shots -- --all             every page in every look, into e2e/out, to look at while developing
 *   SCALE=0.2 npm run shots            a shorter past
 *
 * Debian's faketime (a past), pngquant (small files), fonts-inter and fonts-noto-cjk (Chinese) are wanted.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { openBrowser, openPage, settled } from './browser.mjs'
import { PAGES } from './demo.mjs'
import { withPast } from './shots/past.mjs'
import { present } from './shots/present.mjs'
import { binary, wait } from './speed/stand.mjs'

process.env.FONTCONFIG_FILE = fileURLToPath(new URL('./shots/fonts.conf', import.meta.url))

/** Path, theme, and how long the page is looked at before the picture is taken. */
const PICTURES = {
  overview: { path: '/', theme: 'light', watch: 75 },
  models: { path: '/models', theme: 'dark', watch: 5 },
  timeline: { path: '/timeline?range=h6', theme: 'light', watch: 60 },
  devices: { path: '/devices', theme: 'dark', watch: 75, from: 'NVIDIA GeForce RTX 4060' },
  usage: { path: '/usage?range=month', theme: 'light', watch: 2 },
  billing: { path: '/billing?model=Qwen2.5-14B-Instruct', theme: 'light', watch: 2 },
  configuration: { path: '/configuration', theme: 'light', watch: 2 },
  requests: { path: '/requests', theme: 'dark', watch: 2 },
}

const args = process.argv.slice(2)
const all = args.includes('--all')
const wanted = args.filter((arg) => !arg.startsWith('--'))
const out = fileURLToPath(new URL(all ? './out/' : '../../docs/images/', import.meta.url))
mkdirSync(out, { recursive: true })

async function picture(browser, manager, file, { path, watch, from, ...look }) {
  const page = await openPage(browser, manager, look)
  await page.goto(path)
  await settled(page)
  // A live curve wants time to become one.
  await wait(watch)
  await settled(page)
  if (from) await page.getByRole('heading', { name: from }).evaluate((heading) => window.scrollTo(0, heading.getBoundingClientRect().top - 20))
  await page.screenshot({ path: out + file })
  if (page.errors.length > 0) console.log(file, page.errors)
  await page.context().close()
  spawnSync('pngquant', ['--force', '--skip-if-larger', '--quality=60-95', '--strip', '--output', out + file, out + file])
  console.log(file)
}

const manager = await withPast(binary, Number(process.env.SCALE ?? 1))
const browser = await openBrowser()
const stop = await present(manager)
try {
  const jobs = all
    ? Object.entries(PAGES).flatMap(([name, path]) => [
        [`${name}-light.png`, { path, watch: 2, theme: 'light' }], [`${name}-dark.png`, { path, watch: 2, theme: 'dark' }],
        [`${name}-phone.png`, { path, watch: 2, phone: true }], [`${name}-zh.png`, { path, watch: 2, theme: 'dark', language: 'zh-CN', phone: true }],
      ])
    : Object.entries(PICTURES).flatMap(([name, look]) => [[`${name}.png`, look], [`${name}.zh-CN.png`, { ...look, language: 'zh-CN' }]])
  const ours = jobs.filter(([file]) => wanted.length === 0 || wanted.some((name) => file.startsWith(name)))
  // Together: all of them look at the same minute.
  await Promise.all(ours.map(([file, look]) => picture(browser, manager, file, look)))
} finally {
  await stop()
  await browser.close()
  await manager.stop()
}
process.exit(0)
