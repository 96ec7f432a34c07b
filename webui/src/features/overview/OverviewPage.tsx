import { lazy, Suspense } from 'react'
import { texts, useTexts } from '@/shared/i18n/texts'
import { useLive } from '@/shared/live/store'
import { FirstModel } from '@/shared/model/FirstModel'
import { pageTexts } from '@/shared/pages'
import { Loading } from '@/shared/ui/Face'
import { PageHead, Panel } from '@/shared/ui/Panel'
import { Attention } from './Attention'
import { DevicesGlance } from './DevicesGlance'
import { Happenings } from './Happenings'
import { Running } from './Running'
import { Throughput } from './Throughput'
import { Tiles } from './Tiles'

// After the first view: nobody waits for it.
const Connect = lazy(() => import('@/shared/connect/Connect'))

const all = texts(
  { models: (n: number) => `${n} model${n === 1 ? '' : 's'}`, connect: 'Connect a client' },
  { models: (n: number) => `${n} 个模型`, connect: '连接客户端' },
)

export default function OverviewPage() {
  const t = useTexts(all)
  const names = useTexts(pageTexts)
  const loaded = useLive((live) => live.loaded)
  const size = useLive((live) => live.order.length)
  if (!loaded) return <Loading rows={8} />
  return (
    <>
      <PageHead title={names.overview} note={t.models(size)} />
      {size === 0 ? (
        <FirstModel />
      ) : (
        <div className="grid grid-cols-1 gap-3">
          <Tiles />
          <Attention />
          <div className="grid gap-3 xl:grid-cols-[minmax(0,3fr)_minmax(0,2fr)] xl:items-start">
            <div className="grid grid-cols-1 gap-3">
              <Running />
              <Throughput />
            </div>
            <div className="grid grid-cols-1 gap-3">
              <DevicesGlance />
              <Panel title={t.connect}>
                <Suspense fallback={<Loading rows={6} />}>
                  <Connect />
                </Suspense>
              </Panel>
              <Happenings />
            </div>
          </div>
        </div>
      )}
    </>
  )
}
