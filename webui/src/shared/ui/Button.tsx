import type { ComponentProps } from 'react'
import { cx } from './cx'

type Kind = 'normal' | 'primary' | 'danger' | 'quiet'

const kinds: Record<Kind, string> = {
  normal: 'border border-line-strong bg-surface hover:bg-sunken',
  primary: 'border border-accent bg-accent text-accent-text hover:opacity-90',
  danger: 'border border-bad bg-surface text-bad hover:bg-bad-soft',
  quiet: 'border border-transparent text-muted hover:bg-sunken hover:text-text',
}

interface Props extends ComponentProps<'button'> {
  kind?: Kind
  small?: boolean
}

export function Button({ kind = 'normal', small, className, type = 'button', ...rest }: Props) {
  return (
    <button
      type={type}
      className={cx(
        'inline-flex shrink-0 items-center justify-center gap-1.5 rounded-md font-medium whitespace-nowrap',
        'disabled:cursor-not-allowed disabled:opacity-50',
        small ? 'h-7 px-2 text-[0.93rem]' : 'h-8 px-3',
        kinds[kind],
        className,
      )}
      {...rest}
    />
  )
}

/** A button that shows only an icon; its name is read out and shown as a tooltip. */
export function IconButton({ label, className, ...rest }: Props & { label: string }) {
  return <Button aria-label={label} title={label} kind="quiet" className={cx('w-8 px-0!', className)} {...rest} />
}
