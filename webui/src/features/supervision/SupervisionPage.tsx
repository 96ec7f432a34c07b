import { useQuery } from '@tanstack/react-query'
import { useEffect, useRef } from 'react'
import { apiJson } from '@/shared/api/client'
import { keys } from '@/shared/api/keys'
import type { SupervisionNode } from '@/shared/api/types'
import { moment } from '@/shared/format/time'
import { texts, useTexts } from '@/shared/i18n/texts'
import { useLive } from '@/shared/live/store'
import { pageTexts } from '@/shared/pages'
import { Empty, QueryFace } from '@/shared/ui/Face'
import { PageHead, Panel } from '@/shared/ui/Panel'
import { ScrollBox } from '@/shared/ui/ScrollBox'
import { StatusMark } from '@/shared/ui/Status'
import { Tree } from './Tree'

const all = texts(
  {
    intro: 'Every part of the manager, and who watches over it',
    news: 'What happened', quiet: 'No part has crashed since this page was opened',
  },
  { intro: '管理器的每个部分，以及由谁监督', news: '发生的事', quiet: '打开此页以来没有部分崩溃' },
)

export default function SupervisionPage() {
  const t = useTexts(all)
  const names = useTexts(pageTexts)
  const notices = useLive((live) => live.notices)
  const news = notices.filter((notice) => notice.kind === 'supervision')
  const models = useLive((live) => live.models)
  const tree = useQuery({
    queryKey: keys.supervision,
    queryFn: ({ signal }) => apiJson<SupervisionNode>('/api/supervision', { signal }),
    refetchInterval: 5000,
  })
  // Whatever changes in a model or crashes changes the tree: ask again, at most each second.
  const { refetch } = tree
  const asked = useRef(0)
  useEffect(() => {
    const pause = Math.max(0, 1000 - (Date.now() - asked.current))
    const timer = setTimeout(() => {
      asked.current = Date.now()
      void refetch()
    }, pause)
    return () => clearTimeout(timer)
  }, [models, news.length, refetch])

  return (
    <>
      <PageHead title={names.supervision} note={t.intro} />
      <div className="grid grid-cols-1 gap-3">
        <ScrollBox label={names.supervision} className="panel">
          <QueryFace query={tree} rows={10}>
            {(root) => <Tree root={root} />}
          </QueryFace>
        </ScrollBox>
        <Panel title={t.news}>
          {news.length === 0 ? (
            <Empty title={t.quiet} compact />
          ) : (
            <ul className="grid gap-3">
              {news.map((notice) => (
                <li key={notice.id} className="flex gap-2">
                  <span className="pt-1">
                    <StatusMark kind="warn" />
                  </span>
                  <div className="min-w-0">
                    <p className="text-[0.9rem] text-muted">
                      {moment(new Date(notice.at), new Date())} · {notice.path}
                    </p>
                    <p className="wrap-anywhere">{notice.message}</p>
                  </div>
                </li>
              ))}
            </ul>
          )}
        </Panel>
      </div>
    </>
  )
}
