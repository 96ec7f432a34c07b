import { useUsageSummary, startOfMonth, startOfToday } from '@/shared/api/usage'
import type { UsageTotals } from '@/shared/api/types'
import { count, wattHours } from '@/shared/format/number'
import { useLanguage } from '@/shared/i18n/language'
import { texts, useTexts } from '@/shared/i18n/texts'
import { costs, together } from '@/shared/money/money'
import { QueryFace } from '@/shared/ui/Face'
import { Facts, Panel } from '@/shared/ui/Panel'

const all = texts(
  { today: 'Today', month: 'This month', requests: 'Requests', errors: 'of them failed', input: 'Input tokens', cached: 'of them cached', output: 'Output tokens', cost: 'Cost of requests', run_cost: 'Cost of ready hours', energy_cost: 'Cost of electricity', energy: 'Electricity', sum: 'Cost in all' },
  { today: '今天', month: '本月', requests: '请求', errors: '其中失败', input: '输入令牌', cached: '其中缓存', output: '输出令牌', cost: '请求费用', run_cost: '运行时长费用', energy_cost: '电费', energy: '用电', sum: '费用合计' },
)

export function Usage({ model }: { model: string }) {
  const t = useTexts(all)
  const today = useUsageSummary(`today/${model}`, () => ({ from: startOfToday(), to: null, model }), 15_000)
  const month = useUsageSummary(`month/${model}`, () => ({ from: startOfMonth(), to: null, model }), 60_000)
  return (
    <div className="grid gap-3 md:grid-cols-2">
      <Panel title={t.today}>
        <QueryFace query={today}>{(summary) => <Totals totals={summary.total} />}</QueryFace>
      </Panel>
      <Panel title={t.month}>
        <QueryFace query={month}>{(summary) => <Totals totals={summary.total} />}</QueryFace>
      </Panel>
    </div>
  )
}

function Totals({ totals }: { totals: UsageTotals }) {
  const t = useTexts(all)
  const language = useLanguage()
  const parts = (['cost', 'run_cost', 'energy_cost'] as const).filter((part) => Object.keys(totals[part]).length > 0)
  const figure = (value: number) => count(value, language)
  return (
    <Facts
      rows={[
        [t.requests, figure(totals.requests)],
        [t.errors, figure(totals.failed + totals.refused)],
        [t.input, figure(totals.input_tokens)],
        [t.cached, figure(totals.cached_tokens)],
        [t.output, figure(totals.output_tokens)],
        ...(totals.energy_wh > 0 ? [[t.energy, wattHours(totals.energy_wh)] as [string, string]] : []),
        ...(parts.length > 1 ? parts.map((part): [string, string] => [t[part], costs(totals[part], 4)]) : []),
        [t.sum, costs(together(totals.cost, totals.run_cost, totals.energy_cost), 4)],
      ]}
    />
  )
}
