/** The keys or values that may be written at the cursor, right under it. */
import { useLayoutEffect, useRef } from 'react'
import { texts, useTexts } from '@/shared/i18n/texts'
import { cx } from '@/shared/ui/cx'

export interface Choice {
  label: string
  note: string
  insert: string
}

const ROW = 20
const PADDING = { left: 12, top: 8 }
/** Puts the words of the list under the word that is typed. */
const INSET = 11

const all = texts({ choices: 'What may stand here' }, { choices: '此处可填写' })

interface Props {
  area: HTMLTextAreaElement | null
  choices: Choice[]
  chosen: number
  replaces: number
  onTake: (choice: Choice) => void
}

export function Choices({ area, choices, chosen, replaces, onTake }: Props) {
  const t = useTexts(all)
  const box = useRef<HTMLUListElement>(null)
  useLayoutEffect(() => {
    if (!area || !box.current) return
    const before = area.value.slice(0, area.selectionStart)
    const column = before.length - (before.lastIndexOf('\n') + 1) - replaces
    const row = before.split('\n').length
    // A character of this font is `1ch` wide.
    box.current.style.left = `calc(${PADDING.left - INSET - area.scrollLeft}px + ${column}ch)`
    const under = PADDING.top + row * ROW - area.scrollTop
    const high = box.current.offsetHeight
    box.current.style.top = `${under + high > area.clientHeight ? Math.max(0, under - ROW - high) : under}px`
  })
  useLayoutEffect(() => {
    void box.current?.children[chosen]?.scrollIntoView({ block: 'nearest' })
  }, [chosen])
  return (
    <ul ref={box} id="config-choices" role="listbox" aria-label={t.choices} className="panel absolute z-10 max-h-52 w-max max-w-[min(34rem,90%)] overflow-y-auto py-1 shadow-lg">
      {choices.map((choice, index) => (
        // The keyboard chooses in the text area; this is for the mouse.
        // eslint-disable-next-line jsx-a11y/click-events-have-key-events
        <li
          key={choice.label}
          id={`config-choice-${index}`}
          role="option"
          aria-selected={index === chosen}
          tabIndex={-1}
          onMouseDown={(event) => event.preventDefault()}
          onClick={() => onTake(choice)}
          className={cx('flex cursor-pointer gap-3 px-3', index === chosen && 'bg-accent-soft')}
        >
          <span>{choice.label}</span>
          <span className="ml-auto truncate font-sans text-[0.86rem] text-muted">{choice.note}</span>
        </li>
      ))}
    </ul>
  )
}
