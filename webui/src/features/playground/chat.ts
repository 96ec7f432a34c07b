/** One answer of a chat model, as it comes in. */
import { at } from '@/shared/base'
import { Failure, readFailure } from '@/shared/api/client'
import { SseReader } from './sse'

export type Part = { type: 'text'; text: string } | { type: 'image_url'; image_url: { url: string } }

export interface ToolCall {
  id: string
  type: 'function'
  function: { name: string; arguments: string }
}

export interface Message {
  role: 'system' | 'user' | 'assistant' | 'tool'
  content: string | Part[]
  tool_calls?: ToolCall[]
  tool_call_id?: string
}

/** What a person may set, as the API spells it. */
export interface Options {
  temperature?: number
  top_p?: number
  max_tokens?: number
  stop?: string[]
  response_format?: unknown
  tools?: unknown[]
}

export interface ChatRequest extends Options {
  model: string
  messages: Message[]
}

export interface Progress {
  text: string
  reasoning: string
  toolCalls: ToolCall[]
  /** Pieces that came; about one token each. */
  pieces: number
  usage: { prompt_tokens?: number; completion_tokens?: number } | null
  finish: string | null
}

export const NOTHING_YET: Progress = { text: '', reasoning: '', toolCalls: [], pieces: 0, usage: null, finish: null }

interface CallPiece {
  index?: number
  id?: string
  function?: { name?: string; arguments?: string }
}

interface Chunk {
  choices?: { delta?: { content?: string | null; reasoning_content?: string | null; tool_calls?: CallPiece[] }; finish_reason?: string | null }[]
  usage?: Progress['usage']
  error?: { message?: string; code?: string }
}

/** Name and id come once, the arguments in pieces. */
function withCalls(calls: readonly ToolCall[], pieces: readonly CallPiece[]): ToolCall[] {
  const next = [...calls]
  for (const piece of pieces) {
    const index = piece.index ?? next.length
    const old = next[index] ?? { id: '', type: 'function', function: { name: '', arguments: '' } }
    next[index] = {
      id: piece.id ?? (old.id || `call_${index}`),
      type: 'function',
      function: { name: piece.function?.name ?? old.function.name, arguments: old.function.arguments + (piece.function?.arguments ?? '') },
    }
  }
  return next.filter((call) => call !== undefined)
}

/** The progress after one more event of the stream. */
export function advance(so_far: Progress, data: string): Progress {
  if (data === '[DONE]') return so_far
  const chunk = JSON.parse(data) as Chunk
  if (chunk.error) throw new Failure('refused', 200, chunk.error.code ?? 'error', chunk.error.message ?? data)
  const choice = chunk.choices?.[0]
  const text = choice?.delta?.content ?? ''
  const reasoning = choice?.delta?.reasoning_content ?? ''
  const calls = choice?.delta?.tool_calls ?? []
  return {
    text: so_far.text + text,
    reasoning: so_far.reasoning + reasoning,
    toolCalls: calls.length > 0 ? withCalls(so_far.toolCalls, calls) : so_far.toolCalls,
    pieces: so_far.pieces + (text || reasoning || calls.length > 0 ? 1 : 0),
    usage: chunk.usage ?? so_far.usage,
    finish: choice?.finish_reason ?? so_far.finish,
  }
}

export async function streamChat(request: ChatRequest, signal: AbortSignal, onProgress: (progress: Progress) => void): Promise<Progress> {
  const response = await fetch(at('/v1/chat/completions'), {
    method: 'POST',
    credentials: 'same-origin',
    headers: { 'Content-Type': 'application/json', Accept: 'text/event-stream' },
    body: JSON.stringify({ ...request, stream: true, stream_options: { include_usage: true } }),
    signal,
  })
  if (!response.ok) throw await readFailure(response)
  if (!response.body) throw new Failure('refused', response.status, 'empty', 'the answer has no body')
  const decoder = new TextDecoder()
  const reader = response.body.getReader()
  const events = new SseReader()
  let progress = NOTHING_YET
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return progress
    for (const event of events.push(decoder.decode(value, { stream: true }))) progress = advance(progress, event.data)
    onProgress(progress)
  }
}
