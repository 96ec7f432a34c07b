/** A manager as people have it: some models run, some are busy, one starts slowly, one cannot start. */
import { model } from './manager.mjs'

export const PAGES = {
  overview: '/', models: '/models', model: '/models/Qwen2.5-14B-Instruct', variants: '/models/Qwen2.5-14B-Instruct?tab=variants',
  runs: '/models/Qwen2.5-14B-Instruct?tab=runs', queue: '/queue', statement: '/statement', devices: '/devices', timeline: '/timeline', playground: '/playground', usage: '/usage',
  requests: '/requests', audit: '/audit', billing: '/billing', logs: '/logs', modellog: '/logs?model=Qwen2.5-14B-Instruct', supervision: '/supervision',
  data: '/data', keys: '/keys', configuration: '/configuration',
}

/** Two cards as plugins see them: `devices:` of the configuration. */
export function demoDevices() {
  const card = (name, total, used, load, degrees, watts) =>
    `  - name: "${name}"\n    command: ["sh", "-c", "printf '{\\"online\\":true,\\"memory_total_mb\\":${total},\\"memory_used_mb\\":${used},\\"utilization\\":%d,\\"temperature_c\\":${degrees},\\"power_w\\":%d}' $((${load} + $(date +%s) % 9)) $((${watts} + $(date +%s) % 30))"]\n`
  return `devices:\n${card('RTX 4060 Laptop', 8188, 6420, 60, 61, 80)}${card('Tesla V100', 32768, 20100, 85, 72, 200)}`
}

export function demoModels() {
  return [
    model('Qwen2.5-14B-Instruct', { lines: ['aliases: ["gpt-3.5-turbo", "qwen-14b"]', 'max_concurrency: 4'], variants: ['Dual-GPU-Config', 'Single-GPU-Config'], memory: { 'rtx 4060': 1200, v100: 9000 }, flags: ['--flood-log', '300', '--print', '\u001b[32mINFO\u001b[0m:     Uvicorn running on \u001b[1mhttp://127.0.0.1\u001b[0m'] }),
    model('Llama-3.3-70B', { flags: ['--bind-delay-ms', '600000'], lines: ['start_timeout: 900'] }),
    model('bge-m3', { mode: 'Embedding', lines: ['auto_start: true', 'alive_time: 0'], memory: { v100: 2400 } }),
    model('bge-reranker-v2-m3', { mode: 'Reranker' }),
    model('deepseek-coder-33b', { flags: ['--die-at-start', '1'] }),
    model('mistral-small-24b', { mode: 'Base' }),
  ]
}

/** Keeps the demo busy until the answer is called. */
export async function useDemo(manager) {
  const chat = (name, body) =>
    fetch(`${manager.url}/v1/chat/completions`, {
      method: 'POST', headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ model: name, messages: [{ role: 'user', content: 'hello' }], ...body }),
    }).then((answer) => answer.text()).catch(() => undefined)
  await manager.api('/api/models/Qwen2.5-14B-Instruct/start', 'POST')
  await manager.api('/api/models/Qwen2.5-14B-Instruct/restart', 'POST')
  await manager.api('/api/models/bge-reranker-v2-m3/start', 'POST')
  void manager.api('/api/models/Llama-3.3-70B/start?wait=false', 'POST')
  void manager.api('/api/models/deepseek-coder-33b/start?wait=false', 'POST')
  let going = true
  const slow = async () => {
    while (going) await chat('Qwen2.5-14B-Instruct', { stream: true, x_fake: 'tokens=200,delay_ms=20' })
  }
  for (let i = 0; i < 3; i += 1) void slow()
  return () => (going = false)
}
