/** A talk as turns, and as the messages that a model is sent. */
import type { Message, ToolCall } from './chat'

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

export interface Turn {
  id: number
  role: 'user' | 'assistant' | 'tool'
  content: string
  /** As data: URLs. */
  images?: string[]
  toolCalls?: ToolCall[]
  /** The call that a tool's result is for. */
  toolCallId?: string
  reasoning?: string
  figures?: Figures
  error?: string
  stopped?: boolean
}

export type NewTurn = Omit<Turn, 'id'>

function messageOf({ role, content, images, toolCalls, toolCallId }: Turn): Message {
  if (role === 'tool') return { role, content, tool_call_id: toolCallId }
  if (role === 'assistant') return toolCalls?.length ? { role, content, tool_calls: toolCalls } : { role, content }
  if (!images?.length) return { role, content }
  return { role, content: [...(content ? [{ type: 'text' as const, text: content }] : []), ...images.map((url) => ({ type: 'image_url' as const, image_url: { url } }))] }
}

/** An answer that failed was none; its question is asked again with the next one. */
export function messagesOf(turns: readonly Turn[], system: string): Message[] {
  const told = turns.filter((turn) => !turn.error && (turn.role !== 'assistant' || turn.content !== '' || turn.toolCalls?.length)).map(messageOf)
  return system ? [{ role: 'system', content: system }, ...told] : told
}

/** What stands before the question of this number, counted from 0: a changed question takes its place. */
export function beforeQuestion(turns: readonly Turn[], number: number): Turn[] {
  let seen = -1
  const at = turns.findIndex((turn) => turn.role === 'user' && (seen += 1) === number)
  return at < 0 ? [...turns] : turns.slice(0, at)
}

export function questionNumber(turns: readonly Turn[], id: number): number {
  return turns.filter((turn) => turn.role === 'user').findIndex((turn) => turn.id === id)
}

/** Without the last answer, so that it can be given again. */
export function beforeAnswer(turns: readonly Turn[]): Turn[] {
  const last = turns.at(-1)
  return last?.role === 'assistant' ? turns.slice(0, -1) : [...turns]
}

/** The calls of the last answer that wait for a result. */
export function openCalls(turns: readonly Turn[]): ToolCall[] {
  const last = turns.at(-1)
  return last?.role === 'assistant' && !last.error ? (last.toolCalls ?? []) : []
}
