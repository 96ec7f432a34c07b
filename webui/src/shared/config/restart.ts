/** Starting the manager again: what to expect next, from what is seen of it. */

export type Phase =
  | { at: 'idle' }
  /** A person is asked whether it shall be. */
  | { at: 'question' }
  /** Asked, and not yet answered. */
  | { at: 'asking' }
  /** It ends its models and itself. */
  | { at: 'ending'; since: number }
  /** It is away. */
  | { at: 'away'; since: number }
  /** It is there again. */
  | { at: 'back' }
  /** It was away for too long. */
  | { at: 'missing'; since: number }

/** What a look at the manager found: nobody, or somebody, with the mark of that life of it (null: not told). */
export type Seen = { answers: false } | { answers: true; life: string | null }

/** Longer than any start of a manager; models may take their time to end before it. */
export const AWAY_MS = 60_000

/** `before` is the mark of the life that was asked to end. */
export function next(phase: Phase, seen: Seen, before: string | null, now: number): Phase {
  switch (phase.at) {
    case 'ending':
      if (!seen.answers) return { at: 'away', since: now }
      // It may have been away between two looks.
      return seen.life !== null && before !== null && seen.life !== before ? { at: 'back' } : phase
    case 'away':
    case 'missing':
      if (seen.answers) return { at: 'back' }
      return phase.at === 'away' && now - phase.since > AWAY_MS ? { at: 'missing', since: phase.since } : phase
    default:
      return phase
  }
}
