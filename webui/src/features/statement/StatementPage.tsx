/** What a month cost whom: by key and model, with the time in which nobody used a model. Made to be printed on A4. */
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { Download, Printer } from 'lucide-react'
import { useSearchParams } from 'react-router'
import { apiJson, withQuery } from '@/shared/api/client'
import { keys } from '@/shared/api/keys'
import type { Statement, StatementSums } from '@/shared/api/types'
import { at } from '@/shared/base'
import { count, wattHours } from '@/shared/format/number'
import { day } from '@/shared/format/time'
import { useLanguage } from '@/shared/i18n/language'
import { texts, useTexts } from '@/shared/i18n/texts'
import { exact } from '@/shared/money/money'
import { pageTexts } from '@/shared/pages'
import { Button } from '@/shared/ui/Button'
import { Empty, QueryFace } from '@/shared/ui/Face'
import { cx } from '@/shared/ui/cx'
import { PageHead, Panel } from '@/shared/ui/Panel'

const all = texts(
  {
    month: 'Month', print: 'Print', csv: 'CSV', of: (month: string, zone: string) => `${month}, ${zone}`, keys: 'By key', models: 'By model', key: 'Key', model: 'Model', none: 'without a key', idle: 'idle', nothing: 'Nothing was used in this month',
    requests: 'Requests', input: 'Input', output: 'Output', cost: 'Requests cost', run_cost: 'Ready hours cost', energy: 'Electricity', energy_cost: 'Electricity cost', sum: 'Sum', total: 'Total', all: 'all models',
    note: 'Ready hours and electricity are shared out by time in use: each instant equally among the requests that ran in it. Idle is the time without a request.',
    sums: (until: string) => `Requests that ended before ${until} are no longer kept: until then hours and electricity are shared by the sums of their durations.`,
    open: 'This month has not ended.', made: (when: string) => `As of ${when}.`,
  },
  {
    month: '月份', print: '打印', csv: 'CSV', of: (month: string, zone: string) => `${month}，${zone}`, keys: '按密钥', models: '按模型', key: '密钥', model: '模型', none: '无密钥', idle: '空闲', nothing: '该月没有使用记录',
    requests: '请求', input: '输入', output: '输出', cost: '请求费用', run_cost: '运行时长费用', energy: '用电', energy_cost: '电费', sum: '金额', total: '合计', all: '全部模型',
    note: '运行时长与电费按使用时间分摊：每一时刻由当时运行的请求平分。“空闲”是没有请求的时间。',
    sums: (until: string) => `${until} 之前结束的请求已不再保留：此前的时长与电费按请求时长之和分摊。`,
    open: '本月尚未结束。', made: (when: string) => `截至 ${when}。`,
  },
)

const thisMonth = () => day(new Date()).slice(0, 7)

export default function StatementPage() {
  const t = useTexts(all)
  const names = useTexts(pageTexts)
  const [parameters, setParameters] = useSearchParams()
  const month = /^\d{4}-\d{2}$/.test(parameters.get('month') ?? '') ? parameters.get('month')! : thisMonth()
  const tz = Intl.DateTimeFormat().resolvedOptions().timeZone
  const statement = useQuery({
    queryKey: keys.statement(month, tz),
    queryFn: ({ signal }) => apiJson<Statement>(withQuery('/api/statement', { month, tz }), { signal }),
    placeholderData: keepPreviousData,
  })
  return (
    <>
      <PageHead title={names.statement} note={t.of(month, tz)}>
        <span className="contents print:hidden">
          <input
            type="month"
            aria-label={t.month}
            className="field w-auto!"
            value={month}
            max={thisMonth()}
            onChange={(event) => event.target.value && setParameters({ month: event.target.value }, { replace: true })}
          />
          <a className="contents" href={at(withQuery('/api/statement', { month, tz, format: 'csv' }))} download>
            <Button tabIndex={-1}>
              <Download size={15} />
              {t.csv}
            </Button>
          </a>
          <Button onClick={() => window.print()}>
            <Printer size={15} />
            {t.print}
          </Button>
        </span>
      </PageHead>
      <QueryFace query={statement}>{(data) => (data.models.length === 0 ? <Empty title={t.nothing} /> : <Sheets data={data} />)}</QueryFace>
    </>
  )
}

function Sheets({ data }: { data: Statement }) {
  const t = useTexts(all)
  const columns = columnsOf(data.total)
  const sums = data.by_sums_until ? t.sums(day(new Date(data.by_sums_until))) : null
  return (
    <div className="statement grid grid-cols-1 gap-3">
      <Panel title={t.keys} flush>
        <table className="w-full">
          <Head first={[t.key, t.model]} columns={columns} />
          {data.keys.map((key) => (
            <tbody key={key.api_key ?? ''}>
              {key.models.map((model, row) => (
                <Row key={model.model} first={[key.api_key || t.none, model.model]} again={row > 0} sums={model} columns={columns} />
              ))}
              {key.models.length > 1 && <Row first={[key.api_key || t.none, t.all]} again sums={key} columns={columns} strong />}
            </tbody>
          ))}
          <tbody>
            {data.idle.map((model, row) => (
              <Row key={model.model} first={[t.idle, model.model]} again={row > 0} sums={model} columns={columns} />
            ))}
          </tbody>
          <tfoot>
            <Row first={[t.total, t.all]} sums={data.total} columns={columns} strong />
          </tfoot>
        </table>
      </Panel>
      <Panel title={t.models} flush>
        <table className="w-full">
          <Head first={[t.model]} columns={columns} />
          <tbody>
            {data.models.map((model) => (
              <Row key={model.model} first={[model.model]} sums={model} columns={columns} />
            ))}
          </tbody>
        </table>
      </Panel>
      <p className="text-[0.93rem] text-muted">
        {[t.note, sums, new Date(data.to) > new Date() ? t.open : null, t.made(day(new Date()))].filter(Boolean).join(' ')}
      </p>
    </div>
  )
}

type Column = 'requests' | 'input' | 'output' | 'cost' | 'run_cost' | 'energy' | 'energy_cost' | 'sum'

/** What nobody pays for needs no column. */
function columnsOf(total: StatementSums): Column[] {
  const paid = (costs: Record<string, string>) => Object.keys(costs).length > 0
  return [
    'requests', 'input', 'output',
    ...(paid(total.cost) ? (['cost'] as const) : []),
    ...(paid(total.run_cost) ? (['run_cost'] as const) : []),
    ...(total.energy_mj > 0 ? (['energy'] as const) : []),
    ...(paid(total.energy_cost) ? (['energy_cost'] as const) : []),
    'sum',
  ]
}

function Head({ first, columns }: { first: string[]; columns: Column[] }) {
  const t = useTexts(all)
  return (
    <thead>
      <tr>
        {first.map((name) => (
          <th key={name} scope="col" className="th">{name}</th>
        ))}
        {columns.map((column) => (
          <th key={column} scope="col" className="th num">{t[column]}</th>
        ))}
      </tr>
    </thead>
  )
}

interface RowProps {
  first: string[]
  /** The first name is that of the row above: only a screen reader needs it once more. */
  again?: boolean
  sums: StatementSums
  columns: Column[]
  strong?: boolean
}

function Row({ first, again, sums, columns, strong }: RowProps) {
  const language = useLanguage()
  const cell: Record<Column, string> = {
    requests: count(sums.requests, language),
    input: count(sums.input_tokens, language),
    output: count(sums.output_tokens, language),
    cost: exact(sums.cost),
    run_cost: exact(sums.run_cost),
    energy: wattHours(sums.energy_wh),
    energy_cost: exact(sums.energy_cost),
    sum: exact(sums.sum),
  }
  return (
    <tr className={strong ? 'font-semibold' : undefined}>
      {first.map((name, at) => (
        <th key={at} scope="row" className={cx('td text-left wrap-anywhere', at === first.length - 1 ? 'min-w-36' : 'min-w-24', strong ? 'font-semibold' : 'font-normal')}>
          {again && at === 0 ? <span className="sr-only">{name}</span> : name}
        </th>
      ))}
      {columns.map((column) => (
        <td key={column} className="td num">{cell[column]}</td>
      ))}
    </tr>
  )
}
