import { expect, it } from 'vitest'
import { doing } from './doing'

it.each([
  ['idle, 21 rows written', '空闲，已写入 21 行'],
  ['backoff, 3 rows written: the disk is full', '稍后重试，已写入 3 行：the disk is full'],
  ['requests in flight: 1, connections: 2', '处理中的请求 1 个，到后端的连接 2 个'],
  ['3 online, every 1 s', '在线 3 个，每 1 秒查询'],
  ['1 online, 1 offline, 2 in trouble, every 0.5 s', '在线 1 个，离线 1 个，2 处有问题，每 0.5 秒查询'],
  ['pid 17', '进程 17'],
  ['stopped', '已停止'],
  ['ready (variant Dual-GPU-Config, pid 32428)', '就绪（变体 Dual-GPU-Config，进程 32428）'],
  ['failed (its only run failed, last reason: start_failed)', '失败（唯一的一次运行失败，原因：启动失败）'],
  ['ready (variant a, pid 2, 2 of its last 5 runs failed, last reason: crashed)', '就绪（变体 a，进程 2，最近 5 次运行中 2 次失败，最后的原因：崩溃）'],
  ['something that nobody knew', 'something that nobody knew'],
])('says %s', (english, chinese) => {
  expect(doing(english, 'zh')).toBe(chinese)
  expect(doing(english, 'en')).toBe(english)
})
