/** The frame around every page: menu, connection, language, theme. */
import { at } from '@/shared/base'
import { Menu } from 'lucide-react'
import { lazy, Suspense, useEffect, useRef, useState } from 'react'
import { Route, Routes, useLocation } from 'react-router'
import { useRestartPhase } from '@/shared/config/restarting'
import { RestartNotice } from '@/shared/config/RestartNotice'
import { texts, useTexts } from '@/shared/i18n/texts'
import { connect } from '@/shared/live/store'
import { pageTexts } from '@/shared/pages'
import { IconButton } from '@/shared/ui/Button'
import { Sheet } from '@/shared/ui/Dialog'
import { Empty, Loading } from '@/shared/ui/Face'
import { Toasts } from '@/shared/ui/Toasts'
import { Arrival } from './Arrival'
import { Boundary } from './Boundary'
import { ConnectionNote, ConnectionBanner } from './Connection'
import { Brand, Nav } from './Nav'
import { Preferences } from './Preferences'
import { ModelPage, routes } from './routes'

const RestartDialog = lazy(() => import('@/shared/config/RestartDialog').then((file) => ({ default: file.RestartDialog })))

const all = texts(
  { skip: 'Skip to content', menu: 'Menu', nowhere: 'There is no such page' },
  { skip: '跳到内容', menu: '菜单', nowhere: '没有这个页面' },
)

export function Shell() {
  const t = useTexts(all)
  const { pathname, search } = useLocation()
  const [menu, setMenu] = useState(false)
  useEffect(() => connect(), [])
  useTitle(pathname)

  return (
    <div className="min-h-dvh lg:grid lg:grid-cols-[13.5rem_minmax(0,1fr)]">
      <a href={`${at(pathname)}${search}#content`} className="sr-only z-50 rounded bg-accent px-3 py-2 text-accent-text focus:not-sr-only focus:fixed focus:top-2 focus:left-2">
        {t.skip}
      </a>
      <aside className="sticky top-0 hidden h-dvh flex-col overflow-y-auto border-r border-line bg-surface lg:flex">
        <Brand />
        <Nav />
        <div className="mt-auto border-t border-line p-3">
          <ConnectionNote />
          <Preferences />
        </div>
      </aside>
      <header className="sticky top-0 z-30 flex h-12 items-center gap-2 border-b border-line bg-surface px-2 lg:hidden">
        <IconButton label={t.menu} onClick={() => setMenu(true)}>
          <Menu size={18} />
        </IconButton>
        <Brand small />
        <div className="ml-auto">
          <ConnectionNote />
        </div>
      </header>
      <Sheet open={menu} onOpenChange={setMenu} title="LLM-Manager" side="left">
        <Nav onGo={() => setMenu(false)} />
        <div className="mt-auto border-t border-line p-3">
          <Preferences />
        </div>
      </Sheet>
      <main id="content" tabIndex={-1} className="min-w-0 p-4 outline-none lg:px-7 lg:py-6">
        <ConnectionBanner />
        <RestartNotice />
        <Boundary resetKey={pathname}>
          <Suspense fallback={<Loading rows={6} />}>
            <Routes>
              {routes.map(({ path, page: Page }) => (
                <Route key={path} path={path} element={<Page />} />
              ))}
              <Route path="/models/*" element={<ModelPage />} />
              <Route path="*" element={<Empty title={t.nowhere} />} />
            </Routes>
          </Suspense>
        </Boundary>
      </main>
      <Restart />
      <Arrival />
      <Toasts />
    </div>
  )
}

/** Comes with the first question, and stays: what it knows of a restart must outlive that. */
function Restart() {
  const asked = useRestartPhase().at !== 'idle'
  const [wanted, setWanted] = useState(false)
  useEffect(() => {
    if (asked) setWanted(true)
  }, [asked])
  return (
    wanted && (
      <Suspense>
        <RestartDialog />
      </Suspense>
    )
  )
}

/** The window's title; a new page also takes the focus, so that a screen reader begins at its top. */
function useTitle(pathname: string) {
  const names = useTexts(pageTexts)
  const first = useRef(true)
  const route = routes.find(({ path }) => path === pathname)
  const name = route ? names[route.name] : pathname.startsWith('/models/') ? decodeURIComponent(pathname.slice(8)) : ''
  useEffect(() => {
    document.title = name ? `${name} · LLM-Manager` : 'LLM-Manager'
  }, [name])
  useEffect(() => {
    if (first.current) first.current = false
    else document.getElementById('content')?.focus({ preventScroll: true })
    window.scrollTo(0, 0)
  }, [pathname])
}
