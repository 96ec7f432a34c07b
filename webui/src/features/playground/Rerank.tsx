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
  {
    rerank: 'Rerank', query: 'Query', documents: 'Documents, one per line', rank: 'Rank', score: 'Score', document: 'Document',
    took: (time: string) => `took ${time}`, question: 'Why is the sky blue?',
    example: 'Invoices are due in thirty days\nAir scatters short waves of light more than long ones\nThe sea mirrors the sky',
  },
  {
    rerank: '重排', query: '查询', documents: '文档，每行一条', rank: '名次', score: '得分', document: '文档',
    took: (time: string) => `用时 ${time}`, question: '天空为什么是蓝色的？',
    example: '发票三十天内付款\n空气对短波光的散射强于长波光\n海面映照天空',
  },
)

interface Answer {
  results: { index: number; relevance_score: number }[]
}

export function Rerank({ model }: { model: string }) {
  const t = useTexts(all)
  const [query, setQuery] = useState(t.question)
  const [documents, setDocuments] = useState(t.example)
  const lines = documents.split('\n').map((line) => line.trim()).filter(Boolean)
  const rerank = useMutation({
    mutationFn: async () => {
      const began = performance.now()
      const answer = await apiJson<Answer>('/v1/rerank', { method: 'POST', body: { model, query, documents: lines } })
      return { results: answer.results.toSorted((a, b) => b.relevance_score - a.relevance_score), lines, ms: performance.now() - began }
    },
  })

  return (
    <Panel title={t.rerank}>
      <form
        className="grid gap-3"
        onSubmit={(event) => {
          event.preventDefault()
          rerank.mutate()
        }}
      >
        <Field label={t.query}>{(props) => <input {...props} className="field" value={query} onChange={(event) => setQuery(event.target.value)} />}</Field>
        <Field label={t.documents}>
          {(props) => <textarea {...props} rows={6} className="field" value={documents} onChange={(event) => setDocuments(event.target.value)} />}
        </Field>
        <div className="flex flex-wrap gap-2">
          <Button type="submit" kind="primary" disabled={rerank.isPending || !query.trim() || lines.length === 0}>
            {t.rerank}
          </Button>
          <CurlButton path="/v1/rerank" body={() => ({ model, query, documents: lines })} />
        </div>
      </form>
      {rerank.error && <FailureFace error={rerank.error} compact />}
      {rerank.data && (
        <table className="mt-4 w-full">
          <caption className="pb-1 text-left text-muted">{t.took(latency(rerank.data.ms))}</caption>
          <thead>
            <tr>
              <th scope="col" className="th num">{t.rank}</th>
              <th scope="col" className="th num">{t.score}</th>
              <th scope="col" className="th">{t.document}</th>
            </tr>
          </thead>
          <tbody>
            {rerank.data.results.map((result, index) => (
              <tr key={result.index}>
                <td className="td num">{index + 1}</td>
                <td className="td num">{result.relevance_score.toFixed(4)}</td>
                <td className="td">{rerank.data.lines[result.index]}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Panel>
  )
}
