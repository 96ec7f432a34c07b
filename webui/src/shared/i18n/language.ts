/** The language of the page: the visitor's choice, else what the browser asks for. */
import { useSyncExternalStore } from 'react'
import { forget, recall, remember } from '@/shared/storage'

export type Language = 'en' | 'zh'

const KEY = 'language'
const listeners = new Set<() => void>()

/** The first language of the browser that there are texts for. */
export function preferred(languages: readonly string[]): Language {
  for (const tag of languages) {
    const primary = tag.toLowerCase().split('-')[0]
    if (primary === 'zh' || primary === 'en') return primary
  }
  return 'en'
}

function initial(): Language {
  const saved = recall(KEY)
  if (saved === 'en' || saved === 'zh') return saved
  return preferred(typeof navigator === 'undefined' ? [] : navigator.languages)
}

let current: Language = initial()
announce()

function announce() {
  if (typeof document !== 'undefined') document.documentElement.lang = current === 'zh' ? 'zh-CN' : 'en'
}

export function language(): Language {
  return current
}

export function setLanguage(next: Language) {
  current = next
  if (next === preferred(navigator.languages)) forget(KEY)
  else remember(KEY, next)
  announce()
  listeners.forEach((listener) => listener())
}

function subscribe(listener: () => void) {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

export function useLanguage(): Language {
  return useSyncExternalStore(subscribe, language, language)
}
