import { useMemo, useState } from 'react'
import { Link } from 'react-router'
import { moment, whole } from '@/shared/format/time'
import { texts, useTexts } from '@/shared/i18n/texts'
import { useNow } from '@/shared/live/clock'
import { useLive } from '@/shared/live/store'
import { modelLink } from '@/shared/model/link'
import { pageTexts } from '@/shared/pages'
import { Empty, FailureFace, Loading } from '@/shared/ui/Face'
import { Segments } from '@/shared/ui/Field'
import { PageHead, Panel } from '@/shared/ui/Panel'
import { Lanes, phaseFills, phaseTexts } from './Lanes'
import { useRuns } from './runs'
import { type Bar, type Phase, pastBar, presentBar, waits } from './spans'

const LISTED = 50

const all = texts(
  {
    span: 'Time shown', m15: '15 min', h1: '1 h', h6: '6 h', h24: '24 h', none: 'Nothing ran in this time', runs: 'Runs', model: 'Model', variant: 'Variant',
    started: 'Started', took: 'Lasted', reason: 'Why it ended', going: 'goes on',
    hint: 'The manager remembers the latest runs of each model since it was started.',
  },
  {
    span: '时间范围', m15: '15 分钟', h1: '1 小时', h6: '6 小时', h24: '24 小时', none: '这段时间没有运行', runs: '运行记录', model: '模型', variant: '启动方案',
    started: '开始', took: '时长', reason: '结束原因', going: '进行中',
    hint: '管理器保留本次启动以来每个模型最近的运行记录。',
  },
)

const spans = { m15: 900_000, h1: 3_600_000, h6: 21_600_000, h24: 86_400_000 }

export default function TimelinePage() {
  const t = useTexts(all)
  const names = useTexts(pageTexts)
  const [shown, setShown] = useState<keyof typeof spans>('h1')
  const now = useNow()
  const loaded = useLive((live) => live.loaded)
  const order = useLive((live) => live.order)
  const models = useLive((live) => live.models)
  const notices = useLive((live) => live.notices)
  const ended = notices.filter((notice) => notice.kind === 'state' && (notice.to === 'stopped' || notice.to === 'failed')).length
  const runs = useRuns(order, ended)
  const past = useMemo(
    () => [...(runs.data ?? []).flatMap(({ model, runs: all }) => all.map((run) => pastBar(model, run))), ...waits(notices)],
    [runs.data, notices],
  )
  const from = now - spans[shown]
  const bars: Bar[] = [...past, ...order.flatMap((name) => (models[name] && presentBar(models[name], now)) ?? [])].filter((bar) => bar.to >= from)
  const active = order.filter((name) => bars.some((bar) => bar.model === name))

  return (
    <>
      <PageHead title={names.timeline}>
        <Segments label={t.span} value={shown} onChange={setShown} options={(['m15', 'h1', 'h6', 'h24'] as const).map((key) => [key, t[key]] as const)} />
      </PageHead>
      {runs.error && !runs.data ? (
        <FailureFace error={runs.error} retry={() => void runs.refetch()} />
      ) : !loaded || (order.length > 0 && runs.isPending) ? (
        <Loading />
      ) : bars.length === 0 ? (
        <Empty title={t.none}>{t.hint}</Empty>
      ) : (
        <div className="grid grid-cols-1 gap-3">
          <section className="panel p-4">
            <Lanes models={active} bars={bars} from={from} to={now} />
            <PhaseLegend />
          </section>
          <Panel title={t.runs} note={t.hint} flush>
            <RunTable bars={bars.toSorted((a, b) => b.from - a.from).slice(0, LISTED)} />
          </Panel>
        </div>
      )}
    </>
  )
}

function PhaseLegend() {
  const phases = useTexts(phaseTexts)
  return (
    <ul className="mt-3 flex flex-wrap gap-x-4 gap-y-1 text-[0.93rem] text-muted">
      {(Object.keys(phaseFills) as (Phase | 'failed')[]).map((phase) => (
        <li key={phase} className="flex items-center gap-1.5">
          <svg width="10" height="10" aria-hidden="true">
            <rect width="10" height="10" rx="2" className={phaseFills[phase]} />
          </svg>
          {phases[phase]}
        </li>
      ))}
    </ul>
  )
}

function RunTable({ bars }: { bars: Bar[] }) {
  const t = useTexts(all)
  const phases = useTexts(phaseTexts)
  const now = new Date()
  return (
    <table className="w-full">
      <thead>
        <tr>
          <th scope="col" className="th">{t.started}</th>
          <th scope="col" className="th">{t.model}</th>
          <th scope="col" className="th max-sm:hidden">{t.variant}</th>
          <th scope="col" className="th num">{t.took}</th>
          <th scope="col" className="th">{t.reason}</th>
        </tr>
      </thead>
      <tbody>
        {bars.map((bar) => (
          <tr key={`${bar.model} ${bar.from} ${bar.spans[0]?.phase ?? ''}`}>
            <td className="td whitespace-nowrap">{moment(new Date(bar.from), now)}</td>
            <td className="td">
              <Link to={modelLink(bar.model)} className="hover:underline">
                {bar.model}
              </Link>
            </td>
            <td className="td max-sm:hidden">{bar.variant}</td>
            <td className="td num">{whole((bar.to - bar.from) / 1000)}</td>
            <td className={`td wrap-anywhere ${bar.failed ? 'text-bad' : ''}`}>{bar.reason ?? (bar.running ? t.going : phases.queued)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}
