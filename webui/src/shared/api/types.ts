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
  /** Assumed: the measured peak by device, MiB. */
  measured_peak_mb?: Record<string, number> | null
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

/** Who holds memory on a device. */
export interface DeviceHolder {
  model: string
  variant: string | null
  pid: number | null
  /** Measured now. */
  used_mb: number | null
  /** Put aside for it. */
  reserved_mb: number | null
}

/** `GET /api/devices`. */
export interface DeviceView {
  name: string
  plugin: string
  online: boolean
  memory_total_mb: number
  memory_used_mb: number
  memory_reserved_mb: number
  utilization: number | null
  temperature_c: number | null
  power_w: number | null
  id?: string | null
  /** Why it is offline, or what the plugin complains of. */
  problem?: string | null
  holders?: DeviceHolder[]
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

export interface UsageTotals {
  requests: number
  errors: number
  input_tokens: number
  cached_tokens: number
  output_tokens: number
  cost: Costs
  unpriced_requests?: number
  estimated_requests?: number
}

export interface UsageGroup extends UsageTotals {
  key: string
}

export type UsageBy = 'model' | 'mode' | 'key' | 'variant'
export type Bucket = 'minute' | 'hour' | 'day' | 'week' | 'month'

/** `GET /api/usage/summary?from&to&model&by`. */
export interface UsageSummary {
  from: Time
  to: Time
  total: UsageTotals
  groups: UsageGroup[]
}

export interface UsagePoint extends UsageTotals {
  /** The bucket's start. */
  time: Time
  key: string | null
}

/** `GET /api/usage/series?from&to&model&by&bucket&tz`. */
export interface UsageSeries {
  bucket: Bucket
  points: UsagePoint[]
}

/** One row of `GET /api/requests`. */
export interface RequestRow {
  id: string
  started_at: Time
  ended_at: Time
  model: string
  variant: string | null
  mode: string
  endpoint: string
  key: string | null
  streamed: boolean
  status: number
  error: string | null
  input_tokens: number | null
  cached_tokens: number | null
  output_tokens: number | null
  estimated: boolean
  wait_ms: number | null
  first_token_ms: number | null
  total_ms: number
  cost: Money | null
  currency: string | null
  unpriced: boolean
}

export interface RequestPage {
  rows: RequestRow[]
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
  plan: PricePlan | null
  valid_from: Time
  source: 'config' | 'api'
}

/** `GET /api/billing/{model}`. */
export interface Billing {
  model: string
  plan: PricePlan | null
  source: 'config' | 'api' | null
  history: PlanVersion[]
}

export interface StorageModel {
  model: string
  orphan: boolean
  requests: number
  runs: number
  bytes: number
  oldest: Time | null
  newest: Time | null
}

/** `GET /api/storage`. */
export interface Storage {
  database: string
  database_bytes: number
  log_bytes: number | null
  retention_days: number | null
  models: StorageModel[]
}

export interface PlacementDevice {
  device: string
  needed_mb: number
  free_mb: number | null
  online: boolean
  held_by: { model: string; memory_mb: number; busy: boolean }[]
}

export interface PlacementVariant {
  variant: string
  verdict: 'fits' | 'evict' | 'wait' | 'never'
  reason: string
  devices: PlacementDevice[]
}

/** `GET /api/models/{name}/placement`: what would happen now. */
export interface Placement {
  model: string
  verdict: 'fits' | 'evict' | 'wait' | 'never'
  variant: string | null
  reason: string
  victims: { model: string; idle_seconds: number | null; frees_mb: number | null }[]
  variants: PlacementVariant[]
}

export interface ConfigProblem {
  path: string
  line: number | null
  message: string
  hint: string | null
}

/** `GET /api/config`. */
export interface ConfigFile {
  path: string
  text: string
  /** Changes with the text; a save that names an older one is refused. */
  version: string
  writable: boolean
  live_reload: boolean
}

/** `GET /api/session`. */
export interface Session {
  required: boolean
  signed_in: boolean
  version?: string
}
