import { Check, Copy as CopyIcon } from 'lucide-react'
import { useState } from 'react'
import { texts, useTexts } from '@/shared/i18n/texts'
import { Button } from './Button'

const all = texts({ copy: 'Copy', copied: 'Copied' }, { copy: '复制', copied: '已复制' })

/** Copies a text; without the clipboard's leave (plain http) the text can still be selected. */
export function Copy({ text, label, quiet }: { text: string; label?: string; quiet?: boolean }) {
  const t = useTexts(all)
  const [copied, setCopied] = useState(false)
  async function copy() {
    try {
      await navigator.clipboard.writeText(text)
      setCopied(true)
      setTimeout(() => setCopied(false), 1500)
    } catch {
      setCopied(false)
    }
  }
  if (typeof navigator.clipboard === 'undefined') return null
  return (
    <Button small kind={quiet ? 'quiet' : 'normal'} onClick={() => void copy()}>
      {copied ? <Check size={14} /> : <CopyIcon size={14} />}
      {copied ? t.copied : (label ?? t.copy)}
    </Button>
  )
}

/** A piece of text to be copied into a file or a terminal. The button has a line of its own: it hides nothing. */
export function Snippet({ text, label, title, children }: { text: string; label?: string; title?: string; children?: React.ReactNode }) {
  return (
    <div className="min-w-0 rounded-md border border-line bg-sunken">
      <div className="flex items-center justify-between gap-2 border-b border-line py-1 pr-1 pl-3">
        <span className="min-w-0 truncate text-[0.93rem] text-muted">{title}</span>
        <Copy text={text} />
      </div>
      <pre tabIndex={0} aria-label={label} className="overflow-x-auto p-3 font-mono text-[0.93rem] leading-relaxed">
        {children ?? text}
      </pre>
    </div>
  )
}
