/** The talk with one model. */
import { useEffect, useRef } from 'react'
import { texts, useTexts } from '@/shared/i18n/texts'
import { Empty } from '@/shared/ui/Face'
import { ToolResults } from './ToolResults'
import { TurnView } from './TurnView'
import { type NewTurn, openCalls, type Turn } from './turns'

const all = texts(
  { talk: (model: string) => `Conversation with ${model}`, empty: 'Say something to the model', hint: 'A model that is stopped is started by the first message.' },
  { talk: (model: string) => `与 ${model} 的对话`, empty: '和模型说点什么', hint: '已停止的模型会由第一条消息启动。' },
)

interface Props {
  model: string
  turns: Turn[]
  busy: boolean
  onEdit: (turn: Turn) => void
  onAgain: () => void
  onResults: (results: NewTurn[]) => void
}

export function Column({ model, turns, busy, onEdit, onAgain, onResults }: Props) {
  const t = useTexts(all)
  const box = useRef<HTMLDivElement>(null)
  useEffect(() => {
    const element = box.current
    if (element && element.scrollHeight - element.scrollTop - element.clientHeight < 160) element.scrollTop = element.scrollHeight
  }, [turns])
  const last = turns.at(-1)
  const calls = busy ? [] : openCalls(turns)
  return (
    <div ref={box} tabIndex={0} role="log" aria-label={t.talk(model)} className="min-h-0 min-w-0 flex-1 overflow-y-auto">
      {turns.length === 0 ? (
        <Empty title={t.empty}>{t.hint}</Empty>
      ) : (
        <div className="p-4">
          <ol className="grid grid-cols-1 gap-4">
            {turns.map((turn) => (
              <TurnView
                key={turn.id}
                turn={turn}
                model={model}
                running={busy && turn === last}
                onEdit={turn.role === 'user' && !busy ? () => onEdit(turn) : null}
                onAgain={turn === last && turn.role === 'assistant' && !busy ? onAgain : null}
              />
            ))}
          </ol>
          {calls.length > 0 && <ToolResults key={last?.id} calls={calls} onSend={onResults} />}
        </div>
      )}
    </div>
  )
}
