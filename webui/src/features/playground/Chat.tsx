/** A talk with one model, or with two at once to compare them. */
import { History, Plus } from 'lucide-react'
import { useEffect, useState } from 'react'
import { texts, useTexts } from '@/shared/i18n/texts'
import { Button } from '@/shared/ui/Button'
import { cx } from '@/shared/ui/cx'
import { Column } from './Column'
import { Composer, type Draft } from './Composer'
import { Conversations } from './Conversations'
import { type Conversation, keep } from './conversations'
import { CurlButton } from './CurlButton'
import { NO_SETTINGS, optionsOf } from './settings'
import { SettingsForm } from './SettingsForm'
import { beforeAnswer, beforeQuestion, messagesOf, type NewTurn, questionNumber } from './turns'
import { useChat } from './useChat'

const all = texts({ fresh: 'New', talks: 'Conversations' }, { fresh: '新对话', talks: '历史对话' })

const EMPTY: Draft = { text: '', images: [] }

interface Props {
  /** One, or two. */
  models: string[]
  kept: Conversation | null
  onKept: (id: string) => void
  onOpen: (one: Conversation) => void
  onFresh: () => void
}

export function Chat({ models, kept, onKept, onOpen, onFresh }: Props) {
  const t = useTexts(all)
  const left = useChat(kept?.columns[0]?.turns)
  const right = useChat(kept?.columns[1]?.turns)
  const chats = models.length > 1 ? [left, right] : [left]
  const [id] = useState(() => kept?.id ?? `${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 8)}`)
  const [settings, setSettings] = useState(kept?.settings ?? NO_SETTINGS)
  const [draft, setDraft] = useState(EMPTY)
  /** The number of the question that is being changed. */
  const [editing, setEditing] = useState<number | null>(null)
  const [listed, setListed] = useState(false)
  const { options, wrong } = optionsOf(settings)
  const busy = chats.some((chat) => chat.busy)
  const asked = (index: number) => ({ model: models[index] ?? '', system: settings.system.trim(), options })
  const unfit = Object.keys(wrong).length > 0
  const empty = !draft.text.trim() && draft.images.length === 0

  // When an answer has ended, and never while one is being written: that would be thirty times a second.
  const turns = JSON.stringify(chats.map((chat) => chat.turns.length))
  useEffect(() => {
    if (busy || chats.every((chat) => chat.turns.length === 0)) return
    keep({ id, at: Date.now(), settings, columns: chats.map((chat, index) => ({ model: models[index] ?? '', turns: chat.turns })) })
    onKept(id)
    // eslint-disable-next-line react-hooks/exhaustive-deps -- the talk itself, not every function of this render
  }, [busy, turns, id])

  const question = (): NewTurn => ({ role: 'user', content: draft.text.trim(), ...(draft.images.length > 0 ? { images: draft.images } : {}) })

  function send() {
    if (empty || busy || unfit) return
    chats.forEach((chat, index) => chat.ask(asked(index), editing === null ? chat.turns : beforeQuestion(chat.turns, editing), [question()]))
    setDraft(EMPTY)
    setEditing(null)
  }

  return (
    <div className="panel flex h-[max(28rem,calc(100dvh-7.5rem))] max-lg:h-[max(28rem,calc(100dvh-11.5rem))] flex-col">
      <div className={cx('grid min-h-0 flex-1 grid-cols-1', models.length > 1 && 'max-md:grid-rows-2 md:grid-cols-2 [&>*+*]:border-line max-md:[&>*+*]:border-t md:[&>*+*]:border-l')}>
        {chats.map((chat, index) => (
          <Column
            key={index}
            model={models[index] ?? ''}
            turns={chat.turns}
            busy={chat.busy}
            onEdit={(turn) => {
              setDraft({ text: turn.content, images: turn.images ?? [] })
              setEditing(questionNumber(chat.turns, turn.id))
            }}
            onAgain={() => chat.ask(asked(index), beforeAnswer(chat.turns), [])}
            onResults={(results) => chat.ask(asked(index), chat.turns, results)}
          />
        ))}
      </div>
      <div className="grid gap-2 border-t border-line p-3">
        <SettingsForm settings={settings} wrong={wrong} onChange={setSettings} />
        <Composer
          draft={draft}
          onChange={setDraft}
          busy={busy}
          disabled={empty || unfit}
          onSend={send}
          onStop={() => chats.forEach((chat) => chat.stop())}
          onCancel={
            editing === null
              ? null
              : () => {
                  setEditing(null)
                  setDraft(EMPTY)
                }
          }
        >
          <Button kind="quiet" onClick={onFresh} disabled={busy}>
            <Plus size={14} />
            {t.fresh}
          </Button>
          <Button kind="quiet" onClick={() => setListed(true)} disabled={busy}>
            <History size={14} />
            {t.talks}
          </Button>
          <CurlButton
            path="/v1/chat/completions"
            body={() => ({ model: models[0], messages: messagesOf([...left.turns, ...(empty ? [] : [{ ...question(), id: 0 }])], settings.system.trim()), ...options })}
          />
        </Composer>
      </div>
      {listed && (
        <Conversations
          onClose={() => setListed(false)}
          onOpen={(one) => {
            setListed(false)
            onOpen(one)
          }}
        />
      )}
    </div>
  )
}
