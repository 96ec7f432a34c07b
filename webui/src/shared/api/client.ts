/** One way to the management API: any failure becomes a `Failure` that can be shown as a sentence. */

import { at } from '@/shared/base'

/** What is wrong with a configuration, and where. */
export interface ConfigProblem {
  path: string
  line: number | null
  message: string
  hint: string | null
}

/** Why a call failed; `kind` is what pages decide by. */
export class Failure extends Error {
  constructor(
    readonly kind: 'missing' | 'unauthorized' | 'refused' | 'unreachable',
    readonly status: number,
    readonly code: string,
    message: string,
    /** Of a configuration that was refused. */
    readonly problems: readonly ConfigProblem[] = [],
  ) {
    super(message)
    this.name = 'Failure'
  }
}

export interface CallOptions {
  method?: 'GET' | 'POST' | 'PUT' | 'DELETE'
  body?: unknown
  signal?: AbortSignal
  headers?: Record<string, string>
}

type Query = Record<string, string | number | boolean | null | undefined>

/** A path with its query; empty values are left out. */
export function withQuery(path: string, query: Query): string {
  const search = new URLSearchParams()
  for (const [key, value] of Object.entries(query)) {
    if (value != null && value !== '') search.set(key, String(value))
  }
  const text = search.toString()
  return text ? `${path}?${text}` : path
}

/** `/api/models/NAME/what`; names may contain slashes, which the server takes as they are. */
export function modelPath(name: string, what?: string): string {
  const encoded = name.split('/').map(encodeURIComponent).join('/')
  return `/api/models/${encoded}${what ? `/${what}` : ''}`
}

const listeners = new Set<() => void>()

/** Shows the page that asks for a key. */
export function askForKey() {
  listeners.forEach((listener) => listener())
}

/** Called whenever the server wants a key. */
export function onUnauthorized(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

export async function call(path: string, options: CallOptions = {}): Promise<Response> {
  const { method = 'GET', body, signal, headers = {} } = options
  let response: Response
  try {
    response = await fetch(at(path), {
      method,
      signal,
      credentials: 'same-origin',
      headers: { ...(body === undefined ? {} : { 'Content-Type': 'application/json' }), ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
    })
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error
    throw new Failure('unreachable', 0, 'unreachable', error instanceof Error ? error.message : String(error))
  }
  if (response.ok) return response
  const failure = await readFailure(response)
  if (failure.kind === 'unauthorized') askForKey()
  throw failure
}

export async function apiJson<T>(path: string, options?: CallOptions): Promise<T> {
  const response = await call(path, { ...options, headers: { Accept: 'application/json', ...options?.headers } })
  const text = await response.text()
  return (text ? JSON.parse(text) : null) as T
}

/** Reads `{"error":{"message","code"}}`, or whatever came instead. */
export async function readFailure(response: Response): Promise<Failure> {
  const text = await response.text().catch(() => '')
  let code = String(response.status)
  let message = text.trim().slice(0, 500) || `${response.status} ${response.statusText}`
  let problems: ConfigProblem[] = []
  try {
    const error = (JSON.parse(text) as { error?: { message?: string; code?: string; problems?: ConfigProblem[] } | string }).error
    if (typeof error === 'string') message = error
    else if (error) {
      message = error.message ?? message
      code = error.code ?? code
      problems = error.problems ?? problems
    }
  } catch {
    // Not JSON: the text itself is the message.
  }
  return new Failure(kindOf(response.status, code, message), response.status, code, message, problems)
}

function kindOf(status: number, code: string, message: string): Failure['kind'] {
  if (status === 401) return 'unauthorized'
  const unknown = (status === 404 || status === 405) && (code === 'unknown_endpoint' || code === 'method_not_allowed')
  // A manager without placement takes the last word of the path for a part of the model's name.
  const taken = code === 'model_not_found' && /\/placement`/.test(message)
  return unknown || taken || status === 501 ? 'missing' : 'refused'
}
