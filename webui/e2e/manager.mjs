/** A real manager with fake model servers, on a free port, in a folder of its own. */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const TARGET = process.env.CARGO_TARGET_DIR ?? fileURLToPath(new URL('../../target', import.meta.url))
const BINARY = process.env.LLM_MANAGER_BIN ?? join(TARGET, 'debug', 'llm-manager')
const FAKE = process.env.FAKE_MODEL_SERVER ?? join(dirname(BINARY), 'fake-model-server')

/** A test that dies must not leave its managers behind. */
const running = new Set()
process.once('exit', () => running.forEach((child) => child.kill('SIGKILL')))

export async function freePort() {
  return new Promise((resolve) => {
    const server = createServer()
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}

/** One entry of `Local-Models:`; `flags` go to the fake server. */
export function model(name, { mode = 'Chat', flags = [], lines = [], variants = ['Dual-GPU-Config'], memory = {} } = {}) {
  const command = JSON.stringify([FAKE, '--port', '{port}', '--name', name, ...flags])
  const launches = variants.map((variant) => `    ${variant}:\n      required_devices: ${JSON.stringify(Object.keys(memory))}\n      memory_mb: ${JSON.stringify(memory)}\n      command: ${command}\n`).join('')
  return `  "${name}":\n    mode: ${mode}\n${lines.map((line) => `    ${line}\n`).join('')}${launches}`
}

export async function startManager({ models = [], program = [], top = '', port, headers = {}, binary = BINARY, env = {}, prepare } = {}) {
  if (!existsSync(binary)) throw new Error(`there is no ${binary}: build it first (make browser does)`)
  const dir = mkdtempSync(join(tmpdir(), 'webui-e2e-'))
  const manager = { port: port ?? (await freePort()), dir, process: null, env }
  manager.url = `http://127.0.0.1:${manager.port}`
  const write = () => {
    const fixed = ['host: 127.0.0.1', `port: ${manager.port}`, 'log_level: INFO', 'Disable_GPU_monitoring: true', 'stop_timeout: 2', 'drain_timeout: 2']
    const own = new Set(program.map((line) => line.split(':')[0]))
    const head = [...fixed.filter((line) => !own.has(line.split(':')[0])), ...program]
    const text = `program:\n${head.map((line) => `  ${line}\n`).join('')}${typeof top === 'function' ? top(dir) : top}Local-Models:${models.length ? '\n' + models.join('') : ' {}\n'}`
    writeFileSync(join(dir, 'config.yaml'), text)
  }
  manager.start = async () => {
    manager.process = spawn(binary, ['--config', join(dir, 'config.yaml')], { cwd: dir, env: { ...process.env, ...manager.env }, stdio: ['ignore', 'pipe', 'pipe'] })
    running.add(manager.process)
    let said = ''
    for (const stream of [manager.process.stdout, manager.process.stderr]) stream.on('data', (data) => (said += data))
    const deadline = Date.now() + 30_000
    for (;;) {
      if (manager.process.exitCode !== null || Date.now() > deadline) throw new Error(`the manager did not start: ${said}`)
      try {
        if ((await fetch(`${manager.url}/health`)).ok) return
      } catch {
        // Not yet.
      }
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
  manager.halt = async () => {
    const { process } = manager
    if (!process || process.exitCode !== null) return
    const gone = new Promise((resolve) => process.once('exit', resolve))
    process.kill('SIGTERM')
    await gone
    running.delete(process)
    // Its helper may hold the other ends for a moment longer; node would wait for that.
    process.stdout.destroy()
    process.stderr.destroy()
  }
  manager.stop = async () => {
    await manager.halt()
    rmSync(dir, { recursive: true, force: true })
  }
  manager.api = async (path, method = 'GET', body) => {
    const answer = await fetch(manager.url + path, { method, headers: { 'Content-Type': 'application/json', ...headers }, body: body && JSON.stringify(body) })
    const text = await answer.text()
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`)
    return text ? JSON.parse(text) : null
  }
  /** Asks a model and waits for the whole answer, whatever it is; `fake` tells the fake server what to do. */
  manager.ask = async (name, { path = '/v1/chat/completions', fake, ...body } = {}) => {
    const content = path.endsWith('completions') ? { messages: [{ role: 'user', content: 'hello' }] } : {}
    const sent = JSON.stringify({ model: name, ...content, ...body, ...(fake && { x_fake: fake }) })
    const answer = await fetch(manager.url + path, { method: 'POST', headers: { 'Content-Type': 'application/json', ...headers }, body: sent })
    await answer.text()
    return answer.status
  }
  prepare?.(dir)
  write()
  await manager.start()
  return manager
}

/** Waits until `check` answers something true. */
export async function until(check, what, ms = 20_000) {
  const deadline = Date.now() + ms
  for (;;) {
    const found = await check()
    if (found) return found
    if (Date.now() > deadline) throw new Error(`waited ${ms} ms in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
