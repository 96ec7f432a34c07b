/** The management API's shapes: `generated.ts` is made from the Rust types; here are the names for parts of them. */

import type { ModelView, PricePlan, UsageReport, UsageSeries, UsageSummary as Summary } from './generated'

export type {
  AuditEntry,
  AuditPage,
  Billing,
  By,
  Capture,
  CaptureSide,
  ClusterJob,
  DeviceHistory,
  DeviceHolder,
  DeviceReading,
  DeviceView,
  Folder,
  LedgerRun,
  LedgerRuns,
  LogLine,
  ModelDetails,
  ModelThroughput,
  ModelView,
  NotifyOutlet,
  NotifyTest,
  OneRun,
  Placement,
  PlacementVariant,
  PlanVersion,
  PricePlan,
  Quantiles,
  QueuedRequest,
  RequestPage,
  RequestRow,
  RunningRequest,
  RunRecord,
  RunShares,
  ServerEvent,
  Statement,
  StatementSums,
  Storage,
  StorageModel,
  SupervisionNode,
  Throughput,
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
