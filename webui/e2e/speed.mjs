/**
 * How fast the dashboard is: `npm run speed`, about fifteen minutes; a table goes to stdout. Nothing else should run.
 *
 *   npm run speed -- load               one part only: load, hour, dashboards
 *   npm run speed -- hour --minutes 2   the real-time part of `hour` is shorter
 *   npm run speed -- --readme           the table goes into webui/README.md, too
 *
 * It takes target/release/llm-manager (`make build`), else the debug build, or LLM_MANAGER_BIN.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { dashboards } from './speed/dashboards.mjs'
import { hour } from './speed/hour.mjs'
import { load } from './speed/load.mjs'
import { binary, machine } from './speed/stand.mjs'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { minutes: { type: 'string', default: '3' }, pages: { type: 'string', default: '/,/models' }, readme: { type: 'boolean', default: false } },
})
const parts = { load, hour: () => hour({ minutes: Number(values.minutes), pages: values.pages.split(',') }), dashboards }
const wanted = positionals.length > 0 ? positionals : Object.keys(parts)
const kind = binary.includes('release') ? 'release build' : 'debug build'
const lines = [`${new Date().toISOString().slice(0, 10)}, ${machine()}, ${kind} of the manager.`, '', '| what | measured | goal | |', '| --- | --- | --- | --- |']
console.log(lines.join('\n'))
for (const part of wanted) {
  for (const [what, measured, goal, good] of await parts[part]()) {
    lines.push(`| ${what} | ${measured} | ${goal && `< ${goal}`} | ${goal && (good ? 'kept' : '**missed**')} |`)
    console.log(lines.at(-1))
  }
}
if (values.readme) {
  const file = new URL('../README.md', import.meta.url)
  const text = readFileSync(file, 'utf8')
  writeFileSync(file, text.replace(/(<!-- speed -->\n)[^]*(\n<!-- \/speed -->)/, (_, start, end) => start + lines.join('\n') + end))
}
process.exit(0)
