/** Usage: totals and series of a range of time. */
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { apiJson, withQuery } from './client'
import { keys } from './keys'
import type { Bucket, UsageBy, UsageSeries, UsageSummary } from './types'

export interface UsageRange {
  from: Date
  to: Date | null
  model?: string
  by?: UsageBy
}

function query({ from, to, model, by }: UsageRange) {
  return { from: from.toISOString(), to: to?.toISOString(), model, by }
}

export function useUsageSummary(name: string, range: () => UsageRange, every?: number) {
  return useQuery({
    queryKey: keys.usage('summary', name),
    // The range is asked for at each refresh: "today" goes on.
    queryFn: ({ signal }) => apiJson<UsageSummary>(withQuery('/api/usage/summary', query(range())), { signal }),
    refetchInterval: (asked) => (asked.state.error ? false : every),
    placeholderData: keepPreviousData,
  })
}

export function useUsageSeries(name: string, range: () => UsageRange & { bucket: Bucket }, every?: number) {
  return useQuery({
    queryKey: keys.usage('series', name),
    queryFn: ({ signal }) => {
      const { bucket, ...rest } = range()
      const tz = Intl.DateTimeFormat().resolvedOptions().timeZone
      return apiJson<UsageSeries>(withQuery('/api/usage/series', { ...query(rest), bucket, tz }), { signal })
    },
    refetchInterval: (asked) => (asked.state.error ? false : every),
    placeholderData: keepPreviousData,
  })
}

export function startOfToday(now = new Date()): Date {
  return new Date(now.getFullYear(), now.getMonth(), now.getDate())
}

export function startOfMonth(now = new Date()): Date {
  return new Date(now.getFullYear(), now.getMonth(), 1)
}
