/** Start, stop, restart: what fits the state. A start can always be cancelled. */
import { Moon, Play, RotateCw, Square, Sun, X } from 'lucide-react'
import { useState } from 'react'
import { useOrder, type Verb } from '@/shared/api/orders'
import type { ModelView } from '@/shared/api/types'
import { texts, useTexts } from '@/shared/i18n/texts'
import { Button } from '@/shared/ui/Button'
import { Confirm } from '@/shared/ui/Dialog'

const all = texts(
  {
    start: 'Start', stop: 'Stop', restart: 'Restart', cancel: 'Cancel start', now: 'Stop now', park: 'Park', wake: 'Wake',
    of: (what: string, name: string) => `${what}: ${name}`,
    busyTitle: (name: string) => `Stop ${name} while it is busy?`,
    busy: (n: number) => `${n} request${n === 1 ? ' is' : 's are'} running. They may finish first, up to the drain timeout; new ones wait for nothing and are refused.`,
    breakTitle: (name: string) => `Break off what ${name} is answering?`,
    break: (n: number) => `${n} running answer${n === 1 ? '' : 's'} will be cut off.`,
  },
  {
    start: '启动', stop: '停止', restart: '重启', cancel: '取消启动', now: '立即停止', park: '休眠', wake: '唤醒',
    of: (what: string, name: string) => `${what}：${name}`,
    busyTitle: (name: string) => `${name} 正在工作，要停止吗？`,
    busy: (n: number) => `有 ${n} 个请求正在运行，会在排空时限内先完成；新的请求会被拒绝。`,
    breakTitle: (name: string) => `中断 ${name} 正在进行的响应？`,
    break: (n: number) => `${n} 个正在进行的响应会被切断。`,
  },
)

export function Orders({ model, small }: { model: ModelView; small?: boolean }) {
  const t = useTexts(all)
  const order = useOrder()
  const [asking, setAsking] = useState<'stop' | 'now' | null>(null)
  const { name, state, leases, can_park: canPark } = model
  const label = (what: string) => ({ 'aria-label': t.of(what, name) })
  const give = (verb: Verb, now?: boolean) => order.mutate({ name, verb, now })

  return (
    <>
      {(state === 'stopped' || state === 'failed') && (
        <Button small={small} kind="primary" {...label(t.start)} onClick={() => give('start')}>
          <Play size={13} />
          {t.start}
        </Button>
      )}
      {(state === 'starting' || state === 'queued') && (
        <Button small={small} {...label(t.cancel)} onClick={() => give('stop')}>
          <X size={13} />
          {t.cancel}
        </Button>
      )}
      {state === 'parked' && (
        <>
          <Button small={small} kind="primary" {...label(t.wake)} onClick={() => give('wake')}>
            <Sun size={13} />
            {t.wake}
          </Button>
          <Button small={small} {...label(t.stop)} onClick={() => give('stop')}>
            <Square size={12} />
            {t.stop}
          </Button>
        </>
      )}
      {state === 'ready' && (
        <>
          {canPark && (
            <Button small={small} {...label(t.park)} onClick={() => give('park')}>
              <Moon size={13} />
              {t.park}
            </Button>
          )}
          <Button small={small} {...label(t.restart)} onClick={() => give('restart')}>
            <RotateCw size={13} />
            {t.restart}
          </Button>
          <Button small={small} {...label(t.stop)} onClick={() => (leases > 0 ? setAsking('stop') : give('stop'))}>
            <Square size={12} />
            {t.stop}
          </Button>
        </>
      )}
      {state === 'draining' && (
        <Button small={small} kind="danger" {...label(t.now)} onClick={() => setAsking('now')}>
          <Square size={12} />
          {t.now}
        </Button>
      )}
      <Confirm
        open={asking !== null}
        onOpenChange={(open) => !open && setAsking(null)}
        title={asking === 'now' ? t.breakTitle(name) : t.busyTitle(name)}
        action={asking === 'now' ? t.now : t.stop}
        danger
        onConfirm={() => give('stop', asking === 'now')}
      >
        {asking === 'now' ? t.break(leases) : t.busy(leases)}
      </Confirm>
    </>
  )
}
