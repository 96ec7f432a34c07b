/** How fast requests were answered in this time: what half of them, nearly all and the slowest hundredth took. */
import type { Quantiles, UsageSummary } from '@/shared/api/types'
import { count, rate } from '@/shared/format/number'
import { duration } from '@/shared/format/time'
import { useLanguage } from '@/shared/i18n/language'
import { texts, useTexts } from '@/shared/i18n/texts'
import { Panel } from '@/shared/ui/Panel'

const all = texts(
  {
    title: 'Speed', of: (n: string) => `of ${n} answered requests`, about: 'within a tenth', first: 'First byte after', whole: 'Whole answer after', p50: 'half within', p95: '95% within', p99: '99% within',
    requests: 'requests/s', input: 'tokens/s in', output: 'tokens/s out', mean: 'On average over the whole time',
  },
  {
    title: '速度', of: (n: string) => `基于 ${n} 个得到回答的请求`, about: '误差在一成以内', first: '首字节', whole: '完整回答', p50: '半数在此之内', p95: '95% 在此之内', p99: '99% 在此之内',
    requests: '请求/秒', input: 'token/秒 输入', output: 'token/秒 输出', mean: '整段时间平均',
  },
)

export function Speed({ summary }: { summary: UsageSummary }) {
  const t = useTexts(all)
  const language = useLanguage()
  const { latency, throughput } = summary
  if (!latency || !throughput || latency.requests === 0) return null
  const rows: [string, Quantiles][] = [
    [t.first, latency.first_byte_seconds],
    [t.whole, latency.duration_seconds],
  ]
  const note = [t.of(count(latency.requests, language)), !latency.exact && t.about].filter(Boolean).join(', ')
  return (
    <Panel title={t.title} note={note}>
      <div className="grid gap-x-10 gap-y-4 lg:grid-cols-[minmax(0,34rem)_minmax(0,1fr)]">
        <table className="w-full">
          <thead>
            <tr>
              <td />
              <th scope="col" className="th num">{t.p50}</th>
              <th scope="col" className="th num">{t.p95}</th>
              <th scope="col" className="th num">{t.p99}</th>
            </tr>
          </thead>
          <tbody>
            {rows.map(([name, { p50, p95, p99 }]) => (
              <tr key={name}>
                <th scope="row" className="td pl-0! text-left font-normal">{name}</th>
                <td className="td num font-medium">{duration(p50)}</td>
                <td className="td num">{duration(p95)}</td>
                <td className="td num">{duration(p99)}</td>
              </tr>
            ))}
          </tbody>
        </table>
        <div>
          <p className="py-1.5 text-[0.86rem] text-muted">{t.mean}</p>
          <dl className="flex flex-wrap gap-x-8 gap-y-1 border-t border-line pt-1.5">
            {(
              [
                [t.output, throughput.output_tokens_per_second],
                [t.input, throughput.input_tokens_per_second],
                [t.requests, throughput.requests_per_second],
              ] as const
            ).map(([name, value]) => (
              <div key={name} className="flex items-baseline gap-1.5">
                <dt className="order-2 text-muted">{name}</dt>
                <dd className="font-medium">{value > 0 && value < 0.1 ? value.toFixed(3) : rate(value)}</dd>
              </div>
            ))}
          </dl>
        </div>
      </div>
    </Panel>
  )
}
