import { useUsageSummary, startOfMonth, startOfToday } from '@/shared/api/usage'
import type { UsageTotals } from '@/shared/api/types'
import { count } from '@/shared/format/number'
import { useLanguage } from '@/shared/i18n/language'
import { texts, useTexts } from '@/shared/i18n/texts'
import { costs } from '@/shared/money/money'
import { QueryFace } from '@/shared/ui/Face'
import { Facts, Panel } from '@/shared/ui/Panel'

const all = texts(
  { today: 'Today', month: 'This month', requests: 'Requests', errors: 'of them failed', input: 'Input tokens', cached: 'of them cached', output: 'Output tokens', cost: 'Cost' },
  { today: '今天', month: '本月', requests: '请求', errors: '其中失败', input: '输入令牌', cached: '其中缓存', output: '输出令牌', cost: '费用' },
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
  const figure = (value: number) => count(value, language)
  return (
    <Facts
      rows={[
        [t.requests, figure(totals.requests)],
        [t.errors, figure(totals.failed + totals.refused)],
        [t.input, figure(totals.input_tokens)],
        [t.cached, figure(totals.cached_tokens)],
        [t.output, figure(totals.output_tokens)],
        [t.cost, costs(totals.cost)],
      ]}
    />
  )
}
