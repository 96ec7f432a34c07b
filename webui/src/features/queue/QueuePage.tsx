/** Who waits for which model, in order, and who is served: live, and each of them can be ended. */
import { useState } from 'react'
import { texts, useTexts } from '@/shared/i18n/texts'
import { pageTexts } from '@/shared/pages'
import { Confirm } from '@/shared/ui/Dialog'
import { Empty, QueryFace } from '@/shared/ui/Face'
import { PageHead, Panel } from '@/shared/ui/Panel'
import { shownOf, useCancel, useRunning, useWaiting } from './queue'
import { RunningTable, WaitingTable } from './Tables'

const all = texts(
  {
    waiting: 'Waiting', running: 'Running', none: 'No request waits', idle: 'No request runs', more: (n: number) => `and ${n} more`, updates: 'Updates each second',
    cancel: 'Cancel request', keep: 'Keep it', title: (id: string) => `Cancel request ${id}?`, text: (model: string) => `The client of model ${model} gets an error and is told not to try again.`,
  },
  {
    waiting: '等待中', running: '处理中', none: '没有请求在等待', idle: '没有请求在处理', more: (n: number) => `另有 ${n} 个`, updates: '每秒更新',
    cancel: '取消请求', keep: '保留', title: (id: string) => `取消请求 ${id}？`, text: (model: string) => `模型 ${model} 的客户端会收到错误，并被告知不要重试。`,
  },
)

export default function QueuePage() {
  const t = useTexts(all)
  const names = useTexts(pageTexts)
  const waiting = useWaiting()
  const running = useRunning()
  const cancel = useCancel()
  const [asking, setAsking] = useState<{ id: string; model: string } | null>(null)
  return (
    <>
      <PageHead title={names.queue} note={t.updates} />
      <div className="grid grid-cols-1 gap-3">
        <Panel title={t.waiting} note={waiting.data?.length} flush>
          <QueryFace query={waiting} compact>
            {(found) => {
              const { rows, more } = shownOf(found)
              return rows.length === 0 ? <Empty title={t.none} compact /> : <WaitingTable rows={rows} more={more && t.more(more)} askedAt={waiting.dataUpdatedAt} onCancel={setAsking} />
            }}
          </QueryFace>
        </Panel>
        <Panel title={t.running} note={running.data?.length} flush>
          <QueryFace query={running} compact>
            {(found) => {
              const { rows, more } = shownOf(found)
              return rows.length === 0 ? <Empty title={t.idle} compact /> : <RunningTable rows={rows} more={more && t.more(more)} askedAt={running.dataUpdatedAt} onCancel={setAsking} />
            }}
          </QueryFace>
        </Panel>
      </div>
      {asking && (
        <Confirm open danger onOpenChange={(open) => !open && setAsking(null)} title={t.title(asking.id)} action={t.cancel} dismiss={t.keep} onConfirm={() => cancel.mutate(asking.id)}>
          {t.text(asking.model)}
        </Confirm>
      )}
    </>
  )
}
