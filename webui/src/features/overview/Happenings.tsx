import { Link } from 'react-router'
import { ago, duration } from '@/shared/format/time'
import { useLanguage } from '@/shared/i18n/language'
import { texts, useTexts } from '@/shared/i18n/texts'
import { useNow } from '@/shared/live/clock'
import { useLive } from '@/shared/live/store'
import { causeOf, causeTexts, kindOfCause } from '@/shared/model/cause'
import { modelLink } from '@/shared/model/link'
import { useRuns } from '@/shared/model/runs'
import { Empty, Loading } from '@/shared/ui/Face'
import { Panel } from '@/shared/ui/Panel'
import { type StatusKind, StatusMark } from '@/shared/ui/Status'
import { type Happening, happenings } from './happenings'

const SHOWN = 12

const all = texts(
  { title: 'What happened', none: 'Nothing has run yet', all: 'Timeline', ready: (time: string) => `ready after ${time}`, queued: 'waits for memory' },
  { title: '最近发生', none: '还没有运行过', all: '时间线', ready: (time: string) => `就绪，用时 ${time}`, queued: '等待内存' },
)

export function Happenings() {
  const t = useTexts(all)
  const notices = useLive((live) => live.notices)
  const order = useLive((live) => live.order)
  const runs = useRuns('latest', () => ({ limit: SHOWN }), order, notices[0]?.id ?? 0)
  const told = happenings(runs.data ?? [], notices, SHOWN)
  return (
    <Panel title={t.title} actions={<Link to="/timeline" className="text-[0.93rem] text-accent hover:underline">{t.all}</Link>}>
      {told.length > 0 ? (
        <ol className="grid gap-2">
          {told.map((one) => (
            <Told key={one.key} happening={one} />
          ))}
        </ol>
      ) : runs.isPending ? (
        <Loading rows={3} />
      ) : (
        <Empty title={t.none} compact />
      )}
    </Panel>
  )
}

function kindOf(happening: Happening): StatusKind {
  switch (happening.what) {
    case 'ready':
      return 'ok'
    case 'ended':
      return kindOfCause(happening.run.cause)
    default:
      return 'warn'
  }
}

function Told({ happening }: { happening: Happening }) {
  const t = useTexts(all)
  const causes = useTexts(causeTexts)
  const language = useLanguage()
  const now = useNow()
  const crashed = happening.what === 'crashed'
  const text = happening.what === 'ended' ? causeOf(happening.run, causes) : happening.what === 'ready' ? t.ready(duration(happening.seconds)) : crashed ? happening.message : t.queued
  const kind = kindOf(happening)
  return (
    <li className="flex items-baseline gap-2">
      <StatusMark kind={kind} size={9} />
      <div className="min-w-0 flex-1">
        <Link to={crashed ? '/supervision' : modelLink(happening.model)} className="font-medium hover:underline">
          {crashed ? happening.path : happening.model}
        </Link>{' '}
        <span className={kind === 'bad' ? 'text-bad' : 'text-muted'}>{text}</span>
      </div>
      <time className="shrink-0 text-[0.9rem] text-muted" dateTime={new Date(happening.at).toISOString()}>
        {ago(new Date(happening.at), new Date(now), language)}
      </time>
    </li>
  )
}
