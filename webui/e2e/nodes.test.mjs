/** The nodes of a Slurm cluster, as `sinfo` and `squeue` tell of them (played here): who uses what until when, and what is drained. */
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { clean, openBrowser, openPage, settled, violations } from './browser.mjs'
import { startManager } from './manager.mjs'

const node = (name, state, reason, used) => ({
  node: { state }, nodes: { nodes: [name] }, cpus: { total: 64, allocated: used }, partition: { name: 'gpu' },
  gres: { total: 'gpu:v100:4', used: `gpu:v100:${used}(IDX:0-3)` }, reason: { description: reason },
})
const number = (value) => ({ set: value !== null, infinite: value === null, number: value ?? 0 })
const job = (id, minutes) => ({
  job_id: id, job_state: ['RUNNING'], name: `a-training-run-with-quite-a-long-name-${id}`, user_name: 'ada', user_id: 1000, nodes: 'n1',
  gres_detail: ['gpu:v100:1(IDX:0)'], time_limit: number(minutes), end_time: number(Math.floor(Date.now() / 1000) + (minutes ?? 525_600) * 60),
})

const SLURM = {
  sinfo: { sinfo: [node('n1', ['MIXED'], '', 3), node('n2', ['IDLE', 'DRAIN'], 'fan broken', 0), node('n3', ['DOWN'], 'no answer', 0)] },
  // One without a limit: 22.05 says a year, 24.11 that there is none.
  squeue: { jobs: [job(11, 90), job(12, 525_600), job(13, null)] },
}

const MODEL = '  chat:\n    mode: Chat\n    Job:\n      on: {slurm: {gres: "gpu:v100:1"}}\n      command: ["serve"]\n'

let browser
before(async () => (browser = await openBrowser()))
after(() => browser?.close())

describe('nodes of a cluster', () => {
  for (const [language, phone, words] of [
    ['en-GB', false, { up: 'up', drained: 'drained', down: 'down', until: 'until' }],
    ['zh-CN', true, { up: '可用', drained: '已排空', down: '离线', until: '到 ' }],
  ]) {
    it(`are listed with who uses them, in ${language}${phone ? ', on a phone' : ''}`, async (t) => {
      const env = {}
      const prepare = (dir) => {
        const bin = join(dir, 'bin')
        mkdirSync(bin)
        for (const [name, answer] of Object.entries(SLURM)) {
          writeFileSync(join(bin, name), `#!/bin/sh\ncat << 'END'\n${JSON.stringify(answer)}\nEND\n`)
          chmodSync(join(bin, name), 0o755)
        }
        env.PATH = `${bin}:${process.env.PATH}`
      }
      const manager = await startManager({ models: [MODEL], env, prepare })
      t.after(() => manager.stop())
      const page = await openPage(browser, manager, { language, phone })
      t.after(() => page.context().close())
      await page.goto('/devices')
      const row = (name) => page.locator(`[data-node="slurm:${name}/gpu:v100"]`)
      await row('n1').waitFor()
      await settled(page)
      const cells = await row('n1').locator('td').allTextContents()
      assert.deepEqual([cells[0], cells[1], cells[3], cells[4]], ['n1', 'gpu', 'gpu:v100', '3 / 4'])
      assert.ok(cells[2].includes(words.up), cells[2])
      const jobs = await row('n1').locator('li').allTextContents()
      assert.equal(jobs.length, 3)
      assert.deepEqual(jobs.map((text) => text.includes(words.until)), [true, false, false], jobs.join('; '))
      const states = [await row('n2').textContent(), await row('n3').textContent()]
      assert.ok(states[0].includes(words.drained) && states[0].includes('fan broken'), states[0])
      assert.ok(states[1].includes(words.down) && states[1].includes('no answer'), states[1])
      // A long name doesn't make a tower of its column.
      for (const height of await row('n1').locator('li').evaluateAll((all) => all.map((one) => one.clientHeight))) {
        assert.ok(height <= 110, `a job takes ${height} px`)
      }
      assert.deepEqual(await violations(page), [])
      clean(page)
    })
  }
})
