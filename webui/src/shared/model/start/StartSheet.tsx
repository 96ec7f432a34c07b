/** Where the time of one start went. */
import { useQuery } from '@tanstack/react-query'
import { apiJson } from '@/shared/api/client'
import { keys } from '@/shared/api/keys'
import type { OneRun } from '@/shared/api/types'
import { latency, moment } from '@/shared/format/time'
import { texts, useTexts } from '@/shared/i18n/texts'
import { useNow } from '@/shared/live/clock'
import { byTexts } from '../by'
import { Sheet } from '@/shared/ui/Dialog'
import { Empty, QueryFace } from '@/shared/ui/Face'
import { longest, sharesOf, type Step, stepsOf, type Whose } from './steps'
import { Waterfall } from './Waterfall'
import { helpTexts, stepTexts } from './words'

const all = texts(
  {
    title: 'Where the time of this start went', none: 'No moment of this start is kept', ready: (time: string) => `Ready after ${time}`, going: (time: string) => `${time} so far`, broken: (time: string) => `Ended after ${time}, before it was ready`,
    manager: (time: string) => `${time} in the manager`, server: (time: string) => `${time} in the model server`, others: (time: string) => `${time} until other models had made room`,
    driver: (time: string) => `${time} in the driver`, unknown: (time: string) => `${time} before the launch, not kept apart`, first: (time: string) => `Its first answer began ${time} later.`, quiet: 'It has not answered a request yet.',
    longest: (step: string) => `Longest: ${step}.`, kept: 'The moments in between are kept of a model’s last 20 runs, until the manager restarts.',
  },
  {
    title: '这次启动的时间花在哪里', none: '没有保留这次启动的任何时刻', ready: (time: string) => `${time} 后就绪`, going: (time: string) => `已用 ${time}`, broken: (time: string) => `${time} 后结束，未能就绪`,
    manager: (time: string) => `管理器自身 ${time}`, server: (time: string) => `模型服务 ${time}`, others: (time: string) => `等待其他模型让出内存 ${time}`,
    driver: (time: string) => `驱动 ${time}`, unknown: (time: string) => `启动之前 ${time}（未分别记录）`, first: (time: string) => `又过 ${time}，第一个响应开始。`, quiet: '还没有响应过请求。',
    longest: (step: string) => `最久的一步：${step}。`, kept: '中间的时刻只保留每个模型最近 20 次运行，到管理器重启为止。',
  },
)

export function StartSheet({ run, onClose }: { run: number | null; onClose: () => void }) {
  const t = useTexts(all)
  const query = useQuery({
    queryKey: keys.run(run ?? 0),
    queryFn: ({ signal }) => apiJson<OneRun>(`/api/runs/${run}`, { signal }),
    enabled: run !== null,
    // A start that goes on is looked at again; one that is over does not change.
    refetchInterval: (now) => (now.state.data && !now.state.data.first_byte_at && now.state.data.ended_at === null ? 1000 : false),
  })
  return (
    <Sheet open={run !== null} onOpenChange={(open) => !open && onClose()} title={t.title}>
      <div className="grid gap-4 p-4">
        <QueryFace query={query} compact>
          {(found) => <Start run={found} />}
        </QueryFace>
      </div>
    </Sheet>
  )
}

function Start({ run }: { run: OneRun }) {
  const t = useTexts(all)
  const by = useTexts(byTexts)
  const names = useTexts(stepTexts)
  const helps = useTexts(helpTexts)
  const now = useNow()
  const steps = stepsOf(run, now)
  const most = longest(steps)
  const forgotten = steps.some((step) => step.name === 'before') || run.port_open_at === null
  if (steps.length === 0) return <Empty title={t.none} compact />
  return (
    <>
      <div>
        <p className="font-medium wrap-anywhere">
          {run.model}
          <span className="font-normal text-muted">
            {' '}
            · {run.variant} · {moment(new Date(run.asked_at ?? run.started_at), new Date(now))}
          </span>
        </p>
        {run.started_by && <p className="text-[0.93rem] text-muted">{by.startedBy(run.started_by)}</p>}
        <Summary run={run} steps={steps} />
      </div>
      <Waterfall steps={steps} />
      {most && (
        <p className="text-[0.93rem]">
          <span className="font-medium">{t.longest(names[most.name])}</span> <span className="text-muted">{helps[most.name]}</span>
        </p>
      )}
      {forgotten && run.ended_at !== null && <p className="text-[0.93rem] text-muted">{t.kept}</p>}
    </>
  )
}

/** The same in a sentence: which part was ours, and which the server's. */
function Summary({ run, steps }: { run: OneRun; steps: readonly Step[] }) {
  const t = useTexts(all)
  const until = steps.filter((step) => step.name !== 'first').at(-1)
  const first = steps.find((step) => step.name === 'first')
  const parts = sharesOf(steps).map(({ whose, ms }: { whose: Whose; ms: number }) => t[whose](latency(ms)))
  const total = latency(until?.to ?? 0)
  const head = run.ready_at !== null ? t.ready(total) : run.ended_at === null ? t.going(total) : t.broken(total)
  return (
    <p data-testid="start-summary">
      {head}
      {parts.length > 0 && `: ${parts.join(', ')}`}. {first ? t.first(latency(first.to - first.from)) : run.ready_at !== null && run.ended_at === null && t.quiet}
    </p>
  )
}
