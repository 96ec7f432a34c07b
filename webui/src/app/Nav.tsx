import { NavLink } from 'react-router'
import { texts, useTexts } from '@/shared/i18n/texts'
import { useLive } from '@/shared/live/store'
import { pageTexts } from '@/shared/pages'
import { cx } from '@/shared/ui/cx'
import { routes } from './routes'

const all = texts(
  { pages: 'Pages', failed: (n: number) => `${n} failed` },
  { pages: '页面', failed: (n: number) => `${n} 个失败` },
)

export function Brand({ small }: { small?: boolean }) {
  return (
    <div className={cx('flex items-center gap-2 font-semibold', small ? '' : 'px-4 pt-4 pb-2')}>
      <svg viewBox="0 0 32 32" width="20" height="20" aria-hidden="true" className="text-accent">
        <rect width="32" height="32" rx="7" fill="currentColor" />
        <path d="M8 9h5v14H8zM15.500 9h8.500v4h-8.500zM15.500 15h8.500v8h-8.500z" className="fill-accent-text" />
      </svg>
      LLM-Manager
    </div>
  )
}

export function Nav({ onGo }: { onGo?: () => void }) {
  const t = useTexts(all)
  const names = useTexts(pageTexts)
  const failed = useLive((live) => live.order.filter((name) => live.models[name]?.state === 'failed').length)
  return (
    <nav aria-label={t.pages} className="grid gap-3 p-2">
      {(['now', 'history', 'system'] as const).map((group) => (
        <div key={group}>
          <p className="px-2 py-1 text-[0.86rem] text-muted">{names[group]}</p>
          <ul className="grid gap-px">
            {routes
              .filter((route) => route.group === group)
              .map(({ path, name, icon: Icon }) => (
                <li key={path}>
                  <NavLink
                    to={path}
                    end={path === '/'}
                    onClick={onGo}
                    className={({ isActive }) =>
                      cx(
                        'flex h-8 items-center gap-2.5 rounded-md px-2',
                        isActive ? 'bg-accent-soft font-medium text-text' : 'text-muted hover:bg-sunken hover:text-text',
                      )
                    }
                  >
                    <Icon size={16} aria-hidden="true" />
                    {names[name]}
                    {name === 'models' && failed > 0 && (
                      <span className="ml-auto rounded-full bg-bad-soft px-1.5 text-[0.86rem] font-medium text-bad" aria-label={t.failed(failed)}>
                        {failed}
                      </span>
                    )}
                  </NavLink>
                </li>
              ))}
          </ul>
        </div>
      ))}
    </nav>
  )
}
