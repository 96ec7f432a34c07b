/** Whether what is shown is true now. */
import { duration } from '@/shared/format/time'
import { texts, useTexts } from '@/shared/i18n/texts'
import { useNow } from '@/shared/live/clock'
import type { Connection } from '@/shared/live/reducer'
import { useLive } from '@/shared/live/store'
import { type StatusKind, StatusMark } from '@/shared/ui/Status'

const all = texts(
  {
    live: 'Live',
    connecting: 'Connecting',
    lost: 'Connection lost',
    stale: (time: string) => `The connection to the manager was lost ${time} ago. What you see is from before; it is tried again all the time.`,
  },
  {
    live: '实时',
    connecting: '连接中',
    lost: '连接已断开',
    stale: (time: string) => `与管理器的连接已断开 ${time}。以下内容是断开前的状态，正在不断重试。`,
  },
)

const kinds: Record<Connection, StatusKind> = { live: 'ok', connecting: 'busy', lost: 'bad' }

export function ConnectionNote() {
  const t = useTexts(all)
  const connection = useLive((live) => live.connection)
  return (
    <p role="status" data-connection={connection} className="flex items-center gap-2 px-1 pb-2 text-muted max-lg:pb-0">
      <StatusMark kind={kinds[connection]} size={9} />
      {t[connection]}
    </p>
  )
}

export function ConnectionBanner() {
  const lost = useLive((live) => live.connection === 'lost')
  return lost ? <Stale /> : null
}

function Stale() {
  const t = useTexts(all)
  const now = useNow()
  const since = useLive((live) => live.connectionSince)
  return (
    <div className="mb-4 flex items-center gap-2.5 rounded-md bg-warn-soft px-3 py-2 text-warn">
      <StatusMark kind="warn" />
      {t.stale(duration(Math.floor((now - since) / 1000)))}
    </div>
  )
}
