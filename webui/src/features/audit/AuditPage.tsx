/** Who did what: orders of people and deeds of rules, newest first. */
import { useInfiniteQuery } from '@tanstack/react-query'
import { useSearchParams } from 'react-router'
import { apiJson, withQuery } from '@/shared/api/client'
import { keys } from '@/shared/api/keys'
import type { AuditEntry, AuditPage as Page } from '@/shared/api/types'
import { moment } from '@/shared/format/time'
import { texts, useTexts } from '@/shared/i18n/texts'
import { useNow } from '@/shared/live/clock'
import { useLive } from '@/shared/live/store'
import { kindTexts } from '@/shared/model/by'
import { pageTexts } from '@/shared/pages'
import { Button } from '@/shared/ui/Button'
import { Empty, FailureFace, Loading } from '@/shared/ui/Face'
import { Select } from '@/shared/ui/Field'
import { PageHead } from '@/shared/ui/Panel'
import { ScrollBox } from '@/shared/ui/ScrollBox'
import { actionOf, auditTexts } from './words'

const all = texts(
  { model: 'Model', any: 'Everything', who: 'Who', time: 'Time', what: 'What', subject: 'Target', detail: 'Detail', from: 'From', more: 'Older', loading: 'Loading', none: 'Nothing is recorded' },
  { model: '模型', any: '全部', who: '操作者', time: '时间', what: '操作', subject: '对象', detail: '详情', from: '来自', more: '更早', loading: '加载中', none: '没有记录' },
)

export default function AuditPage() {
  const t = useTexts(all)
  const names = useTexts(pageTexts)
  const models = useLive((live) => live.order)
  const [parameters, setParameters] = useSearchParams()
  const [model, who] = [parameters.get('model') ?? '', parameters.get('who') ?? '']
  const set = (change: Record<string, string>) => {
    const next = Object.entries({ model, who, ...change }).filter(([, value]) => value)
    setParameters(Object.fromEntries(next), { replace: true })
  }
  const query = useInfiniteQuery({
    queryKey: keys.audit(model, who),
    queryFn: ({ pageParam, signal }) => apiJson<Page>(withQuery('/api/audit', { model, who, before: pageParam }), { signal }),
    initialPageParam: null as number | null,
    getNextPageParam: (page) => page.next,
    // Further pages stay as they are: a refresh would ask for all of them.
    refetchInterval: (now) => (!now.state.error && now.state.data?.pages.length === 1 ? 5000 : false),
  })
  const rows = query.data?.pages.flatMap((page) => page.rows) ?? []
  return (
    <>
      <PageHead title={names.audit} />
      <div className="mb-4 flex flex-wrap items-center gap-2">
        <Select label={t.model} value={model} onChange={(chosen) => set({ model: chosen })} options={[['', t.any], ...models.map((name) => [name, name] as const)]} className="max-w-64" />
        <input type="search" className="field max-w-64 min-w-24 flex-1" aria-label={t.who} placeholder={t.who} value={who} onChange={(event) => set({ who: event.target.value })} />
      </div>
      {!query.data ? (
        query.error ? <FailureFace error={query.error} retry={() => void query.refetch()} /> : <Loading rows={8} />
      ) : rows.length === 0 ? (
        <Empty title={t.none} />
      ) : (
        <>
          <ScrollBox label={names.audit} className="panel">
            <Rows rows={rows} />
          </ScrollBox>
          {query.hasNextPage && (
            <div className="mt-3 flex justify-center">
              <Button onClick={() => void query.fetchNextPage()} disabled={query.isFetchingNextPage}>
                {query.isFetchingNextPage ? t.loading : t.more}
              </Button>
            </div>
          )}
        </>
      )}
    </>
  )
}

function Rows({ rows }: { rows: readonly AuditEntry[] }) {
  const t = useTexts(all)
  const words = useTexts(auditTexts)
  const kinds = useTexts(kindTexts)
  const now = new Date(useNow())
  return (
    <table className="w-full text-[0.93rem]">
      <thead>
        <tr className="text-left text-muted">
          {[t.time, t.what, t.subject, t.who, t.from, t.detail].map((head) => (
            <th key={head} scope="col" className="px-3 py-2 font-normal whitespace-nowrap">
              {head}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={row.id} className="border-t border-line" data-action={row.action}>
            <td className="px-3 py-1.5 whitespace-nowrap">
              <time dateTime={row.time}>{moment(new Date(row.time), now)}</time>
            </td>
            <td className="min-w-16 px-3 py-1.5">{actionOf(row.action, words)}</td>
            <td className="px-3 py-1.5 font-medium">{row.subject}</td>
            <td className="px-3 py-1.5">
              <span className="text-muted">{kinds[row.kind]}</span> {row.who}
            </td>
            <td className="px-3 py-1.5 whitespace-nowrap text-muted">{row.address}</td>
            <td className={`px-3 py-1.5 text-muted ${row.detail ? 'min-w-56' : ''}`}>{row.detail}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}
