import { useMemo, useState } from 'react'
import { useSearchParams } from 'react-router'
import { texts, useTexts } from '@/shared/i18n/texts'
import { useNow } from '@/shared/live/clock'
import { useLive } from '@/shared/live/store'
import { RunLogSheet } from '@/shared/model/RunLog'
import { useRuns } from '@/shared/model/runs'
import { StartSheet } from '@/shared/model/start/StartSheet'
import { pageTexts } from '@/shared/pages'
import { Empty, FailureFace, Loading } from '@/shared/ui/Face'
import { Segments } from '@/shared/ui/Field'
import { PageHead, Panel } from '@/shared/ui/Panel'
import { Lanes } from './Lanes'
import { RunTable } from './RunTable'
import { type Bar, pastBar, type Phase, presentBar, waits } from './spans'
import { phaseFills, phaseTexts } from './words'

const LISTED = 50
/** More bars than this no screen can show apart. */
const ASKED = 1000

const all = texts(
  {
    span: 'Time shown', m15: '15 min', h1: '1 h', h6: '6 h', h24: '24 h', d7: '7 d', none: 'Nothing ran in this time', runs: 'Runs',
    hint: 'Every start, stop, eviction and wait of a model is a bar here, with its reason.', latest: (n: number) => `the latest ${n}`,
  },
  {
    span: '时间范围', m15: '15 分钟', h1: '1 小时', h6: '6 小时', h24: '24 小时', d7: '7 天', none: '这段时间没有运行', runs: '运行记录',
    hint: '模型的每次启动、停止、驱逐和等待都会在这里显示为一条，并附上原因。', latest: (n: number) => `最近 ${n} 次`,
  },
)

const HOUR = 3_600_000
const spans = { m15: HOUR / 4, h1: HOUR, h6: 6 * HOUR, h24: 24 * HOUR, d7: 168 * HOUR }
type Span = keyof typeof spans
const SPANS = Object.keys(spans) as Span[]

export default function TimelinePage() {
  const t = useTexts(all)
  const names = useTexts(pageTexts)
  const [parameters, setParameters] = useSearchParams()
  const shown = SPANS.find((span) => span === parameters.get('range')) ?? 'h1'
  const setShown = (range: Span) => setParameters({ range }, { replace: true })
  const now = useNow()
  const [start, setStart] = useState<number | null>(null)
  const [log, setLog] = useState<number | null>(null)
  const loaded = useLive((live) => live.loaded)
  const order = useLive((live) => live.order)
  const models = useLive((live) => live.models)
  const notices = useLive((live) => live.notices)
  const ended = notices.filter((notice) => notice.kind === 'state' && (notice.to === 'stopped' || notice.to === 'failed' || notice.from === 'stopping')).length
  const runs = useRuns(`timeline/${shown}`, () => ({ from: new Date(Date.now() - spans[shown]), limit: ASKED }), order, ended)
  const past = useMemo(() => [...(runs.data ?? []).flatMap((run) => pastBar(run) ?? []), ...waits(notices)], [runs.data, notices])
  const from = now - spans[shown]
  const bars: Bar[] = [...past, ...order.flatMap((name) => (models[name] && presentBar(models[name], now, runs.data)) ?? [])].filter((bar) => bar.to >= from)
  // Models that have left the configuration still have a past.
  const active = [...new Set([...order, ...bars.map((bar) => bar.model)])].filter((name) => bars.some((bar) => bar.model === name))
  const latest = bars.toSorted((a, b) => b.from - a.from)

  return (
    <>
      <PageHead title={names.timeline}>
        <Segments label={t.span} value={shown} onChange={setShown} options={SPANS.map((key) => [key, t[key]] as const)} />
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
            <PhaseLegend bars={bars} />
          </section>
          <Panel title={t.runs} note={bars.length > LISTED ? t.latest(LISTED) : undefined} flush>
            <RunTable bars={latest.slice(0, LISTED)} onStart={setStart} onLog={setLog} />
          </Panel>
        </div>
      )}
      <StartSheet run={start} onClose={() => setStart(null)} />
      <RunLogSheet run={log} onClose={() => setLog(null)} />
    </>
  )
}

/** Only the colours that can be seen. */
function PhaseLegend({ bars }: { bars: Bar[] }) {
  const phases = useTexts(phaseTexts)
  const seen = new Set<Phase | 'failed'>(bars.flatMap((bar) => bar.spans.map((span) => (bar.failed && span.phase !== 'queued' ? 'failed' : span.phase))))
  return (
    <ul className="mt-3 flex flex-wrap gap-x-4 gap-y-1 text-[0.93rem] text-muted">
      {(Object.keys(phaseFills) as (Phase | 'failed')[])
        .filter((phase) => seen.has(phase))
        .map((phase) => (
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
