/** An answer as Markdown. Loaded with the first answer, not with the page. */
import { memo, useMemo } from 'react'
import { Snippet } from '@/shared/ui/Copy'
import { ScrollBox } from '@/shared/ui/ScrollBox'
import { type Block, blocksOf } from './blocks'

export default function Markdown({ text }: { text: string }) {
  const blocks = useMemo(() => blocksOf(text), [text])
  return (
    <div className="grid grid-cols-1 gap-2">
      {blocks.map((block, index) => (
        // While an answer grows only its last block changes.
        <One key={index} kind={block.kind} text={block.kind === 'code' ? block.text : block.html} language={block.kind === 'code' ? block.language : ''} />
      ))}
    </div>
  )
}

const One = memo(function One({ kind, text, language }: { kind: Block['kind']; text: string; language: string }) {
  if (kind === 'code') return <Snippet text={text} title={language} label={language || undefined} />
  // It has been made harmless in blocks.ts.
  const html = <div className="markdown" dangerouslySetInnerHTML={{ __html: text }} />
  return kind === 'table' ? <ScrollBox>{html}</ScrollBox> : html
})
