import { useEffect, useState } from 'react'
import { type Checked, check } from './file'

const CHECK_AFTER_MS = 400

const CLEAN: Checked = { problems: [], warnings: [] }

/** What the manager says of a draft, once nobody has typed for a moment; null while it is not known. */
export function useChecked(draft: string, unchanged: boolean, onError: (error: Error) => void): Checked | null {
  const [checked, setChecked] = useState<{ draft: string; answer: Checked } | null>(null)
  useEffect(() => {
    if (unchanged) return
    const controller = new AbortController()
    const timer = setTimeout(() => {
      check(draft, controller.signal)
        .then((answer) => setChecked({ draft, answer }))
        .catch((error: unknown) => {
          if (!controller.signal.aborted && error instanceof Error) onError(error)
        })
    }, CHECK_AFTER_MS)
    return () => {
      clearTimeout(timer)
      controller.abort()
    }
    // The callback only tells of an error.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [draft, unchanged])
  if (unchanged) return CLEAN
  return checked?.draft === draft ? checked.answer : null
}
