/**
 * A text area with line numbers, colours and the keys that may stand at the cursor. The text area is the browser's
 * own, so undo, screen readers and phones work as everywhere; colours lie behind its transparent text.
 */
import { memo, type Ref, useImperativeHandle, useRef, useState } from 'react'
import type { ConfigProblem } from '@/shared/api/client'
import { cx } from '@/shared/ui/cx'
import { highlight, type Piece } from './highlight'
import { type Choice, Choices } from './Choices'

const ROW = 20

const looks: Record<Piece['kind'], string> = {
  plain: '', key: 'text-[var(--series-1)]', string: 'text-ok', value: 'text-[var(--series-4)]', comment: 'text-muted italic', mark: 'text-muted',
}

export interface EditorHandle {
  goTo: (line: number) => void
  /** Writes in place of what stands from `from` to `to`, as if typed: it can be undone. */
  write: (text: string, from: number, to: number) => void
}

interface Props {
  label: string
  text: string
  onChange: (text: string) => void
  onCursor: (offset: number) => void
  readOnly: boolean
  problems: readonly ConfigProblem[]
  /** What may be written here, for what is typed so far. */
  choices: Choice[]
  /** How many characters before the cursor a choice replaces. */
  replaces: number
  handle: Ref<EditorHandle>
}

export function TextEditor({ label, text, onChange, onCursor, readOnly, problems, choices, replaces, handle }: Props) {
  const area = useRef<HTMLTextAreaElement>(null)
  const behind = useRef<HTMLDivElement>(null)
  const numbers = useRef<HTMLDivElement>(null)
  /** `asked`: by Ctrl+Space; `typed`: it came by itself. */
  const [listed, setListed] = useState<'asked' | 'typed' | null>(null)
  const [chosen, setChosen] = useState(0)
  const lines = text.split('\n')
  const open = listed !== null && choices.length > 0 && !readOnly
  const at = Math.min(chosen, choices.length - 1)

  function write(insert: string, from: number, to: number) {
    const element = area.current
    if (!element) return
    element.focus()
    element.setSelectionRange(from, to)
    // The only way that the browser's undo knows of.
    if (!document.execCommand('insertText', false, insert)) element.setRangeText(insert, from, to, 'end')
    onChange(element.value)
    onCursor(element.selectionStart)
  }

  useImperativeHandle(handle, () => ({
    write,
    goTo(line) {
      const element = area.current
      if (!element) return
      const from = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0)
      element.focus()
      element.setSelectionRange(from, from + (lines[line - 1]?.length ?? 0))
      element.scrollTop = Math.max(0, (line - 6) * ROW)
      onCursor(from)
    },
  }))

  function scrolled(element: HTMLTextAreaElement) {
    if (numbers.current) numbers.current.style.transform = `translateY(${-element.scrollTop}px)`
    if (behind.current) behind.current.style.transform = `translate(${-element.scrollLeft}px, ${-element.scrollTop}px)`
  }

  function take(choice: Choice | undefined) {
    const element = area.current
    if (!element || !choice) return
    write(choice.insert, element.selectionStart - replaces, element.selectionStart)
    setListed(null)
  }

  function pressed(event: React.KeyboardEvent<HTMLTextAreaElement>) {
    const { key } = event
    // A list that came by itself holds nobody: Tab leaves the editor, as it does without a list.
    const meant = listed === 'asked' || replaces > 0
    if (event.ctrlKey && key === ' ') setListed('asked')
    else if (open && (key === 'ArrowDown' || key === 'ArrowUp')) setChosen((at + (key === 'ArrowDown' ? 1 : choices.length - 1)) % choices.length)
    else if (open && meant && (key === 'Tab' || key === 'Enter')) take(choices[at])
    else if (open && key === 'Escape') setListed(null)
    else if (key === 'Enter' && !event.shiftKey && !event.nativeEvent.isComposing) {
      const element = event.currentTarget
      const line = element.value.slice(0, element.selectionStart).split('\n').at(-1) ?? ''
      write(`\n${/^ */.exec(line)?.[0] ?? ''}${/^[^#]*:\s*$/.test(line) ? '  ' : ''}`, element.selectionStart, element.selectionEnd)
    } else return
    event.preventDefault()
  }

  return (
    <div className="relative grid h-[max(24rem,calc(100dvh-21rem))] grid-cols-[auto_minmax(0,1fr)] overflow-hidden rounded-md border border-line-strong font-mono text-[0.93rem] leading-[20px] has-[textarea:focus-visible]:outline-2 has-[textarea:focus-visible]:outline-accent">
      <div aria-hidden="true" className="overflow-hidden border-r border-line bg-sunken text-right text-muted select-none">
        <div ref={numbers} className="py-[8px]">
          {lines.map((_, index) => (
            <span key={index} className={cx('block px-2', problems.some((one) => one.line === index + 1) && 'bg-bad-soft font-bold text-bad')}>
              {index + 1}
            </span>
          ))}
        </div>
      </div>
      <div className="relative min-w-0 overflow-hidden bg-surface">
        <div ref={behind} aria-hidden="true" className="absolute inset-x-0 top-0 w-max min-w-full px-[12px] py-[8px] whitespace-pre">
          {lines.map((line, index) => (
            <LineView key={index} text={line} problem={problems.find((one) => one.line === index + 1)?.message ?? null} />
          ))}
        </div>
        <textarea
          ref={area}
          aria-label={label}
          aria-autocomplete="list"
          aria-controls={open ? 'config-choices' : undefined}
          aria-activedescendant={open ? `config-choice-${at}` : undefined}
          spellCheck={false}
          autoCapitalize="off"
          autoCorrect="off"
          wrap="off"
          readOnly={readOnly}
          className="over-colours absolute inset-0 resize-none overflow-auto bg-transparent px-[12px] py-[8px] whitespace-pre text-transparent caret-text outline-none"
          value={text}
          onChange={(event) => {
            onChange(event.target.value)
            onCursor(event.target.selectionStart)
            setChosen(0)
            setListed('typed')
          }}
          onSelect={(event) => onCursor(event.currentTarget.selectionStart)}
          onKeyDown={pressed}
          onBlur={() => setListed(null)}
          onScroll={(event) => scrolled(event.currentTarget)}
        />
        {open && <Choices area={area.current} choices={choices} chosen={at} replaces={replaces} onTake={take} />}
      </div>
    </div>
  )
}

const LineView = memo(function LineView({ text, problem }: { text: string; problem: string | null }) {
  return (
    <div className={cx('h-[20px]', problem !== null && 'bg-bad-soft')}>
      {highlight(text).map((piece, index) => (
        <span key={index} className={looks[piece.kind]}>
          {piece.text}
        </span>
      ))}
      {problem !== null && <span className="pr-4 pl-6 font-sans text-[0.86rem] text-bad">{problem}</span>}
    </div>
  )
})
