/** The one live state of the page, fed by one EventSource. Events are applied in batches, so a burst paints once. */
import { at } from '@/shared/base'
import { useSyncExternalStore } from 'react'
import { call } from '@/shared/api/client'
import type { ServerEvent } from '@/shared/api/types'
import { initialState, type LiveEvent, type LiveModel, type LiveState, reduce } from './reducer'

/** Ten paints a second are as many as anybody reads. */
const BATCH_MS = 100
/** A tab that nobody sees gives its connection back after this long: browsers allow six per host. */
const HIDDEN_MS = 60_000
const RETRY_MS = [500, 1000, 2000, 5000]

let state = initialState(Date.now())
let pending: [LiveEvent, number][] = []
let batch: ReturnType<typeof setTimeout> | null = null
const listeners = new Set<() => void>()

export function liveState(): LiveState {
  return state
}

export function dispatch(event: LiveEvent) {
  pending.push([event, Date.now()])
  batch ??= setTimeout(flush, event.type === 'snapshot' ? 0 : BATCH_MS)
}

function flush() {
  batch = null
  const events = pending
  pending = []
  const before = state
  state = events.reduce((so_far, [event, at]) => reduce(so_far, event, at), state)
  if (state !== before) listeners.forEach((listener) => listener())
}

function subscribe(listener: () => void) {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

/** A part of the live state; `pick` must answer the same object while nothing has changed. */
export function useLive<T>(pick: (state: LiveState) => T): T {
  return useSyncExternalStore(subscribe, () => pick(state))
}

export function useLiveModel(name: string): LiveModel | undefined {
  return useLive((live) => live.models[name])
}

let reopen: (() => void) | null = null

/** Now, instead of at the next try: somebody knows that the manager is back. */
export function reconnect() {
  reopen?.()
}

/** Opens the stream and keeps it open; the answer closes it. */
export function connect(): () => void {
  let source: EventSource | null = null
  let retry: ReturnType<typeof setTimeout> | null = null
  let hiding: ReturnType<typeof setTimeout> | null = null
  let tries = 0

  function open() {
    close()
    source = new EventSource(at('/api/events'))
    source.onopen = () => {
      tries = 0
      dispatch({ type: 'opened' })
    }
    source.onmessage = (message: MessageEvent<string>) => {
      dispatch(JSON.parse(message.data) as ServerEvent)
    }
    source.onerror = () => {
      dispatch({ type: 'lost' })
      // The browser tries again by itself only after a broken stream, and slowly: do it here.
      close()
      retry = setTimeout(open, RETRY_MS[Math.min(tries, RETRY_MS.length - 1)])
      tries += 1
      // An EventSource does not tell a refusal from a dead server; a call does.
      if (tries === 1) call('/api/models')
          .then((response) => response.text())
          .catch(() => undefined)
    }
  }

  function close() {
    if (retry) clearTimeout(retry)
    retry = null
    source?.close()
    source = null
  }

  function visibility() {
    if (hiding) clearTimeout(hiding)
    hiding = null
    if (document.hidden) hiding = setTimeout(close, HIDDEN_MS)
    else if (!source || state.connection === 'lost') open()
  }

  open()
  reopen = open
  document.addEventListener('visibilitychange', visibility)
  return () => {
    close()
    reopen = null
    if (hiding) clearTimeout(hiding)
    document.removeEventListener('visibilitychange', visibility)
  }
}
