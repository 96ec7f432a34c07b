/** The management API's shapes, as the Rust views write them. What is assumed so far is marked in ../../../API.md. */

export type ModelState = 'stopped' | 'queued' | 'starting' | 'ready' | 'draining' | 'stopping' | 'failed'

/** RFC 3339, UTC. */
export type Time = string
/** A decimal string. */
export type Money = string

/** `GET /api/models`: src/http/views.rs, ModelView. */
export interface ModelView {
  name: string
  aliases: string[]
  mode: string
  port: number | null
  state: ModelState
  since: Time
  variant: string | null
  pid: number | null
  leases: number
  waiting: number
  idle_seconds_left: number | null
  started_at: Time | null
  ready_at: Time | null
  retry_at: Time | null
  waits_for: string | null
  last_error: string | null
  failures: number
  auto_start: boolean
  alive_seconds: number | null
  max_concurrency: number | null
}

/** src/http/views.rs, VariantView. */
export interface VariantView {
  name: string
  required_devices: string[]
  memory_mb: Record<string, number>
  script_path: string | null
  command: string[] | null
}

/** actors/src/model/status.rs, RunRecord. */
export interface RunRecord {
  variant: string
  pid: number | null
  started_at: Time
  ready_at: Time | null
  ended_at: Time
  exit: string
}

/** `GET /api/models/{name}`. */
export interface ModelDetails extends ModelView {
  variants: VariantView[]
  runs: RunRecord[]
}

/** One line of a log: src/http/views.rs, LineView. */
export interface LogLine {
  seq: number
  time: Time
  stream: 'stdout' | 'stderr'
  line: string
}

/** actors/src/supervisor.rs, Node. */
export interface SupervisionNode {
  name: string
  path: string
  state: 'running' | 'restarting' | 'failed'
  detail: string | null
  restarts: number
  since: Time
  last_exit: string | null
  children: SupervisionNode[]
}

/** A model that holds memory of a device: src/http/placement.rs, HolderView. */
export interface DeviceHolder {
  model: string
  reserved_mb: number
  /** What its processes use, where the device tells. */
  used_mb: number | null
}

/** `GET /api/devices`, and the `devices` event: src/http/placement.rs, DeviceView. */
export interface DeviceView {
  id: string
  name: string
  plugin: string
  uuid: string | null
  pci: string | null
  online: boolean
  memory_total_mb: number | null
  memory_used_mb: number | null
  memory_reserved_mb: number
  utilization: number | null
  temperature_c: number | null
  power_w: number | null
  holders: DeviceHolder[]
}

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
export type ServerEvent =
  | { type: 'snapshot'; data: { models: ModelView[]; devices?: DeviceView[] } }
  | { type: 'model'; data: ModelView }
  | { type: 'supervision'; data: { path: string; message: string } }
  | { type: 'devices'; data: DeviceView[] }
  | { type: 'throughput'; data: Throughput }

/** Money by currency. */
export type Costs = Record<string, Money>

/** Sums of requests; the names are those of the ledger's `Totals`. */
export interface UsageTotals {
  requests: number
  /** The backend broke off or never answered. */
  failed: number
  client_left: number
  /** The manager answered instead. */
  refused: number
  estimated: number
  unrecorded: number
  unpriced: number
  input_tokens: number
  cached_tokens: number
  output_tokens: number
  reasoning_tokens: number
  cost: Costs
  /** Ready time by the hour; only by model or variant. */
  run_cost: Costs
}

export interface UsageGroup extends UsageTotals {
  key: string
}

export type UsageBy = 'model' | 'mode' | 'api_key' | 'variant' | 'endpoint'
export type Bucket = 'minute' | 'quarter' | 'hour' | 'day' | 'week' | 'month'

/** Half of them took less than `p50`, and so on. Seconds. */
export interface Quantiles {
  p50: number
  p95: number
  p99: number
}

/** `GET /api/usage/summary?from&to&model&by`: src/http/usage.rs. In a series without the last two. */
export interface UsageSummary {
  from: Time
  to: Time
  total: UsageTotals
  groups: UsageGroup[]
  latency?: { requests: number; exact: boolean; duration_seconds: Quantiles; first_byte_seconds: Quantiles }
  throughput?: { requests_per_second: number; input_tokens_per_second: number; output_tokens_per_second: number }
}

/** `GET /api/usage/series?from&to&model&by&bucket&tz`: a summary per bucket, also where nothing was. */
export interface UsageSeries {
  bucket: Bucket
  points: UsageSummary[]
}

/** One row of `GET /api/requests`. */
export interface RequestRow {
  id: string
  request_id: string
  started_at: Time
  ended_at: Time
  model: string
  variant: string | null
  mode: string
  endpoint: string
  api_key: string | null
  status: number
  /** `ok`, `client_left`, `backend_error` or `refused:CODE`. */
  outcome: string
  error: string | null
  duration_seconds: number
  queue_seconds: number
  first_byte_seconds: number | null
  input_tokens: number | null
  cached_tokens: number | null
  cache_write_tokens: number | null
  output_tokens: number | null
  reasoning_tokens: number | null
  usage_source: 'backend' | 'estimated' | 'none'
  cost: Money | null
  currency: string | null
  pricing: 'no_plan' | 'priced' | 'no_tier' | 'no_counts' | 'too_big' | 'hourly'
  plan_id: number | null
  run_id: number | null
  replayed: boolean
}

export interface RequestPage {
  /** Newest first. */
  rows: RequestRow[]
  /** Of the next page: `?after=`. */
  next: string | null
}

export interface Tier {
  max_input: number | null
  max_output: number | null
  input: Money
  output: Money
  cache_read: Money
  cache_write: Money
}

export interface TieredPlan {
  method: 'tiered'
  currency: string
  cache_pricing: boolean
  tiers: Tier[]
}

export interface HourlyPlan {
  method: 'hourly'
  currency: string
  per_hour: Money
}

export type PricePlan = TieredPlan | HourlyPlan

export interface PlanVersion {
  id: number
  /** Null: from then on there is no price. */
  plan: PricePlan | null
  /** May be to come. */
  valid_from: Time
  created_at: Time
  source: 'config' | 'api'
}

/** `GET /api/billing/{model}`: what is in force, and the history, newest first. */
export interface Billing {
  model: string
  plan: PricePlan | null
  source: 'config' | 'api' | null
  valid_from: Time | null
  history: PlanVersion[]
}

export interface StorageModel {
  model: string
  /** The configuration does not have it any more. */
  orphan: boolean
  rows: number
  runs: number
  bytes: number
  first_seen: Time | null
  /** Names that it had before. */
  former_names: string[]
}

/** `GET /api/storage`. */
export interface Storage {
  total_bytes: number
  free_bytes: number
  /** Models whose data are being deleted. */
  deleting: number
  rows_since: Time | null
  models: StorageModel[]
}

export type Verdict = 'fits' | 'evict' | 'wait' | 'never'

/** src/http/placement.rs, variant_view. */
export interface PlacementVariant {
  variant: string
  verdict: Verdict
  devices: { requirement: string; device: string; memory_mb: number }[]
  missing: string[]
  lacks: string[]
  /** The measured peak by device, MiB. */
  measured_mb: Record<string, number> | null
}

/** `GET /api/models/{name}/placement`: src/http/placement.rs, explanation. */
export interface Placement {
  model: string
  decision: Verdict
  text: string
  variant?: string | null
  detail?: { victims?: string[]; blockers?: string[]; reason?: string }
  variants?: PlacementVariant[]
}
