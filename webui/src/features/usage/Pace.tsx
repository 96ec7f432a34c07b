/** Tokens a second while an answer is written, and the time to its first byte with and without a wait for the model. */
import { useQuery } from '@tanstack/react-query'
import { apiJson, withQuery } from '@/shared/api/client'
import { keys } from '@/shared/api/keys'
import type { RequestPage } from '@/shared/api/types'
import { count, rate } from '@/shared/format/number'
import { duration } from '@/shared/format/time'
import { useLanguage } from '@/shared/i18n/language'
import { texts, useTexts } from '@/shared/i18n/texts'
import { QueryFace } from '@/shared/ui/Face'
import { ScrollBox } from '@/shared/ui/ScrollBox'
import { type Pace as Found, paceOf, type Spread } from './pace'
import type { Range } from './range'

/** Enough to tell; more would be asked for again and again. */
const LOOKED_AT = 1000

const all = texts(
  {
    caption: (n: string) => `Of the latest ${n} requests in this time`, half: 'in the middle', worst: '1 in 10 is worse', requests: 'requests',
    writing: 'Tokens/s while an answer is written', warm: 'First byte, model ready', cold: 'First byte, after a wait for the model',
  },
  {
    caption: (n: string) => `这段时间最近 ${n} 个请求`, half: '中位', worst: '十分之一更差', requests: '请求数',
    writing: '生成时的 token/秒', warm: '首字节（模型已就绪）', cold: '首字节（等待模型之后）',
  },
)

export function Pace({ name, range }: { name: string; range: () => Range }) {
  const query = useQuery({
    queryKey: keys.requests('pace', name),
    queryFn: ({ signal }) => {
      const { from, to } = range()
      return apiJson<RequestPage>(withQuery('/api/requests', { from: from.toISOString(), to: to?.toISOString(), limit: LOOKED_AT }), { signal })
    },
    staleTime: 15_000,
  })
  return (
    <QueryFace query={query} rows={3} compact>
      {({ rows }) => <Table pace={paceOf(rows)} looked={rows.length} />}
    </QueryFace>
  )
}

function Table({ pace, looked }: { pace: Found; looked: number }) {
  const t = useTexts(all)
  const language = useLanguage()
  const rows = ([['writing', rate], ['warm', duration], ['cold', duration]] as const).flatMap(([name, format]): [string, Spread, (value: number) => string][] => {
    const found = pace[name]
    return found ? [[t[name], found, format]] : []
  })
  if (rows.length === 0) return null
  return (
    <ScrollBox label={t.caption(count(looked, language))}>
      <table className="w-full">
        <caption className="py-1.5 text-left text-[0.86rem] text-muted">{t.caption(count(looked, language))}</caption>
        <thead>
          <tr>
            <td />
            <th scope="col" className="th num max-sm:px-1.5 max-sm:whitespace-normal">{t.half}</th>
            <th scope="col" className="th num max-sm:px-1.5 max-sm:whitespace-normal">{t.worst}</th>
            <th scope="col" className="th num max-sm:px-1.5 max-sm:whitespace-normal">{t.requests}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(([name, { middle, worst, requests }, format]) => (
            <tr key={name}>
              <th scope="row" className="td pl-0! text-left font-normal">{name}</th>
              <td className="td num font-medium">{format(middle)}</td>
              <td className="td num">{format(worst)}</td>
              <td className="td num text-muted">{count(requests, language)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </ScrollBox>
  )
}
