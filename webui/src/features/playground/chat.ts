/** One answer of a chat model, as it comes in. */
import { Failure, readFailure } from '@/shared/api/client'
import { SseReader } from './sse'

export interface Message {
  role: 'system' | 'user' | 'assistant'
  content: string
}

export interface ChatRequest {
  model: string
  messages: Message[]
  temperature?: number
  max_tokens?: number
}

export interface Progress {
  text: string
  reasoning: string
  /** Pieces that came; about one token each. */
  pieces: number
  usage: { prompt_tokens?: number; completion_tokens?: number } | null
  finish: string | null
}

export const NOTHING_YET: Progress = { text: '', reasoning: '', pieces: 0, usage: null, finish: null }

interface Chunk {
  choices?: { delta?: { content?: string | null; reasoning_content?: string | null }; finish_reason?: string | null }[]
  usage?: Progress['usage']
  error?: { message?: string; code?: string }
}

/** The progress after one more event of the stream. */
export function advance(so_far: Progress, data: string): Progress {
  if (data === '[DONE]') return so_far
  const chunk = JSON.parse(data) as Chunk
  if (chunk.error) throw new Failure('refused', 200, chunk.error.code ?? 'error', chunk.error.message ?? data)
  const choice = chunk.choices?.[0]
  const text = choice?.delta?.content ?? ''
  const reasoning = choice?.delta?.reasoning_content ?? ''
  return {
    text: so_far.text + text,
    reasoning: so_far.reasoning + reasoning,
    pieces: so_far.pieces + (text || reasoning ? 1 : 0),
    usage: chunk.usage ?? so_far.usage,
    finish: choice?.finish_reason ?? so_far.finish,
  }
}

export async function streamChat(request: ChatRequest, signal: AbortSignal, onProgress: (progress: Progress) => void): Promise<Progress> {
  const response = await fetch('/v1/chat/completions', {
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
