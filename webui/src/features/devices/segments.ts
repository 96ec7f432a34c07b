/** A device's memory as parts of a bar: who uses it, what is put aside, strangers, free. They add up to the total. */
import type { DeviceView } from '@/shared/api/types'

export type Segment =
  | { kind: 'model'; model: string; mb: number; index: number }
  | { kind: 'reserved'; model: string; mb: number; index: number }
  | { kind: 'strangers'; mb: number }
  | { kind: 'free'; mb: number }

/** `models`: all that hold memory anywhere; a model's place among them is its number. */
export function segments(device: DeviceView, models: readonly string[]): Segment[] {
  const total = device.memory_total_mb ?? 0
  const used = device.memory_used_mb ?? 0
  let room = total
  const take = (mb: number) => {
    const taken = Math.max(0, Math.min(mb, room))
    room -= taken
    return taken
  }
  const parts: Segment[] = []
  let known = 0
  device.holders.forEach((holder) => {
    const index = Math.max(0, models.indexOf(holder.model))
    // A device that does not tell who uses it: what is reserved is taken for used, as far as anything is.
    const own = holder.used_mb ?? Math.min(holder.reserved_mb, Math.max(0, used - known))
    known += own
    parts.push({ kind: 'model', model: holder.model, mb: take(own), index })
    parts.push({ kind: 'reserved', model: holder.model, mb: take(holder.reserved_mb - own), index })
  })
  parts.push({ kind: 'strangers', mb: take(used - known) })
  parts.push({ kind: 'free', mb: room })
  return parts.filter((part) => part.mb > 0)
}
