import { memo } from 'react'
import { Link } from 'react-router'
import { count } from '@/shared/format/number'
import { useLanguage } from '@/shared/i18n/language'
import { texts, useTexts } from '@/shared/i18n/texts'
import { useNow } from '@/shared/live/clock'
import { idleLeft, type LiveModel } from '@/shared/live/reducer'
import { useLive, useLiveModel } from '@/shared/live/store'
import { useLastLine } from '@/shared/log/lastLine'
import { held } from '@/shared/model/held'
import { modelLink } from '@/shared/model/link'
import { Orders } from '@/shared/model/Orders'
import { whereItRuns } from '@/shared/model/place'
import { StateNote } from '@/shared/model/StateNote'
import { useReason } from '@/shared/model/reason/useReason'
import { Meter } from '@/shared/ui/Meter'
import { StateTag } from '@/shared/ui/Status'

const all = texts(
  {
    variant: 'Variant', running: 'In progress', waiting: 'Waiting', port: 'Port', also: 'also', ofMax: (n: number) => `of ${n}`,
    failures: (n: number) => `${n} failures in a row`, idle: 'Idle time left', lastError: 'Last error', devices: 'Devices', says: 'Its last line', replicas: 'Replicas',
  },
  {
    variant: '变体', running: '处理中', waiting: '等待', port: '端口', also: '别名', ofMax: (n: number) => `/ ${n}`,
    failures: (n: number) => `连续失败 ${n} 次`, idle: '剩余空闲时间', lastError: '最近的错误', devices: '设备', says: '最新一行', replicas: '副本',
  },
)

export const ModelCard = memo(function ModelCard({ name }: { name: string }) {
  const t = useTexts(all)
  const language = useLanguage()
  const say = useReason()
  const model = useLiveModel(name)
  if (!model) return null
  return (
    <article data-model={name} data-state={model.state} className="panel flex min-w-0 flex-col gap-2.5 p-4" aria-label={name}>
      <header className="flex items-start gap-2">
        <div className="min-w-0 flex-1">
          <h2 className="truncate font-semibold">
            <Link to={modelLink(name)} className="hover:underline" title={name}>
              {name}
            </Link>
          </h2>
          <p className="truncate text-[0.9rem] text-muted">
            {model.mode}
            {model.aliases.length > 0 && ` · ${t.also} ${model.aliases.join(', ')}`}
          </p>
        </div>
        <StateTag state={model.state} />
      </header>
      <p className="line-clamp-2 min-h-[1.45em] text-[0.93rem] wrap-anywhere" title={model.waits_for ?? undefined}>
        <StateNote model={model} />
      </p>
      <IdleBar model={model} />
      {model.state === 'starting' && <LastLine name={name} label={t.says} />}
      {model.state !== 'stopped' && model.state !== 'failed' && (
        <dl className="grid grid-cols-[minmax(0,1fr)_auto_auto] gap-x-4 gap-y-1.5 text-[0.93rem]">
          <Fact name={t.variant} value={whereItRuns(model) ?? '–'} />
          <Fact name={t.running} value={`${count(model.leases, language)}${model.max_concurrency ? ` ${t.ofMax(model.max_concurrency)}` : ''}`} />
          <Fact name={t.waiting} value={count(model.waiting, language)} />
          {model.max_replicas > 1 && <Fact name={t.replicas} value={`${count(model.replicas.length, language)} / ${count(model.max_replicas, language)}`} />}
          <Devices name={name} label={t.devices} />
        </dl>
      )}
      {model.last_error && (model.state === 'failed' || model.failures > 0) && (
        <details className="rounded-md bg-bad-soft px-2.5 py-1.5 text-[0.93rem] text-bad">
          <summary className="cursor-pointer truncate">{say(model.last_error).split('\n')[0]}</summary>
          <pre className="mt-1.5 max-h-40 overflow-auto font-mono text-[0.86rem] whitespace-pre-wrap" tabIndex={0} aria-label={t.lastError}>
            {say(model.last_error)}
          </pre>
          {model.failures > 1 && <p className="mt-1">{t.failures(model.failures)}</p>}
        </details>
      )}
      <footer className="mt-auto flex items-center gap-1.5 pt-1">
        <Orders model={model} small />
        {model.port !== null && model.state !== 'stopped' && (
          <span className="ml-auto text-[0.9rem] text-muted">
            {t.port} {model.port}
          </span>
        )}
      </footer>
    </article>
  )
})

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <div className="min-w-0">
      <dt className="text-[0.86rem] whitespace-nowrap text-muted">{name}</dt>
      <dd className="truncate font-medium" title={value}>
        {value}
      </dd>
    </div>
  )
}

/** The devices whose memory it holds. The text stays the same while nothing changes, so the card is not drawn each second. */
function Devices({ name, label }: { name: string; label: string }) {
  const text = useLive((live) => held(live.devices, name))
  if (text === null) return null
  return (
    <div className="col-span-3 min-w-0">
      <dt className="text-[0.86rem] text-muted">{label}</dt>
      <dd className="truncate font-medium" title={text}>
        {text}
      </dd>
    </div>
  )
}

/** What a start is doing, in the words of the backend. */
function LastLine({ name, label }: { name: string; label: string }) {
  const line = useLastLine(name)
  if (!line) return null
  return (
    <p aria-label={label} className="truncate rounded bg-sunken px-2 py-0.5 font-mono text-[0.86rem] text-muted" title={line}>
      {line}
    </p>
  )
}

function IdleBar({ model }: { model: LiveModel }) {
  const t = useTexts(all)
  const now = useNow()
  const left = idleLeft(model, now)
  const share = model.state === 'ready' && left !== null && model.alive_seconds ? left / model.alive_seconds : null
  // The place is kept, so that cards do not jump while requests come and go.
  return share === null ? <div className="h-1.5" /> : <Meter share={share} label={t.idle} kind={share < 0.15 ? 'warn' : 'ok'} />
}
