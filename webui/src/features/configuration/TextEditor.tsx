import { useRef } from 'react'
import { cx } from '@/shared/ui/cx'

interface Props {
  label: string
  text: string
  onChange: (text: string) => void
  readOnly: boolean
  /** Numbers of lines with a problem. */
  marks: number[]
}

/** A text area with line numbers. Tab leaves it, as everywhere: the keyboard is not caught. */
export function TextEditor({ label, text, onChange, readOnly, marks }: Props) {
  const numbers = useRef<HTMLPreElement>(null)
  const lines = text.split('\n').length
  return (
    <div className="grid h-[max(24rem,calc(100dvh-22rem))] grid-cols-[auto_minmax(0,1fr)] overflow-hidden rounded-md border border-line-strong font-mono text-[0.93rem] leading-5">
      <pre ref={numbers} aria-hidden="true" className="overflow-hidden border-r border-line bg-sunken py-2 text-right text-muted select-none">
        {Array.from({ length: lines }, (_, index) => (
          <span key={index} className={cx('block px-2', marks.includes(index + 1) && 'bg-bad-soft font-bold text-bad')}>
            {index + 1}
          </span>
        ))}
      </pre>
      <textarea
        aria-label={label}
        spellCheck={false}
        wrap="off"
        readOnly={readOnly}
        className="resize-none overflow-auto bg-surface px-3 py-2 whitespace-pre outline-offset-[-2px]"
        value={text}
        onChange={(event) => onChange(event.target.value)}
        onScroll={(event) => {
          if (numbers.current) numbers.current.scrollTop = event.currentTarget.scrollTop
        }}
      />
    </div>
  )
}
