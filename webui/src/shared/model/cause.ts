/** Why runs end, in words, and how much of a worry that is. */
import type { By } from '@/shared/api/types'
import { texts } from '@/shared/i18n/texts'
import type { StatusKind } from '@/shared/ui/Status'
import { byTexts } from './by'

export const causeTexts = texts(
  {
    idle: 'Idle for too long', evicted: 'Stopped to make room', evictedFor: (model: string) => `Stopped to make room for ${model}`, operator: 'Stopped by an operator', operatorBy: (by: By) => `Stopped by ${byTexts.en.who(by)}`, restart: 'Restarted by an operator', restartBy: (by: By) => `Restarted by ${byTexts.en.who(by)}`,
    shutdown: 'The manager was stopped', aborted: 'The start was cancelled', abortedBy: (by: By) => `The start was cancelled by ${byTexts.en.who(by)}`, start_failed: 'Failed to start', start_timeout: 'Not ready in time', out_of_memory: 'Ran out of memory', unreachable: 'Its address was silent', time_limit: 'Its time limit was over', renewed: 'Replaced before its time limit', preempted: 'Preempted on the cluster', node_lost: 'Its node was lost', cancelled: 'Its job was cancelled', crashed: 'Crashed', unresponsive: 'Gave no useful answers', park_lost: 'Lost while it was parked',
    manager_lost: 'The manager was lost', actor_crashed: 'A part of the manager crashed', unknown: 'Ended',
  },
  {
    idle: '空闲超时', evicted: '为其他模型让出内存', evictedFor: (model: string) => `为 ${model} 让出内存`, operator: '由操作员停止', operatorBy: (by: By) => `由${byTexts.zh.among(by)}停止`, restart: '由操作员重启', restartBy: (by: By) => `由${byTexts.zh.among(by)}重启`,
    shutdown: '管理器停止', aborted: '启动被取消', abortedBy: (by: By) => `启动被${byTexts.zh.among(by)}取消`, start_failed: '启动失败', start_timeout: '未能按时就绪', out_of_memory: '内存不足', unreachable: '地址没有回应', time_limit: '到达时间上限', renewed: '到达时间上限前已被接替', preempted: '在集群上被抢占', node_lost: '节点丢失', cancelled: '作业被取消', crashed: '崩溃', unresponsive: '没有有效响应', park_lost: '休眠期间丢失',
    manager_lost: '管理器意外消失', actor_crashed: '管理器的一部分崩溃', unknown: '已结束',
  },
)

export type CauseWords = (typeof causeTexts)['en']

const plain = [
  'idle', 'evicted', 'operator', 'restart', 'shutdown', 'aborted', 'start_failed', 'start_timeout', 'out_of_memory', 'unreachable', 'time_limit', 'renewed', 'preempted', 'node_lost', 'cancelled', 'crashed', 'unresponsive', 'park_lost', 'manager_lost', 'actor_crashed',
] as const

interface Ended {
  cause: string | null
  evictedFor: string | null
  endedBy: By | null
}

export function causeOf({ cause, evictedFor, endedBy }: Ended, words: CauseWords): string {
  if (cause === 'evicted' && evictedFor) return words.evictedFor(evictedFor)
  if (cause === 'operator' && endedBy) return words.operatorBy(endedBy)
  if (cause === 'aborted' && endedBy) return words.abortedBy(endedBy)
  if (cause === 'restart' && endedBy) return words.restartBy(endedBy)
  const known = plain.find((one) => one === cause)
  return known ? words[known] : (cause ?? words.unknown)
}

/** What nobody wanted is bad; what took a model away from somebody warns; the rest is everyday. */
export function kindOfCause(cause: string | null): StatusKind {
  switch (cause) {
    case 'start_failed':
    case 'start_timeout':
    case 'out_of_memory':
    case 'unreachable':
    case 'crashed':
    case 'unresponsive':
    case 'manager_lost':
    case 'actor_crashed':
      return 'bad'
    case 'evicted':
    case 'time_limit':
    case 'preempted':
    case 'node_lost':
    case 'cancelled':
    case 'park_lost':
      return 'warn'
    default:
      return 'off'
  }
}
