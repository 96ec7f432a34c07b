/** Texts in both languages, kept beside the page that shows them; the compiler finds a missing one. */
import { type Language, useLanguage } from './language'

type Text = string | ((...values: never[]) => string)
type Same<T> = { [K in keyof T]: T[K] extends string ? string : T[K] }

export type Texts<T> = Record<Language, Same<T>>

export function texts<T extends Record<string, Text>>(en: T, zh: Same<T>): Texts<T> {
  return { en: en as Same<T>, zh }
}

export function useTexts<T>(both: Texts<T>): Same<T> {
  return both[useLanguage()]
}
