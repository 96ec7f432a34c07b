/** The words of the timeline: what its colours mean, and what a bar says. */
import { duration, moment } from '@/shared/format/time'
import { texts } from '@/shared/i18n/texts'
import { causeOf, type CauseWords, kindOfCause } from '@/shared/model/cause'
import type { StatusKind } from '@/shared/ui/Status'
import type { Bar, Phase } from './spans'

export const phaseTexts = texts(
  { queued: 'Waits for memory', loading: 'Loads', ready: 'Ready', parked: 'Parked', ending: 'Ends', failed: 'Never got ready', gaveUp: 'The wait was given up' },
  { queued: '等待内存', loading: '加载', ready: '就绪', parked: '休眠', ending: '结束中', failed: '未能就绪', gaveUp: '等待被放弃' },
)

export type PhaseWords = (typeof phaseTexts)['en']

export const phaseFills: Record<Phase | 'failed', string> = {
  queued: 'fill-warn', loading: 'fill-busy', ready: 'fill-ok', parked: 'fill-off', ending: 'fill-off', failed: 'fill-bad',
}

const kinds: Record<Phase, StatusKind> = { queued: 'warn', loading: 'busy', ready: 'ok', parked: 'off', ending: 'busy' }

/** How well it goes, or how it ended. */
export function kindOfBar({ running, spans, run }: Bar): StatusKind {
  const last = spans.at(-1)
  return running && last ? kinds[last.phase] : kindOfCause(run?.cause ?? null)
}

/** Why it ended, or that it has not. */
export function reasonOf(bar: Bar, causes: CauseWords, phases: PhaseWords): string {
  if (bar.run) return causeOf(bar.run, causes)
  const last = bar.spans.at(-1)
  return bar.running && last ? phases[last.phase] : phases.gaveUp
}

export function spansTold(bar: Bar, phases: PhaseWords, now: Date): string[] {
  return bar.spans.map((span) => `${phases[span.phase]}: ${moment(new Date(span.from), now)}, ${duration((span.to - span.from) / 1000)}`)
}

export function keyOf(bar: Bar): string {
  return `${bar.model} ${bar.from} ${bar.spans[0]?.phase ?? ''}`
}
