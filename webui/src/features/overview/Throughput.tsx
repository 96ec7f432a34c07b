import { useMemo, useState } from 'react'
import { useUsageSeries } from '@/shared/api/usage'
import { LineChart } from '@/shared/chart/LineChart'
import { rate, short } from '@/shared/format/number'
import { texts, useTexts } from '@/shared/i18n/texts'
import { useNow } from '@/shared/live/clock'
import { useLive } from '@/shared/live/store'
import { Empty, FailureFace, Loading } from '@/shared/ui/Face'
import { Segments } from '@/shared/ui/Field'
import { Panel } from '@/shared/ui/Panel'
import { type By, type Direction, hourRates, liveRates, present } from './throughput'

const FEW_MINUTES = 300
const HOUR = 3600

const all = texts(
  {
    title: 'Throughput', now: '5 min', hour: '1 h', output: 'Out', input: 'In', mode: 'By mode', model: 'By model', span: 'Time', direction: 'Direction', by: 'Split', rest: 'Others',
    none: 'No tokens in this time', label: 'Tokens per second over time', outNow: 'tokens/s out', inNow: 'tokens/s in', requestsNow: 'requests/s', present: 'Right now',
  },
  {
    title: '吞吐', now: '5 分钟', hour: '1 小时', output: '输出', input: '输入', mode: '按模式', model: '按模型', span: '时间', direction: '方向', by: '拆分', rest: '其他',
    none: '这段时间没有 token', label: '每秒 token 数随时间的变化', outNow: 'token/秒 输出', inNow: 'token/秒 输入', requestsNow: '请求/秒', present: '此刻',
  },
)

export function Throughput() {
  const t = useTexts(all)
  const points = useLive((live) => live.throughput)
  const [span, setSpan] = useState<'now' | 'hour'>('hour')
  const [direction, setDirection] = useState<Direction>('output')
  const [by, setBy] = useState<By>('model')
  const past = useUsageSeries(`hour/${by}`, () => ({ from: new Date(Date.now() - HOUR * 1000), to: null, by, bucket: 'minute' }), 30_000)
  const latest = points.at(-1)
  const rates = useMemo(() => {
    if (span === 'now') return liveRates(points.slice(-FEW_MINUTES), by, direction, t.rest)
    const now = latest ? Date.parse(latest.time) / 1000 : Date.now() / 1000
    return past.data ? hourRates(past.data, points, by, direction, t.rest, now) : null
  }, [span, points, latest, by, direction, past.data, t.rest])

  return (
    <Panel
      title={t.title}
      actions={
        <>
          <Segments label={t.span} value={span} onChange={setSpan} options={[['now', t.now], ['hour', t.hour]]} />
          <Segments label={t.direction} value={direction} onChange={setDirection} options={[['output', t.output], ['input', t.input]]} />
          <Segments label={t.by} value={by} onChange={setBy} options={[['model', t.model], ['mode', t.mode]]} />
        </>
      }
    >
      <div className="grid grid-cols-1 gap-3">
        <Present />
        {rates ? (
          rates.lines.length === 0 ? (
            <Empty title={t.none} compact />
          ) : (
            <LineChart label={t.label} times={rates.times} lines={rates.lines} format={short} span={span === 'now' ? FEW_MINUTES : HOUR} height={200} />
          )
        ) : past.error ? (
          <FailureFace error={past.error} compact />
        ) : (
          <Loading />
        )}
      </div>
    </Panel>
  )
}

function Present() {
  const t = useTexts(all)
  const now = useNow()
  const points = useLive((live) => live.throughput)
  const { output, input, requests } = present(points, now / 1000)
  return (
    <dl aria-label={t.present} className="flex flex-wrap gap-x-8 gap-y-1">
      {(
        [
          [t.outNow, output],
          [t.inNow, input],
          [t.requestsNow, requests],
        ] as const
      ).map(([name, value]) => (
        <div key={name} className="flex flex-row-reverse items-baseline gap-1.5">
          <dt className="text-muted">{name}</dt>
          <dd className="text-[1.3rem] font-semibold">{rate(value)}</dd>
        </div>
      ))}
    </dl>
  )
}
