import { Eraser, SendHorizontal, Square } from 'lucide-react'
import { useEffect, useRef, useState } from 'react'
import { count, rate } from '@/shared/format/number'
import { latency } from '@/shared/format/time'
import { useLanguage } from '@/shared/i18n/language'
import { texts, useTexts } from '@/shared/i18n/texts'
import { Button } from '@/shared/ui/Button'
import { cx } from '@/shared/ui/cx'
import { Empty } from '@/shared/ui/Face'
import { Field } from '@/shared/ui/Field'
import { type Figures, type Turn, useChat } from './useChat'

const all = texts(
  {
    message: 'Message', send: 'Send', stop: 'Stop', clear: 'Clear', you: 'You', model: 'Model', empty: 'Say something to the model',
    hint: 'A model that is stopped is started by the first message.', system: 'System prompt', temperature: 'Temperature', most: 'Most tokens',
    placeholder: 'Write a message; Enter sends, Shift+Enter starts a new line', settings: 'Settings', thinking: 'Thinking', stopped: 'Stopped',
    waiting: 'Waiting for the model', talk: 'Conversation', first: (t: string) => `first token after ${t}`, total: (t: string) => `${t} in all`,
    speed: (r: string) => `${r} tokens/s`, tokens: (n: string) => `${n} tokens`, about: (n: string) => `about ${n} tokens`, prompt: (n: string) => `${n} in the prompt`,
  },
  {
    message: '消息', send: '发送', stop: '停止', clear: '清空', you: '你', model: '模型', empty: '和模型说点什么',
    hint: '已停止的模型会由第一条消息启动。', system: '系统提示词', temperature: '温度', most: '最多 token 数',
    placeholder: '输入消息；回车发送，Shift+回车换行', settings: '设置', thinking: '思考', stopped: '已停止',
    waiting: '等待模型', talk: '对话', first: (t: string) => `首个 token ${t}`, total: (t: string) => `共 ${t}`,
    speed: (r: string) => `${r} token/秒`, tokens: (n: string) => `${n} 个 token`, about: (n: string) => `约 ${n} 个 token`, prompt: (n: string) => `提示词 ${n} 个`,
  },
)

export function Chat({ model }: { model: string }) {
  const t = useTexts(all)
  const chat = useChat()
  const [text, setText] = useState('')
  const [system, setSystem] = useState('')
  const [temperature, setTemperature] = useState('')
  const [most, setMost] = useState('')
  const box = useRef<HTMLDivElement>(null)

  useEffect(() => {
    const element = box.current
    if (element && element.scrollHeight - element.scrollTop - element.clientHeight < 160) element.scrollTop = element.scrollHeight
  }, [chat.turns])

  function send() {
    const trimmed = text.trim()
    if (!trimmed || chat.busy) return
    setText('')
    const number = (value: string) => (value.trim() && Number.isFinite(Number(value)) ? Number(value) : undefined)
    void chat.send(trimmed, { model, system: system.trim(), temperature: number(temperature), max_tokens: number(most) })
  }

  return (
    <div className="panel flex h-[max(24rem,calc(100dvh-7.5rem))] max-lg:h-[max(24rem,calc(100dvh-11.5rem))] flex-col">
      <div ref={box} tabIndex={0} role="log" aria-label={t.talk} className="min-h-0 flex-1 overflow-y-auto">
        {chat.turns.length === 0 ? (
          <Empty title={t.empty}>{t.hint}</Empty>
        ) : (
          <ol className="grid gap-5 p-4">
            {chat.turns.map((turn) => (
              <TurnView key={turn.id} turn={turn} running={chat.busy && turn === chat.turns.at(-1)} />
            ))}
          </ol>
        )}
      </div>
      <form
        className="grid gap-2 border-t border-line p-3"
        onSubmit={(event) => {
          event.preventDefault()
          send()
        }}
      >
        <details>
          <summary className="w-max cursor-pointer text-[0.93rem] text-muted">{t.settings}</summary>
          <div className="mt-2 grid gap-3 sm:grid-cols-[minmax(0,1fr)_7rem_7rem]">
            <Field label={t.system}>{(props) => <input {...props} className="field" value={system} onChange={(event) => setSystem(event.target.value)} />}</Field>
            <Field label={t.temperature}>
              {(props) => <input {...props} className="field" inputMode="decimal" placeholder="0.7" value={temperature} onChange={(event) => setTemperature(event.target.value)} />}
            </Field>
            <Field label={t.most}>
              {(props) => <input {...props} className="field" inputMode="numeric" value={most} onChange={(event) => setMost(event.target.value)} />}
            </Field>
          </div>
        </details>
        <div className="flex flex-wrap items-end justify-end gap-2">
          <Field label={t.message} bare className="flex-1 basis-64">
            {(props) => (
              <textarea
                {...props}
                rows={2}
                className="field resize-none"
                placeholder={t.placeholder}
                value={text}
                onChange={(event) => setText(event.target.value)}
                onKeyDown={(event) => {
                  // Enter also ends a Chinese word in an input method: that one is not ours.
                  if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return
                  event.preventDefault()
                  send()
                }}
              />
            )}
          </Field>
          <Button kind="quiet" onClick={chat.clear} disabled={chat.busy || chat.turns.length === 0}>
            <Eraser size={14} />
            {t.clear}
          </Button>
          {chat.busy ? (
            <Button onClick={chat.stop}>
              <Square size={12} />
              {t.stop}
            </Button>
          ) : (
            <Button type="submit" kind="primary" disabled={!text.trim()}>
              <SendHorizontal size={14} />
              {t.send}
            </Button>
          )}
        </div>
      </form>
    </div>
  )
}

function TurnView({ turn, running }: { turn: Turn; running: boolean }) {
  const t = useTexts(all)
  const own = turn.role === 'user'
  return (
    <li className="grid min-w-0 gap-1">
      <p className="text-[0.9rem] font-medium text-muted">{own ? t.you : t.model}</p>
      {turn.reasoning && (
        <details className="text-muted" open={!turn.content}>
          <summary className="w-max cursor-pointer text-[0.93rem]">{t.thinking}</summary>
          <p className="mt-1 border-l-2 border-line pl-3 whitespace-pre-wrap">{turn.reasoning}</p>
        </details>
      )}
      <div className={cx('max-w-[75ch] wrap-anywhere whitespace-pre-wrap', own && 'rounded-md bg-sunken px-3 py-2')}>
        {turn.content || (running && <span className="text-muted">{t.waiting} …</span>)}
      </div>
      {turn.error && <p className="max-w-[75ch] rounded-md bg-bad-soft px-3 py-2 whitespace-pre-wrap text-bad">{turn.error}</p>}
      {turn.figures && turn.figures.tokens > 0 && <FiguresLine figures={turn.figures} stopped={turn.stopped} />}
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
