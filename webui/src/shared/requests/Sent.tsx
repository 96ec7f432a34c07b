import { useMutation } from '@tanstack/react-query'
import { Download } from 'lucide-react'
import { apiJson, withQuery } from '@/shared/api/client'
import type { Capture, CaptureSide, RequestRow } from '@/shared/api/types'
import { download } from '@/shared/download'
import { bytes } from '@/shared/format/number'
import { texts, useTexts } from '@/shared/i18n/texts'
import { Button } from '@/shared/ui/Button'
import { Facts } from '@/shared/ui/Panel'

const all = texts(
  {
    show: 'Show what was sent', note: 'Both bodies are kept for a while. That you look at them is noted in the audit.', save: 'Download', request: 'What the client sent', answer: 'What the backend answered',
    whole: 'What its events come to', headers: 'Headers', cut: (kept: string, size: string) => `The first ${kept} of ${size} are kept.`, broken: 'The answer did not come to its end.', binary: 'Not a text; the download has it as base64.', empty: 'Empty',
    events: (count: number) => (count === 1 ? '1 event' : `${count} events`), until: 'Deleted by', line: 'Request line',
  },
  {
    show: '显示收发内容', note: '双方的正文会留存一段时间。查看会记入审计。', save: '下载', request: '客户端发送的内容', answer: '后端的响应',
    whole: '事件合并成的响应', headers: '头', cut: (kept: string, size: string) => `仅留存 ${size} 中的前 ${kept}。`, broken: '响应没有到达结尾。', binary: '不是文本；下载的文件中为 base64。', empty: '空',
    events: (count: number) => `${count} 个事件`, until: '最迟删除于', line: '请求行',
  },
)

/** What a model with `capture: true` has kept of a request; asked for only when somebody wants to see it. */
export function Sent({ row }: { row: RequestRow }) {
  const t = useTexts(all)
  const asked = useMutation({
    mutationFn: () => apiJson<Capture>(withQuery(`/api/requests/${encodeURIComponent(row.request_id)}/capture`, { started_at: row.started_at })),
  })
  const capture = asked.data
  if (!capture) {
    return (
      <div className="mt-4 border-t border-line pt-4">
        <p className="mb-2 text-muted">{t.note}</p>
        <Button onClick={() => asked.mutate()} disabled={asked.isPending}>
          {t.show}
        </Button>
        {asked.error && (
          <p role="alert" className="mt-2 text-bad">
            {asked.error.message}
          </p>
        )}
      </div>
    )
  }
  return (
    <div className="mt-4 border-t border-line pt-4">
      <div className="mb-3 flex flex-wrap items-center gap-3">
        <Button small onClick={() => download(`request-${capture.request_id}.json`, JSON.stringify(capture, null, 2), 'application/json')}>
          <Download size={14} />
          {t.save}
        </Button>
        <span className="text-muted">
          {t.until} {new Date(capture.deleted_at).toLocaleString()}
        </span>
      </div>
      <Side title={t.request} side={capture.request} line={`${capture.method} ${capture.path}`} />
      {capture.whole != null && (
        <section className="mt-4">
          <h3 className="mb-1 font-semibold">{t.whole}</h3>
          {!capture.answer_ended && <p className="mb-1 text-warn">{t.broken}</p>}
          <Body label={t.whole} text={JSON.stringify(capture.whole, null, 2)} />
        </section>
      )}
      <Side title={t.answer} side={capture.answer} note={capture.events === null ? undefined : t.events(capture.events)} broken={!capture.answer_ended && capture.whole == null} />
    </div>
  )
}

function Side({ title, side, line, note, broken }: { title: string; side: CaptureSide; line?: string; note?: string; broken?: boolean }) {
  const t = useTexts(all)
  return (
    <section className="mt-4">
      <h3 className="mb-1 font-semibold">
        {title} {note && <span className="font-normal text-muted">({note})</span>}
      </h3>
      {broken && <p className="mb-1 text-warn">{t.broken}</p>}
      {side.kept_bytes < side.bytes && <p className="mb-1 text-muted">{t.cut(bytes(side.kept_bytes), bytes(side.bytes))}</p>}
      <details className="mb-2">
        <summary className="cursor-pointer text-muted">{t.headers}</summary>
        <div className="mt-1">
          <Facts rows={[...(line ? [[t.line, line] as [string, string]] : []), ...side.headers.map(([name, value]) => [name, value] as [string, string])]} />
        </div>
      </details>
      {side.text === null ? <p className="text-muted">{t.binary}</p> : side.text === '' ? <p className="text-muted">{t.empty}</p> : <Body label={title} text={pretty(side.text)} />}
    </section>
  )
}

function Body({ label, text }: { label: string; text: string }) {
  return (
    <pre tabIndex={0} aria-label={label} className="max-h-96 overflow-auto rounded-md border border-line bg-sunken p-3 font-mono text-[0.86rem] whitespace-pre-wrap wrap-anywhere">
      {text}
    </pre>
  )
}

/** JSON in lines; anything else as it came. */
function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
  } catch {
    return text
  }
}
