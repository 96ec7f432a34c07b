/** The latest requests of a model; the page of requests has all of them. */
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Link } from 'react-router'
import { apiJson } from '@/shared/api/client'
import { keys } from '@/shared/api/keys'
import type { RequestPage, RequestRow } from '@/shared/api/types'
import { texts, useTexts } from '@/shared/i18n/texts'
import { Details } from '@/shared/requests/Details'
import { NO_REQUEST_FILTER, requestsPath } from '@/shared/requests/query'
import { Rows } from '@/shared/requests/Rows'
import { Empty, QueryFace } from '@/shared/ui/Face'
import { Panel } from '@/shared/ui/Panel'

const LISTED = 30

const all = texts({ title: 'Latest requests', all: 'All requests of this model', none: 'No request yet' }, { title: '最近的请求', all: '此模型的全部请求', none: '还没有请求' })

export function Requests({ model }: { model: string }) {
  const t = useTexts(all)
  const [opened, setOpened] = useState<RequestRow | null>(null)
  const query = useQuery({
    queryKey: keys.requests('model', model),
    queryFn: ({ signal }) => apiJson<RequestPage>(requestsPath({ ...NO_REQUEST_FILTER, model }, { limit: LISTED, shares: true }), { signal }),
    refetchInterval: (now) => (now.state.error ? false : 3000),
  })
  return (
    <QueryFace query={query}>
      {({ rows }) =>
        rows.length === 0 ? (
          <Empty title={t.none} />
        ) : (
          <Panel
            title={t.title}
            flush
            actions={
              <Link to={`/requests?${new URLSearchParams({ model }).toString()}`} className="text-[0.93rem] text-accent hover:underline">
                {t.all}
              </Link>
            }
          >
            <Rows rows={rows} onOpen={setOpened} ofModel />
            <Details row={opened} onClose={() => setOpened(null)} />
          </Panel>
        )
      }
    </QueryFace>
  )
}
