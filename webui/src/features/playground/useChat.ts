import { useCallback, useEffect, useRef, useState } from 'react'
import { type ChatRequest, type Message, NOTHING_YET, type Progress, streamChat } from './chat'

export interface Figures {
  /** Until the first piece, ms. */
  firstMs: number | null
  totalMs: number
  tokens: number
  /** The backend's own count, not that of the pieces. */
  exact: boolean
  prompt: number | null
  perSecond: number | null
}

export interface Turn extends Message {
  id: number
  reasoning?: string
  figures?: Figures
  error?: string
  stopped?: boolean
}

/** A talk with a model: one answer at a time, which can be stopped. */
export function useChat() {
  const [turns, setTurns] = useState<Turn[]>([])
  const [busy, setBusy] = useState(false)
  const abort = useRef<AbortController | null>(null)
  const lastId = useRef(0)

  useEffect(() => () => abort.current?.abort(), [])

  const send = useCallback(async (text: string, settings: Omit<ChatRequest, 'messages'> & { system: string }, before: Turn[]) => {
    const { system, ...request } = settings
    const question: Turn = { id: (lastId.current += 1), role: 'user', content: text }
    const id = (lastId.current += 1)
    const past = before.filter((turn) => !turn.error).map(({ role, content }) => ({ role, content }))
    const messages: Message[] = [...(system ? [{ role: 'system' as const, content: system }] : []), ...past, { role: 'user', content: text }]
    const controller = new AbortController()
    abort.current = controller
    setBusy(true)
    setTurns([...before, question, { id, role: 'assistant', content: '' }])

    const change = (part: Partial<Turn>) => setTurns((all) => all.map((turn) => (turn.id === id ? { ...turn, ...part } : turn)))
    const began = performance.now()
    let first: number | null = null
    let last = NOTHING_YET
    let due = 0
    const show = (progress: Progress) => {
      last = progress
      const now = performance.now()
      if (progress.pieces > 0) first ??= now
      // Thirty paints a second look like a stream.
      if (now < due) return
      due = now + 33
      change({ content: progress.text, reasoning: progress.reasoning, figures: figures(progress, began, first, now) })
    }
    try {
      last = await streamChat({ ...request, messages }, controller.signal, show)
    } catch (error) {
      if (controller.signal.aborted) change({ stopped: true })
      else change({ error: error instanceof Error ? error.message : String(error) })
    }
    change({ content: last.text, reasoning: last.reasoning, figures: figures(last, began, first, performance.now()) })
    if (abort.current === controller) {
      abort.current = null
      setBusy(false)
    }
  }, [])

  return {
    turns,
    busy,
    send: (text: string, settings: Omit<ChatRequest, 'messages'> & { system: string }) => send(text, settings, turns),
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
