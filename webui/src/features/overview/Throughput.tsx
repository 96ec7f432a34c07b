import { lazy, Suspense, useMemo, useState } from 'react'
import { rate } from '@/shared/format/number'
import { texts, useTexts } from '@/shared/i18n/texts'
import { useLive } from '@/shared/live/store'
import { useUsageSeries } from '@/shared/api/usage'
import { Empty, FailureFace, Loading } from '@/shared/ui/Face'
import { Segments } from '@/shared/ui/Field'
import { Panel } from '@/shared/ui/Panel'
import { type By, type Direction, liveRates, pastRates } from './throughput'

const LineChart = lazy(() => import('@/shared/chart/LineChart'))

const all = texts(
  {
    title: 'Throughput', note: 'tokens per second', now: 'Now', hour: 'Last hour', output: 'Out', input: 'In', mode: 'By mode', model: 'By model',
    span: 'Time', direction: 'Direction', by: 'Split', rest: 'Others', none: 'No tokens yet', label: 'Tokens per second over time',
  },
  {
    title: '吞吐', note: '令牌/秒', now: '现在', hour: '最近一小时', output: '输出', input: '输入', mode: '按模式', model: '按模型',
    span: '时间', direction: '方向', by: '拆分', rest: '其他', none: '还没有令牌', label: '每秒令牌数随时间的变化',
  },
)

export function Throughput() {
  const t = useTexts(all)
  const points = useLive((live) => live.throughput)
  const [span, setSpan] = useState<'now' | 'hour'>('now')
  const [direction, setDirection] = useState<Direction>('output')
  const [by, setBy] = useState<By>('model')
  const past = useUsageSeries(`hour/${by}`, () => ({ from: new Date(Date.now() - 3_600_000), to: null, by, bucket: 'minute' }), 30_000)
  const live = span === 'now' && points.length > 0
  const rates = useMemo(() => {
    if (live) return liveRates(points, by, direction, t.rest)
    return past.data ? pastRates(past.data, direction, t.rest) : null
  }, [live, points, by, direction, past.data, t.rest])

  return (
    <Panel
      title={t.title}
      note={t.note}
      actions={
        rates && (
          <>
            {points.length > 0 && <Segments label={t.span} value={span} onChange={setSpan} options={[['now', t.now], ['hour', t.hour]]} />}
            <Segments label={t.direction} value={direction} onChange={setDirection} options={[['output', t.output], ['input', t.input]]} />
            <Segments label={t.by} value={by} onChange={setBy} options={[['model', t.model], ['mode', t.mode]]} />
          </>
        )
      }
    >
      {rates ? (
        rates.lines.length === 0 ? (
          <Empty title={t.none} compact />
        ) : (
          <Suspense fallback={<Loading />}>
            <LineChart label={t.label} times={rates.times} lines={rates.lines} format={rate} />
          </Suspense>
        )
      ) : past.error ? (
        <FailureFace error={past.error} compact />
      ) : (
        <Loading />
      )}
    </Panel>
  )
}
