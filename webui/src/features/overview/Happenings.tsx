import { Link } from 'react-router'
import { ago } from '@/shared/format/time'
import { useLanguage } from '@/shared/i18n/language'
import { texts, useTexts } from '@/shared/i18n/texts'
import { useNow } from '@/shared/live/clock'
import type { Notice } from '@/shared/live/reducer'
import { useLive } from '@/shared/live/store'
import { modelLink } from '@/shared/model/link'
import { Empty } from '@/shared/ui/Face'
import { Panel } from '@/shared/ui/Panel'
import { kindOfState, stateTexts, StatusMark } from '@/shared/ui/Status'

const SHOWN = 12

const all = texts(
  { title: 'What happened', none: 'Nothing has changed since this page was opened' },
  { title: '最近发生', none: '打开页面以来没有变化' },
)

export function Happenings() {
  const t = useTexts(all)
  const notices = useLive((live) => live.notices)
  return (
    <Panel title={t.title}>
      {notices.length === 0 ? (
        <Empty title={t.none} compact />
      ) : (
        <ol className="grid gap-2">
          {notices.slice(0, SHOWN).map((notice) => (
            <Happening key={notice.id} notice={notice} />
          ))}
        </ol>
      )}
    </Panel>
  )
}

function Happening({ notice }: { notice: Notice }) {
  const states = useTexts(stateTexts)
  const language = useLanguage()
  const now = useNow()
  return (
    <li className="flex items-baseline gap-2">
      <StatusMark kind={notice.kind === 'state' ? kindOfState(notice.to) : 'warn'} size={9} />
      <div className="min-w-0 flex-1">
        {notice.kind === 'state' ? (
          <>
            <Link to={modelLink(notice.model)} className="font-medium hover:underline">
              {notice.model}
            </Link>{' '}
            <span className="text-muted">
              {states[notice.from]} → {states[notice.to]}
            </span>
            {notice.error && <p className="truncate text-[0.93rem] text-bad">{notice.error.split('\n')[0]}</p>}
          </>
        ) : (
          <>
            <Link to="/supervision" className="font-medium hover:underline">
              {notice.path}
            </Link>{' '}
            <span className="text-muted wrap-anywhere">{notice.message}</span>
          </>
        )}
      </div>
      <time className="shrink-0 text-[0.9rem] text-muted" dateTime={new Date(notice.at).toISOString()}>
        {ago(new Date(notice.at), new Date(now), language)}
      </time>
    </li>
  )
}
