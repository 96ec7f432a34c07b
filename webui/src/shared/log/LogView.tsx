/** A log with its tools: follow, pause, search, levels. Only the rows in sight exist. */
import { ArrowDownToLine, Eraser, Pause, Play, WrapText } from 'lucide-react'
import { useDeferredValue, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react'
import { count } from '@/shared/format/number'
import { useLanguage } from '@/shared/i18n/language'
import { texts, useTexts } from '@/shared/i18n/texts'
import { recall, remember } from '@/shared/storage'
import { Button } from '@/shared/ui/Button'
import { cx } from '@/shared/ui/cx'
import { Select } from '@/shared/ui/Field'
import { StatusMark } from '@/shared/ui/Status'
import { matcher } from './buffer'
import { useFollowedLog } from './follow'
import type { Level } from './level'
import { LogRow } from './LogRow'
import { atEnd, visible } from './window'
import { MOST_WRAPPED, WrappedRows } from './WrappedRows'

const ROW = 20
const WRAP = 'log-wrap'

const all = texts(
  {
    search: 'Search, or /regular expression/', level: 'Level', all: 'All lines', error: 'Errors', warn: 'Warnings and errors',
    info: 'Info and above', debug: 'With a level', pause: 'Pause', resume: 'Resume', follow: 'Follow', wrap: 'Wrap', wrapped: (n: string) => `the latest ${n} are shown: with long lines wrapped, no more`, clear: 'Clear', log: 'Log',
    lines: (shown: string, total: string) => (shown === total ? `${total} lines` : `${shown} of ${total} lines`),
    held: (n: string) => `${n} new`, missed: (n: string) => `${n} lines came too fast and are missing`,
    lost: 'Connection lost', empty: 'No lines yet', silent: 'It wrote nothing', none: 'No line matches',
  },
  {
    search: '搜索，或 /正则表达式/', level: '级别', all: '全部', error: '错误', warn: '警告及以上', info: '信息及以上', debug: '有级别的行',
    pause: '暂停', resume: '继续', follow: '跟随', wrap: '换行', wrapped: (n: string) => `换行时只显示最近 ${n} 行`, clear: '清空', log: '日志',
    lines: (shown: string, total: string) => (shown === total ? `${total} 行` : `${shown} / ${total} 行`),
    held: (n: string) => `新增 ${n} 行`, missed: (n: string) => `有 ${n} 行来得太快而缺失`,
    lost: '连接已断开', empty: '还没有日志', silent: '没有输出', none: '没有匹配的行',
  },
)

interface Props {
  path: string
  className?: string
  /** It is over: nothing comes any more. */
  kept?: boolean
}

export function LogView({ path, className, kept = false }: Props) {
  const t = useTexts(all)
  const language = useLanguage()
  const [text, setText] = useState('')
  const [least, setLeast] = useState<Level | 'all'>('all')
  const [paused, setPaused] = useState(false)
  const [following, setFollowing] = useState(true)
  const [wrap, setWrap] = useState(() => recall(WRAP) === 'on')
  const search = useDeferredValue(text)
  const filter = useMemo(() => ({ text: search, least }), [search, least])
  const { buffer, state, missed, held, error, clear } = useFollowedLog(path, filter, paused, kept)
  const invalid = matcher(filter) === null
  const { shown, lines } = buffer
  const Listed = wrap ? WrappedRows : Rows

  return (
    <div className={cx('panel flex min-h-0 flex-col', className)}>
      <div className="flex flex-wrap items-center gap-2 border-b border-line p-2">
        <input
          type="search"
          aria-label={t.search}
          aria-invalid={invalid}
          placeholder={t.search}
          className="field min-w-40 flex-1 max-sm:basis-full"
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
        <Select
          label={t.level}
          value={least}
          onChange={setLeast}
          options={[['all', t.all], ['error', t.error], ['warn', t.warn], ['info', t.info], ['debug', t.debug]]}
        />
        {!kept && (
          <>
            <Button aria-pressed={paused} onClick={() => setPaused(!paused)}>
              {paused ? <Play size={14} /> : <Pause size={14} />}
              {paused ? t.resume : t.pause}
            </Button>
            <Button aria-pressed={following} onClick={() => setFollowing(!following)} className={following ? 'bg-accent-soft!' : ''}>
              <ArrowDownToLine size={14} />
              {t.follow}
            </Button>
          </>
        )}
        <Button
          aria-pressed={wrap}
          onClick={() => {
            setWrap(!wrap)
            remember(WRAP, wrap ? 'off' : 'on')
          }}
          className={wrap ? 'bg-accent-soft!' : ''}
        >
          <WrapText size={14} />
          {t.wrap}
        </Button>
        {!kept && (
          <Button onClick={clear} kind="quiet">
            <Eraser size={14} />
            {t.clear}
          </Button>
        )}
      </div>
      <Listed
        key={path}
        label={t.log}
        lines={shown}
        version={buffer.version}
        search={search.startsWith('/') ? '' : search.toLowerCase()}
        following={following}
        onFollowing={setFollowing}
        empty={error ?? (state === 'connecting' ? '' : lines.length > 0 ? t.none : kept ? t.silent : t.empty)}
      />
      <div className="flex flex-wrap items-center gap-x-4 gap-y-1 border-t border-line px-3 py-1.5 text-[0.9rem] text-muted">
        <span data-log-count={lines.length}>{t.lines(count(shown.length, language), count(lines.length, language))}</span>
        {wrap && shown.length > MOST_WRAPPED && <span>{t.wrapped(count(MOST_WRAPPED, language))}</span>}
        {held > 0 && <span>{t.held(count(held, language))}</span>}
        {missed > 0 && <span className="text-warn">{t.missed(count(missed, language))}</span>}
        {state === 'lost' && (
          <span className="inline-flex items-center gap-1.5 text-bad">
            <StatusMark kind="bad" size={9} />
            {t.lost}
          </span>
        )}
      </div>
    </div>
  )
}

interface RowsProps {
  label: string
  lines: React.ComponentProps<typeof LogRow>['line'][]
  version: number
  search: string
  following: boolean
  onFollowing: (following: boolean) => void
  empty: string
}

function Rows({ label, lines, version, search, following, onFollowing, empty }: RowsProps) {
  const box = useRef<HTMLDivElement>(null)
  const [place, setPlace] = useState({ top: 0, height: 600 })
  const total = lines.length * ROW

  useEffect(() => {
    const element = box.current
    if (!element) return
    const observer = new ResizeObserver(() => setPlace((old) => ({ ...old, height: element.clientHeight })))
    observer.observe(element)
    return () => observer.disconnect()
  }, [])

  useLayoutEffect(() => {
    if (following && box.current) box.current.scrollTop = total
  }, [following, total, version, place.height])

  function scrolled(element: HTMLDivElement) {
    setPlace({ top: element.scrollTop, height: element.clientHeight })
    const end = atEnd(element.scrollTop, element.clientHeight, total, ROW)
    // Growing rows move the end away; only a person moves the top up.
    if (following && !end && element.scrollTop < place.top) onFollowing(false)
    if (!following && end) onFollowing(true)
  }

  const { first, end } = visible(place.top, place.height, ROW, lines.length)
  return (
    <div
      ref={box}
      role="log"
      aria-label={label}
      aria-live="off"
      tabIndex={0}
      onScroll={(event) => scrolled(event.currentTarget)}
      className="relative min-h-48 flex-1 overflow-auto bg-surface font-mono text-[0.9rem] contain-strict [overflow-anchor:none]"
    >
      {lines.length === 0 && <p className="p-4 font-sans text-muted">{empty}</p>}
      <div style={{ height: total }} className="relative">
        {lines.slice(first, end).map((line, index) => (
          <LogRow key={line.id} line={line} search={search} top={(first + index) * ROW} />
        ))}
      </div>
    </div>
  )
}
