/** The lines that a log page holds: bounded, searched as they come, without the work being done twice. */
import type { LogLine } from '@/shared/api/types'
import { plainText } from './ansi'
import { type Level, levelOf, passes } from './level'

export const MAX_LINES = 100_000
/** Old lines go in bunches: moving the array for each line would cost too much. */
const SLACK = 5000

export interface Filter {
  text: string
  least: Level | 'all'
}

export interface BufferedLine extends LogLine {
  /** Counts over the life of the buffer, also across restarts of the manager. */
  id: number
  plain: string
  level: Level | null
  /** Not the first row of its entry. */
  continued: boolean
}

export const NO_FILTER: Filter = { text: '', least: 'all' }

/** What a search text asks for: `/…/` is a regular expression. Null: it is not a valid one. */
export function matcher(filter: Filter): ((line: BufferedLine) => boolean) | null {
  const { text, least } = filter
  const pattern = /^\/(.+)\/$/.exec(text)
  if (pattern?.[1]) {
    try {
      const regex = new RegExp(pattern[1], 'i')
      return (line) => passes(line.level, least) && regex.test(line.plain)
    } catch {
      return null
    }
  }
  const wanted = text.toLowerCase()
  return (line) => passes(line.level, least) && (!wanted || line.plain.toLowerCase().includes(wanted))
}

/** One entry may hold several lines, such as an error with a backend's last words: each is a row. */
function rowsOf(text: string): string[] {
  return text.includes('\n') ? text.replace(/\n$/, '').split('\n') : [text]
}

export class LogBuffer {
  /** All lines, oldest first. */
  lines: BufferedLine[] = []
  /** Those that the filter lets pass. */
  shown: BufferedLine[] = this.lines
  /** Changes whenever the above do. */
  version = 0
  private matches: ((line: BufferedLine) => boolean) | null = null
  private nextId = 0
  /** The newest entry, also after `clear`. */
  private last: Pick<LogLine, 'seq' | 'time'> = { seq: -1, time: '' }

  constructor(private readonly max = MAX_LINES) {}

  /** Appends; lines that are here already (a stream that reconnects begins with its tail) are left out. */
  push(batch: readonly LogLine[]) {
    for (const entry of batch) {
      if (entry.seq <= this.last.seq && entry.time <= this.last.time) continue
      this.last = entry
      rowsOf(entry.line).forEach((line, row) => this.append(entry, line, row > 0))
    }
    if (this.lines.length > this.max + Math.min(SLACK, this.max)) this.trim()
    this.version += 1
  }

  filter(filter: Filter) {
    const matches = matcher(filter)
    if (!matches) return
    const all = !filter.text && filter.least === 'all'
    this.matches = all ? null : matches
    this.shown = all ? this.lines : this.lines.filter(matches)
    this.version += 1
  }

  clear() {
    this.lines = []
    this.shown = this.matches ? [] : this.lines
    this.version += 1
  }

  private append(entry: LogLine, line: string, continued: boolean) {
    const plain = plainText(line)
    // The rest of an entry is as serious as its head.
    const level = continued ? (this.lines[this.lines.length - 1]?.level ?? null) : levelOf(plain)
    const buffered = { ...entry, line, id: this.nextId, plain, level, continued }
    this.nextId += 1
    this.lines.push(buffered)
    if (this.matches?.(buffered)) this.shown.push(buffered)
  }

  private trim() {
    const filtered = this.shown !== this.lines
    this.lines = this.lines.slice(-this.max)
    const oldest = this.lines[0]?.id ?? 0
    this.shown = filtered ? this.shown.filter((line) => line.id >= oldest) : this.lines
  }
}
