import { useInfiniteQuery } from '@tanstack/react-query'
import { Download, Pause, Play } from 'lucide-react'
import { useDeferredValue, useState } from 'react'
import { useSearchParams } from 'react-router'
import { apiJson, call } from '@/shared/api/client'
import { keys } from '@/shared/api/keys'
import type { RequestPage, RequestRow } from '@/shared/api/types'
import { download } from '@/shared/download'
import { texts, useTexts } from '@/shared/i18n/texts'
import { useLive } from '@/shared/live/store'
import { pageTexts } from '@/shared/pages'
import { Button } from '@/shared/ui/Button'
import { Empty, FailureFace, Loading } from '@/shared/ui/Face'
import { Select } from '@/shared/ui/Field'
import { PageHead } from '@/shared/ui/Panel'
import { ScrollBox } from '@/shared/ui/ScrollBox'
import { toast } from '@/shared/ui/Toasts'
import { Details } from '@/shared/requests/Details'
import { NO_REQUEST_FILTER, OUTCOMES, type RequestFilter, requestsPath, SPANS } from '@/shared/requests/query'
import { Rows } from '@/shared/requests/Rows'

const all = texts(
  {
    model: 'Model', anyModel: 'All models', outcome: 'How it ended', any: 'Any outcome', ok: 'Answered', not_ok: 'All but answered', failed: 'Failed', rejected: 'Rejected by the backend', client_left: 'Client left', cancelled: 'Cancelled',
    backend_error: 'Backend error', refused: 'Refused by the manager', id: 'Request id', key: 'Key', span: 'Time', always: 'Any time', hour: 'Last hour', day: 'Last 24 hours', week: 'Last 7 days', pause: 'Pause', resume: 'Resume', updates: 'Updates each 2 s', paused: 'Paused', more: 'Older', csv: 'CSV', none: 'No request matches', loading: 'Loading',
  },
  {
    model: '模型', anyModel: '全部模型', outcome: '结果', any: '全部结果', ok: '已响应', not_ok: '除已响应外', failed: '失败', rejected: '被后端拒绝', client_left: '客户端离开', cancelled: '已取消',
    backend_error: '后端错误', refused: '被管理器拒绝', id: '请求编号', key: '密钥', span: '时间', always: '全部时间', hour: '最近一小时', day: '最近 24 小时', week: '最近 7 天', pause: '暂停', resume: '继续', updates: '每 2 秒更新', paused: '已暂停', more: '更早', csv: 'CSV', none: '没有匹配的请求', loading: '加载中',
  },
)

/** More rows than this no browser should hold: `llm-manager usage` and the API export all of them. */
const EXPORT = 100_000

export default function RequestsPage() {
  const t = useTexts(all)
  const names = useTexts(pageTexts)
  const models = useLive((live) => live.order)
  const [parameters, setParameters] = useSearchParams()
  const filter: RequestFilter = {
    model: parameters.get('model') ?? '',
    outcome: OUTCOMES.find((known) => known === parameters.get('outcome')) ?? '',
    id: parameters.get('id') ?? '',
    key: parameters.get('key') ?? '',
    span: SPANS.find((known) => known === parameters.get('span')) ?? '',
  }
  const asked = useDeferredValue(JSON.stringify(filter))
  const [live, setLive] = useState(true)
  const [opened, setOpened] = useState<RequestRow | null>(null)
  const query = useInfiniteQuery({
    queryKey: keys.requests(asked),
    queryFn: ({ pageParam, signal }) => apiJson<RequestPage>(requestsPath(filter, { after: pageParam, shares: true }), { signal }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next,
    // Further pages stay as they are: a refresh would ask for all of them.
    refetchInterval: (now) => (live && !now.state.error && now.state.data?.pages.length === 1 ? 2000 : false),
  })
  const rows = query.data?.pages.flatMap((page) => page.rows) ?? []
  const set = (change: Partial<RequestFilter>) => {
    const next = Object.entries({ ...NO_REQUEST_FILTER, ...filter, ...change }).filter(([, value]) => value)
    setParameters(Object.fromEntries(next), { replace: true })
  }

  async function file() {
    try {
      const answer = await call(requestsPath(filter, { limit: EXPORT }), { headers: { Accept: 'text/csv' } })
      download('requests.csv', await answer.text())
    } catch (error) {
      toast('bad', error instanceof Error ? error.message : String(error))
    }
  }

  return (
    <>
      <PageHead title={names.requests} note={query.data && (live ? t.updates : t.paused)}>
        <Button onClick={() => setLive(!live)} disabled={!query.data}>
          {live ? <Pause size={14} /> : <Play size={14} />}
          {live ? t.pause : t.resume}
        </Button>
        <Button onClick={() => void file()} disabled={rows.length === 0}>
          <Download size={14} />
          {t.csv}
        </Button>
      </PageHead>
      <div className="mb-4 flex flex-wrap items-center gap-2">
        <Select label={t.model} value={filter.model} onChange={(model) => set({ model })} options={[['', t.anyModel], ...models.map((name) => [name, name] as const)]} className="max-w-64" />
        <Select
          label={t.outcome}
          value={filter.outcome}
          onChange={(outcome) => set({ outcome })}
          options={[['', t.any], ...OUTCOMES.map((one) => [one, t[one]] as const)]}
        />
        <Select label={t.span} value={filter.span} onChange={(span) => set({ span })} options={[['', t.always], ...SPANS.map((one) => [one, t[one]] as const)]} />
        <input type="search" className="field max-w-44 min-w-24 flex-1" aria-label={t.key} placeholder={t.key} value={filter.key} onChange={(event) => set({ key: event.target.value })} />
        <input type="search" className="field max-w-72 min-w-40 flex-1" aria-label={t.id} placeholder={t.id} value={filter.id} onChange={(event) => set({ id: event.target.value })} />
      </div>
      {!query.data ? (
        query.error ? <FailureFace error={query.error} retry={() => void query.refetch()} /> : <Loading rows={8} />
      ) : rows.length === 0 ? (
        <Empty title={t.none} />
      ) : (
        <>
          <ScrollBox label={names.requests} className="panel">
            <Rows rows={rows} onOpen={setOpened} />
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
      <Details row={opened} onClose={() => setOpened(null)} />
    </>
  )
}
