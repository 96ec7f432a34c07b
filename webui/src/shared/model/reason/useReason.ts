/** `reason` for the reader of the page. */
import { useLanguage } from '@/shared/i18n/language'
import { reason } from './reason'

export function useReason(): (text: string) => string {
  const language = useLanguage()
  return (text) => reason(text, language)
}
