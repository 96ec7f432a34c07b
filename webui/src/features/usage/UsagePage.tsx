import { useState } from 'react'
import { useSearchParams } from 'react-router'
import type { Bucket, UsageBy } from '@/shared/api/types'
import { useUsageSeries, useUsageSummary } from '@/shared/api/usage'
import { day } from '@/shared/format/time'
import { texts, useTexts } from '@/shared/i18n/texts'
import { pageTexts } from '@/shared/pages'
import { Empty, QueryFace } from '@/shared/ui/Face'
import { Segments, Select } from '@/shared/ui/Field'
import { PageHead, Panel } from '@/shared/ui/Panel'
import { Chart } from './Chart'
import { bestBucket, bucketsFor, type RangeName, RANGES, rangeOf } from './range'
import { currencies, type Measure } from './table'
import { Speed } from './Speed'
import { UsageTable } from './UsageTable'

const all = texts(
  {
    range: 'Time', hour: 'Last hour', today: 'Today', week: '7 days', month: 'This month', lastMonth: 'Last month', quarter: '90 days', custom: 'Days',
    by: 'By', model: 'Model', mode: 'Mode', api_key: 'Key', variant: 'Variant', endpoint: 'Endpoint', bucket: 'Bars', minute: 'Minutes', quarterHour: 'Quarters of an hour',
    hours: 'Hours', days: 'Days', weeks: 'Weeks', months: 'Months', measure: 'Show', output_tokens: 'Output tokens', input_tokens: 'Input tokens', requests: 'Requests',
    cost: 'Cost', energy_wh: 'Electricity', currency: 'Currency', none: 'No request in this time', first: 'First day', last: 'Last day', chart: 'Over time',
  },
  {
    range: '时间', hour: '最近一小时', today: '今天', week: '7 天', month: '本月', lastMonth: '上月', quarter: '90 天', custom: '日期',
    by: '分组', model: '模型', mode: '模式', api_key: '密钥', variant: '变体', endpoint: '接口', bucket: '粒度', minute: '分钟', quarterHour: '一刻钟',
    hours: '小时', days: '天', weeks: '周', months: '月', measure: '显示', output_tokens: '输出 token', input_tokens: '输入 token', requests: '请求',
    cost: '费用', energy_wh: '用电', currency: '货币', none: '这段时间没有请求', first: '首日', last: '末日', chart: '随时间变化',
  },
)

const GROUPS: UsageBy[] = ['model', 'mode', 'api_key', 'variant', 'endpoint']
const MEASURES: Measure[] = ['output_tokens', 'input_tokens', 'requests', 'cost', 'energy_wh']

export default function UsagePage() {
  const t = useTexts(all)
  const names = useTexts(pageTexts)
  const [parameters, setParameters] = useSearchParams()
  const [measure, setMeasure] = useState<Measure>('output_tokens')
  const now = new Date()
  const name: RangeName = RANGES.find((known) => known === parameters.get('range')) ?? 'week'
  const days = parameters.get('days') ?? `${day(new Date(now.getTime() - 6 * 86_400_000))}..${day(now)}`
  const by = GROUPS.find((known) => known === parameters.get('by')) ?? 'model'
  const range = rangeOf(name, now, days)
  const possible = bucketsFor(range, now)
  const bucket = possible.find((known) => known === parameters.get('bucket')) ?? bestBucket(range, now)
  const id = `${name}/${name === 'custom' ? days : ''}/${by}`
  const every = range.to ? undefined : 15_000
  const summary = useUsageSummary(`page/${id}`, () => ({ ...rangeOf(name, new Date(), days), by }), every)
  const series = useUsageSeries(`page/${id}/${bucket}`, () => ({ ...rangeOf(name, new Date(), days), by, bucket }), every)
  const money = summary.data ? currencies([summary.data]) : []
  const [chosen, setCurrency] = useState<string | null>(null)
  const currency = chosen ?? money[0] ?? ''
  const set = (change: Record<string, string>) => setParameters({ ...Object.fromEntries(parameters), ...change }, { replace: true })
  const [first = '', last = ''] = days.split('..')

  const bucketNames: Record<Bucket, string> = { minute: t.minute, quarter: t.quarterHour, hour: t.hours, day: t.days, week: t.weeks, month: t.months }
  return (
    <>
      <PageHead title={names.usage} />
      <div className="mb-4 flex flex-wrap items-center gap-2">
        <Select label={t.range} value={name} onChange={(range) => set({ range })} options={RANGES.map((known) => [known, t[known]] as const)} />
        {name === 'custom' && (
          <>
            <input type="date" aria-label={t.first} className="field w-auto!" value={first} max={last} onChange={(event) => set({ days: `${event.target.value}..${last}` })} />
            <input type="date" aria-label={t.last} className="field w-auto!" value={last} min={first} onChange={(event) => set({ days: `${first}..${event.target.value}` })} />
          </>
        )}
        <Select label={t.by} value={by} onChange={(next) => set({ by: next })} options={GROUPS.map((group) => [group, t[group]] as const)} />
        <Select label={t.bucket} value={bucket} onChange={(next) => set({ bucket: next })} options={possible.map((one) => [one, bucketNames[one]] as const)} />
      </div>
      <QueryFace query={summary}>
        {(totals) =>
          totals.total.requests === 0 && totals.groups.length === 0 ? (
            <Empty title={t.none} />
          ) : (
            <div className="grid grid-cols-1 gap-3">
              <Panel
                title={t.chart}
                actions={
                  <>
                    {measure === 'cost' && money.length > 1 && (
                      <Select label={t.currency} value={currency} onChange={setCurrency} options={money.map((one) => [one, one] as const)} />
                    )}
                    <Segments
                      label={t.measure}
                      value={measure}
                      onChange={setMeasure}
                      options={MEASURES.filter((one) => (one !== 'cost' || money.length > 0) && (one !== 'energy_wh' || totals.total.energy_wh > 0)).map((one) => [one, t[one]] as const)}
                    />
                  </>
                }
              >
                <QueryFace query={series}>
                  {(data) => <Chart series={data} summary={totals} measure={measure} currency={currency} label={`${t[measure]}: ${t.chart}`} />}
                </QueryFace>
              </Panel>
              <UsageTable by={by} name={t[by]} summary={totals} money={money} measure={measure} currency={currency} />
              <Speed summary={totals} name={id} range={() => rangeOf(name, new Date(), days)} />
            </div>
          )
        }
      </QueryFace>
    </>
  )
}
