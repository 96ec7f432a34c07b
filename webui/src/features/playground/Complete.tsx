/** A base model goes on with a text. */
import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import { apiJson } from '@/shared/api/client'
import { latency } from '@/shared/format/time'
import { texts, useTexts } from '@/shared/i18n/texts'
import { Button } from '@/shared/ui/Button'
import { FailureFace } from '@/shared/ui/Face'
import { Field } from '@/shared/ui/Field'
import { Panel } from '@/shared/ui/Panel'
import { CurlButton } from './CurlButton'

const all = texts(
  { complete: 'Complete', prompt: 'Text to go on with', most: 'Most tokens', took: (time: string) => `took ${time}`, example: 'Once upon a time' },
  { complete: '续写', prompt: '要续写的文本', most: '最多 token 数', took: (time: string) => `用时 ${time}`, example: '从前有座山，' },
)

export function Complete({ model }: { model: string }) {
  const t = useTexts(all)
  const [prompt, setPrompt] = useState(t.example)
  const [most, setMost] = useState('64')
  const body = () => ({ model, prompt, max_tokens: Math.max(1, Math.floor(Number(most)) || 64) })
  const complete = useMutation({
    mutationFn: async () => {
      const began = performance.now()
      const answer = await apiJson<{ choices?: { text?: string }[] }>('/v1/completions', { method: 'POST', body: body() })
      return { prompt, text: answer.choices?.[0]?.text ?? '', ms: performance.now() - began }
    },
  })
  return (
    <Panel title={t.complete}>
      <form
        className="grid gap-3"
        onSubmit={(event) => {
          event.preventDefault()
          complete.mutate()
        }}
      >
        <Field label={t.prompt}>{(props) => <textarea {...props} rows={5} className="field" value={prompt} onChange={(event) => setPrompt(event.target.value)} />}</Field>
        <Field label={t.most} className="max-w-40">{(props) => <input {...props} className="field" inputMode="numeric" value={most} onChange={(event) => setMost(event.target.value)} />}</Field>
        <div className="flex flex-wrap gap-2">
          <Button type="submit" kind="primary" disabled={!prompt || complete.isPending}>
            {t.complete}
          </Button>
          <CurlButton path="/v1/completions" body={body} />
        </div>
      </form>
      {complete.error && <FailureFace error={complete.error} compact />}
      {complete.data && (
        <div className="mt-4 grid gap-2">
          <p className="max-w-[75ch] wrap-anywhere whitespace-pre-wrap">
            <span className="text-muted">{complete.data.prompt}</span>
            {complete.data.text}
          </p>
          <p className="text-muted">{t.took(latency(complete.data.ms))}</p>
        </div>
      )}
    </Panel>
  )
}
