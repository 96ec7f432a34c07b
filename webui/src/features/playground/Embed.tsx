import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import { apiJson } from '@/shared/api/client'
import { count } from '@/shared/format/number'
import { latency } from '@/shared/format/time'
import { useLanguage } from '@/shared/i18n/language'
import { texts, useTexts } from '@/shared/i18n/texts'
import { Button } from '@/shared/ui/Button'
import { FailureFace } from '@/shared/ui/Face'
import { Field } from '@/shared/ui/Field'
import { Panel } from '@/shared/ui/Panel'
import { ScrollBox } from '@/shared/ui/ScrollBox'
import { CurlButton } from './CurlButton'
import { cosine } from './vectors'

const all = texts(
  {
    input: 'Texts, one per line', embed: 'Embed', alike: 'How alike they are (cosine)', text: 'Text', vector: 'First values',
    facts: (dimensions: string, tokens: string, time: string) => `${dimensions} dimensions · ${tokens} tokens · ${time}`,
    example: 'The sky is blue\nBlue is the colour of the sky\nInvoices are due in thirty days',
  },
  {
    input: '文本，每行一条', embed: '嵌入', alike: '相似度（余弦）', text: '文本', vector: '前几个值',
    facts: (dimensions: string, tokens: string, time: string) => `${dimensions} 维 · ${tokens} 个 token · ${time}`,
    example: '天空是蓝色的\n蓝色是天空的颜色\n发票三十天内付款',
  },
)

interface Answer {
  data: { index: number; embedding: number[] }[]
  usage?: { prompt_tokens?: number }
}

export function Embed({ model }: { model: string }) {
  const t = useTexts(all)
  const language = useLanguage()
  const [input, setInput] = useState(t.example)
  const embed = useMutation({
    mutationFn: async (lines: string[]) => {
      const began = performance.now()
      const answer = await apiJson<Answer>('/v1/embeddings', { method: 'POST', body: { model, input: lines } })
      return { answer, lines, ms: performance.now() - began }
    },
  })
  const lines = input.split('\n').map((line) => line.trim()).filter(Boolean)
  const vectors = embed.data?.answer.data.map((one) => one.embedding) ?? []

  return (
    <Panel title={t.embed}>
      <form
        className="grid gap-3"
        onSubmit={(event) => {
          event.preventDefault()
          embed.mutate(lines)
        }}
      >
        <Field label={t.input}>
          {(props) => <textarea {...props} rows={6} className="field" value={input} onChange={(event) => setInput(event.target.value)} />}
        </Field>
        <div className="flex flex-wrap gap-2">
          <Button type="submit" kind="primary" disabled={embed.isPending || lines.length === 0}>
            {t.embed}
          </Button>
          <CurlButton path="/v1/embeddings" body={() => ({ model, input: lines })} />
        </div>
      </form>
      {embed.error && <FailureFace error={embed.error} compact />}
      {embed.data && (
        <div className="mt-4 grid gap-3">
          <p className="text-muted">
            {t.facts(count(vectors[0]?.length, language), count(embed.data.answer.usage?.prompt_tokens, language), latency(embed.data.ms))}
          </p>
          <ScrollBox label={t.alike}>
            <table className="w-full">
              <caption className="pb-1 text-left text-muted">{t.alike}</caption>
              <thead>
                <tr>
                  <th scope="col" className="th">{t.text}</th>
                  {vectors.map((_, index) => (
                    <th key={index} scope="col" className="th num">{index + 1}</th>
                  ))}
                  <th scope="col" className="th">{t.vector}</th>
                </tr>
              </thead>
              <tbody>
                {vectors.map((vector, row) => (
                  <tr key={row}>
                    <th scope="row" className="td max-w-72 truncate text-left font-normal">{row + 1}. {embed.data.lines[row]}</th>
                    {vectors.map((other, column) => (
                      <td key={column} className="td num">{cosine(vector, other).toFixed(3)}</td>
                    ))}
                    <td className="td font-mono text-[0.9rem] whitespace-nowrap text-muted">
                      {vector.slice(0, 4).map((value) => value.toFixed(4)).join(', ')} …
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </ScrollBox>
        </div>
      )}
    </Panel>
  )
}
