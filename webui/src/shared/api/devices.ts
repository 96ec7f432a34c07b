/** Devices: live if the events carry them, else asked for now and then. */
import { useQuery } from '@tanstack/react-query'
import { useLive } from '@/shared/live/store'
import { apiJson } from './client'
import { keys } from './keys'
import type { DeviceView } from './types'

export function useDevices(): { devices: readonly DeviceView[] | null; error: Error | null; retry: () => void } {
  const live = useLive((state) => state.devices)
  const asked = useQuery({
    queryKey: keys.devices,
    queryFn: ({ signal }) => apiJson<DeviceView[]>('/api/devices', { signal }),
    refetchInterval: (query) => (query.state.error ? false : 2000),
    enabled: live === null,
  })
  return { devices: live ?? asked.data ?? null, error: asked.error, retry: () => void asked.refetch() }
}
