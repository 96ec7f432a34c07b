import { expect, it } from 'vitest'
import type { DeviceHolder, DeviceView } from '@/shared/api/types'
import { segments } from './segments'

function device(total: number, used: number, holders: DeviceHolder[]): DeviceView {
  return {
    id: 'gpu', name: 'gpu', plugin: 'nvml', uuid: null, pci: null, online: true, memory_total_mb: total, memory_used_mb: used,
    memory_reserved_mb: 0, utilization: null, temperature_c: null, power_w: null, holders, others: [],
    keep_free_mb: 0, give_way: false, paused_until: null,
  }
}
const shown = (view: DeviceView) => segments(view, ['a', 'b']).map((part) => `${part.kind}${'model' in part ? ` ${part.model}` : ''} ${part.mb}`)

it('tells users, reservations, strangers and free memory apart', () => {
  const holders = [{ model: 'a', reserved_mb: 8000, used_mb: 6000 }, { model: 'b', reserved_mb: 4000, used_mb: 5000 }]
  expect(shown(device(24_000, 12_000, holders))).toEqual(['model a 6000', 'reserved a 2000', 'model b 5000', 'strangers 1000', 'free 10000'])
})

it('takes reservations for used where the device does not tell', () => {
  expect(shown(device(1000, 300, [{ model: 'a', reserved_mb: 500, used_mb: null }]))).toEqual(['model a 300', 'reserved a 200', 'free 500'])
  expect(shown(device(1000, 900, [{ model: 'a', reserved_mb: 500, used_mb: null }]))).toEqual(['model a 500', 'strangers 400', 'free 100'])
})

it('never shows more than there is', () => {
  const full = device(1000, 1500, [{ model: 'a', reserved_mb: 2000, used_mb: 800 }])
  expect(segments(full, ['a']).reduce((sum, part) => sum + part.mb, 0)).toBe(1000)
  expect(shown(device(0, 0, []))).toEqual([])
})

it('numbers a model by its place among all, whatever the device', () => {
  const [part] = segments(device(1000, 500, [{ model: 'b', reserved_mb: 500, used_mb: 500 }]), ['a', 'b'])
  expect(part).toMatchObject({ model: 'b', index: 1 })
})
