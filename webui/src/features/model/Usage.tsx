/** What a model did and cost: today, this month, and by the day. */
import { Link } from 'react-router'
import type { UsageSummary, UsageTotals } from '@/shared/api/types'
import { startOfMonth, startOfToday, useUsageSeries, useUsageSummary } from '@/shared/api/usage'
import { Bars } from '@/shared/chart/Bars'
import { count, short, wattHours } from '@/shared/format/number'
import { day, duration } from '@/shared/format/time'
import { useLanguage } from '@/shared/i18n/language'
import { texts, useTexts } from '@/shared/i18n/texts'
import { costs, together } from '@/shared/money/money'
import { QueryFace } from '@/shared/ui/Face'
import { Facts, Panel } from '@/shared/ui/Panel'

const DAYS = 30

const all = texts(
  {
    today: 'Today', month: 'This month', requests: 'Requests', errors: 'of them failed', input: 'Input tokens', cached: 'of them cached', output: 'Output tokens', cost: 'Cost of requests', run_cost: 'Cost of ready hours',
    energy_cost: 'Cost of electricity', energy: 'Electricity', sum: 'Cost in all', first: 'First byte, half within', days: 'Output tokens by the day', more: 'Usage and cost', plan: 'Its price plan',
  },
  {
    today: '今天', month: '本月', requests: '请求', errors: '其中失败', input: '输入 token', cached: '其中缓存', output: '输出 token', cost: '请求费用', run_cost: '运行时长费用',
    energy_cost: '电费', energy: '用电', sum: '费用合计', first: '首字节（半数在此之内）', days: '每日输出 token', more: '用量与费用', plan: '价格方案',
  },
)

export function Usage({ model }: { model: string }) {
  const t = useTexts(all)
  const today = useUsageSummary(`today/${model}`, () => ({ from: startOfToday(), to: null, model }), 15_000)
  const month = useUsageSummary(`month/${model}`, () => ({ from: startOfMonth(), to: null, model }), 60_000)
  const series = useUsageSeries(`days/${model}`, () => ({ from: new Date(startOfToday().getTime() - (DAYS - 1) * 86_400_000), to: null, model, bucket: 'day' }), 60_000)
  return (
    <div className="grid grid-cols-1 gap-3 md:grid-cols-2">
      <Panel title={t.today}>
        <QueryFace query={today}>{(summary) => <Totals summary={summary} />}</QueryFace>
      </Panel>
      <Panel title={t.month} actions={<Link to={`/billing?${new URLSearchParams({ model }).toString()}`} className="text-[0.93rem] text-accent hover:underline">{t.plan}</Link>}>
        <QueryFace query={month}>{(summary) => <Totals summary={summary} />}</QueryFace>
      </Panel>
      <Panel title={t.days} className="md:col-span-2" actions={<Link to="/usage" className="text-[0.93rem] text-accent hover:underline">{t.more}</Link>}>
        <QueryFace query={series}>
          {({ points }) => (
            <Bars label={t.days} bars={points.map((point) => ({ label: day(new Date(point.from)).slice(5), values: [point.total.output_tokens] }))} series={[t.output]} format={short} height={170} />
          )}
        </QueryFace>
      </Panel>
    </div>
  )
}

const PARTS = ['cost', 'run_cost', 'energy_cost'] as const

function Totals({ summary }: { summary: UsageSummary }) {
  const t = useTexts(all)
  const language = useLanguage()
  const totals: UsageTotals = summary.total
  const parts = PARTS.filter((part) => Object.keys(totals[part]).length > 0)
  const figure = (value: number) => count(value, language)
  return (
    <Facts
      rows={[
        [t.requests, figure(totals.requests)],
        [t.errors, figure(totals.failed + totals.rejected + totals.refused)],
        [t.input, figure(totals.input_tokens)],
        [t.cached, figure(totals.cached_tokens)],
        [t.output, figure(totals.output_tokens)],
        ...(summary.latency && summary.latency.first_byte_seconds.p50 > 0 ? [[t.first, duration(summary.latency.first_byte_seconds.p50)] as [string, string]] : []),
        ...(totals.energy_wh > 0 ? [[t.energy, wattHours(totals.energy_wh)] as [string, string]] : []),
        ...(parts.length > 1 ? parts.map((part): [string, string] => [t[part], costs(totals[part], 4)]) : []),
        [t.sum, costs(together(totals.cost, totals.run_cost, totals.energy_cost), 4)],
      ]}
    />
  )
}
