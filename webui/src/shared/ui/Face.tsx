/** The faces of a page that has nothing to show: loading, empty, failed, not in this version. */
import type { UseQueryResult } from '@tanstack/react-query'
import { CircleSlash, Inbox, TriangleAlert } from 'lucide-react'
import { Failure } from '@/shared/api/client'
import { texts, useTexts } from '@/shared/i18n/texts'
import { Button } from './Button'
import { cx } from './cx'

const all = texts(
  {
    loading: 'Loading',
    empty: 'Nothing here yet',
    failed: 'This could not be loaded',
    retry: 'Try again',
    missing: 'Not available in this version',
    missingHint: 'The manager that runs does not have this part yet. The rest of the dashboard works without it.',
    unreachable: 'The manager cannot be reached. Is it running?',
    keysNeeded: 'Whoever changes the configuration can run commands as the manager’s user. Without program.api_keys only the computer that it runs on may see it: set keys there first.',
  },
  {
    loading: '加载中',
    empty: '暂无内容',
    failed: '无法加载',
    retry: '重试',
    missing: '当前版本不提供此功能',
    missingHint: '正在运行的管理器还没有这一部分，其余页面不受影响。',
    unreachable: '无法连接管理器，它在运行吗？',
    keysNeeded: '能修改配置的人可以以管理器的身份运行命令。未设置 program.api_keys 时，只有管理器所在的计算机可以查看；请先在那里设置密钥。',
  },
)

interface FaceProps {
  icon?: React.ReactNode
  title: string
  children?: React.ReactNode
  action?: React.ReactNode
  compact?: boolean
}

export function Face({ icon, title, children, action, compact }: FaceProps) {
  return (
    <div className={cx('flex flex-col items-center justify-center gap-2 px-6 text-center', compact ? 'py-6' : 'py-14')}>
      <span className="text-muted">{icon}</span>
      <p className="font-medium">{title}</p>
      {children && <div className="max-w-prose text-muted">{children}</div>}
      {action}
    </div>
  )
}

export function Empty({ title, children, action, compact }: Partial<FaceProps>) {
  const t = useTexts(all)
  return (
    <Face icon={<Inbox size={22} />} title={title ?? t.empty} action={action} compact={compact}>
      {children}
    </Face>
  )
}

export function Loading({ rows = 4 }: { rows?: number }) {
  const t = useTexts(all)
  return (
    <div role="status" aria-label={t.loading} data-loading="" className="grid gap-3 p-4">
      {Array.from({ length: rows }, (_, row) => (
        <div key={row} className={cx('h-4 rounded bg-sunken', row % 3 === 2 ? 'w-1/2' : 'w-full')} />
      ))}
    </div>
  )
}

export function FailureFace({ error, retry, compact }: { error: unknown; retry?: () => void; compact?: boolean }) {
  const t = useTexts(all)
  if (error instanceof Failure && error.kind === 'missing') {
    return (
      <Face icon={<CircleSlash size={22} />} title={t.missing} compact={compact}>
        {!compact && t.missingHint}
      </Face>
    )
  }
  const unreachable = error instanceof Failure && error.kind === 'unreachable'
  const locked = error instanceof Failure && error.code === 'api_keys_needed'
  return (
    <Face
      icon={<TriangleAlert size={22} className="text-bad" />}
      title={t.failed}
      compact={compact}
      action={retry && <Button onClick={retry}>{t.retry}</Button>}
    >
      {unreachable ? t.unreachable : locked ? t.keysNeeded : error instanceof Error ? error.message : String(error)}
    </Face>
  )
}

interface QueryFaceProps<T> {
  query: UseQueryResult<T>
  children: (data: T) => React.ReactNode
  rows?: number
  compact?: boolean
}

/** What a query has, or the face for why it has nothing. Old data stays when a refresh fails. */
export function QueryFace<T>({ query, children, rows, compact }: QueryFaceProps<T>) {
  if (query.data !== undefined) return <>{children(query.data)}</>
  if (query.error) return <FailureFace error={query.error} retry={() => void query.refetch()} compact={compact} />
  return <Loading rows={rows} />
}
