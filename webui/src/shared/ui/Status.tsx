/** Five kinds of status, each with a shape and a colour: nobody has to tell green from red. */
import type { ModelState, SupervisionNode } from '@/shared/api/types'
import { texts, useTexts } from '@/shared/i18n/texts'
import { cx } from './cx'

export type StatusKind = 'ok' | 'busy' | 'warn' | 'bad' | 'off'

const stateKinds: Record<ModelState, StatusKind> = {
  ready: 'ok',
  starting: 'busy',
  draining: 'busy',
  stopping: 'busy',
  queued: 'warn',
  failed: 'bad',
  stopped: 'off',
  parking: 'busy',
  parked: 'off',
  waking: 'busy',
}

export function kindOfState(state: ModelState): StatusKind {
  return stateKinds[state] ?? 'warn'
}

export function kindOfActor(state: SupervisionNode['state']): StatusKind {
  return state === 'running' ? 'ok' : state === 'restarting' ? 'warn' : 'bad'
}

const shapes: Record<StatusKind, React.ReactNode> = {
  ok: <circle cx="6" cy="6" r="5" fill="currentColor" />,
  busy: (
    <g className="turning origin-center">
      <circle cx="6" cy="6" r="4.25" fill="none" stroke="currentColor" strokeWidth="1.5" opacity="0.35" />
      <path d="M6 1.750A4.250 4.250 0 0 1 10.250 6" fill="none" stroke="currentColor" strokeWidth="2" />
    </g>
  ),
  warn: <path d="M6 0.800L11.600 10.800H0.400Z" fill="currentColor" />,
  bad: <path d="M3.500 0.500h5l3 3v5l-3 3h-5l-3-3v-5z" fill="currentColor" />,
  off: <circle cx="6" cy="6" r="4.250" fill="none" stroke="currentColor" strokeWidth="1.500" />,
}

const colours: Record<StatusKind, string> = {
  ok: 'text-ok',
  busy: 'text-busy',
  warn: 'text-warn',
  bad: 'text-bad',
  off: 'text-off',
}

const softs: Record<StatusKind, string> = {
  ok: 'bg-ok-soft text-ok',
  busy: 'bg-busy-soft text-busy',
  warn: 'bg-warn-soft text-warn',
  bad: 'bg-bad-soft text-bad',
  off: 'bg-off-soft text-off',
}

export function StatusMark({ kind, size = 11 }: { kind: StatusKind; size?: number }) {
  return (
    <svg viewBox="0 0 12 12" width={size} height={size} className={cx('shrink-0', colours[kind])} aria-hidden="true">
      {shapes[kind]}
    </svg>
  )
}

/** A status as a small label. */
export function Tag({ kind, children, className }: { kind: StatusKind; children: React.ReactNode; className?: string }) {
  return (
    <span
      className={cx(
        'inline-flex items-center gap-1.5 rounded-full px-2 py-px text-[0.86rem] font-medium whitespace-nowrap',
        softs[kind],
        className,
      )}
    >
      <StatusMark kind={kind} size={9} />
      {children}
    </span>
  )
}

export const stateTexts = texts(
  {
    ready: 'Ready',
    starting: 'Starting',
    draining: 'Draining',
    stopping: 'Stopping',
    queued: 'Queued',
    failed: 'Failed',
    stopped: 'Stopped',
    parking: 'Parking',
    parked: 'Parked',
    waking: 'Waking',
  },
  {
    ready: '就绪',
    starting: '启动中',
    draining: '排空中',
    stopping: '停止中',
    queued: '排队中',
    failed: '失败',
    stopped: '已停止',
    parking: '休眠中',
    parked: '已休眠',
    waking: '唤醒中',
  },
)

export function StateTag({ state }: { state: ModelState }) {
  const t = useTexts(stateTexts)
  return <Tag kind={kindOfState(state)}>{t[state] ?? state}</Tag>
}
