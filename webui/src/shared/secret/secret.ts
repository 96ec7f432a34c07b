/** A secret that is told once. It is kept beside the pages, so that nothing that happens to them can lose it. */
import { useSyncExternalStore } from 'react'

export interface Told {
  name: string
  secret: string
}

let told: Told | null = null
const listeners = new Set<() => void>()

export function tellSecret(next: Told | null) {
  told = next
  listeners.forEach((listener) => listener())
}

export function useSecret(): Told | null {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    () => told,
  )
}
