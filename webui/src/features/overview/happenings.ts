/** What happened lately: the ends and beginnings of runs, from before this page too, and what the page itself has seen. */
import type { Notice } from '@/shared/live/reducer'
import type { Run } from '@/shared/model/runs'

export type Happening =
  | { key: string; at: number; what: 'ready'; model: string; seconds: number }
  | { key: string; at: number; what: 'ended'; model: string; run: Run }
  | { key: string; at: number; what: 'queued'; model: string }
  | { key: string; at: number; what: 'crashed'; path: string; message: string }

export function happenings(runs: readonly Run[], notices: readonly Notice[], most: number): Happening[] {
  const found: Happening[] = []
  for (const run of runs) {
    const key = `${run.model} ${run.started}`
    if (run.ready !== null) found.push({ key: `${key} ready`, at: run.ready, what: 'ready', model: run.model, seconds: (run.ready - run.started) / 1000 })
    if (run.ended !== null) found.push({ key: `${key} ended`, at: run.ended, what: 'ended', model: run.model, run })
  }
  for (const notice of notices) {
    if (notice.kind === 'supervision') found.push({ key: String(notice.id), at: notice.at, what: 'crashed', path: notice.path, message: notice.message })
    else if (notice.to === 'queued') found.push({ key: String(notice.id), at: notice.at, what: 'queued', model: notice.model })
  }
  return found.sort((a, b) => b.at - a.at).slice(0, most)
}
