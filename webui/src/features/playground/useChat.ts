import { useCallback, useEffect, useRef, useState } from 'react'
import { NOTHING_YET, type Options, type Progress, streamChat } from './chat'
import { type Figures, messagesOf, type NewTurn, type Turn } from './turns'

export interface Asked {
  model: string
  system: string
  options: Options
}

export interface Chat {
  turns: Turn[]
  busy: boolean
  /** Sends `before` and `added`, and shows the answer behind them. */
  ask: (asked: Asked, before: readonly Turn[], added: readonly NewTurn[]) => void
  stop: () => void
  clear: () => void
}

/** A talk with a model: one answer at a time, which can be stopped. */
export function useChat(kept: readonly Turn[] = []): Chat {
  const [turns, setTurns] = useState<Turn[]>(() => kept.map((turn, index) => ({ ...turn, id: index + 1 })))
  const [busy, setBusy] = useState(false)
  const abort = useRef<AbortController | null>(null)
  const lastId = useRef(kept.length)

  useEffect(() => () => abort.current?.abort(), [])

  const ask = useCallback(async ({ model, system, options }: Asked, before: readonly Turn[], added: readonly NewTurn[]) => {
    const asked = [...before, ...added.map((turn) => ({ ...turn, id: (lastId.current += 1) }))]
    const id = (lastId.current += 1)
    const controller = new AbortController()
    abort.current = controller
    setBusy(true)
    setTurns([...asked, { id, role: 'assistant', content: '' }])

    const change = (part: Partial<Turn>) => setTurns((all) => all.map((turn) => (turn.id === id ? { ...turn, ...part } : turn)))
    const began = performance.now()
    let first: number | null = null
    let last = NOTHING_YET
    let due = 0
    const told = (progress: Progress, now: number): Partial<Turn> => ({
      content: progress.text, reasoning: progress.reasoning, toolCalls: progress.toolCalls, figures: figures(progress, began, first, now),
    })
    const show = (progress: Progress) => {
      last = progress
      const now = performance.now()
      if (progress.pieces > 0) first ??= now
      // Thirty paints a second look like a stream.
      if (now < due) return
      due = now + 33
      change(told(progress, now))
    }
    try {
      last = await streamChat({ model, messages: messagesOf(asked, system), ...options }, controller.signal, show)
    } catch (error) {
      if (controller.signal.aborted) change({ stopped: true })
      else change({ error: error instanceof Error ? error.message : String(error) })
    }
    change(told(last, performance.now()))
    if (abort.current === controller) {
      abort.current = null
      setBusy(false)
    }
  }, [])

  return {
    turns,
    busy,
    ask: (asked, before, added) => void ask(asked, before, added),
    stop: () => abort.current?.abort(),
    clear: () => setTurns([]),
  }
}

function figures(progress: Progress, began: number, first: number | null, now: number): Figures {
  const counted = progress.usage?.completion_tokens
  const tokens = counted ?? progress.pieces
  const seconds = first === null ? 0 : (now - first) / 1000
  return {
    firstMs: first === null ? null : first - began,
    totalMs: now - began,
    tokens,
    exact: counted !== undefined,
    prompt: progress.usage?.prompt_tokens ?? null,
    // The first token came at the beginning of the measured time.
    perSecond: tokens > 1 && seconds > 0 ? (tokens - 1) / seconds : null,
  }
}
