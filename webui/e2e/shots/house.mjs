/** The house of the pictures: two cards, eight models with prices, and cards whose figures follow what runs. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { model, startManager } from '../manager.mjs'

const thrice = (price) => String(Math.round(price * 30) / 10)
const tiered = (input, output, cache) =>
  `billing: {method: tiered, currency: CNY, cache_pricing: true, tiers: [{max_input: 32768, input: "${input}", output: "${output}", cache_read: "${cache}"}, {input: "${thrice(input)}", output: "${thrice(output)}", cache_read: "${thrice(cache)}"}]}`

/** Memory by card, as `memory_mb` of the variant that runs. */
const NEEDS = {
  'Qwen2.5-14B-Instruct': { 'rtx 4060': 5200, v100: 9000 },
  'Qwen2.5-Coder-7B': { v100: 7600 },
  'DeepSeek-R1-Distill-32B': { v100: 22000 },
  'Llama-3.3-70B': { v100: 29600 },
  'mistral-small-24b': { v100: 11000 },
  'bge-m3': { v100: 2400 },
  'bge-reranker-v2-m3': { 'rtx 4060': 1400 },
}

const MODELS = [
  model('Qwen2.5-14B-Instruct', {
    lines: ['aliases: ["gpt-3.5-turbo", "qwen-14b"]', 'max_concurrency: 8', tiered(0.8, 2, 0.2)],
    variants: ['Dual-GPU-Config', 'Single-GPU-Config'], memory: NEEDS['Qwen2.5-14B-Instruct'],
    flags: ['--print', '\u001b[32mINFO\u001b[0m:     Application startup complete.'],
  }),
  model('Qwen2.5-Coder-7B', { lines: ['aliases: ["coder"]', tiered(0.5, 1, 0.1)], variants: ['Single-GPU-Config'], memory: NEEDS['Qwen2.5-Coder-7B'] }),
  model('DeepSeek-R1-Distill-32B', { lines: ['aliases: ["deepseek-r1"]', tiered(1.2, 4.8, 0.3)], variants: ['V100-Config'], memory: NEEDS['DeepSeek-R1-Distill-32B'] }),
  model('Llama-3.3-70B', { lines: ['billing: {method: hourly, currency: CNY, per_hour: "6.50"}'], variants: ['V100-Q3-Config'], memory: NEEDS['Llama-3.3-70B'] }),
  model('mistral-small-24b', { mode: 'Base', lines: ['start_timeout: 900'], variants: ['V100-Config'], memory: NEEDS['mistral-small-24b'], flags: ['--print', 'Loading safetensors checkpoint shards: 42 % | 5/12', '--bind-delay-ms', '900000'] }),
  model('bge-m3', { mode: 'Embedding', lines: ['pinned: true', 'auto_start: true', tiered(0.1, 0, 0.1)], variants: ['V100-Config'], memory: NEEDS['bge-m3'] }),
  model('bge-reranker-v2-m3', { mode: 'Reranker', lines: [tiered(0.1, 0, 0.1)], variants: ['Laptop-Config'], memory: NEEDS['bge-reranker-v2-m3'] }),
  model('gemma-3-27b-it', { flags: ['--die-at-start', '1'], variants: ['CPU-Config'], lines: ['alive_time: 5'] }),
]

const CARDS = [
  { name: 'NVIDIA GeForce RTX 4060 Laptop GPU', words: 'rtx 4060', total: 8188, desktop: 412, idle: [44, 11], full: [68, 96] },
  { name: 'Tesla V100-PCIE-32GB', words: 'v100', total: 32768, desktop: 0, idle: [36, 28], full: [74, 232] },
]
const file = (dir, card) => join(dir, `${card.words.replace(' ', '-')}.json`)

/** Writes what the cards would tell while these models run. */
function draw(dir, models) {
  for (const card of CARDS) {
    const here = models.filter(({ name, state }) => NEEDS[name]?.[card.words] && ['ready', 'draining', 'starting'].includes(state))
    const used = here.reduce((sum, { name }) => sum + NEEDS[name][card.words] * 0.94, card.desktop)
    const busy = here.reduce((sum, { leases }) => sum + leases, 0)
    const load = busy === 0 ? 0 : Math.min(97, 34 + 16 * busy + 12 * Math.sin(Date.now() / 9000 + card.total))
    const between = ([low], [high]) => Math.round(low + ((high - low) * load) / 100)
    const told = { online: true, memory_total_mb: card.total, memory_used_mb: Math.round(used), utilization: Math.round(load), temperature_c: between(card.idle, card.full), power_w: between(card.idle.slice(1), card.full.slice(1)) }
    writeFileSync(file(dir, card), JSON.stringify(told))
  }
}

/** The manager, not started before its clock is set: see `past.mjs`. `alive` are minutes. */
export async function house(binary, env) {
  const program = ['Disable_GPU_monitoring: false', 'log_level: INFO', 'min_hold: 0', 'max_hold: 3600', 'queue_timeout: 3600', 'alive_time: 15', 'electricity: {price_per_kwh: "0.60", currency: CNY}']
  const manager = await startManager({ models: MODELS, program, top: (dir) => `devices:\n${CARDS.map((card) => `  - name: "${card.name}"\n    command: ["cat", "${file(dir, card)}"]\n`).join('')}`, prepare: (dir) => draw(dir, []), binary, env })
  const timer = setInterval(async () => {
    const models = await manager.api('/api/models').catch(() => null)
    if (models) draw(manager.dir, models)
  }, 200)
  const stop = manager.stop
  manager.stop = async () => {
    clearInterval(timer)
    await stop()
  }
  return manager
}
