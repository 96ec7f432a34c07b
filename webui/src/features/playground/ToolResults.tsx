/** An answer that called tools goes on when their results are there: here a person gives them. */
import { useState } from 'react'
import { texts, useTexts } from '@/shared/i18n/texts'
import { Button } from '@/shared/ui/Button'
import { Field } from '@/shared/ui/Field'
import type { ToolCall } from './chat'
import type { NewTurn } from './turns'

const all = texts({ result: (name: string) => `Result of ${name}`, send: 'Send results' }, { result: (name: string) => `${name} 的结果`, send: '发送结果' })

export function ToolResults({ calls, onSend }: { calls: ToolCall[]; onSend: (results: NewTurn[]) => void }) {
  const t = useTexts(all)
  const [results, setResults] = useState<Record<string, string>>({})
  return (
    <form
      className="mt-3 grid max-w-[75ch] gap-2"
      onSubmit={(event) => {
        event.preventDefault()
        onSend(calls.map(({ id }) => ({ role: 'tool', content: results[id] ?? '', toolCallId: id })))
      }}
    >
      {calls.map(({ id, function: { name } }) => (
        <Field key={id} label={t.result(name)}>
          {(props) => <textarea {...props} rows={2} className="field font-mono" value={results[id] ?? ''} onChange={(event) => setResults({ ...results, [id]: event.target.value })} />}
        </Field>
      ))}
      <Button type="submit" className="justify-self-start">
        {t.send}
      </Button>
    </form>
  )
}
