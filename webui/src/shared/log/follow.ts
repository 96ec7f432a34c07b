/** One log, followed as long as a page shows it. */
import { at } from '@/shared/base'
import { useEffect, useMemo, useReducer, useRef, useState } from 'react'
import { apiJson, withQuery } from '@/shared/api/client'
import type { LogLine } from '@/shared/api/types'
import { type Filter, LogBuffer, MAX_LINES } from './buffer'

const TAIL = MAX_LINES
const BATCH_MS = 80
const RETRY_MS = 1500
/** Of a log that is over, its end tells why. */
const KEPT_TAIL = 20_000

/** `kept`: the log of something that is over, read once. */
export type FollowState = 'connecting' | 'live' | 'lost' | 'kept'

export interface FollowedLog {
  buffer: LogBuffer
  state: FollowState
  /** Lines that came too fast for the stream. */
  missed: number
  /** Lines that came while the view stood still. */
  held: number
  /** Why there is no log. */
  error: string | null
  clear: () => void
}

/** Follows `path`, or reads what was `kept` there; while `paused` the lines are gathered but not shown. */
export function useFollowedLog(path: string, filter: Filter, paused: boolean, kept: boolean): FollowedLog {
  const buffer = useMemo(() => new LogBuffer(), [path]) // eslint-disable-line react-hooks/exhaustive-deps -- one per log
  const [, repaint] = useReducer((n: number) => n + 1, 0)
  const [state, setState] = useState<FollowState>('connecting')
  const [missed, setMissed] = useState(0)
  const [error, setError] = useState<string | null>(null)
  const waiting = useRef<LogLine[]>([])
  const still = useRef(paused)

  useEffect(() => {
    buffer.filter(filter)
    repaint()
  }, [buffer, filter])

  useEffect(() => {
    still.current = paused
    if (paused || waiting.current.length === 0) return
    buffer.push(waiting.current)
    waiting.current = []
    repaint()
  }, [buffer, paused])

  useEffect(() => {
    waiting.current = []
    setMissed(0)
    setError(null)
    setState('connecting')
    if (kept) {
      const asking = new AbortController()
      apiJson<LogLine[]>(withQuery(path, { tail: KEPT_TAIL }), { signal: asking.signal })
        .then((lines) => buffer.push(lines))
        .catch((error: unknown) => !asking.signal.aborted && setError(error instanceof Error ? error.message : String(error)))
        .finally(() => !asking.signal.aborted && setState('kept'))
      return () => asking.abort()
    }
    let timer: ReturnType<typeof setTimeout> | null = null
    let retry: ReturnType<typeof setTimeout> | null = null
    let source: EventSource | null = null

    function flush() {
      timer = null
      if (!still.current) {
        buffer.push(waiting.current)
        waiting.current = []
      } else if (waiting.current.length > MAX_LINES) waiting.current = waiting.current.slice(-MAX_LINES)
      repaint()
    }

    function open() {
      const held = buffer.lines.length > 0
      source = new EventSource(withQuery(at(path), { follow: true, tail: held ? 2000 : TAIL }))
      source.onopen = () => setState('live')
      source.onmessage = (message: MessageEvent<string>) => {
        waiting.current.push(JSON.parse(message.data) as LogLine)
        timer ??= setTimeout(flush, BATCH_MS)
      }
      source.addEventListener('missed', (message: MessageEvent<string>) => {
        setMissed((before) => before + (JSON.parse(message.data) as { lines: number }).lines)
      })
      source.onerror = () => {
        setState('lost')
        source?.close()
        retry = setTimeout(open, RETRY_MS)
      }
    }

    open()
    return () => {
      source?.close()
      if (timer) clearTimeout(timer)
      if (retry) clearTimeout(retry)
    }
  }, [path, buffer, kept])

  return {
    buffer,
    state,
    missed,
    error,
    held: paused ? waiting.current.length : 0,
    clear: () => {
      buffer.clear()
      repaint()
    },
  }
}
