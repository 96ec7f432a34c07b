/** The newest lines with what is too long for one row on further rows. Their heights differ, so there is a bound on how many. */
import { useLayoutEffect, useRef } from 'react'
import { LogRow } from './LogRow'
import { atEnd } from './window'

export const MOST_WRAPPED = 1000
/** So near to the end new lines are followed, in pixels. */
const NEAR = 20

interface Props {
  label: string
  lines: React.ComponentProps<typeof LogRow>['line'][]
  version: number
  search: string
  following: boolean
  onFollowing: (following: boolean) => void
  empty: string
}

export function WrappedRows({ label, lines, version, search, following, onFollowing, empty }: Props) {
  const box = useRef<HTMLDivElement>(null)
  const top = useRef(0)
  useLayoutEffect(() => {
    if (following && box.current) box.current.scrollTop = box.current.scrollHeight
  }, [following, version, lines])

  function scrolled(element: HTMLDivElement) {
    const end = atEnd(element.scrollTop, element.clientHeight, element.scrollHeight, NEAR)
    // Growing rows move the end away; only a person moves the top up.
    if (following && !end && element.scrollTop < top.current) onFollowing(false)
    if (!following && end) onFollowing(true)
    top.current = element.scrollTop
  }

  return (
    <div
      ref={box}
      role="log"
      aria-label={label}
      aria-live="off"
      tabIndex={0}
      onScroll={(event) => scrolled(event.currentTarget)}
      className="relative min-h-48 flex-1 overflow-x-hidden overflow-y-auto bg-surface font-mono text-[0.9rem] contain-strict [overflow-anchor:none]"
    >
      {lines.length === 0 && <p className="p-4 font-sans text-muted">{empty}</p>}
      {lines.slice(-MOST_WRAPPED).map((line) => (
        <LogRow key={line.id} line={line} search={search} top={null} />
      ))}
    </div>
  )
}
