/** A share as a bar. Widths are drawn as SVG attributes, which a strict style-src lets pass. */
import { cx } from './cx'
import type { StatusKind } from './Status'

const fills: Record<StatusKind | 'accent', string> = {
  accent: 'fill-accent', ok: 'fill-ok', busy: 'fill-busy', warn: 'fill-warn', bad: 'fill-bad', off: 'fill-off',
}

interface Props {
  /** 0 to 1. */
  share: number
  label: string
  kind?: StatusKind | 'accent'
  className?: string
}

export function Meter({ share, label, kind = 'accent', className }: Props) {
  const value = Math.min(1, Math.max(0, share))
  return (
    <svg
      role="meter"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(value * 100)}
      viewBox="0 0 100 6"
      preserveAspectRatio="none"
      className={cx('block h-1.5 w-full overflow-hidden rounded-full bg-sunken', className)}
    >
      <rect width={value * 100} height="6" className={fills[kind]} />
    </svg>
  )
}
