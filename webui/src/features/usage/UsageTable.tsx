import { Download } from 'lucide-react'
import type { UsageSummary, UsageTotals } from '@/shared/api/types'
import { download } from '@/shared/download'
import { count, percent, wattHours } from '@/shared/format/number'
import { day } from '@/shared/format/time'
import { useLanguage } from '@/shared/i18n/language'
import { texts, useTexts } from '@/shared/i18n/texts'
import { costs } from '@/shared/money/money'
import { Button } from '@/shared/ui/Button'
import { Panel } from '@/shared/ui/Panel'
import { costOf, csv, drawnValue, type Measure, type Part, partsOf, ranked } from './table'

const all = texts(
  {
    table: 'Figures', csv: 'CSV', requests: 'Requests', failed: 'Failed', rejected: 'Rejected', refused: 'Refused', client_left: 'Client left', cancelled: 'Cancelled', input_tokens: 'Input', cached_tokens: 'Cached', output_tokens: 'Output', cost: 'Requests cost', run_cost: 'Ready hours cost', energy_cost: 'Electricity cost', sum: 'Cost', energy: 'Electricity',
    share: 'Share', total: 'Total', hours: 'Ready hours and electricity belong to models: they are counted by model or variant only.', none: 'without', unrecorded: (n: string) => `${n} requests without token counts`, estimated: (n: string) => `${n} with estimated counts`,
    unpriced: (n: string) => `${n} that no tier prices`,
  },
  {
    table: '数据', csv: 'CSV', requests: '请求', failed: '失败', rejected: '被后端拒绝', refused: '被管理器拒绝', client_left: '客户端离开', cancelled: '已取消', input_tokens: '输入', cached_tokens: '缓存', output_tokens: '输出', cost: '请求费用', run_cost: '运行时长费用', energy_cost: '电费', sum: '费用', energy: '用电',
    share: '占比', total: '合计', hours: '运行时长与电费属于模型，仅在按模型或变体分组时统计。', none: '（无）', unrecorded: (n: string) => `${n} 个请求没有 token 数`, estimated: (n: string) => `${n} 个为估算`,
    unpriced: (n: string) => `${n} 个没有匹配的价格档`,
  },
)

interface Props {
  by: string
  name: string
  summary: UsageSummary
  money: string[]
  measure: Measure
  currency: string
}

export function UsageTable({ by, name, summary, money, measure, currency }: Props) {
  const t = useTexts(all)
  const language = useLanguage()
  const rows = ranked(summary.groups, measure, currency)
  const whole = drawnValue(summary.total, measure, currency)
  const { unrecorded, estimated, unpriced } = summary.total
  const notes = [
    unrecorded > 0 && t.unrecorded(count(unrecorded, language)),
    estimated > 0 && t.estimated(count(estimated, language)),
    unpriced > 0 && t.unpriced(count(unpriced, language)),
    by !== 'model' && by !== 'variant' && t.hours,
  ].filter(Boolean)
  const parts = partsOf(summary.total)
  const counts = COUNTS.filter((key) => ALWAYS.has(key) || summary.total[key] > 0)
  const columns: Columns = { counts, parts: parts.length > 1 ? parts : [], energy: summary.total.energy_wh > 0 }
  const file = () => download(`usage-by-${by}-${day(new Date(summary.from))}-${day(new Date(summary.to))}.csv`, csv(by, summary, money))

  return (
    <Panel
      title={t.table}
      note={notes.join(' · ')}
      flush
      actions={
        <Button small onClick={file}>
          <Download size={14} />
          {t.csv}
        </Button>
      }
    >
      <table className="w-full [&_.td]:px-2.5 [&_.th]:px-2.5 [&_.th]:align-bottom [&_.th]:break-keep [&_.th]:whitespace-normal">
        <thead>
          <tr>
            <th scope="col" className="th">{name}</th>
            {[...counts.map((key) => t[key]), ...columns.parts.map((part) => t[part]), t.sum, ...(columns.energy ? [t.energy] : []), t.share].map((column) => (
              <th key={column} scope="col" className="th num">{column}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((group) => (
            <tr key={group.key}>
              <th scope="row" className="td text-left font-normal whitespace-nowrap">{group.key || t.none}</th>
              <Cells totals={group} columns={columns} share={whole > 0 ? drawnValue(group, measure, currency) / whole : null} />
            </tr>
          ))}
        </tbody>
        <tfoot>
          <tr className="font-semibold">
            <th scope="row" className="td border-t-line-strong! text-left">{t.total}</th>
            <Cells totals={summary.total} columns={columns} share={whole > 0 ? 1 : null} foot />
          </tr>
        </tfoot>
      </table>
    </Panel>
  )
}

/** What did not happen needs no column. */
const COUNTS = ['requests', 'failed', 'rejected', 'refused', 'client_left', 'cancelled', 'input_tokens', 'cached_tokens', 'output_tokens'] as const
type Count = (typeof COUNTS)[number]
const ALWAYS = new Set<Count>(['requests', 'input_tokens', 'output_tokens'])

interface Columns {
  counts: Count[]
  /** What the cost is made of, if of more than one thing. */
  parts: Part[]
  energy: boolean
}

function Cells({ totals, columns, share, foot }: { totals: UsageTotals; columns: Columns; share: number | null; foot?: boolean }) {
  const language = useLanguage()
  const className = `td num ${foot ? 'border-t-line-strong!' : ''}`
  return (
    <>
      {columns.counts.map((key) => (
        <td key={key} className={className}>{count(totals[key], language)}</td>
      ))}
      {columns.parts.map((part) => (
        <td key={part} className={className}>{costs(totals[part], 4)}</td>
      ))}
      <td className={className}>{costs(costOf(totals), 4)}</td>
      {columns.energy && <td className={className}>{wattHours(totals.energy_wh)}</td>}
      <td className={`${className} text-muted`}>{percent(share, 1)}</td>
    </>
  )
}
