/** What is worth reading of a failure: the manager's own line, and the backend's line that helps. */
import { parseAnsi } from '@/shared/log/ansi'

/** Lines that say what went wrong, in the words of the usual servers. */
const TELLING = /error|fail|exception|cannot|can't|no such|not found|denied|out of memory|invalid|unable|refused|missing|unknown|abort|fatal|panic/i

export function troubleOf(error: string | null): { what: string; why: string | null } {
  const [what = '', ...rest] = (error ?? '').split('\n')
  // The manager quotes the backend's lines with a bar.
  const lines = rest.map((line) => parseAnsi(line).map((span) => span.text).join('').replace(/^\s*\| /, '').trim()).filter(Boolean)
  // The last one that tells; a traceback ends with it, and what follows is cleaning up.
  return { what, why: lines.findLast((line) => TELLING.test(line)) ?? lines.at(-1) ?? null }
}
