import { Check, Copy as CopyIcon } from 'lucide-react'
import { useState } from 'react'
import { texts, useTexts } from '@/shared/i18n/texts'
import { Button } from './Button'

const all = texts({ copy: 'Copy', copied: 'Copied' }, { copy: '复制', copied: '已复制' })

/** Copies a text; without the clipboard's leave (plain http) the text can still be selected. */
export function Copy({ text, label }: { text: string; label?: string }) {
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
    <Button small onClick={() => void copy()}>
      {copied ? <Check size={14} /> : <CopyIcon size={14} />}
      {copied ? t.copied : (label ?? t.copy)}
    </Button>
  )
}

/** A piece of text to be copied into a file or a terminal. */
export function Snippet({ text, label }: { text: string; label?: string }) {
  return (
    <div className="relative">
      <pre tabIndex={0} aria-label={label} className="overflow-x-auto rounded-md border border-line bg-sunken p-3 pr-24 font-mono text-[0.93rem] leading-relaxed">
        {text}
      </pre>
      <div className="absolute top-2 right-2">
        <Copy text={text} />
      </div>
    </div>
  )
}
