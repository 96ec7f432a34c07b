/** The one line that says what a model is doing or waiting for. */
import { mebibytes } from '@/shared/format/number'
import { duration, whole } from '@/shared/format/time'
import { texts, useTexts } from '@/shared/i18n/texts'
import { useNow } from '@/shared/live/clock'
import { idleLeft, type LiveModel } from '@/shared/live/reducer'
import { useReason } from './reason/useReason'

const all = texts(
  {
    starting: (time: string, what: string) => `${time} so far, waits for ${what}`,
    startingPlain: (time: string) => `${time} so far`,
    queued: (time: string) => `waits for memory since ${time}`,
    leases: (n: number) => `${n} request${n === 1 ? '' : 's'} running`,
    idle: (time: string) => `idle, stops in ${time}`,
    kept: 'idle, kept running',
    draining: (n: number) => `${n} request${n === 1 ? '' : 's'} still running, then stops`,
    stopping: (time: string) => `ending its processes, ${time} so far`,
    retry: (time: string) => `a request may start it again in ${time}`,
    retryNow: 'tries again with the next request',
    stopped: 'starts with the next request',
    parking: (time: string) => `gives its memory up, ${time} so far`,
    parked: (time: string) => `sleeps since ${time}, wakes with the next request`,
    wake: (time: string, measured: boolean) => ` in ${time}${measured ? '' : ' (estimate)'}`,
    holds: (what: string) => `; holds ${what}`,
    waking: (time: string, what: string | null) => (what ? `${time} so far, waits for ${what}` : `${time} so far`),
  },
  {
    starting: (time: string, what: string) => `已用 ${time}，正在等待：${what}`,
    startingPlain: (time: string) => `已用 ${time}`,
    queued: (time: string) => `等待内存 ${time}`,
    leases: (n: number) => `${n} 个请求运行中`,
    idle: (time: string) => `空闲，${time} 后停止`,
    kept: '空闲，保持运行',
    draining: (n: number) => `还有 ${n} 个请求，完成后停止`,
    stopping: (time: string) => `正在结束进程，已用 ${time}`,
    retry: (time: string) => `${time} 后的请求可再次启动它`,
    retryNow: '下一个请求会再次尝试',
    stopped: '下一个请求会启动它',
    parking: (time: string) => `正在让出内存，已用 ${time}`,
    parked: (time: string) => `已休眠 ${time}，下一个请求会唤醒它`,
    wake: (time: string, measured: boolean) => `，需 ${time}${measured ? '' : '（估计）'}`,
    holds: (what: string) => `；占用 ${what}`,
    waking: (time: string, what: string | null) => (what ? `已用 ${time}，正在等待：${what}` : `已用 ${time}`),
  },
)

function holds(held: Record<string, number>, told: (what: string) => string): string {
  const parts = Object.entries(held).filter(([, mb]) => mb > 0)
  return parts.length === 0 ? '' : told(parts.map(([device, mb]) => `${mebibytes(mb)} (${device})`).join(', '))
}

export function StateNote({ model }: { model: LiveModel }) {
  const t = useTexts(all)
  const say = useReason()
  const now = useNow()
  const since = (now - Date.parse(model.since)) / 1000
  switch (model.state) {
    case 'starting':
      return model.waits_for ? t.starting(whole(since), say(model.waits_for)) : t.startingPlain(whole(since))
    case 'queued':
      return model.waits_for ? say(model.waits_for) : t.queued(whole(since))
    case 'draining':
      return t.draining(model.leases)
    case 'parking':
      return t.parking(duration(since))
    case 'parked':
      return t.parked(whole(since)) + (model.asleep ? t.wake(duration(model.asleep.wake_seconds), model.asleep.measured) + holds(model.asleep.holds_mb, t.holds) : '')
    case 'waking':
      return t.waking(whole(since), model.waits_for && say(model.waits_for))
    case 'stopping':
      return t.stopping(duration(since))
    case 'failed': {
      const left = model.retry_at ? (Date.parse(model.retry_at) - now) / 1000 : 0
      return left > 0 ? t.retry(whole(left)) : t.retryNow
    }
    case 'ready': {
      if (model.leases > 0) return t.leases(model.leases)
      const left = idleLeft(model, now)
      return left === null ? t.kept : t.idle(whole(left))
    }
    default:
      return t.stopped
  }
}
