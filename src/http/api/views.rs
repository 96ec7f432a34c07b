//! The JSON of the management API: how a model, a run, a log line and an actor look from outside.
//!
//! The types of the dashboard are made from these and from those of the other views, see `typescript`.

use jiff::Timestamp;
use llm_manager_actors::logs::LogEntry;
use llm_manager_actors::logs::LogStream;
use llm_manager_actors::model::{ModelHandle, RunRecord};
use llm_manager_actors::supervisor::SupervisionNode;
use llm_manager_policy::model_state::ModelState;
use llm_manager_policy::spec::{Launch, VariantSpec};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a model does: `ModelState` as the API spells it.
#[derive(Clone, Copy, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "ModelState"), schemars(rename = "ModelState"))]
#[serde(rename_all = "lowercase")]
enum StateView {
    Stopped,
    Queued,
    Starting,
    Ready,
    Draining,
    Stopping,
    Failed,
    Parking,
    Parked,
    Waking,
}

impl From<ModelState> for StateView {
    fn from(state: ModelState) -> Self {
        match state {
            ModelState::Stopped => Self::Stopped,
            ModelState::Queued => Self::Queued,
            ModelState::Starting => Self::Starting,
            ModelState::Ready => Self::Ready,
            ModelState::Draining => Self::Draining,
            ModelState::Stopping => Self::Stopping,
            ModelState::Failed => Self::Failed,
            ModelState::Parking => Self::Parking,
            ModelState::Parked => Self::Parked,
            ModelState::Waking => Self::Waking,
        }
    }
}

/// One model in `GET /api/models`. Durations are seconds, times are UTC.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
pub(crate) struct ModelView {
    name: String,
    aliases: Vec<String>,
    mode: String,
    port: Option<u16>,
    /// Where its backend is, if not on this machine: an address, for example.
    place: Option<Arc<str>>,
    /// When its job reaches its time limit; null: nothing of that kind is known.
    #[cfg_attr(test, ts(type = "string | null"))]
    place_ends_at: Option<Timestamp>,
    state: StateView,
    #[cfg_attr(test, ts(type = "string"))]
    since: Timestamp,
    variant: Option<Arc<str>>,
    pid: Option<u32>,
    leases: u32,
    waiting: usize,
    idle_seconds_left: Option<f64>,
    /// Its hours of `keep_warm` last, or are about to begin; left out where they don't.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(test, ts(optional, as = "Option<bool>"))]
    warm: bool,
    /// The end of its `quiet` hours; left out where there are none now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional, as = "Option<String>"))]
    quiet_until: Option<Timestamp>,
    #[cfg_attr(test, ts(type = "string | null"))]
    started_at: Option<Timestamp>,
    #[cfg_attr(test, ts(type = "string | null"))]
    ready_at: Option<Timestamp>,
    #[cfg_attr(test, ts(type = "string | null"))]
    retry_at: Option<Timestamp>,
    waits_for: Option<Arc<str>>,
    last_error: Option<Arc<str>>,
    failures: u32,
    auto_start: bool,
    alive_seconds: Option<f64>,
    max_concurrency: Option<u32>,
    /// Its variants have a way to sleep instead of ending.
    can_park: bool,
    /// Its backends that aren't stopped, by their numbers. `state`, `variant`, `pid` and `port` above are those of the one that is
    /// nearest to serving.
    replicas: Vec<ReplicaView>,
    /// How many there may be.
    max_replicas: u32,
    /// What it holds asleep, or would; left out where its backend can't sleep.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    asleep: Option<AsleepView>,
}

/// One backend of a model.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "Replica"), schemars(rename = "Replica"))]
struct ReplicaView {
    /// From 1; the first one is the model's own actor.
    number: usize,
    variant: Option<Arc<str>>,
    pid: Option<u32>,
    port: Option<u16>,
    /// Where it is, if not on this machine.
    place: Option<Arc<str>>,
    /// When its job reaches its time limit; null: nothing of that kind is known.
    #[cfg_attr(test, ts(type = "string | null"))]
    place_ends_at: Option<Timestamp>,
    state: StateView,
    leases: u32,
    last_error: Option<Arc<str>>,
}

impl ReplicaView {
    fn all(model: &ModelHandle) -> Vec<Self> {
        let own = (model.own_status(), model.own_leases());
        let further = model.crew().iter().map(|replica| (replica.own_status(), replica.own_leases()));
        let all = std::iter::once(own).chain(further).zip(1..);
        let live = all.filter(|((status, _), _)| status.state != ModelState::Stopped);
        live.map(|((status, leases), number)| Self {
            number,
            variant: status.variant.clone(),
            pid: status.pid,
            port: if status.place.is_some() { None } else { status.port },
            place: status.place.clone(),
            place_ends_at: status.ends_at,
            state: status.shown().0.into(),
            leases,
            last_error: status.last_error.clone(),
        })
        .collect()
    }
}

/// What a parked model holds, and what it costs to wake it.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "Asleep"), schemars(rename = "Asleep"))]
pub(crate) struct AsleepView {
    /// By name of device; nothing where memory isn't looked after.
    #[cfg_attr(test, ts(type = "Record<string, number>"))]
    holds_mb: BTreeMap<String, u64>,
    /// Until it is awake.
    wake_seconds: f64,
    /// As the last wake took; false: an estimate.
    measured: bool,
}

impl AsleepView {
    /// What the handle shows now.
    pub(crate) fn of(model: &ModelHandle) -> Option<Self> {
        let asleep = model.asleep()?;
        Some(Self {
            holds_mb: asleep.holds.into_iter().collect(),
            wake_seconds: rounded(asleep.wake.as_secs_f64()),
            measured: asleep.measured,
        })
    }
}

impl ModelView {
    /// What the handle shows now.
    pub(crate) fn of(model: &ModelHandle) -> Self {
        let status = model.status();
        let spec = &model.spec;
        Self {
            name: spec.name.clone(),
            aliases: spec.aliases.clone(),
            mode: spec.mode.name.clone(),
            port: if status.place.is_some() { None } else { status.port.or(spec.port) },
            place: status.place.clone(),
            place_ends_at: status.ends_at,
            state: status.shown().0.into(),
            since: status.since,
            variant: status.variant.clone(),
            pid: status.pid,
            leases: model.leases(),
            waiting: model.waiting(),
            idle_seconds_left: model.idle_left().map(|left| rounded(left.as_secs_f64())),
            warm: model.is_warm(),
            quiet_until: model.quiet_until(),
            started_at: status.started_at,
            ready_at: status.ready_at,
            retry_at: status.retry_at,
            waits_for: status.shown().1.cloned(),
            last_error: status.last_error.clone(),
            failures: status.failures,
            auto_start: spec.auto_start,
            alive_seconds: spec.alive_time.map(|time| time.as_secs_f64()),
            max_concurrency: spec.max_concurrency,
            can_park: spec.variants.iter().any(|variant| variant.park.is_some()),
            replicas: ReplicaView::all(model),
            max_replicas: spec.replicas.max,
            asleep: AsleepView::of(model),
        }
    }
}

/// Milliseconds are as fine as anybody reads.
fn rounded(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

/// One model in `GET /api/models/{name}`.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
pub(crate) struct ModelDetails {
    #[serde(flatten)]
    model: ModelView,
    /// Why the variant that runs was chosen; null: nothing runs, or memory is not checked.
    chosen: Option<Arc<str>>,
    variants: Vec<VariantView>,
    runs: Vec<RunView>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
struct VariantView {
    name: String,
    /// Where it runs, if not on this machine.
    place: Option<String>,
    required_devices: Vec<String>,
    #[cfg_attr(test, ts(type = "Record<string, number>"))]
    memory_mb: BTreeMap<String, u64>,
    script_path: Option<String>,
    command: Option<Vec<String>>,
}

/// One life of a backend that has ended.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "RunRecord"), schemars(rename = "RunRecord"))]
struct RunView {
    variant: Arc<str>,
    pid: Option<u32>,
    #[cfg_attr(test, ts(type = "string"))]
    started_at: Timestamp,
    #[cfg_attr(test, ts(type = "string | null"))]
    ready_at: Option<Timestamp>,
    #[cfg_attr(test, ts(type = "string"))]
    ended_at: Timestamp,
    exit: String,
    #[cfg_attr(test, ts(type = "string"))]
    queued_at: Timestamp,
    #[cfg_attr(
        test,
        ts(
            type = "'idle' | 'evicted' | 'operator' | 'restart' | 'shutdown' | 'aborted' | 'start_failed' | 'start_timeout' | 'out_of_memory' | 'unreachable' | 'time_limit' | 'renewed' | 'preempted' | 'node_lost' | 'cancelled' | 'crashed' | 'unresponsive' | 'park_lost'"
        )
    )]
    cause: &'static str,
    /// Of an evicted one: the model that needed its memory.
    evicted_for: Option<Arc<str>>,
    started_by: Option<ByView>,
    /// Null: it ended by itself, or the manager did.
    ended_by: Option<ByView>,
}

/// Who started or ended a run: somebody, or a rule of the manager's own.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "By"), schemars(rename = "By"))]
pub(super) struct ByView {
    /// As in `AuditEntry`.
    #[cfg_attr(test, ts(type = "'key' | 'session' | 'local' | 'anyone' | 'rule'"))]
    kind: String,
    /// The key's name, the user, the address of whom nothing else is known, or the rule, such as `idle timer`.
    who: String,
}

impl ByView {
    /// From kind and name, as the ledger keeps them.
    pub(super) fn of(mark: &str) -> Option<Self> {
        let (kind, who) = mark.split_once(':')?;
        Some(Self { kind: kind.to_owned(), who: who.to_owned() })
    }
}

impl RunView {
    fn of(run: &RunRecord) -> Self {
        Self {
            variant: Arc::clone(&run.variant),
            pid: run.pid,
            started_at: run.started_at,
            ready_at: run.ready_at,
            ended_at: run.ended_at,
            exit: run.exit.clone(),
            queued_at: run.queued_at,
            cause: run.cause.text(),
            evicted_for: run.evicted_for.clone(),
            started_by: ByView::of(&run.started_by),
            ended_by: run.ended_by.as_deref().and_then(ByView::of),
        }
    }
}

impl ModelDetails {
    /// What the handle shows now.
    pub(crate) fn of(model: &ModelHandle) -> Self {
        Self {
            model: ModelView::of(model),
            variants: model.spec.variants.iter().map(VariantView::of).collect(),
            chosen: model.status().chosen.clone(),
            runs: model.runs().iter().map(RunView::of).collect(),
        }
    }
}

impl VariantView {
    fn of(variant: &VariantSpec) -> Self {
        let (script_path, command) = match &variant.launch {
            Launch::Script(path) => (Some(path.display().to_string()), None),
            Launch::Command(command) => (None, Some(command.clone())),
            Launch::Nothing => (None, None),
        };
        Self {
            name: variant.name.clone(),
            place: (!variant.place.is_local()).then(|| variant.place.to_string()),
            required_devices: variant.required_devices.clone(),
            memory_mb: variant.memory_mb.clone(),
            script_path,
            command,
        }
    }
}

/// One line of a log.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "LogLine"), schemars(rename = "LogLine"))]
pub(crate) struct LineView<'a> {
    seq: u64,
    #[cfg_attr(test, ts(type = "string"))]
    time: Timestamp,
    #[cfg_attr(test, ts(type = "'stdout' | 'stderr'"))]
    stream: &'static str,
    line: &'a str,
}

impl<'a> LineView<'a> {
    /// The line as the API shows it.
    pub(crate) fn of(entry: &'a LogEntry) -> Self {
        let stream = match entry.line.stream {
            LogStream::Stdout => "stdout",
            LogStream::Stderr => "stderr",
        };
        Self { seq: entry.seq, time: entry.line.time, stream, line: &entry.line.text }
    }
}

/// An actor in the tree of `GET /api/supervision`, with those below it.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "SupervisionNode"), schemars(rename = "SupervisionNode"))]
pub(crate) struct NodeView {
    name: String,
    path: String,
    #[cfg_attr(test, ts(type = "'running' | 'restarting' | 'failed'"))]
    state: &'static str,
    detail: Option<String>,
    restarts: u64,
    #[cfg_attr(test, ts(type = "string"))]
    since: Timestamp,
    last_exit: Option<String>,
    children: Vec<NodeView>,
}

impl NodeView {
    /// The actor as the API shows it.
    pub(crate) fn of(node: SupervisionNode) -> Self {
        let SupervisionNode { name, path, state, detail, restarts, since, last_exit, children } = node;
        let children = children.into_iter().map(Self::of).collect();
        Self { name, path, state, detail, restarts, since, last_exit, children }
    }
}
