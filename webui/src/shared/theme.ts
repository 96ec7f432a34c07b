/** Dark or light: the visitor's choice, else the system's. `public/theme.js` does the same before the first paint. */
import { useSyncExternalStore } from 'react'
import { forget, recall, remember } from './storage'

export type ThemeChoice = 'system' | 'light' | 'dark'
export type Theme = 'light' | 'dark'

const listeners = new Set<() => void>()
const system = window.matchMedia('(prefers-color-scheme: dark)')

export function themeChoice(): ThemeChoice {
  const saved = recall('theme')
  return saved === 'light' || saved === 'dark' ? saved : 'system'
}

function theme(): Theme {
  const choice = themeChoice()
  return choice === 'system' ? (system.matches ? 'dark' : 'light') : choice
}

function apply() {
  document.documentElement.dataset.theme = theme()
  listeners.forEach((listener) => listener())
}

system.addEventListener('change', apply)

export function setTheme(choice: ThemeChoice) {
  if (choice === 'system') forget('theme')
  else remember('theme', choice)
  apply()
}

function subscribe(listener: () => void) {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

export function useThemeChoice(): ThemeChoice {
  return useSyncExternalStore(subscribe, themeChoice)
}

/** The theme that is shown; charts draw on canvas and have to know. */
export function useTheme(): Theme {
  return useSyncExternalStore(subscribe, theme)
}
