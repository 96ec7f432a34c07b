import type { DeviceView } from '@/shared/api/types'
import { mebibytes } from '@/shared/format/number'

/** `RTX 4060 1.2 GiB, Tesla V100 8.8 GiB`: the memory that a model holds; null where nothing is known. */
export function held(devices: readonly DeviceView[] | null, model: string): string | null {
  const parts = (devices ?? []).flatMap((device) =>
    device.holders.filter((holder) => holder.model === model).map((holder) => `${device.name} ${mebibytes(holder.used_mb ?? holder.reserved_mb)}`),
  )
  return parts.length > 0 ? parts.join(', ') : null
}
