/** One turn of a talk: what was said, with what can be done about it. */
import { Pencil, RotateCcw } from 'lucide-react'
import { lazy, Suspense } from 'react'
import { count, rate } from '@/shared/format/number'
import { latency } from '@/shared/format/time'
import { useLanguage } from '@/shared/i18n/language'
import { texts, useTexts } from '@/shared/i18n/texts'
import { Button } from '@/shared/ui/Button'
import { Copy, Snippet } from '@/shared/ui/Copy'
import type { Figures, Turn } from './turns'

const Markdown = lazy(() => import('./markdown/Markdown'))

const all = texts(
  {
    you: 'You', tool: 'Result of a tool', thinking: 'Thinking', stopped: 'Stopped', waiting: 'Waiting for the model', edit: 'Edit', again: 'Answer again', image: (n: number) => `Image ${n}`, calls: (name: string) => `Calls ${name}`,
    first: (t: string) => `first token after ${t}`, total: (t: string) => `${t} in all`,
    speed: (r: string) => `${r} tokens/s`, tokens: (n: string) => `${n} tokens`, about: (n: string) => `about ${n} tokens`, prompt: (n: string) => `${n} in the prompt`,
  },
  {
    you: '你', tool: '工具的结果', thinking: '思考', stopped: '已停止', waiting: '等待模型', edit: '修改', again: '重新生成', image: (n: number) => `图片 ${n}`, calls: (name: string) => `调用 ${name}`,
    first: (t: string) => `首个 token ${t}`, total: (t: string) => `共 ${t}`,
    speed: (r: string) => `${r} token/秒`, tokens: (n: string) => `${n} 个 token`, about: (n: string) => `约 ${n} 个 token`, prompt: (n: string) => `提示词 ${n} 个`,
  },
)

interface Props {
  turn: Turn
  model: string
  running: boolean
  onEdit: (() => void) | null
  onAgain: (() => void) | null
}

export function TurnView({ turn, model, running, onEdit, onAgain }: Props) {
  const t = useTexts(all)
  const own = turn.role !== 'assistant'
  return (
    <li className="grid min-w-0 grid-cols-1 gap-1" data-turn={turn.role}>
      <p className="text-[0.9rem] font-medium wrap-anywhere text-muted">{turn.role === 'user' ? t.you : turn.role === 'tool' ? t.tool : model}</p>
      {turn.reasoning && (
        <details className="text-muted" open={!turn.content}>
          <summary className="w-max cursor-pointer text-[0.93rem]">{t.thinking}</summary>
          <p className="mt-1 border-l-2 border-line pl-3 wrap-anywhere whitespace-pre-wrap">{turn.reasoning}</p>
        </details>
      )}
      {own ? (
        <div className="max-w-[75ch] rounded-md bg-sunken px-3 py-2 wrap-anywhere whitespace-pre-wrap">
          {turn.content}
          {turn.images && (
            <span className="mt-1 flex flex-wrap gap-2">
              {turn.images.map((image, index) => (
                <img key={index} src={image} alt={t.image(index + 1)} className="max-h-40 rounded border border-line" />
              ))}
            </span>
          )}
        </div>
      ) : (
        <div className="max-w-[75ch] min-w-0 wrap-anywhere">
          {turn.content ? (
            <Suspense fallback={<p className="whitespace-pre-wrap">{turn.content}</p>}>
              <Markdown text={turn.content} />
            </Suspense>
          ) : (
            running && <span className="text-muted">{t.waiting} …</span>
          )}
        </div>
      )}
      {turn.toolCalls?.map((call) => (
        <div key={call.id} className="max-w-[75ch]">
          <Snippet title={t.calls(call.function.name)} label={t.calls(call.function.name)} text={call.function.arguments} />
        </div>
      ))}
      {turn.error && <p className="max-w-[75ch] rounded-md bg-bad-soft px-3 py-2 wrap-anywhere whitespace-pre-wrap text-bad">{turn.error}</p>}
      {turn.figures && turn.figures.tokens > 0 && <FiguresLine figures={turn.figures} stopped={turn.stopped} />}
      <div className="-ml-2 flex flex-wrap gap-1">
        {onEdit && (
          <Button small kind="quiet" onClick={onEdit}>
            <Pencil size={13} />
            {t.edit}
          </Button>
        )}
        {!own && !running && turn.content && <Copy text={turn.content} quiet />}
        {onAgain && (
          <Button small kind="quiet" onClick={onAgain}>
            <RotateCcw size={13} />
            {t.again}
          </Button>
        )}
      </div>
    </li>
  )
}

function FiguresLine({ figures, stopped }: { figures: Figures; stopped?: boolean }) {
  const t = useTexts(all)
  const language = useLanguage()
  const parts = [
    stopped && t.stopped,
    figures.perSecond !== null && t.speed(rate(figures.perSecond)),
    (figures.exact ? t.tokens : t.about)(count(figures.tokens, language)),
    figures.prompt !== null && t.prompt(count(figures.prompt, language)),
    figures.firstMs !== null && t.first(latency(figures.firstMs)),
    t.total(latency(figures.totalMs)),
  ]
  return <p className="text-[0.9rem] text-muted">{parts.filter(Boolean).join(' · ')}</p>
}
