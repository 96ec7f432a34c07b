/** The one restart that may go on; looks at the manager until it is back. */
import { at } from '@/shared/base'
import { useSyncExternalStore } from 'react'
import { apiJson, askForKey, call, Failure } from '@/shared/api/client'
import type { Session } from '@/shared/api/session'
import type { SupervisionNode } from '@/shared/api/types'
import { reconnect } from '@/shared/live/store'
import { next, type Phase, type Seen } from './restart'

const LOOK_MS = 400

let phase: Phase = { at: 'idle' }
const listeners = new Set<() => void>()

function set(to: Phase) {
  phase = to
  listeners.forEach((listener) => listener())
}

export function useRestartPhase(): Phase {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    () => phase,
  )
}

export function askToRestart() {
  if (phase.at === 'idle') set({ at: 'question' })
}

export function dismissRestart() {
  if (phase.at === 'question') set({ at: 'idle' })
}

/** The root of the tree is as old as the manager: its age tells one life from the next. */
async function life(): Promise<string | null> {
  const response = await fetch(at('/api/supervision'), { credentials: 'same-origin' })
  if (response.ok) return ((await response.json()) as SupervisionNode).since
  // Whoever was signed in and is not any more speaks with another life of the manager.
  return response.status === 401 ? 'signed out' : null
}

async function look(): Promise<Seen> {
  try {
    if (!(await fetch(at('/health'))).ok) return { answers: false }
    return { answers: true, life: await life() }
  } catch {
    return { answers: false }
  }
}

/** Resolves when the manager is back; refused, it throws what the manager said. */
export async function restart(): Promise<void> {
  set({ at: 'asking' })
  const before = await life().catch(() => null)
  try {
    await call('/api/restart', { method: 'POST' })
  } catch (error) {
    set({ at: 'idle' })
    throw error
  }
  set({ at: 'ending', since: Date.now() })
  while (phase.at !== 'back') {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    const after = next(phase, await look(), before, Date.now())
    if (after !== phase) set(after)
  }
  await signInAgain()
  reconnect()
  set({ at: 'idle' })
}

/** Sessions end with the manager that gave them. */
async function signInAgain() {
  try {
    const session = await apiJson<Session>('/api/session')
    if (session.key_wanted && !session.signed_in) askForKey()
  } catch (error) {
    // A manager without sessions asks for the key by itself, with its first refusal.
    if (!(error instanceof Failure)) throw error
  }
}
