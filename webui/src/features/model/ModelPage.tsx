import { useQuery } from '@tanstack/react-query'
import { Tabs } from 'radix-ui'
import { lazy, Suspense, useEffect, useState } from 'react'
import { useParams, useSearchParams } from 'react-router'
import { apiJson, Failure, modelPath } from '@/shared/api/client'
import { keys } from '@/shared/api/keys'
import type { ModelDetails } from '@/shared/api/types'
import { texts, useTexts } from '@/shared/i18n/texts'
import { useLiveModel } from '@/shared/live/store'
import { LogView } from '@/shared/log/LogView'
import { Orders } from '@/shared/model/Orders'
import { Empty, Loading, QueryFace } from '@/shared/ui/Face'
import { PageHead } from '@/shared/ui/Panel'
import { StateTag } from '@/shared/ui/Status'
import { Now } from './Now'
import { logOf, Replicas, WhichLog } from './Replicas'
import { Requests } from './Requests'
import { Runs } from './Runs'
import { Usage } from './Usage'
import { Variants } from './Variants'

const Connect = lazy(() => import('@/shared/connect/Connect'))

const all = texts(
  { connect: 'Connect', log: 'Log', variants: 'Variants', runs: 'Runs', usage: 'Usage', requests: 'Requests', gone: 'There is no model of this name', parts: 'Parts of this page' },
  { connect: '连接', log: '日志', variants: '变体', runs: '运行记录', usage: '用量', requests: '请求', gone: '没有这个名称的模型', parts: '页面内容' },
)

const TABS = ['log', 'connect', 'variants', 'runs', 'requests', 'usage'] as const

export default function ModelPage() {
  const t = useTexts(all)
  const { '*': name = '' } = useParams()
  const live = useLiveModel(name)
  const [parameters, setParameters] = useSearchParams()
  const [replica, setReplica] = useState(1)
  const most = Math.max(live?.max_replicas ?? 1, ...(live?.replicas ?? []).map((one) => one.number))
  const shown = Math.min(replica, most)
  const tab = TABS.find((known) => known === parameters.get('tab')) ?? 'log'
  const details = useQuery({
    queryKey: keys.model(name),
    queryFn: ({ signal }) => apiJson<ModelDetails>(modelPath(name), { signal }),
  })
  // Runs are added when a state ends: ask again.
  const { refetch } = details
  useEffect(() => void refetch(), [live?.state, refetch])

  if (details.error instanceof Failure && details.error.code === 'model_not_found') return <Empty title={t.gone} />
  return (
    <>
      <PageHead title={<span className="wrap-anywhere">{name}</span>} note={live && <StateTag state={live.state} />}>
        {live && <Orders model={live} />}
      </PageHead>
      {live && <Now model={live} />}
      {live && <Replicas model={live} />}
      <Tabs.Root value={tab} onValueChange={(next) => setParameters(next === 'log' ? {} : { tab: next }, { replace: true })} className="mt-4">
        <Tabs.List aria-label={t.parts} className="mb-3 flex gap-1 overflow-x-auto border-b border-line max-sm:gap-0">
          {TABS.map((known) => (
            <Tabs.Trigger
              key={known}
              value={known}
              className="-mb-px border-b-2 border-transparent px-3 py-2 text-muted max-sm:px-1.5 hover:text-text data-[state=active]:border-accent data-[state=active]:font-medium data-[state=active]:text-text"
            >
              {t[known]}
            </Tabs.Trigger>
          ))}
        </Tabs.List>
        <Tabs.Content value="log">
          <WhichLog most={most} shown={shown} onChange={setReplica} />
          <LogView key={shown} path={modelPath(logOf(name, shown), 'logs')} className="h-[max(26rem,calc(100dvh-24rem))]" />
        </Tabs.Content>
        <Tabs.Content value="connect">
          <Suspense fallback={<Loading rows={8} />}>
            <Connect name={name} />
          </Suspense>
        </Tabs.Content>
        <Tabs.Content value="variants">
          <QueryFace query={details}>{(model) => <Variants model={model} />}</QueryFace>
        </Tabs.Content>
        <Tabs.Content value="runs">
          <Runs name={name} live={live} />
        </Tabs.Content>
        <Tabs.Content value="requests">
          <Requests model={name} />
        </Tabs.Content>
        <Tabs.Content value="usage">
          <Usage model={name} />
        </Tabs.Content>
      </Tabs.Root>
    </>
  )
}
