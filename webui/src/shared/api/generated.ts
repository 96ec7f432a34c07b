// @generated from the Rust types by `UPDATE_TYPES=1 cargo test -p llm-manager --lib typescript`; don't edit.

/**
 * What a parked model holds, and what it costs to wake it.
 */
export type Asleep = { 
/**
 * By name of device; nothing where memory isn't looked after.
 */
holds_mb: Record<string, number>, 
/**
 * Until it is awake.
 */
wake_seconds: number, 
/**
 * As the last wake took; false: an estimate.
 */
measured: boolean, };

/**
 * Who did what.
 */
export type AuditEntry = { id: number, time: string, 
/**
 * `key`, `session`, `local` (the command line), `anyone` (no key is wanted) or `rule`.
 */
kind: 'key' | 'session' | 'local' | 'anyone' | 'rule', 
/**
 * The key's name, the user, or the rule, such as `idle timer`.
 */
who: string, address: string | null, action: string, 
/**
 * What it was done to, such as a model.
 */
subject: string | null, detail: string | null, };

/**
 * `GET /api/audit`
 */
export type AuditPage = { 
/**
 * Newest first.
 */
rows: Array<AuditEntry>, 
/**
 * `before` of the next page; null: this is the last one.
 */
next: number | null, };

/**
 * `GET /api/billing/{model}`: what is in force.
 */
export type Billing = { model: string, plan: PricePlan | null, source: 'config' | 'api' | null, valid_from: string | null, 
/**
 * Newest first, those to come too.
 */
history: Array<PlanVersion>, };

/**
 * Who started or ended a run: somebody, or a rule of the manager's own.
 */
export type By = { 
/**
 * As in `AuditEntry`.
 */
kind: 'key' | 'session' | 'local' | 'anyone' | 'rule', 
/**
 * The key's name, the user, the address of whom nothing else is known, or the rule, such as `idle timer`.
 */
who: string, };

/**
 * `GET /api/requests/{id}/capture`
 */
export type Capture = { request_id: string, model: string, endpoint: string, method: string, path: string, started_at: string, 
/**
 * When it is deleted at the latest.
 */
deleted_at: string, status: number, outcome: string, error: string | null, 
/**
 * What the client sent.
 */
request: CaptureSide, 
/**
 * What the backend answered, as it came.
 */
answer: CaptureSide, 
/**
 * False: the answer broke off, or its client left.
 */
answer_ended: boolean, 
/**
 * Of a stream: how many events came.
 */
events: number | null, 
/**
 * Of a stream: the answer that its events come to.
 */
whole: unknown, };

/**
 * One of the two.
 */
export type CaptureSide = { 
/**
 * In their order; what is secret in them is `***`.
 */
headers: Array<[string, string]>, 
/**
 * Of the whole body.
 */
bytes: number, 
/**
 * Of them, those that are kept.
 */
kept_bytes: number, 
/**
 * The body, if it is a text.
 */
text: string | null, 
/**
 * Otherwise.
 */
base64: string | null, };

/**
 * What stands behind a device that is a part of a node.
 */
export type ClusterDevice = { node: string, partitions: Array<string>, 
/**
 * Slurm's words for the state of the node.
 */
state: string, 
/**
 * No job begins there: an administrator, or the node's own check, wants it so.
 */
drained: boolean, 
/**
 * Why, if somebody said so.
 */
reason: string | null, 
/**
 * Such as `gpu:v100`; null: the node has nothing but CPUs and memory.
 */
gres: string | null, 
/**
 * How many of them there are, or CPUs.
 */
count: number, 
/**
 * How many of them jobs have.
 */
used: number, jobs: Array<ClusterJob>, 
/**
 * When Slurm was asked.
 */
seen_at: string | null, };

/**
 * A job that has some of a node's devices, or runs there without any.
 */
export type ClusterJob = { id: number, user: string, name: string, 
/**
 * The model, or its replica, that it serves; null: it is none of this manager's.
 */
model: string | null, 
/**
 * How many of the devices it has; of a node without any, 0.
 */
count: number, 
/**
 * When its time limit is over; null: it has none.
 */
ends_at: string | null, };

/**
 * `GET /api/devices/history`: the last hour, a point in ten seconds.
 */
export type DeviceHistory = { 
/**
 * Oldest first.
 */
points: Array<DevicePoint>, };

/**
 * A model that holds memory of a device.
 */
export type DeviceHolder = { model: string, reserved_mb: number, 
/**
 * What its processes use, where the device tells.
 */
used_mb: number | null, };

/**
 * All devices that were online at one moment.
 */
export type DevicePoint = { time: string, devices: Array<DeviceReading>, };

/**
 * A program of somebody else that uses a device.
 */
export type DeviceProgram = { pid: number, 
/**
 * Its name, where the system tells it.
 */
program: string | null, 
/**
 * Where the device tells it.
 */
used_mb: number | null, };

/**
 * One device then.
 */
export type DeviceReading = { id: string, memory_used_mb: number | null, utilization: number | null, temperature_c: number | null, power_w: number | null, };

/**
 * One device in `GET /api/devices`. Memory is MiB.
 */
export type DeviceView = { id: string, name: string, plugin: string, uuid: string | null, pci: string | null, 
/**
 * Its memory is the machine's own; left out where it has some of its own.
 */
unified?: boolean, online: boolean, memory_total_mb: number | null, memory_used_mb: number | null, memory_reserved_mb: number, utilization: number | null, temperature_c: number | null, power_w: number | null, holders: Array<DeviceHolder>, 
/**
 * Other programs, as far as the device tells of them; the largest first.
 */
others: Array<DeviceProgram>, 
/**
 * Left to other programs.
 */
keep_free_mb: number, 
/**
 * Idle models make way for other programs.
 */
give_way: boolean, 
/**
 * No model may use it before then; null: it isn't paused.
 */
paused_until: string | null, 
/**
 * It is a part of a node of the cluster, which gives it to jobs itself; left out of what is here.
 */
cluster?: ClusterDevice, };

/**
 * A folder, and what of it can be chosen.
 */
export type Folder = { folder: string, 
/**
 * As the configuration writes it: relative, if it lies below that.
 */
written: string, 
/**
 * Null: there is nothing above.
 */
parent: string | null, 
/**
 * Folders first.
 */
entries: Array<FolderEntry>, 
/**
 * There is more in it than is listed.
 */
cut: boolean, };

/**
 * A folder, a file of weights, or a script.
 */
export type FolderEntry = { name: string, path: string, 
/**
 * As the configuration writes it.
 */
written: string, 
/**
 * Of a file; null: a folder.
 */
bytes: number | null, };

/**
 * One life of a backend in the ledger.
 */
export type LedgerRun = { id: number, model: string, variant: string, 
/**
 * When it was first wanted; until its start it waited for memory.
 */
queued_at: string | null, started_at: string, ready_at: string | null, 
/**
 * Null: it still runs.
 */
ended_at: string | null, 
/**
 * As in `RunRecord`; also `manager_lost` and `actor_crashed`.
 */
cause: string | null, evicted_for: string | null, started_by: By | null, 
/**
 * Null: it still runs, ended by itself, or with the manager.
 */
ended_by: By | null, exit: string | null, 
/**
 * Ready time, or the whole with `bill_loading`; without the time in which it was parked.
 */
paid_seconds: number, 
/**
 * How long it was parked; that time has its own price.
 */
parked_seconds: number, 
/**
 * When, in order.
 */
parked: Array<Stretch>, 
/**
 * By the hour.
 */
cost: Record<string, string>, 
/**
 * Null: nothing was measured.
 */
energy_wh: number | null, energy_cost: Record<string, string>, };

/**
 * `GET /api/runs`
 */
export type LedgerRuns = { 
/**
 * Newest first.
 */
runs: Array<LedgerRun>, };

/**
 * One line of a log.
 */
export type LogLine = { seq: number, time: string, stream: 'stdout' | 'stderr', line: string, };

/**
 * One part of an estimate.
 */
export type MemoryPart = { 
/**
 * The entry of `required_devices`, with its number if there are several; else `cpu`.
 */
device: string, part: string, memory_mb: number, };

/**
 * One model in `GET /api/models/{name}`.
 */
export type ModelDetails = { 
/**
 * Why the variant that runs was chosen; null: nothing runs, or memory is not checked.
 */
chosen: string | null, variants: Array<VariantView>, runs: Array<RunRecord>, name: string, aliases: Array<string>, mode: string, port: number | null, 
/**
 * Where its backend is, if not on this machine: an address, for example.
 */
place: string | null, 
/**
 * When its job reaches its time limit; null: nothing of that kind is known.
 */
place_ends_at: string | null, state: ModelState, since: string, variant: string | null, pid: number | null, leases: number, waiting: number, idle_seconds_left: number | null, 
/**
 * Its hours of `keep_warm` last, or are about to begin; left out where they don't.
 */
warm?: boolean, 
/**
 * The end of its `quiet` hours; left out where there are none now.
 */
quiet_until?: string, started_at: string | null, ready_at: string | null, retry_at: string | null, waits_for: string | null, last_error: string | null, failures: number, auto_start: boolean, alive_seconds: number | null, max_concurrency: number | null, 
/**
 * Its variants have a way to sleep instead of ending.
 */
can_park: boolean, 
/**
 * Its backends that aren't stopped, by their numbers. `state`, `variant`, `pid` and `port` above are those of the one that is
 * nearest to serving.
 */
replicas: Array<Replica>, 
/**
 * How many there may be.
 */
max_replicas: number, 
/**
 * What it holds asleep, or would; left out where its backend can't sleep.
 */
asleep?: Asleep, };

/**
 * `GET /api/models/{name}/memory`. Memory is MiB.
 */
export type ModelMemory = { model: string, variants: Array<VariantMemory>, };

/**
 * What a model does: `ModelState` as the API spells it.
 */
export type ModelState = "stopped" | "queued" | "starting" | "ready" | "draining" | "stopping" | "failed" | "parking" | "parked" | "waking";

/**
 * What a model's clients got per second, since the last time this was told.
 */
export type ModelThroughput = { model: string, mode: string, requests_per_second: number, input_tokens_per_second: number, 
/**
 * Counted while they stream.
 */
output_tokens_per_second: number, };

/**
 * One model in `GET /api/models`. Durations are seconds, times are UTC.
 */
export type ModelView = { name: string, aliases: Array<string>, mode: string, port: number | null, 
/**
 * Where its backend is, if not on this machine: an address, for example.
 */
place: string | null, 
/**
 * When its job reaches its time limit; null: nothing of that kind is known.
 */
place_ends_at: string | null, state: ModelState, since: string, variant: string | null, pid: number | null, leases: number, waiting: number, idle_seconds_left: number | null, 
/**
 * Its hours of `keep_warm` last, or are about to begin; left out where they don't.
 */
warm?: boolean, 
/**
 * The end of its `quiet` hours; left out where there are none now.
 */
quiet_until?: string, started_at: string | null, ready_at: string | null, retry_at: string | null, waits_for: string | null, last_error: string | null, failures: number, auto_start: boolean, alive_seconds: number | null, max_concurrency: number | null, 
/**
 * Its variants have a way to sleep instead of ending.
 */
can_park: boolean, 
/**
 * Its backends that aren't stopped, by their numbers. `state`, `variant`, `pid` and `port` above are those of the one that is
 * nearest to serving.
 */
replicas: Array<Replica>, 
/**
 * How many there may be.
 */
max_replicas: number, 
/**
 * What it holds asleep, or would; left out where its backend can't sleep.
 */
asleep?: Asleep, };

/**
 * One entry of `notify`, without its secrets.
 */
export type NotifyOutlet = { name: string, 
/**
 * `json`, `ntfy`, `slack`, `feishu` or `mail`.
 */
format: string, 
/**
 * The host of a webhook, the program of a command, the addresses of a mail.
 */
to: string, 
/**
 * What it is told.
 */
events: Array<string>, 
/**
 * How many wait, the one under way included.
 */
waiting: number, 
/**
 * Arrived since the manager's start.
 */
sent: number, 
/**
 * Left out since the manager's start: too many, too old, or refused.
 */
left_out: number, last_sent: string | null, 
/**
 * What went wrong last; null once something has arrived.
 */
last_error: string | null, 
/**
 * Until the next try; null: nothing waits, or it is under way.
 */
next_try_seconds: number | null, };

/**
 * How a test went.
 */
export type NotifyTest = { name: string, 
/**
 * Null: it has arrived.
 */
error: string | null, };

/**
 * `GET /api/runs/{id}`: one run, with the moments of its start. Those that the ledger doesn't keep are known of a
 * model's last runs since the manager started, and null otherwise.
 */
export type OneRun = { 
/**
 * When the model was first wanted.
 */
asked_at: string | null, 
/**
 * When a variant was chosen and its memory reserved.
 */
placed_at: string | null, 
/**
 * When the last process of those that had to go was gone; null: nobody had to.
 */
victims_gone_at: string | null, 
/**
 * When the devices showed the memory as free; null: it was, or they don't tell.
 */
memory_free_at: string | null, 
/**
 * When its process was there.
 */
launched_at: string | null, 
/**
 * When somebody listened on its port.
 */
port_open_at: string | null, 
/**
 * When the head of its first answer came.
 */
first_byte_at: string | null, 
/**
 * Variables of the manager's own environment that reach the backend and may steer its engine; null for a run of
 * a former manager.
 */
inherited: Array<string> | null, id: number, model: string, variant: string, 
/**
 * When it was first wanted; until its start it waited for memory.
 */
queued_at: string | null, started_at: string, ready_at: string | null, 
/**
 * Null: it still runs.
 */
ended_at: string | null, 
/**
 * As in `RunRecord`; also `manager_lost` and `actor_crashed`.
 */
cause: string | null, evicted_for: string | null, started_by: By | null, 
/**
 * Null: it still runs, ended by itself, or with the manager.
 */
ended_by: By | null, exit: string | null, 
/**
 * Ready time, or the whole with `bill_loading`; without the time in which it was parked.
 */
paid_seconds: number, 
/**
 * How long it was parked; that time has its own price.
 */
parked_seconds: number, 
/**
 * When, in order.
 */
parked: Array<Stretch>, 
/**
 * By the hour.
 */
cost: Record<string, string>, 
/**
 * Null: nothing was measured.
 */
energy_wh: number | null, energy_cost: Record<string, string>, };

/**
 * `GET /api/models/{name}/placement`. Without the scheduler there is only the text.
 */
export type Placement = { model: string, decision: 'fits' | 'evict' | 'wait' | 'never', variant: string | null, detail: PlacementDetail, 
/**
 * The decision in words.
 */
summary: string, 
/**
 * The same with what each variant lacks.
 */
text: string, 
/**
 * Of one that is parked: what it holds, and what a wake takes. What follows is about a fresh start.
 */
asleep?: string, 
/**
 * Models that get memory before it, the first one first.
 */
ahead: Array<PlacementAhead>, variants: Array<PlacementVariant>, };

/**
 * A model that waits for memory, and gets it first.
 */
export type PlacementAhead = { model: string, 
/**
 * The highest class of those who wait for it; null: only `auto_start` wants it.
 */
class: string | null, 
/**
 * How long it has waited.
 */
seconds: number, };

/**
 * What stands in the way; at most one of the three.
 */
export type PlacementDetail = { 
/**
 * Idle models that would be stopped.
 */
victims?: Array<string>, 
/**
 * Busy models that would be waited for.
 */
blockers?: Array<string>, 
/**
 * Why it can never be.
 */
reason?: string, };

/**
 * A required device, and the one that is it.
 */
export type PlacementDevice = { requirement: string, device: string, memory_mb: number, };

/**
 * What would become of one variant.
 */
export type PlacementVariant = { variant: string, 
/**
 * Where it runs, if not on this machine.
 */
place: string | null, verdict: 'fits' | 'evict' | 'wait' | 'never', devices: Array<PlacementDevice>, missing: Array<string>, 
/**
 * Devices that an operator has paused, and for how long.
 */
paused: Array<string>, lacks: Array<string>, 
/**
 * Variables of the manager's own environment that reach the backend and may steer its engine.
 */
inherited: Array<string>, 
/**
 * The measured peak by device, in MiB.
 */
measured_mb: Record<string, number> | null, 
/**
 * What the cluster has for it, and what it says of the job that waits; left out where the variant is no job.
 */
cluster?: string, };

/**
 * An entry of the history.
 */
export type PlanVersion = { id: number, valid_from: string, created_at: string, source: 'config' | 'api', 
/**
 * Null: from then on there is no price.
 */
plan: PricePlan | null, };

/**
 * A price plan. Prices are decimal texts.
 */
export type PricePlan = { "method": "tiered", currency: string, cache_pricing: boolean, tiers: Array<Tier>, } | { "method": "hourly", currency: string, per_hour: string, parked_per_hour: string, };

/**
 * Half of them took less than `p50`, and so on. Seconds.
 */
export type Quantiles = { p50: number, p95: number, p99: number, };

/**
 * A request that waits. Times are seconds.
 */
export type QueuedRequest = { id: string, model: string, 
/**
 * The name of its key; empty: none is wanted.
 */
api_key: string, class: string, 
/**
 * Its place among those who wait for this model, from 1.
 */
place: number, waits_for: string, seconds: number, 
/**
 * What is left, by the last start of this model, or by what its requests have taken; null: nobody knows.
 */
estimate_seconds: number | null, };

/**
 * One backend of a model.
 */
export type Replica = { 
/**
 * From 1; the first one is the model's own actor.
 */
number: number, variant: string | null, pid: number | null, port: number | null, 
/**
 * Where it is, if not on this machine.
 */
place: string | null, 
/**
 * When its job reaches its time limit; null: nothing of that kind is known.
 */
place_ends_at: string | null, state: ModelState, leases: number, last_error: string | null, };

/**
 * A page of the log, newest first.
 */
export type RequestPage = { rows: Array<RequestRow>, 
/**
 * Of the next page: `?after=`.
 */
next: string | null, };

/**
 * One request as the API shows it. The fields but `id` are the columns of the CSV.
 */
export type RequestRow = { id: string, request_id: string, started_at: string, ended_at: string, model: string, variant: string | null, mode: string, endpoint: string, api_key: string | null, status: number, outcome: string, input_tokens: number | null, cached_tokens: number | null, cache_write_tokens: number | null, output_tokens: number | null, reasoning_tokens: number | null, usage_source: 'backend' | 'estimated' | 'none', cost: string | null, currency: string | null, pricing: 'no_plan' | 'priced' | 'no_tier' | 'no_counts' | 'too_big' | 'hourly', plan_id: number | null, run_id: number | null, duration_seconds: number, queue_seconds: number, first_byte_seconds: number | null, replayed: boolean, error: string | null, 
/**
 * The name or alias that the client asked for; `null` in rows of older versions, as the three that follow.
 */
asked_model: string | null, 
/**
 * The client wanted a stream.
 */
stream: boolean | null, 
/**
 * What the client called itself.
 */
user_agent: string | null, 
/**
 * The client's address, behind the proxies that are trusted.
 */
address: string | null, 
/**
 * Its bodies are kept: `GET /api/requests/{id}/capture`.
 */
captured: boolean, 
/**
 * With `shares=true`: its part of the hourly price and the electricity of its run, by currency.
 */
share?: Record<string, string>, };

/**
 * What one request would pay of its run.
 */
export type RequestShare = { request_id: string, ended_at: string, cost: Record<string, string>, };

/**
 * One life of a backend that has ended.
 */
export type RunRecord = { variant: string, pid: number | null, started_at: string, ready_at: string | null, ended_at: string, exit: string, queued_at: string, cause: 'idle' | 'evicted' | 'operator' | 'restart' | 'shutdown' | 'aborted' | 'start_failed' | 'start_timeout' | 'out_of_memory' | 'unreachable' | 'time_limit' | 'renewed' | 'preempted' | 'node_lost' | 'cancelled' | 'crashed' | 'unresponsive' | 'park_lost', 
/**
 * Of an evicted one: the model that needed its memory.
 */
evicted_for: string | null, started_by: By | null, 
/**
 * Null: it ended by itself, or the manager did.
 */
ended_by: By | null, };

/**
 * `GET /api/runs/{id}/shares`: what a run cost, shared out to the requests that ran in it.
 */
export type RunShares = { run: LedgerRun, requests: Array<RequestShare>, 
/**
 * Of the time in which nobody asked.
 */
idle: Record<string, string>, };

/**
 * A request that a backend has, whose answer has not ended. Times are seconds.
 */
export type RunningRequest = { id: string, model: string, 
/**
 * The name of its key; empty: none is wanted.
 */
api_key: string, class: string, variant: string, 
/**
 * The run that serves it; null: without a ledger.
 */
run_id: number | null, 
/**
 * How long it waited for its backend.
 */
queue_seconds: number, 
/**
 * Since the backend got it.
 */
seconds: number, };

/**
 * What `/api/events` sends.
 */
export type ServerEvent = { "type": "snapshot", "data": { models: Array<ModelView>, } } | { "type": "model", "data": ModelView } | { "type": "supervision", "data": { path: string, message: string, } } | { "type": "devices", "data": Array<DeviceView> } | { "type": "throughput", "data": Throughput };

/**
 * `GET /api/statement`
 */
export type Statement = { 
/**
 * Such as 2026-11.
 */
month: string, tz: string, from: string, to: string, 
/**
 * Before this time the rows of requests are gone: hours and electricity are shared by the sums of durations.
 */
by_sums_until: string | null, keys: Array<StatementKey>, 
/**
 * Hours and electricity of the time in which nobody used a model.
 */
idle: Array<StatementModel>, 
/**
 * Each model with all of its keys and its idle time: what `/api/usage/summary?by=model` says.
 */
models: Array<StatementModel>, total: StatementSums, };

/**
 * One key's part.
 */
export type StatementKey = { 
/**
 * Null: requests without a key.
 */
api_key: string | null, models: Array<StatementModel>, requests: number, 
/**
 * Cached ones included.
 */
input_tokens: number, cached_tokens: number, cache_write_tokens: number, 
/**
 * Reasoning included.
 */
output_tokens: number, 
/**
 * A plan was in force, but gave no price.
 */
unpriced: number, 
/**
 * Of requests, by their tiers; by currency, as decimal text.
 */
cost: Record<string, string>, 
/**
 * Its part of the hours.
 */
run_cost: Record<string, string>, 
/**
 * Its part of the electricity, in thousandths of a joule.
 */
energy_mj: number, energy_wh: number, energy_cost: Record<string, string>, 
/**
 * All of the money.
 */
sum: Record<string, string>, };

/**
 * One model's part.
 */
export type StatementModel = { model: string, requests: number, 
/**
 * Cached ones included.
 */
input_tokens: number, cached_tokens: number, cache_write_tokens: number, 
/**
 * Reasoning included.
 */
output_tokens: number, 
/**
 * A plan was in force, but gave no price.
 */
unpriced: number, 
/**
 * Of requests, by their tiers; by currency, as decimal text.
 */
cost: Record<string, string>, 
/**
 * Its part of the hours.
 */
run_cost: Record<string, string>, 
/**
 * Its part of the electricity, in thousandths of a joule.
 */
energy_mj: number, energy_wh: number, energy_cost: Record<string, string>, 
/**
 * All of the money.
 */
sum: Record<string, string>, };

/**
 * What was used, and what it costs.
 */
export type StatementSums = { requests: number, 
/**
 * Cached ones included.
 */
input_tokens: number, cached_tokens: number, cache_write_tokens: number, 
/**
 * Reasoning included.
 */
output_tokens: number, 
/**
 * A plan was in force, but gave no price.
 */
unpriced: number, 
/**
 * Of requests, by their tiers; by currency, as decimal text.
 */
cost: Record<string, string>, 
/**
 * Its part of the hours.
 */
run_cost: Record<string, string>, 
/**
 * Its part of the electricity, in thousandths of a joule.
 */
energy_mj: number, energy_wh: number, energy_cost: Record<string, string>, 
/**
 * All of the money.
 */
sum: Record<string, string>, };

/**
 * `GET /api/storage`
 */
export type Storage = { total_bytes: number, free_bytes: number, 
/**
 * Days that rows of requests are kept; reports by the quarter of an hour and wider go on.
 */
retention_days: number, 
/**
 * Models whose data are being deleted.
 */
deleting: number, rows_since: string | null, models: Array<StorageModel>, };

/**
 * The data of one model.
 */
export type StorageModel = { model: string, 
/**
 * The configuration does not have it any more.
 */
orphan: boolean, first_seen: string | null, rows: number, bytes: number, runs: number, 
/**
 * Names that it had before.
 */
former_names: Array<string>, };

/**
 * From when to when.
 */
export type Stretch = { from: string, to: string, };

/**
 * An actor in the tree of `GET /api/supervision`, with those below it.
 */
export type SupervisionNode = { name: string, path: string, state: 'running' | 'restarting' | 'failed', detail: string | null, restarts: number, since: string, last_exit: string | null, children: Array<SupervisionNode>, };

/**
 * The throughput of all models; those without any are left out.
 */
export type Throughput = { time: string, models: Array<ModelThroughput>, };

export type Tier = { max_input: number | null, max_output: number | null, input: string, output: string, cache_read: string, cache_write: string, };

/**
 * Those that have something in common.
 */
export type UsageGroup = { 
/**
 * One value for each dimension asked for, with commas; a name may have some of its own, see `keys`.
 */
key: string, 
/**
 * The same by dimension.
 */
keys: Record<string, string>, requests: number, 
/**
 * The backend (`backend_error`) or the manager itself (`failed`) failed.
 */
failed: number, 
/**
 * The backend answered 4xx.
 */
rejected: number, client_left: number, 
/**
 * The manager answered instead.
 */
refused: number, 
/**
 * An operator ended it.
 */
cancelled: number, 
/**
 * Sent to the backend twice.
 */
replayed: number, estimated: number, unrecorded: number, unpriced: number, 
/**
 * Cached ones included.
 */
input_tokens: number, cached_tokens: number, cache_write_tokens: number, 
/**
 * Reasoning included.
 */
output_tokens: number, reasoning_tokens: number, 
/**
 * By currency, as decimal text.
 */
cost: Record<string, string>, 
/**
 * Ready time by the hour; only by model or variant.
 */
run_cost: Record<string, string>, 
/**
 * What runs drew, as far as it was measured; where there is `run_cost`.
 */
energy_wh: number, 
/**
 * What that cost.
 */
energy_cost: Record<string, string>, duration_seconds: number, queue_seconds: number, first_byte_seconds: number, first_bytes: number, };

/**
 * How long the answers took, of requests that had one.
 */
export type UsageLatency = { requests: number, 
/**
 * False: from histograms, within a tenth.
 */
exact: boolean, duration_seconds: Quantiles, first_byte_seconds: Quantiles, };

/**
 * `GET /api/usage/summary`
 */
export type UsageReport = { latency: UsageLatency, throughput: UsageThroughput, from: string, to: string, total: UsageTotals, groups: Array<UsageGroup>, };

/**
 * `GET /api/usage/series`: a summary for each bucket, also where nothing was.
 */
export type UsageSeries = { bucket: 'minute' | 'quarter' | 'hour' | 'day' | 'week' | 'month', points: Array<UsageSummary>, };

/**
 * One stretch of time.
 */
export type UsageSummary = { from: string, to: string, total: UsageTotals, groups: Array<UsageGroup>, };

/**
 * Per second of the whole stretch.
 */
export type UsageThroughput = { requests_per_second: number, input_tokens_per_second: number, output_tokens_per_second: number, };

/**
 * Sums of requests.
 */
export type UsageTotals = { requests: number, 
/**
 * The backend (`backend_error`) or the manager itself (`failed`) failed.
 */
failed: number, 
/**
 * The backend answered 4xx.
 */
rejected: number, client_left: number, 
/**
 * The manager answered instead.
 */
refused: number, 
/**
 * An operator ended it.
 */
cancelled: number, 
/**
 * Sent to the backend twice.
 */
replayed: number, estimated: number, unrecorded: number, unpriced: number, 
/**
 * Cached ones included.
 */
input_tokens: number, cached_tokens: number, cache_write_tokens: number, 
/**
 * Reasoning included.
 */
output_tokens: number, reasoning_tokens: number, 
/**
 * By currency, as decimal text.
 */
cost: Record<string, string>, 
/**
 * Ready time by the hour; only by model or variant.
 */
run_cost: Record<string, string>, 
/**
 * What runs drew, as far as it was measured; where there is `run_cost`.
 */
energy_wh: number, 
/**
 * What that cost.
 */
energy_cost: Record<string, string>, duration_seconds: number, queue_seconds: number, first_byte_seconds: number, first_bytes: number, };

/**
 * One variant.
 */
export type VariantMemory = { variant: string, 
/**
 * Which of the following counts when it is placed.
 */
basis: 'declared' | 'measured' | 'estimated' | 'unchecked', 
/**
 * What counts, by entry of `required_devices`.
 */
memory_mb: Record<string, number>, 
/**
 * The largest use that was measured.
 */
measured_mb: Record<string, number>, 
/**
 * What its files and its command line say.
 */
estimated_mb: Record<string, number>, 
/**
 * What was found: architecture, context, slots.
 */
found: string | null, 
/**
 * What the estimate is made of.
 */
parts: Array<MemoryPart>, 
/**
 * What the estimate leaves out.
 */
notes: Array<string>, 
/**
 * Why there is no estimate.
 */
unknown: string | null, };

export type VariantView = { name: string, 
/**
 * Where it runs, if not on this machine.
 */
place: string | null, required_devices: Array<string>, memory_mb: Record<string, number>, script_path: string | null, command: Array<string> | null, };
