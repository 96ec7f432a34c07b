import { useId } from 'react'
import { cx } from './cx'

interface FieldProps {
  label: string
  hint?: React.ReactNode
  error?: string | null
  /** The label is for screen readers only. */
  bare?: boolean
  className?: string
  children: (props: { id: string; 'aria-invalid': boolean; 'aria-describedby': string | undefined }) => React.ReactNode
}

/** A control with its label, its hint and what is wrong with it. */
export function Field({ label, hint, error, bare, className, children }: FieldProps) {
  const id = useId()
  const note = error ?? hint
  return (
    <div className={cx('grid min-w-0 gap-1', className)}>
      <label htmlFor={id} className={bare ? 'sr-only' : 'text-[0.93rem] text-muted'}>
        {label}
      </label>
      {children({ id, 'aria-invalid': !!error, 'aria-describedby': note ? `${id}-note` : undefined })}
      {note && (
        <p id={`${id}-note`} className={cx('text-[0.9rem]', error ? 'text-bad' : 'text-muted')}>
          {note}
        </p>
      )}
    </div>
  )
}

interface SelectProps<T extends string> {
  label: string
  value: T
  options: readonly (readonly [T, string])[]
  onChange: (value: T) => void
  className?: string
}

/** The browser's own list of choices: every keyboard, phone and screen reader knows it. */
export function Select<T extends string>({ label, value, options, onChange, className }: SelectProps<T>) {
  return (
    <select
      aria-label={label}
      className={cx('field w-auto! min-w-0', className)}
      value={value}
      onChange={(event) => onChange(event.target.value as T)}
    >
      {options.map(([option, text]) => (
        <option key={option} value={option}>
          {text}
        </option>
      ))}
    </select>
  )
}

/** A few choices side by side. */
export function Segments<T extends string>({ label, value, options, onChange }: SelectProps<T>) {
  return (
    <div role="group" aria-label={label} className="inline-flex max-w-full flex-wrap rounded-md border border-line-strong bg-surface p-0.5">
      {options.map(([option, text]) => (
        <button
          key={option}
          type="button"
          aria-pressed={option === value}
          onClick={() => onChange(option)}
          className={cx(
            'h-6.5 rounded-[5px] px-2.5 text-[0.93rem] whitespace-nowrap',
            option === value ? 'bg-accent-soft font-medium text-text' : 'text-muted hover:text-text',
          )}
        >
          {text}
        </button>
      ))}
    </div>
  )
}
