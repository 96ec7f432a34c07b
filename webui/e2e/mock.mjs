/** A busy month in the shapes of API.md, for pictures and for endpoints that the manager does not have yet. */

const MODELS = ['Qwen2.5-14B-Instruct', 'Llama-3.3-70B', 'bge-m3', 'bge-reranker-v2-m3', 'deepseek-coder-33b', 'mistral-small-24b']
const hash = (n) => ((n * 2654435761) >>> 8) % 1000

function totals(seed) {
  const requests = 40 + (hash(seed) % 90)
  const input_tokens = requests * (800 + hash(seed + 1))
  return {
    requests, failed: hash(seed + 2) % 3, client_left: hash(seed + 3) % 4, refused: hash(seed + 4) % 2, estimated: hash(seed + 5) % 3, unrecorded: 0, unpriced: 0, reasoning_tokens: 0, run_cost: {},
    input_tokens, cached_tokens: Math.floor(input_tokens / 3), output_tokens: requests * (120 + (hash(seed + 6) % 200)),
    cost: { CNY: ((input_tokens * 8 + requests * 1234) / 1e7).toFixed(7) },
  }
}

function add(all) {
  const sum = { requests: 0, failed: 0, client_left: 0, refused: 0, estimated: 0, unrecorded: 0, unpriced: 0, input_tokens: 0, cached_tokens: 0, output_tokens: 0 }
  let cost = 0
  for (const one of all) {
    for (const key of Object.keys(sum)) sum[key] += one[key]
    cost += Math.round(Number(one.cost.CNY) * 1e7)
  }
  return { ...sum, reasoning_tokens: 0, run_cost: {}, cost: { CNY: (cost / 1e7).toFixed(7) } }
}

function summary(from, to, seed, keys) {
  const groups = keys.map((key, index) => ({ key, ...totals(seed * 7 + index * 13 + 1) }))
  return { from: from.toISOString(), to: to.toISOString(), total: add(groups), groups }
}

const widths = { minute: 60e3, quarter: 900e3, hour: 3600e3, day: 86400e3, week: 604800e3, month: 2592000e3 }
const keysOf = (by) => (by === 'mode' ? ['Chat', 'Embedding', 'Reranker', 'Base'] : by === 'api_key' ? ['team-a', 'team-b', ''] : by ? MODELS : [])

function row(index) {
  const ended = Date.now() - index * 7300
  const outcome = index % 17 === 3 ? 'backend_error' : index % 11 === 5 ? 'client_left' : index % 23 === 7 ? 'refused:overloaded' : 'ok'
  const output = outcome === 'refused:overloaded' ? null : 20 + (hash(index) % 900)
  const duration = 0.4 + (output ?? 0) / 60
  return {
    id: `${1000000 - index}`, request_id: `req-${(index * 7919).toString(16).padStart(8, '0')}`, started_at: new Date(ended - duration * 1000).toISOString(), ended_at: new Date(ended).toISOString(),
    model: MODELS[hash(index + 3) % 3], variant: 'Dual-GPU-Config', mode: 'Chat', endpoint: '/v1/chat/completions', api_key: 'team-a', status: outcome === 'ok' ? 200 : outcome === 'client_left' ? 0 : outcome === 'backend_error' ? 502 : 503,
    outcome, error: outcome === 'backend_error' ? 'the backend broke the connection' : null, duration_seconds: duration, queue_seconds: 0.01, first_byte_seconds: output ? 0.18 + (hash(index) % 40) / 100 : null,
    input_tokens: output ? 400 + hash(index + 9) * 8 : null, cached_tokens: output ? hash(index + 9) * 3 : null, output_tokens: output, reasoning_tokens: null, usage_source: outcome === 'client_left' ? 'estimated' : output ? 'backend' : 'none',
    cost: output ? (output * 0.000002 + 0.0009).toFixed(9) : null, currency: 'CNY', pricing: output ? 'priced' : 'no_counts', plan_id: 1, cache_write_tokens: null, run_id: 12, replayed: false,
  }
}

const CONFIG = `program:
  host: "127.0.0.1"
  port: 8080
  alive_time: 15
Local-Models:
  Qwen2.5-14B-Instruct:
    aliases: ["gpt-3.5-turbo", "qwen-14b"]
    mode: "Chat"
    port: 10001
    Dual-GPU-Config:
      required_devices: ["rtx 4060", "v100"]
      script_path: "scripts/qwen_dual.sh"
      memory_mb: {"rtx 4060": 8000, "v100": 16000}
`

export const DEVICES = [
  { id: 'GPU-1', name: 'NVIDIA GeForce RTX 4060 Laptop GPU', plugin: 'nvml', uuid: 'GPU-1', pci: '0000:01:00.0', online: true, memory_total_mb: 8188, memory_used_mb: 6420, memory_reserved_mb: 7000, utilization: 63, temperature_c: 61, power_w: 88, holders: [{ model: 'Qwen2.5-14B-Instruct', reserved_mb: 7000, used_mb: 6100 }] },
  { id: 'GPU-2', name: 'Tesla V100-PCIE-32GB', plugin: 'nvml', uuid: 'GPU-2', pci: '0000:41:00.0', online: true, memory_total_mb: 32768, memory_used_mb: 20100, memory_reserved_mb: 18400, utilization: 91, temperature_c: 72, power_w: 214, holders: [{ model: 'Qwen2.5-14B-Instruct', reserved_mb: 16000, used_mb: 15200 }, { model: 'bge-m3', reserved_mb: 2400, used_mb: 2100 }] },
  { id: 'npu 0', name: 'npu 0', plugin: 'exec', uuid: null, pci: null, online: false, memory_total_mb: null, memory_used_mb: null, memory_reserved_mb: 0, utilization: null, temperature_c: null, power_w: null, holders: [] },
]

export async function mock(page, { devices = false } = {}) {
  const json = (body) => ({ contentType: 'application/json', body: JSON.stringify(body) })
  await page.route(/\/api\/(usage|requests|billing|storage|config|devices)/, async (route) => {
    const url = new URL(route.request().url())
    const query = Object.fromEntries(url.searchParams)
    const from = new Date(query.from ?? Date.now() - 3600e3)
    const to = new Date(query.to ?? Date.now())
    const path = url.pathname
    if (path === '/api/devices' && !devices) return route.fallback()
    if (path === '/api/devices') return route.fulfill(json(DEVICES))
    if (path === '/api/usage/summary') return route.fulfill(json(summary(from, to, 5, keysOf(query.by))))
    if (path === '/api/usage/series') {
      const points = []
      const width = widths[query.bucket]
      for (let time = Math.floor(from.getTime() / width) * width; time < to.getTime(); time += width) {
        points.push(summary(new Date(time), new Date(time + width), Math.floor(time / width) % 997, keysOf(query.by)))
      }
      return route.fulfill(json({ bucket: query.bucket, points }))
    }
    if (path === '/api/requests') {
      const start = Number(query.after ?? 0)
      const size = Math.min(Number(query.limit ?? 100), 200)
      return route.fulfill(json({ rows: Array.from({ length: size }, (_, index) => row(start + index)), next: start < 300 ? String(start + size) : null }))
    }
    if (path.startsWith('/api/billing/')) {
      if (route.request().method() === 'PUT') return route.fulfill(json(null))
      const plan = { method: 'tiered', currency: 'CNY', cache_pricing: true, tiers: [{ max_input: 32768, max_output: null, input: '0.8', output: '2', cache_read: '0.2', cache_write: '0' }, { max_input: null, max_output: null, input: '2.4', output: '6', cache_read: '0.6', cache_write: '0' }] }
      return route.fulfill(json({ model: decodeURIComponent(path.slice(13)), plan, source: 'config', valid_from: '2026-11-01T00:00:00Z', history: [{ id: 2, created_at: '2026-11-01T00:00:00Z', plan, valid_from: '2026-11-01T00:00:00Z', source: 'config' }, { id: 1, created_at: '2026-09-01T00:00:00Z', plan: { method: 'hourly', currency: 'CNY', per_hour: '1.50' }, valid_from: '2026-09-01T00:00:00Z', source: 'api' }] }))
    }
    if (path === '/api/storage') {
      const models = [...MODELS, 'old-model-7b'].map((model, index) => ({ model, orphan: model === 'old-model-7b', rows: 120000 - index * 15000, runs: 40 + index, bytes: 30e6 - index * 4e6, first_seen: '2026-08-01T00:00:00Z', former_names: [] }))
      return route.fulfill(json({ total_bytes: 148e6, free_bytes: 3e6, deleting: 0, rows_since: '2026-10-23T00:00:00Z', models }))
    }
    if (path === '/api/config/check') {
      const { text } = route.request().postDataJSON()
      const problems = text.includes('aliasses') ? [{ path: 'Local-Models.Qwen2.5-14B-Instruct.aliasses', line: 7, message: 'this key is unknown', hint: 'did you mean `aliases`?' }] : []
      return route.fulfill(json({ problems }))
    }
    if (path === '/api/config') return route.fulfill(json({ path: '/srv/llm/config.yaml', text: CONFIG, version: 'v1', writable: true, live_reload: false }))
    return route.fallback()
  })
}
