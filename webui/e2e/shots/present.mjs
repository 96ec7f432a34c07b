/** The house while one looks: some models busy, one that loads, one that waits for memory, one that fails. */
import { wait } from '../speed/stand.mjs'
import { ask } from './past.mjs'

const between = (low, high) => low + (high - low) * Math.random()

export async function present(manager) {
  let going = true
  const loops = []
  const loop = (name, words, pause) => {
    const run = async () => {
      await wait(between(0, pause[1]))
      while (going) {
        await ask(manager, name, words()).catch(() => undefined)
        await wait(between(...pause))
      }
    }
    loops.push(run())
  }
  const slow = () => `,tokens=${Math.round(between(80, 420))},delay_ms=${Math.round(between(18, 34))},head_delay_ms=${Math.round(between(90, 420))}`
  // These two are never idle: nobody may take their memory while the pictures are taken.
  for (const name of ['Qwen2.5-14B-Instruct', 'Qwen2.5-Coder-7B']) loop(name, slow, [0, 0.01])
  for (let n = 0; n < 4; n += 1) loop('Qwen2.5-14B-Instruct', slow, [0.3, 6])
  for (let n = 0; n < 2; n += 1) loop('Qwen2.5-Coder-7B', slow, [1, 9])
  for (let n = 0; n < 3; n += 1) loop('bge-m3', () => `,head_delay_ms=${Math.round(between(20, 90))}`, [0.4, 3])
  loop('bge-reranker-v2-m3', () => `,head_delay_ms=${Math.round(between(30, 120))}`, [2, 8])
  await wait(4)
  await manager.api('/api/models/mistral-small-24b/start?wait=false', 'POST')
  await manager.api('/api/models/gemma-3-27b-it/start?wait=false', 'POST')
  await wait(2)
  await manager.api('/api/models/Llama-3.3-70B/start?wait=false', 'POST')
  return async () => {
    going = false
    await Promise.race([Promise.all(loops), wait(3)])
  }
}
