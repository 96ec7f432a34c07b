/** How serious a line is, as far as it says so itself. */

export const LEVELS = ['error', 'warn', 'info', 'debug'] as const
export type Level = (typeof LEVELS)[number]

const WORD = /\b(ERROR|ERR|FATAL|CRITICAL|PANIC|WARN|WARNING|INFO|DEBUG|TRACE)\b/i
/** llama.cpp: `0.00.000.591 I srv init: …`. */
const LETTER = /^[\d.]+ ([EWID]) /

const words: Record<string, Level> = {
  ERROR: 'error', ERR: 'error', FATAL: 'error', CRITICAL: 'error', PANIC: 'error', E: 'error', WARN: 'warn', WARNING: 'warn', W: 'warn',
  INFO: 'info', I: 'info', DEBUG: 'debug', TRACE: 'debug', D: 'debug',
}

/** Of a line without escapes. Only its head counts: later on these are ordinary words. */
export function levelOf(text: string): Level | null {
  const head = text.slice(0, 64)
  const found = LETTER.exec(head)?.[1] ?? WORD.exec(head)?.[1]
  return found ? (words[found.toUpperCase()] ?? null) : null
}

/** At least as serious; lines that do not say are shown only when everything is. */
export function passes(level: Level | null, least: Level | 'all'): boolean {
  if (least === 'all') return true
  return level !== null && LEVELS.indexOf(level) <= LEVELS.indexOf(least)
}
