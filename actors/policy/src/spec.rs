//! What the user asked for: the validated configuration, in the words that the rest of the program uses.
//!
//! `src/config` makes these from `config.yaml`; everything below it only reads them.

mod notify;
mod place;
mod routes;

pub use notify::{DeliveryMethod, NotifySpec, WebhookFormat};
pub use place::{BadUrl, Place, Secret, UrlPlace};
pub use routes::Routes;

use crate::capture;
use crate::devices::{Requirement, SharedDevice};
use crate::hours::Hours;
use crate::parking::ParkSpec;
use crate::pricing::{Currency, Plan, Price};
use crate::proxies::Network;
use crate::replicas::Replicas;
use crate::rights::Scope;
use crate::usage::Pointers;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A whole configuration file.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// Folder that holds the file; relative paths in it start here.
    pub base_dir: PathBuf,
    /// Settings of the manager itself.
    pub program: ProgramSpec,
    /// Modes in force: the four built-in ones and those of `modes:`.
    pub modes: Vec<Arc<ModeSpec>>,
    /// `logs:`, the files that keep what backends print.
    pub logs: LogsSpec,
    /// Device plugins of `devices:`.
    pub devices: Vec<DevicePluginSpec>,
    /// Devices of `devices:` that other programs use, too.
    pub shared_devices: Vec<SharedDevice>,
    /// Keys of `keys:`, beside `program.api_keys`.
    pub keys: Vec<KeySpec>,
    /// Whom word goes out to, of `notify:`.
    pub notify: Vec<NotifySpec>,
    /// Variables of the environment in which secrets stand: no backend sees them.
    pub secret_variables: Vec<String>,
    /// Models in file order.
    pub models: Vec<Arc<ModelSpec>>,
}

/// One entry of `keys:`.
#[derive(Clone, Debug, PartialEq)]
pub struct KeySpec {
    /// By which the ledger knows it.
    pub name: String,
    /// It was made while the manager ran, so it isn't in the file.
    pub made: bool,
    /// SHA-256 of the secret.
    pub secret: [u8; 32],
    /// What it may do; never empty.
    pub scopes: Vec<Scope>,
    /// Patterns of the names and aliases that it may use; empty: all.
    pub models: Vec<String>,
    /// Seconds since 1970, from which on it opens nothing.
    pub expires: Option<i64>,
    /// How many requests to models per minute.
    pub requests_per_minute: Option<u64>,
    /// How many tokens, input and output, per minute.
    pub tokens_per_minute: Option<u64>,
    /// What it may use in a day or a month.
    pub budget: Option<BudgetSpec>,
    /// Whose turn it is before whose; `None`: as the model says.
    pub priority: Option<Class>,
    /// The highest class that a request of it may ask for; `None`: its own.
    pub max_priority: Option<Class>,
    /// Whether its streams say that they wait for their model; `None`: as the program says.
    pub loading_comments: Option<bool>,
}

/// What a key may use in a day or a month of UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetSpec {
    /// Which stretch of time.
    pub period: Period,
    /// How much.
    pub cap: Cap,
}

/// The stretch of time of a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// From midnight.
    Day,
    /// From the first of the month.
    Month,
}

/// How much a budget is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cap {
    /// Input and output.
    Tokens(u64),
    /// What requests cost, as far as they are priced in this currency.
    Money {
        /// In the units of `Price`.
        units: u64,
        /// Which money.
        currency: Currency,
    },
}

/// Whose request goes before whose, in the line for a model and for memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Work that nobody watches.
    Batch,
    /// Everything else.
    #[default]
    Normal,
    /// Somebody waits at a screen.
    Interactive,
}

impl Class {
    /// All of them, the lowest first.
    pub const ALL: [Self; 3] = [Self::Batch, Self::Normal, Self::Interactive];

    /// The class of this word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.text() == word)
    }

    /// The word for it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Batch => "batch",
            Self::Normal => "normal",
            Self::Interactive => "interactive",
        }
    }
}

/// `program:`
#[derive(Clone, Debug, PartialEq)]
pub struct ProgramSpec {
    /// Address to listen on.
    pub host: String,
    /// TCP port to listen on.
    pub port: u16,
    /// `error`, `warn`, `info`, `debug` or `trace`, in lower case; `RUST_LOG` goes before it.
    pub log_level: String,
    /// True: no device polling and no memory check.
    pub disable_gpu_monitoring: bool,
    /// SQLite file (absolute) or `postgres://` address of the ledger.
    pub database: String,
    /// True: other managers have the same ledger and the same cluster, and one of them leads.
    pub shared: bool,
    /// Keys that open `/v1` and `/api`; empty: no key is asked for.
    pub api_keys: Vec<String>,
    /// Names under which browsers may come, beside the usual ones; `*.x` for all below `x`, `*` for any.
    pub allowed_hosts: Vec<String>,
    /// True: the file is applied as soon as it changes.
    pub watch_config: bool,
    /// How long a shutdown or an operator's stop waits for running answers.
    pub drain_timeout: Duration,
    /// In which a client must take a byte of its answer.
    pub client_write_timeout: Duration,
    /// How long a start may wait for memory.
    pub queue_timeout: Duration,
    /// How long a model that has become ready keeps its memory.
    pub min_hold: HoldTime,
    /// When a start has waited for this long, busy models in its way are told to finish.
    pub max_hold: HoldTime,
    /// True: a variant that fits without stopping anybody goes before a better one that doesn't.
    pub prefer_resident: bool,
    /// How many requests may wait for one model.
    pub max_waiting: usize,
    /// Largest request body, in bytes.
    pub max_body_bytes: usize,
    /// Days that logs and request rows are kept.
    pub log_retention_days: u32,
    /// Origins whose pages may call `/v1` from a browser.
    pub allowed_origins: Vec<String>,
    /// True: a stream says that it waits for its model.
    pub loading_comments: bool,
    /// True: the log is JSON, one object a line.
    pub log_json: bool,
    /// Where the log is kept beside standard error.
    pub log_file: Option<LogFileSpec>,
    /// True: each request that has ended has a line in the log.
    pub log_requests: bool,
    /// How much is kept of requests to models with `capture`, and for how long.
    pub captures: capture::CaptureBounds,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// What a proxy puts before all paths, such as `/llm`; empty: nothing.
    pub base_path: String,
    /// With what clients are served over TLS; `None`: they aren't.
    pub tls: Option<TlsSpec>,
    /// Where traces of requests go; `None`: there are none.
    pub traces: Option<TracesSpec>,
    /// What electricity costs; `None`: its amount is recorded, but not its price.
    pub electricity: Option<Electricity>,
    /// Watts of devices that don't tell their power, while a model is on them.
    pub watts: Vec<(Requirement, u32)>,
}

/// `program.log_file`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFileSpec {
    /// The newest lines (absolute).
    pub path: PathBuf,
    /// Largest size of one file.
    pub bytes: u64,
    /// How many files there are at most, the newest one included.
    pub count: u32,
}

/// `program.tls`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSpec {
    /// PEM: the certificate, and those that lead to its root (absolute).
    pub cert: PathBuf,
    /// PEM: its private key (absolute).
    pub key: PathBuf,
}

/// `program.traces`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracesSpec {
    /// Where they are posted, with the path.
    pub url: String,
    /// Headers to send with them.
    pub headers: Vec<(String, String)>,
    /// How many of a hundred requests are traced, of those whose client has not decided it.
    pub percent: u64,
}

/// `program.electricity`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Electricity {
    /// Of a kilowatt-hour.
    pub per_kwh: Price,
    /// In this currency.
    pub currency: Currency,
}

/// `logs:`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogsSpec {
    /// Where they are (absolute); `None`: beside the ledger.
    pub folder: Option<PathBuf>,
    /// Of all of them together; 0: there are none.
    pub bytes: u64,
    /// Days after the last line.
    pub days: u32,
}

/// One entry of `devices:` with a command.
#[derive(Clone, Debug, PartialEq)]
pub struct DevicePluginSpec {
    /// The device's name, which `required_devices` match.
    pub name: String,
    /// Program and arguments; prints one JSON object.
    pub command: Vec<String>,
}

/// A kind of service: which endpoints it answers, and how to see that it is ready.
#[derive(Clone, Debug, PartialEq)]
pub struct ModeSpec {
    /// `Chat`, `Base`, ... as the configuration writes it.
    pub name: String,
    /// Paths that models of this mode serve, such as `/v1/embeddings`.
    pub endpoints: Vec<String>,
    /// Probes in order; the backend is ready when the last has succeeded.
    pub probes: Vec<ProbeSpec>,
    /// Where its answers tell what they used; `None`: as those of OpenAI do.
    pub usage: Option<Arc<Pointers>>,
    /// Where backends of this mode serve it, unless their model says something else.
    pub routes: Routes,
}

/// One probe: it succeeds when one of `paths` answers with a 2xx status.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeSpec {
    /// `GET` or `POST`.
    pub method: String,
    /// Tried in order; the next one when the backend says that it doesn't know this path. Empty in a model's own
    /// probe that only adds headers to those of its mode.
    pub paths: Vec<String>,
    /// JSON body to send; `{model}` becomes the backend's name for the model.
    pub body: Option<String>,
    /// Sent with it, names in lower case; a value may be a key, so it is never logged.
    pub headers: Vec<(String, String)>,
}

/// One entry of `Local-Models:`.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelSpec {
    /// The key of the entry.
    pub name: String,
    /// Other names that clients may use.
    pub aliases: Vec<String>,
    /// Names under which its data were recorded; no client may use them.
    pub formerly: Vec<String>,
    /// What it serves.
    pub mode: Arc<ModeSpec>,
    /// Port on 127.0.0.1 that the backend listens on; `None`: a free one is chosen at each start.
    pub port: Option<u16>,
    /// Start with the program.
    pub auto_start: bool,
    /// Time without a lease until it is stopped, or parked; `None`: never.
    pub alive_time: Option<Duration>,
    /// How long it stays parked until it is stopped; `None`: for ever.
    pub keep_parked: Option<Duration>,
    /// From spawn to ready.
    pub start_timeout: Duration,
    /// From SIGTERM to SIGKILL of the whole process tree.
    pub stop_timeout: Duration,
    /// Leases at once; `None`: no limit.
    pub max_concurrency: Option<u32>,
    /// The class of its requests, where their key has none.
    pub priority: Option<Class>,
    /// Longest wait for the first byte of an answer; `None`: no limit.
    pub first_byte_timeout: Option<Duration>,
    /// Longest silence within an answer; `None`: no limit.
    pub idle_timeout: Option<Duration>,
    /// True: whoever listens on the port is taken for the backend (a container's port proxy, for example).
    pub foreign_listener: bool,
    /// True: streams that don't ask for their usage are asked for it; false: the engine refuses `stream_options`.
    pub stream_usage: bool,
    /// Whether a plain request is sent as a stream, so that it ends with its client; `None`: for engines of which it is
    /// known that they would generate on.
    pub end_with_client: Option<bool>,
    /// True: the time from launch to ready is paid, too, where the model is paid by the hour.
    pub bill_loading: bool,
    /// How it is paid, as far as the configuration says so.
    pub billing: Option<Plan>,
    /// True: it is never stopped to make room for another model.
    pub pinned: bool,
    /// Hours in which it is kept warm.
    pub keep_warm: Vec<Hours>,
    /// Hours in which no request of the class `batch` starts it.
    pub quiet: Vec<Hours>,
    /// True: it may be started while memory of ended processes is still being given back.
    pub overlap: bool,
    /// True: what clients send and backends answer is kept for a while.
    pub capture: bool,
    /// Which of its names `/v1/models` has.
    pub listed: ListedNames,
    /// Tokens that it takes at once, as the user says.
    pub context_length: Option<u64>,
    /// True: the answer's `model` becomes the name that was asked for.
    pub rewrite_model: bool,
    /// True: its weights are read into the page cache when it is wanted.
    pub read_ahead: bool,
    /// What to read then; empty: what its command line names.
    pub weights: Vec<PathBuf>,
    /// How many backends serve it.
    pub replicas: Replicas,
    /// The model of which this is a further replica; `None`: it is a model.
    pub replica_of: Option<String>,
    /// Launch configurations in order of priority; never empty.
    pub variants: Vec<VariantSpec>,
}

impl ModelSpec {
    /// The model's name, also of a further replica, whose own name has a number.
    pub fn model(&self) -> &str {
        self.replica_of.as_deref().unwrap_or(&self.name)
    }

    /// The same for a further replica: it is started by its model alone, and has a port of its own.
    #[must_use]
    pub fn replica(&self, number: usize) -> Self {
        Self {
            name: crate::replicas::name(&self.name, number),
            replica_of: Some(self.name.clone()),
            port: None,
            auto_start: false,
            keep_warm: Vec::new(),
            quiet: Vec::new(),
            ..self.clone()
        }
    }
}

/// Which names of a model are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListedNames {
    /// The model at all.
    pub name: bool,
    /// Its aliases too.
    pub aliases: bool,
}

/// One launch configuration of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct VariantSpec {
    /// The key of the entry.
    pub name: String,
    /// Devices that must be online.
    pub required_devices: Vec<String>,
    /// MiB wanted on each device.
    pub memory_mb: BTreeMap<String, u64>,
    /// `memory_mb: auto`: what was measured at earlier runs.
    pub memory_auto: bool,
    /// Where it runs.
    pub place: Place,
    /// How long before the end of its place it has a successor; `None`: it has none.
    pub renew_before: Option<Duration>,
    /// How it is started.
    pub launch: Launch,
    /// Added to the backend's environment.
    pub env: BTreeMap<String, String>,
    /// The name by which the backend knows the model; `None`: the probe finds it out.
    pub served_name: Option<String>,
    /// Where the backend serves what it is asked for.
    pub routes: Routes,
    /// Asked instead of the mode's probes.
    pub probe: Option<ProbeSpec>,
    /// Program and arguments that stop what is no child of the manager; `{port}` and `{model}` are filled in.
    pub stop_command: Option<Vec<String>>,
    /// How it sleeps instead of ending; `None`: it doesn't.
    pub park: Option<ParkSpec>,
    /// MiB that it holds asleep on each device, `cpu` being RAM; empty: what is measured.
    pub parked_mb: BTreeMap<String, u64>,
}

/// How a variant is started.
#[derive(Clone, Debug, PartialEq)]
pub enum Launch {
    /// `script_path`: an absolute path.
    Script(PathBuf),
    /// `command`: program and arguments; `{port}` and `{model}` are filled in at launch.
    Command(Vec<String>),
    /// Not at all: somebody else has started it.
    Nothing,
}

/// `min_hold` and `max_hold`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HoldTime {
    /// It follows what a swap costs: see `queue::pace`.
    Auto,
    /// Always this long.
    Fixed(Duration),
}
