import { memo } from 'react'
import { clockWithMillis } from '@/shared/format/time'
import { cx } from '@/shared/ui/cx'
import { parseAnsi } from './ansi'
import type { BufferedLine } from './buffer'

/** Longer lines are cut: nobody reads a million characters in a row. */
const LONGEST = 4000

/** The sixteen colours of a terminal, as colours that are legible in both themes. */
const colours = [
  'text-muted', 'text-bad', 'text-ok', 'text-warn', 'text-busy', 'text-[var(--series-4)]', 'text-[var(--series-7)]', 'text-text',
  'text-muted', 'text-bad', 'text-ok', 'text-warn', 'text-busy', 'text-[var(--series-4)]', 'text-[var(--series-7)]', 'text-text',
]

const levels = { error: 'border-l-bad', warn: 'border-l-warn', info: 'border-l-transparent', debug: 'border-l-transparent' }

export const LogRow = memo(function LogRow({ line, search, top }: { line: BufferedLine; search: string; /** Null: in the flow, wrapped. */ top: number | null }) {
  return (
    <div
      style={top === null ? undefined : { transform: `translateY(${top}px)` }}
      className={cx(
        'flex gap-3 border-l-2 pr-4 pl-2 leading-5',
        top === null ? 'min-h-5 whitespace-pre-wrap wrap-anywhere' : 'absolute left-0 h-5 min-w-full whitespace-pre',
        line.level ? levels[line.level] : 'border-l-transparent',
        line.level === 'debug' && 'text-muted',
      )}
    >
      <time dateTime={line.time} className={cx('shrink-0 text-muted select-none max-sm:hidden', line.continued && 'invisible')}>
        {clockWithMillis(new Date(line.time))}
      </time>
      <span className="min-w-0">
        {parseAnsi(line.line.slice(0, LONGEST)).map((span, index) => (
          <span
            key={index}
            className={cx(span.colour !== null && colours[span.colour], span.bold && 'font-bold', span.dim && 'opacity-70') || undefined}
          >
            {marked(span.text, search)}
          </span>
        ))}
        {line.line.length > LONGEST && ' …'}
      </span>
    </div>
  )
})

function marked(text: string, search: string): React.ReactNode {
  if (!search) return text
  const parts: React.ReactNode[] = []
  const lower = text.toLowerCase()
  let from = 0
  for (let at = lower.indexOf(search); at >= 0; at = lower.indexOf(search, from)) {
    parts.push(text.slice(from, at))
    parts.push(
      <mark key={at} className="rounded-sm bg-warn-soft text-warn">
        {text.slice(at, at + search.length)}
      </mark>,
    )
    from = at + search.length
  }
  return from === 0 ? text : [...parts, text.slice(from)]
}
