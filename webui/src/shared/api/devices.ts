/** Devices: live if the events carry them, else asked for now and then. */
import { useMutation, useQuery } from '@tanstack/react-query'
import { useMemo } from 'react'
import { useLive } from '@/shared/live/store'
import { toast } from '@/shared/ui/Toasts'
import { apiJson, withQuery } from './client'
import { keys } from './keys'
import type { DeviceHistory, DeviceReading, DeviceView } from './types'

export function useDevices(): { devices: readonly DeviceView[] | null; error: Error | null; retry: () => void } {
  const live = useLive((state) => state.devices)
  const asked = useQuery({
    queryKey: keys.devices,
    queryFn: ({ signal }) => apiJson<DeviceView[]>('/api/devices', { signal }),
    refetchInterval: (query) => (query.state.error ? false : 2000),
    enabled: live === null,
  })
  const here = useMemo(() => asked.data?.filter((device) => !device.cluster), [asked.data])
  return { devices: live ?? here ?? null, error: asked.error, retry: () => void asked.refetch() }
}

/** A part of a node of the cluster, with what is known of that. */
export type ClusterPart = DeviceView & Required<Pick<DeviceView, 'cluster'>>

/** Parts of the cluster's nodes; none where no model may run on a cluster. The manager asks Slurm once a minute at most. */
export function useClusterParts(): ClusterPart[] {
  const asked = useQuery({
    queryKey: keys.clusterParts,
    queryFn: ({ signal }) => apiJson<DeviceView[]>('/api/devices', { signal }),
    refetchInterval: 30_000,
  })
  return useMemo(() => (asked.data ?? []).filter((device): device is ClusterPart => device.cluster !== undefined), [asked.data])
}

/** Keeps models off a device for so many minutes; null lets them back. What comes of it is seen in the live state. */
export function usePauseDevice() {
  return useMutation({
    mutationFn: ({ id, minutes }: { id: string; minutes: number | null }) =>
      apiJson(withQuery(`/api/devices/${encodeURIComponent(id)}/${minutes === null ? 'resume' : 'pause'}`, { minutes }), { method: 'POST' }),
    onError: (error: Error) => toast('bad', error.message),
  })
}

/** All devices at one moment; milliseconds since the epoch. */
export interface Moment {
  at: number
  devices: readonly DeviceReading[]
}

/** What the manager remembers, then what came while this page was open. */
export function joined(past: DeviceHistory | undefined, live: readonly Moment[]): Moment[] {
  const begin = live[0]?.at ?? Infinity
  const before = (past?.points ?? []).map((point) => ({ at: Date.parse(point.time), devices: point.devices })).filter((point) => point.at < begin)
  return [...before, ...live]
}

const FIVE_MINUTES = 300_000

/** The last hour. Live moments are kept for shorter than that, so the past is asked for again now and then. */
export function useDeviceHistory(): Moment[] {
  const live = useLive((state) => state.deviceHistory)
  const past = useQuery({
    queryKey: keys.deviceHistory,
    queryFn: ({ signal }) => apiJson<DeviceHistory>('/api/devices/history', { signal }),
    refetchInterval: FIVE_MINUTES,
  })
  return useMemo(() => joined(past.data, live), [past.data, live])
}
