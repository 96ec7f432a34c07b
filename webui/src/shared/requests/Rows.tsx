import type { RequestRow } from '@/shared/api/types'
import { count, rate } from '@/shared/format/number'
import { duration, moment } from '@/shared/format/time'
import { useLanguage } from '@/shared/i18n/language'
import { texts, useTexts } from '@/shared/i18n/texts'
import { money } from '@/shared/money/money'
import { StatusMark } from '@/shared/ui/Status'
import { kindOfOutcome } from './outcome'
import { speed } from './query'

const all = texts(
  {
    ended: 'Ended', model: 'Model', endpoint: 'Endpoint', status: 'Status', input: 'Input', cached: 'Cached', output: 'Output', first: 'First byte', total: 'Total',
    speed: 'Tokens/s', cost: 'Cost', about: 'estimated', open: (id: string) => `Details of request ${id}`,
  },
  {
    ended: '结束', model: '模型', endpoint: '接口', status: '状态', input: '输入', cached: '缓存', output: '输出', first: '首字节', total: '总用时',
    speed: 'token/秒', cost: '费用', about: '估算', open: (id: string) => `请求 ${id} 的详情`,
  },
)

interface Props {
  rows: RequestRow[]
  onOpen: (row: RequestRow) => void
  /** All of them are of one model: it is not named. */
  ofModel?: boolean
}

export function Rows({ rows, onOpen, ofModel }: Props) {
  const t = useTexts(all)
  const language = useLanguage()
  const now = new Date()
  return (
    <table className="w-full">
      <thead>
        <tr>
          <th scope="col" className="th">{t.ended}</th>
          <th scope="col" className="th">{t.status}</th>
          {!ofModel && <th scope="col" className="th">{t.model}</th>}
          <th scope="col" className="th max-sm:hidden">{t.endpoint}</th>
          {[t.input, t.cached, t.output, t.speed, t.first, t.total, t.cost].map((name) => (
            <th key={name} scope="col" className="th num">{name}</th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          // The mouse may hit the row anywhere; the keyboard has the button in it.
          <tr key={row.id} className="cursor-pointer hover:bg-sunken" onClick={() => onOpen(row)}>
            <td className="td whitespace-nowrap">
              <button type="button" className="underline decoration-line-strong decoration-dotted underline-offset-3 hover:decoration-solid" aria-label={`${moment(new Date(row.ended_at), now)}: ${t.open(row.request_id)}`} onClick={() => onOpen(row)}>
                {moment(new Date(row.ended_at), now)}
              </button>
            </td>
            <td className="td">
              <span className="flex items-center gap-1.5 whitespace-nowrap" title={row.error ?? row.outcome}>
                <StatusMark kind={kindOfOutcome(row)} size={9} />
                {row.status || '–'}
              </span>
            </td>
            {!ofModel && <Asked row={row} />}
            <td className="td text-muted max-sm:hidden">{row.endpoint.replace(/^\/v1\//, '')}</td>
            <td className="td num">{count(row.input_tokens, language)}</td>
            <td className="td num text-muted">{count(row.cached_tokens, language)}</td>
            <td className="td num" title={row.usage_source === 'estimated' ? t.about : undefined}>
              {row.usage_source === 'estimated' && '≈ '}
              {count(row.output_tokens, language)}
            </td>
            <td className="td num text-muted">{rate(speed(row))}</td>
            <td className="td num">{duration(row.first_byte_seconds)}</td>
            <td className="td num">{duration(row.duration_seconds)}</td>
            <td className="td num">{money(row.cost, row.currency, 6)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

/** The model; where there is none, what is said of the name that was asked for. */
function Asked({ row }: { row: RequestRow }) {
  if (row.model) {
    return (
      <td className="td max-w-64 truncate max-sm:min-w-28 max-sm:whitespace-normal max-sm:wrap-anywhere" title={row.model}>
        {row.model}
      </td>
    )
  }
  // Method and path are in cells of their own.
  const told = row.asked_model ?? row.error?.replace(/^[A-Z]+ \S+: /, '') ?? '–'
  return (
    <td className="td max-w-64 truncate text-muted max-sm:max-w-32" title={told}>
      {told}
    </td>
  )
}
