/** Talks that this browser keeps. Pictures are left out: they would fill its storage. */
import { forget, recall, remember } from '@/shared/storage'
import type { Settings } from './settings'
import type { Turn } from './turns'

const KEY = 'playground-conversations'
/** Of the newest; browsers keep about five million characters in all. */
const MOST = 50
const MOST_CHARACTERS = 2_000_000

export interface Column {
  model: string
  turns: Turn[]
}

export interface Conversation {
  id: string
  /** Milliseconds since the epoch, of its last change. */
  at: number
  columns: Column[]
  settings: Settings
}

export function titleOf({ columns }: Conversation): string {
  return columns[0]?.turns.find((turn) => turn.role === 'user')?.content.split('\n')[0]?.slice(0, 80) || '…'
}

/** Newest first; what can't be read is none. */
export function read(text: string | null): Conversation[] {
  try {
    const found: unknown = JSON.parse(text ?? '[]')
    return Array.isArray(found) ? (found as Conversation[]).filter((one) => typeof one?.id === 'string' && Array.isArray(one.columns)) : []
  } catch {
    return []
  }
}

const lean = (turn: Turn): Turn => {
  const { images, ...rest } = turn
  return images?.length ? { ...rest, content: `${rest.content}\n[${images.length} × image]`.trim() } : rest
}

/** With this one in front, within the bounds: the oldest ones go first. */
export function withOne(kept: readonly Conversation[], one: Conversation): Conversation[] {
  const own = { ...one, columns: one.columns.map((column) => ({ ...column, turns: column.turns.map(lean) })) }
  const all = [own, ...kept.filter((other) => other.id !== one.id)].slice(0, MOST)
  let size = 0
  return all.filter((other, index) => (size += JSON.stringify(other).length) <= MOST_CHARACTERS || index === 0)
}

export const list = (): Conversation[] => read(recall(KEY))

function write(all: readonly Conversation[]) {
  if (all.length === 0) forget(KEY)
  else remember(KEY, JSON.stringify(all))
}

export function keep(one: Conversation) {
  write(withOne(list(), one))
}

export function drop(id: string | null) {
  write(id === null ? [] : list().filter((one) => one.id !== id))
}
