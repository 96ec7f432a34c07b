/** What a model is doing now, in figures. */
import { count } from '@/shared/format/number'
import { duration, moment, whole } from '@/shared/format/time'
import { useLanguage } from '@/shared/i18n/language'
import { texts, useTexts } from '@/shared/i18n/texts'
import { useNow } from '@/shared/live/clock'
import type { LiveModel } from '@/shared/live/reducer'
import { whereItRuns } from '@/shared/model/place'
import { StateNote } from '@/shared/model/StateNote'
import { useReason } from '@/shared/model/reason/useReason'

const all = texts(
  {
    mode: 'Mode', aliases: 'Aliases', variant: 'Variant', pid: 'Process', port: 'Port', started: 'Started', ready: 'Ready after',
    running: 'In progress', waiting: 'Waiting', alive: 'Stops after idle', never: 'never', auto: 'Starts with the program', yes: 'yes', no: 'no',
    noLimit: 'no limit', limit: 'Concurrency limit', error: 'Last error', uptime: 'Up for',
  },
  {
    mode: '模式', aliases: '别名', variant: '变体', pid: '进程', port: '端口', started: '启动于', ready: '就绪用时',
    running: '处理中', waiting: '等待', alive: '空闲多久后停止', never: '从不', auto: '随程序启动', yes: '是', no: '否',
    noLimit: '不限', limit: '并发上限', error: '最近的错误', uptime: '已运行',
  },
)

export function Now({ model }: { model: LiveModel }) {
  const t = useTexts(all)
  const language = useLanguage()
  const say = useReason()
  const now = useNow()
  const started = model.started_at ? Date.parse(model.started_at) : null
  const ready = model.ready_at ? Date.parse(model.ready_at) : null
  const figures: [string, string][] = [
    [t.running, count(model.leases, language)],
    [t.waiting, count(model.waiting, language)],
    [t.variant, whereItRuns(model) ?? '–'],
    [t.pid, model.pid?.toString() ?? '–'],
    [t.port, model.port?.toString() ?? '–'],
    [t.started, started ? moment(new Date(started), new Date(now)) : '–'],
    [t.ready, started && ready ? duration((ready - started) / 1000) : '–'],
    [t.uptime, ready ? whole((now - ready) / 1000) : '–'],
    [t.mode, model.mode],
    [t.aliases, model.aliases.join(', ') || '–'],
    [t.alive, model.alive_seconds ? whole(model.alive_seconds) : t.never],
    [t.limit, model.max_concurrency?.toString() ?? t.noLimit],
    [t.auto, model.auto_start ? t.yes : t.no],
  ]
  return (
    <section className="panel p-4">
      <p className="mb-3 wrap-anywhere">
        <StateNote model={model} />
      </p>
      <dl className="grid gap-x-6 gap-y-3 [grid-template-columns:repeat(auto-fill,minmax(8.5rem,1fr))]">
        {figures.map(([name, value]) => (
          <div key={name} className="min-w-0">
            <dt className="text-[0.86rem] text-muted">{name}</dt>
            <dd className="font-medium wrap-anywhere">{value}</dd>
          </div>
        ))}
      </dl>
      {model.last_error && (
        <div className="mt-4">
          <h2 className="text-[0.86rem] text-muted">{t.error}</h2>
          <pre
            tabIndex={0}
            aria-label={t.error}
            className="mt-1 max-h-44 overflow-auto rounded-md bg-bad-soft p-2.5 font-mono text-[0.9rem] whitespace-pre-wrap text-bad"
          >
            {say(model.last_error)}
          </pre>
        </div>
      )}
    </section>
  )
}
