import { Plus, RotateCw, Square } from 'lucide-react'
import { lazy, Suspense, useDeferredValue, useMemo, useState } from 'react'
import { useOrderAll } from '@/shared/api/orders'
import { texts, useTexts } from '@/shared/i18n/texts'
import { useLive } from '@/shared/live/store'
import { FirstModel } from '@/shared/model/FirstModel'
import { pageTexts } from '@/shared/pages'
import { Button } from '@/shared/ui/Button'
import { Confirm } from '@/shared/ui/Dialog'
import { Empty, Loading } from '@/shared/ui/Face'
import { Segments } from '@/shared/ui/Field'
import { PageHead, Panel } from '@/shared/ui/Panel'
import { belongs, matches, type Shown } from './filter'
import { ModelCard } from './ModelCard'

const all = texts(
  {
    search: 'Search by name, alias or mode', all: 'All', active: 'Active', failed: 'Failed', stopped: 'Stopped', show: 'Show',
    none: 'No model matches', stopAll: 'Stop all', restartAuto: 'Restart auto-start models',
    stopAllTitle: 'Stop all models?', stopAllText: (n: number) => `${n} running requests may finish first; then every backend is stopped.`,
    restartTitle: 'Restart the models that start with the program?', restartText: (n: number) => `${n} models have auto_start.`,
    restart: 'Restart', add: 'Add model', addTitle: 'Add a model', close: 'Close',
  },
  {
    search: '按名称、别名或模式搜索', all: '全部', active: '活动', failed: '失败', stopped: '已停止', show: '显示',
    none: '没有匹配的模型', stopAll: '全部停止', restartAuto: '重启自启动模型',
    stopAllTitle: '停止所有模型？', stopAllText: (n: number) => `${n} 个正在运行的请求会先完成，然后停止所有后端。`,
    restartTitle: '重启随程序启动的模型？', restartText: (n: number) => `有 ${n} 个模型设置了 auto_start。`,
    restart: '重启', add: '添加模型', addTitle: '添加模型', close: '关闭',
  },
)

const AddModel = lazy(() => import('@/shared/model/add/AddModel').then((file) => ({ default: file.AddModel })))

export default function ModelsPage() {
  const t = useTexts(all)
  const names = useTexts(pageTexts)
  const loaded = useLive((live) => live.loaded)
  const order = useLive((live) => live.order)
  const models = useLive((live) => live.models)
  const [search, setSearch] = useState('')
  const [shown, setShown] = useState<Shown>('all')
  const [asking, setAsking] = useState<'stop-all' | 'restart-autostart' | null>(null)
  const [adding, setAdding] = useState(false)
  const orderAll = useOrderAll()
  const wanted = useDeferredValue(search)

  const found = useMemo(() => order.flatMap((name) => models[name] ?? []).filter((model) => matches(model, wanted)), [order, models, wanted])
  const listed = found.filter((model) => belongs(model, shown))
  const size = (which: Shown) => found.filter((model) => belongs(model, which)).length
  const every = Object.values(models)

  if (!loaded) return <Loading rows={8} />
  return (
    <>
      <PageHead title={names.models}>
        {order.length > 0 && (
          <Button aria-expanded={adding} onClick={() => setAdding(!adding)}>
            <Plus size={14} />
            {t.add}
          </Button>
        )}
        <Button onClick={() => setAsking('restart-autostart')} disabled={!every.some((model) => model.auto_start)}>
          <RotateCw size={14} />
          {t.restartAuto}
        </Button>
        <Button onClick={() => setAsking('stop-all')} disabled={!every.some((model) => belongs(model, 'active'))}>
          <Square size={12} />
          {t.stopAll}
        </Button>
      </PageHead>
      {order.length === 0 ? (
        <FirstModel />
      ) : (
        <>
          {adding && (
            <Panel title={t.addTitle} className="mb-4" actions={<Button small onClick={() => setAdding(false)}>{t.close}</Button>}>
              <Suspense fallback={<Loading rows={6} />}>
                <AddModel />
              </Suspense>
            </Panel>
          )}
          <div className="mb-4 flex flex-wrap items-center gap-2">
            <input
              type="search"
              className="field max-w-sm min-w-48 flex-1"
              aria-label={t.search}
              placeholder={t.search}
              value={search}
              onChange={(event) => setSearch(event.target.value)}
            />
            <Segments
              label={t.show}
              value={shown}
              onChange={setShown}
              options={(['all', 'active', 'failed', 'stopped'] as const).map((which) => [which, `${t[which]} ${size(which)}`] as const)}
            />
          </div>
          {listed.length === 0 && <Empty title={t.none} />}
          <div className="grid gap-3 [grid-template-columns:repeat(auto-fill,minmax(min(20rem,100%),1fr))]">
            {listed.map((model) => (
              <ModelCard key={model.name} name={model.name} />
            ))}
          </div>
        </>
      )}
      <Confirm
        open={asking !== null}
        onOpenChange={(open) => !open && setAsking(null)}
        title={asking === 'stop-all' ? t.stopAllTitle : t.restartTitle}
        action={asking === 'stop-all' ? t.stopAll : t.restart}
        danger
        onConfirm={() => asking && orderAll.mutate(asking)}
      >
        {asking === 'stop-all'
          ? t.stopAllText(every.reduce((sum, model) => sum + model.leases, 0))
          : t.restartText(every.filter((model) => model.auto_start).length)}
      </Confirm>
    </>
  )
}
