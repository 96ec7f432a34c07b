import { expect, it } from 'vitest'
import { reason } from './reason'
import sentences from './sentences.json'

it.each([
  ['exit code 1 before it was ready, after 312 ms\n  | no such model', '退出码 1，在就绪之前，启动后 312 毫秒\n  | no such model'],
  ['killed by SIGSEGV (core dumped) while it was ready, after 61.2 s; it printed nothing', '被终止：SIGSEGV（有核心转储），在服务期间，启动后 61.2 秒；它没有任何输出'],
  ['exit code 0 before it was ready, after 5 ms (the script must stay: end it with `exec`, start nothing with `&`)\n  | ok', '退出码 0，在就绪之前，启动后 5 毫秒（脚本必须保持运行：用 `exec` 结尾，不要用 `&` 启动）\n  | ok'],
  ['not ready within start_timeout (30 s); it waited for GET /health (no connection to 127.0.0.1:8001: Connection refused (os error 111))',
    '在 start_timeout（30 秒）内没有就绪；当时在等待：GET /health（无法连接 127.0.0.1:8001：连接被拒绝（os error 111））'],
  ['GET /health (status 503: loading)', 'GET /health（状态码 503：loading）'],
  ['job 7 is in Slurm\'s queue: all nodes that fit are in use (Resources, expected to start at 2026-12-01T10:00:00)', '作业 7 在 Slurm 的队列中：所有合适的节点都在使用中（Resources，预计开始于 2026-12-01T10:00:00）'],
  ['job 7 failed on n1: exit code 127: a command was not found on the node', '作业 7（节点 n1） 失败：退出码 127：节点上找不到某个命令'],
  ['Pod p waits: no node has room for it: 0/3 nodes are available (Unschedulable)', 'Pod p 在等待：没有节点放得下它：0/3 nodes are available（Unschedulable）'],
  ['m: no variant fits, even without the models that may be stopped; Dual: v100: needs 24000 MiB, 18200 free, 5000 held by bge-m3 which is busy, 300 used by other programs (Xorg 200, game 100)',
    'm：即使停止可以停止的模型，也没有变体放得下；Dual：v100：需要 24000 MiB，空闲 18200，bge-m3 占用 5000（正忙），其他程序占用 300（Xorg 200、game 100）'],
  ['queue_timeout (60 s) is over; m: Dual waits for a which is pinned, b which keeps its memory for another 1.5 s (min_hold)', '已超过 queue_timeout（60 秒）；m：Dual 正在等待 a（已固定）、b（还要保留内存 1.5 秒（min_hold））'],
  ['exit code 3', '退出码 3'],
  ['v100: needs 24000 MiB, 100 free', 'v100：需要 24000 MiB，空闲 100'],
  ['v100-2 is paused by an operator for another 1 h 59 min', 'v100-2 被操作员暂停，还有 1 小时 59 分钟'],
  ['a which is busy', 'a（正忙）'],
  ['m: Dual fits without a, b (which is parked)', 'm：停止 a、b（休眠中） 后 Dual 放得下'],
  ['a sentence that nobody knew', 'a sentence that nobody knew'],
])('says %s', (english, chinese) => {
  expect(reason(english, 'zh')).toBe(chinese)
  expect(reason(english, 'en')).toBe(english)
})

// The manager writes this list of what it says (`UPDATE_TYPES=1 cargo test -p llm-manager --lib http`): a sentence that is new or changed needs its Chinese.
it.each(sentences)('has Chinese for %s', (english) => {
  const said = reason(english, 'zh')
  // What stands in quotes or backticks is a name, or said by others; so are these.
  const rest = said.replace(/`[^`]*`|"[^"]*"|\w*_\w*|\/\S+/g, '')
  expect(rest.match(/\b[a-z]{3,}\b/g)?.filter((word) => !kept.has(word)) ?? []).toEqual([])
  expect(said).toMatch(/[一-鿿]/)
})

/** Words that are the same in Chinese, and names of the list. */
const kept = new Set(['pid', 'qos', 'prolog', 'headers', 'rtx', 'npu', 'last', 'llama', 'server'])
