import { useId } from 'react'
import { cx } from './cx'
import { ScrollBox } from './ScrollBox'

interface Props {
  title?: React.ReactNode
  note?: React.ReactNode
  actions?: React.ReactNode
  children: React.ReactNode
  className?: string
  /** The body has its own padding, such as a table. */
  flush?: boolean
}

export function Panel({ title, note, actions, children, className, flush }: Props) {
  const id = useId()
  return (
    <section className={cx('panel min-w-0', className)} aria-labelledby={title ? id : undefined}>
      {title && (
        <header className="flex min-h-11 flex-wrap items-center gap-x-3 gap-y-1 border-b border-line px-4 py-1.5">
          <h2 id={id} className="font-semibold">
            {title}
          </h2>
          {note && <span className="text-[0.93rem] text-muted">{note}</span>}
          {actions && <div className="ml-auto flex flex-wrap items-center gap-1.5">{actions}</div>}
        </header>
      )}
      {flush ? <ScrollBox labelledBy={id}>{children}</ScrollBox> : <div className="p-4">{children}</div>}
    </section>
  )
}

/** The title of a page and what can be done with all of it. */
export function PageHead({ title, note, children }: { title: React.ReactNode; note?: React.ReactNode; children?: React.ReactNode }) {
  return (
    <div className="mb-4 flex flex-wrap items-center gap-x-4 gap-y-2">
      <h1 className="text-[1.3rem] font-semibold tracking-tight">{title}</h1>
      {note && <span className="text-muted">{note}</span>}
      {children && <div className="ml-auto flex flex-wrap items-center gap-2">{children}</div>}
    </div>
  )
}

/** Name and value, in rows. */
export function Facts({ rows }: { rows: [React.ReactNode, React.ReactNode][] }) {
  return (
    <dl className="grid grid-cols-[max-content_minmax(0,1fr)] gap-x-5 gap-y-1.5">
      {rows.map(([name, value], row) => (
        <div key={row} className="contents">
          <dt className="text-muted">{name}</dt>
          <dd className="min-w-0 wrap-anywhere">{value}</dd>
        </div>
      ))}
    </dl>
  )
}
