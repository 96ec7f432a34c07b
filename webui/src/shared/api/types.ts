/** The management API's shapes. `generated.ts` is made from the Rust types; what is assumed so far is marked in ../../../API.md. */

import type { ModelView, PricePlan, ServerEvent as Told, UsageReport, UsageSeries, UsageSummary as Summary } from './generated'

export type {
  Billing,
  DeviceHolder,
  DeviceView,
  LogLine,
  ModelDetails,
  ModelView,
  Placement,
  PlacementVariant,
  PlanVersion,
  PricePlan,
  Quantiles,
  RequestPage,
  RequestRow,
  RunRecord,
  Storage,
  StorageModel,
  SupervisionNode,
  Tier,
  UsageGroup,
  UsageSeries,
  UsageTotals,
  VariantView,
} from './generated'

export type ModelState = ModelView['state']
export type Bucket = UsageSeries['bucket']
export type TieredPlan = Extract<PricePlan, { method: 'tiered' }>
export type HourlyPlan = Extract<PricePlan, { method: 'hourly' }>

/** RFC 3339, UTC. */
export type Time = string
/** A decimal string. */
export type Money = string
/** Money by currency. */
export type Costs = Record<string, Money>

export type UsageBy = 'model' | 'mode' | 'api_key' | 'variant' | 'endpoint'
/** A report, or a point of a series: that has no latency and no throughput. */
export type UsageSummary = Summary & Partial<Pick<UsageReport, 'latency' | 'throughput'>>
export type Verdict = 'fits' | 'evict' | 'wait' | 'never'

/** One model's share of `throughput`. */
export interface ThroughputRow {
  model: string
  mode: string
  requests_per_second: number
  input_tokens_per_second: number
  output_tokens_per_second: number
}

/** The data of `/api/events`' `throughput`: the last second. */
export interface Throughput {
  time: Time
  models: ThroughputRow[]
}

/** What `/api/events` sends. */
export type ServerEvent = Told | { type: 'throughput'; data: Throughput }
