import { useEffect, useRef, useState } from 'react'
import { cx } from './cx'

interface Props {
  /** What is scrolled, for a screen reader. */
  label?: string
  labelledBy?: string
  className?: string
  children: React.ReactNode
}

/** Something that may be wider than its place. Only then the keyboard stops here, to scroll it. */
export function ScrollBox({ label, labelledBy, className, children }: Props) {
  const box = useRef<HTMLDivElement>(null)
  const [wide, setWide] = useState(false)
  useEffect(() => {
    const element = box.current
    if (!element) return
    const observer = new ResizeObserver(() => setWide(element.scrollWidth > element.clientWidth))
    observer.observe(element)
    if (element.firstElementChild) observer.observe(element.firstElementChild)
    return () => observer.disconnect()
  }, [])
  const reachable = wide ? { tabIndex: 0, role: 'group', 'aria-label': label, 'aria-labelledby': labelledBy } : {}
  return (
    <div ref={box} className={cx('relative overflow-x-auto', className)} {...reachable}>
      {children}
    </div>
  )
}
