import type { UsageSeries, UsageSummary } from '@/shared/api/types'
import { Bars } from '@/shared/chart/Bars'
import { Legend } from '@/shared/chart/Legend'
import { short } from '@/shared/format/number'
import { texts, useTexts } from '@/shared/i18n/texts'
import { bucketLabel } from './range'
import { drawnValue, type Measure, ranked } from './table'

const OWN = 7

const all = texts({ rest: 'Others', none: 'without' }, { rest: '其他', none: '（无）' })

interface Props {
  series: UsageSeries
  summary: UsageSummary
  measure: Measure
  currency: string
  label: string
}

export function Chart({ series, summary, measure, currency, label }: Props) {
  const t = useTexts(all)
  const keys = ranked(summary.groups, measure, currency).map((group) => group.key)
  const own = keys.length > OWN + 1 ? keys.slice(0, OWN) : keys
  const names = own.length < keys.length ? [...own, t.rest] : own
  const moments = series.points.map((point) => Date.parse(point.from))
  const days = Math.max(...moments) - Math.min(...moments) > 24 * 3_600_000
  const bars = series.points.map((point) => {
    const values = names.map(() => 0)
    for (const group of point.groups) {
      const at = own.indexOf(group.key)
      const index = at >= 0 ? at : names.length - 1
      values[index] = (values[index] ?? 0) + drawnValue(group, measure, currency)
    }
    return { label: bucketLabel(new Date(point.from), series.bucket, days), values }
  })
  return (
    <div className="grid gap-3">
      <Bars label={label} bars={bars} series={names} format={short} />
      <Legend names={names.map((name) => name || t.none)} />
    </div>
  )
}
