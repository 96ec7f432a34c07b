import { ChevronRight } from 'lucide-react'
import { useEffect, useRef, useState } from 'react'
import { cx } from './cx'

interface Props {
  /** What is scrolled, for a screen reader. */
  label?: string
  labelledBy?: string
  className?: string
  children: React.ReactNode
}

/** Something that may be wider than its place. Only then the keyboard stops here, to scroll it, and its edge says that there is more. */
export function ScrollBox({ label, labelledBy, className, children }: Props) {
  const box = useRef<HTMLDivElement>(null)
  const [wide, setWide] = useState(false)
  const [more, setMore] = useState(false)
  useEffect(() => {
    const element = box.current
    if (!element) return
    const look = () => {
      setWide(element.scrollWidth > element.clientWidth)
      setMore(element.scrollLeft + element.clientWidth < element.scrollWidth - 1)
    }
    const observer = new ResizeObserver(look)
    element.addEventListener('scroll', look, { passive: true })
    observer.observe(element)
    if (element.firstElementChild) observer.observe(element.firstElementChild)
    return () => {
      observer.disconnect()
      element.removeEventListener('scroll', look)
    }
  }, [])
  const reachable = wide ? { tabIndex: 0, role: 'group', 'aria-label': label, 'aria-labelledby': labelledBy } : {}
  return (
    <div className={cx('relative min-w-0 overflow-hidden', className)}>
      <div ref={box} className="relative overflow-x-auto" {...reachable}>
        {children}
      </div>
      {more && (
        <span data-more="" aria-hidden="true" className="pointer-events-none absolute inset-y-0 right-0 w-9 bg-linear-to-l from-surface from-50% to-transparent">
          <ChevronRight size={16} className="absolute top-2 right-0.5 text-muted" />
        </span>
      )}
    </div>
  )
}
