/** How fast requests were answered in this time: what half of them, nearly all and the slowest hundredth took. */
import type { Quantiles, UsageSummary } from '@/shared/api/types'
import { count } from '@/shared/format/number'
import { duration } from '@/shared/format/time'
import { useLanguage } from '@/shared/i18n/language'
import { texts, useTexts } from '@/shared/i18n/texts'
import { Panel } from '@/shared/ui/Panel'
import { ScrollBox } from '@/shared/ui/ScrollBox'
import { Pace } from './Pace'
import type { Range } from './range'

const all = texts(
  {
    title: 'Speed', of: (n: string) => `of ${n} answered requests`, about: 'within a tenth', first: 'First byte after', whole: 'Whole answer after', p50: 'half within', p95: '95% within', p99: '99% within',
  },
  {
    title: '速度', of: (n: string) => `基于 ${n} 个得到响应的请求`, about: '误差在一成以内', first: '首字节', whole: '完整响应', p50: '半数以内', p95: '95% 以内', p99: '99% 以内',
  },
)

export function Speed({ summary, name, range }: { summary: UsageSummary; name: string; range: () => Range }) {
  const t = useTexts(all)
  const language = useLanguage()
  const { latency } = summary
  if (!latency || latency.requests === 0) return null
  const rows: [string, Quantiles][] = [
    [t.first, latency.first_byte_seconds],
    [t.whole, latency.duration_seconds],
  ]
  const note = [t.of(count(latency.requests, language)), !latency.exact && t.about].filter(Boolean).join(', ')
  return (
    <Panel title={t.title} note={note}>
      <div className="grid items-start gap-x-10 gap-y-4 lg:grid-cols-2">
        <ScrollBox label={t.title}>
          <table className="w-full">
            <thead>
              <tr>
                <td />
                <th scope="col" className="th num max-sm:px-1.5 max-sm:whitespace-normal">{t.p50}</th>
                <th scope="col" className="th num max-sm:px-1.5 max-sm:whitespace-normal">{t.p95}</th>
                <th scope="col" className="th num max-sm:px-1.5 max-sm:whitespace-normal">{t.p99}</th>
              </tr>
            </thead>
            <tbody>
              {rows.map(([name, { p50, p95, p99 }]) => (
                <tr key={name}>
                  <th scope="row" className="td min-w-18 pl-0! text-left font-normal">{name}</th>
                  <td className="td num font-medium">{duration(p50)}</td>
                  <td className="td num">{duration(p95)}</td>
                  <td className="td num">{duration(p99)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </ScrollBox>
        <Pace name={name} range={range} />
      </div>
    </Panel>
  )
}
