import { Link } from 'react-router'
import { count } from '@/shared/format/number'
import { useLanguage } from '@/shared/i18n/language'
import { texts, useTexts } from '@/shared/i18n/texts'
import type { LiveModel } from '@/shared/live/reducer'
import { useLive } from '@/shared/live/store'
import { modelLink } from '@/shared/model/link'
import { Orders } from '@/shared/model/Orders'
import { StateNote } from '@/shared/model/StateNote'
import { Empty } from '@/shared/ui/Face'
import { Panel } from '@/shared/ui/Panel'
import { StateTag } from '@/shared/ui/Status'

const SHOWN = 12

const all = texts(
  {
    title: 'Running now', none: 'No model is running', hint: 'A model starts when a request asks for it.', model: 'Model', state: 'State',
    running: 'In progress', waiting: 'Waiting', what: 'What it does', orders: 'Orders', more: (n: number) => `${n} more on the page of models`,
    all: 'All models',
  },
  {
    title: '正在运行', none: '没有模型在运行', hint: '请求到来时模型会自动启动。', model: '模型', state: '状态',
    running: '处理中', waiting: '等待', what: '在做什么', orders: '操作', more: (n: number) => `模型页还有 ${n} 个`,
    all: '全部模型',
  },
)

export function Running() {
  const t = useTexts(all)
  const order = useLive((live) => live.order)
  const models = useLive((live) => live.models)
  const running = order.flatMap((name) => models[name] ?? []).filter((model) => model.state !== 'stopped' && model.state !== 'failed')
  return (
    <Panel title={t.title} flush actions={<Link to="/models" className="text-[0.93rem] text-accent hover:underline">{t.all}</Link>}>
      {running.length === 0 ? (
        <Empty title={t.none} compact>
          {t.hint}
        </Empty>
      ) : (
        <ul>
          {running.slice(0, SHOWN).map((model) => (
            <Row key={model.name} model={model} />
          ))}
        </ul>
      )}
      {running.length > SHOWN && <p className="border-t border-line px-4 py-2 text-muted">{t.more(running.length - SHOWN)}</p>}
    </Panel>
  )
}

function Row({ model }: { model: LiveModel }) {
  const t = useTexts(all)
  const language = useLanguage()
  return (
    <li className="flex flex-wrap items-center gap-x-4 gap-y-1.5 border-b border-line px-4 py-2 last:border-0">
      <div className="min-w-0 flex-1 basis-56">
        <p className="flex min-w-0 items-center gap-2">
          <Link to={modelLink(model.name)} className="truncate font-medium hover:underline">
            {model.name}
          </Link>
          <StateTag state={model.state} />
        </p>
        <p className="line-clamp-2 text-[0.93rem] wrap-anywhere text-muted" title={model.waits_for ?? undefined}>
          {model.variant && `${model.variant} · `}
          <StateNote model={model} />
        </p>
      </div>
      <dl className="flex gap-4 text-[0.93rem]">
        <Figure name={t.running} value={count(model.leases, language)} />
        <Figure name={t.waiting} value={count(model.waiting, language)} warn={model.waiting > 0} />
      </dl>
      <div className="flex gap-1.5 sm:w-42 sm:justify-end">
        <Orders model={model} small />
      </div>
    </li>
  )
}

function Figure({ name, value, warn }: { name: string; value: string; warn?: boolean }) {
  return (
    <div className="min-w-12 text-right">
      <dt className="text-[0.86rem] text-muted">{name}</dt>
      <dd className={warn ? 'font-medium text-warn' : 'font-medium'}>{value}</dd>
    </div>
  )
}
