//! What the ledger records: one request, one life of a backend; and the words in which it says so.

use super::bounds::{LONGEST_LABEL, cut};
use super::labels::Labels;
use super::sender::Sender;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub use llm_manager_policy::pricing::Micros;

/// Longest error text that is kept, in bytes.
pub(super) const LONGEST_ERROR: usize = 512;
/// More tokens than this in one request are a backend's mistake: the count is taken as unknown.
/// It also keeps every sum of 8 million such requests within 63 bits.
pub(super) const MOST_TOKENS: i64 = 1 << 40;
/// Longest time of one request, ten years: sums stay within 63 bits.
const LONGEST_TIME: i64 = 315_360_000_000_000;

/// The wall clock.
pub fn now_us() -> Micros {
    jiff::Timestamp::now().as_microsecond()
}

/// Makes a row recognisable: writing it twice is writing it once. What the ledger stores of it is the row's `Told::tag`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RowKey(pub u128);

impl RowKey {
    /// As it is stored.
    pub fn bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }
}

/// Makes keys that no other process makes: 48 bits of milliseconds, 40 random ones, a counter of 40.
#[derive(Debug)]
pub struct KeySource {
    process: u64,
    next: AtomicU64,
}

impl KeySource {
    /// A source of its own random bits.
    pub fn new() -> Self {
        // The standard library's own seeds of hash maps come from the system's source of randomness.
        let process = RandomState::new().build_hasher().finish() & ((1 << 40) - 1);
        Self { process, next: AtomicU64::new(0) }
    }

    /// The next key.
    pub fn next(&self, now: Micros) -> RowKey {
        let millis = u128::from((now / 1000).max(0).cast_unsigned()) & ((1 << 48) - 1);
        let count = self.next.fetch_add(1, Ordering::Relaxed) & ((1 << 40) - 1);
        RowKey(millis << 80 | u128::from(self.process) << 40 | u128::from(count))
    }
}

impl Default for KeySource {
    fn default() -> Self {
        Self::new()
    }
}

/// What became of a request. That an answer was passed on whole says nothing: a whole answer may be an error.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Outcome {
    /// Answered, to its end.
    #[default]
    Ok,
    /// The backend found fault with the request: its answer is a 4xx.
    Rejected,
    /// The backend failed: a 5xx, an error in its stream, a stream without its end, a broken or no answer.
    BackendError,
    /// The client went away before the end of the answer.
    ClientLeft,
    /// The manager answered instead; with the code of that answer.
    Refused(Cow<'static, str>),
    /// An operator ended it.
    Cancelled,
    /// The manager itself broke.
    Failed,
}

impl Outcome {
    /// As it is stored unless all went well.
    pub(super) fn stored(&self) -> Option<Cow<'static, str>> {
        (*self != Self::Ok).then(|| self.text())
    }

    /// As it is shown: the name, or `refused:<code>`.
    pub fn text(&self) -> Cow<'static, str> {
        match self {
            Self::Refused(code) => format!("refused:{code}").into(),
            other => other.name().into(),
        }
    }

    /// Its name, without the code of a refusal.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Rejected => "rejected",
            Self::BackendError => "backend_error",
            Self::ClientLeft => "client_left",
            Self::Refused(_) => "refused",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }

    /// Whether it counts as failed in the sums: through no fault of the client's.
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::BackendError | Self::Failed)
    }
}

impl From<String> for Outcome {
    fn from(text: String) -> Self {
        match text.as_str() {
            "ok" => Self::Ok,
            "rejected" => Self::Rejected,
            "backend_error" => Self::BackendError,
            "client_left" => Self::ClientLeft,
            "cancelled" => Self::Cancelled,
            "failed" => Self::Failed,
            other => Self::Refused(other.strip_prefix("refused:").unwrap_or(other).to_owned().into()),
        }
    }
}

impl From<Outcome> for String {
    fn from(outcome: Outcome) -> Self {
        outcome.text().into_owned()
    }
}

/// Where the counts come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsageSource {
    /// All of them from the backend.
    Backend,
    /// At least one was estimated.
    Estimated,
    /// Nothing is known.
    #[default]
    None,
}

impl UsageSource {
    /// As it is shown, and stored unless it is what most rows have.
    pub fn text(self) -> &'static str {
        match self {
            Self::Backend => "backend",
            Self::Estimated => "estimated",
            Self::None => "none",
        }
    }

    pub(super) fn stored(self) -> Option<&'static str> {
        (self != Self::Backend).then(|| self.text())
    }

    pub(super) fn of_stored(text: Option<&str>) -> Self {
        let Some(text) = text else { return Self::Backend };
        [Self::Backend, Self::Estimated].into_iter().find(|source| source.text() == text).unwrap_or_default()
    }
}

/// Whether a request has a cost of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pricing {
    /// Its model had no price plan.
    #[default]
    NoPlan,
    /// `cost` is its price.
    Priced,
    /// No tier of the plan matched: it costs 0 and is marked.
    NoTier,
    /// The plan prices tokens, and their number is unknown.
    NoCounts,
    /// Its price is more than the ledger can hold.
    TooBig,
    /// The plan prices hours: the run pays.
    Hourly,
}

impl Pricing {
    /// As it is shown, and stored unless it is what the cost says.
    pub fn text(self) -> &'static str {
        match self {
            Self::NoPlan => "no_plan",
            Self::Priced => "priced",
            Self::NoTier => "no_tier",
            Self::NoCounts => "no_counts",
            Self::TooBig => "too_big",
            Self::Hourly => "hourly",
        }
    }

    /// What a cost, or that there is none, says by itself.
    fn usual(cost: Option<i64>) -> Self {
        if cost.is_some() { Self::Priced } else { Self::NoPlan }
    }

    pub(super) fn stored(self, cost: Option<i64>) -> Option<&'static str> {
        (self != Self::usual(cost)).then(|| self.text())
    }

    pub(super) fn of_stored(text: Option<&str>, cost: Option<i64>) -> Self {
        let Some(text) = text else { return Self::usual(cost) };
        let all = [Self::Priced, Self::NoTier, Self::NoCounts, Self::TooBig, Self::Hourly];
        all.into_iter().find(|pricing| pricing.text() == text).unwrap_or_default()
    }

    /// True where a plan was in force but gave no price.
    pub fn unpriced(self) -> bool {
        matches!(self, Self::NoTier | Self::NoCounts | Self::TooBig)
    }
}

/// Token counts; `None` is unknown, which is not 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenCounts {
    /// All of the prompt, cached ones included.
    pub input: Option<i64>,
    /// The part of the input that was read from a cache.
    pub cached: Option<i64>,
    /// The part of the input that was written to a cache.
    pub cache_write: Option<i64>,
    /// All that was generated, reasoning included.
    pub output: Option<i64>,
    /// The part of the output that was reasoning.
    pub reasoning: Option<i64>,
}

/// One request, after its end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RequestRow {
    /// Given by `Ledger::record`; 0 until then, and in what is read.
    pub key: RowKey,
    /// The id that the client was told.
    pub request_id: String,
    /// What it is grouped by.
    pub labels: Arc<Labels>,
    /// Wall clock at its start.
    pub started_us: Micros,
    /// From start to end, by a clock that never jumps.
    pub duration_us: i64,
    /// The part of it that was waiting for the model.
    pub queue_us: i64,
    /// From start to the first byte (for a stream: the first text) of the answer.
    pub first_byte_us: Option<i64>,
    /// HTTP status that the client got; 0 when it got none.
    pub status: u16,
    /// How it ended.
    pub outcome: Outcome,
    /// What it took.
    pub tokens: TokenCounts,
    /// Where the counts come from.
    pub usage_source: UsageSource,
    /// In the ledger's unit of money; given by `Ledger::record` from the plan in force.
    pub cost: Option<i64>,
    /// Why there is a cost or none.
    pub pricing: Pricing,
    /// The plan that priced it.
    pub plan_id: Option<i64>,
    /// The life of the backend that served it.
    pub run_id: Option<i64>,
    /// Sent to the backend a second time, on a fresh connection.
    pub replayed: bool,
    /// What went wrong, in a few words.
    pub error: Option<String>,
    /// Who sent it, and how; rows of older versions don't say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<Arc<Sender>>,
}

impl RequestRow {
    /// When it ended: the start by the wall clock and the duration by the steady one.
    pub fn ended_us(&self) -> Micros {
        self.started_us.saturating_add(self.duration_us)
    }

    /// True where a backend may have generated tokens and nobody knows how many. Errors and answers without a body have
    /// none.
    pub fn unrecorded(&self) -> bool {
        let may_have_tokens = !matches!(self.outcome, Outcome::Refused(_) | Outcome::Rejected)
            && self.status < 400
            && !matches!(self.status, 204 | 304);
        self.usage_source == UsageSource::None && may_have_tokens
    }

    /// Brings everything within its bounds.
    pub fn bound(&mut self) {
        cut(&mut self.request_id, LONGEST_LABEL);
        if let Some(error) = &mut self.error {
            cut(error, LONGEST_ERROR);
        }
        let labels = &self.labels;
        let bounded = [&labels.variant, &labels.mode, &labels.endpoint, &labels.api_key];
        if bounded.iter().any(|label| label.len() > LONGEST_LABEL) {
            let labels = Arc::make_mut(&mut self.labels);
            for label in [&mut labels.variant, &mut labels.mode, &mut labels.endpoint, &mut labels.api_key] {
                let mut text = label.to_string();
                cut(&mut text, LONGEST_LABEL);
                *label = text.into();
            }
        }
        self.duration_us = self.duration_us.clamp(0, LONGEST_TIME);
        self.queue_us = self.queue_us.clamp(0, self.duration_us);
        self.first_byte_us = self.first_byte_us.map(|time| time.clamp(0, self.duration_us));
        self.cost = self.cost.map(|cost| cost.max(0));
        let tokens = &mut self.tokens;
        let counts = [
            &mut tokens.input,
            &mut tokens.cached,
            &mut tokens.cache_write,
            &mut tokens.output,
            &mut tokens.reasoning,
        ];
        for count in counts {
            *count = count.filter(|count| (0..=MOST_TOKENS).contains(count));
        }
        if tokens.input.is_none() && tokens.output.is_none() {
            self.usage_source = UsageSource::None;
        }
    }
}

/// One life of a backend, as far as it is known: later news of the same run add to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRow {
    /// Unique in the ledger.
    pub id: i64,
    /// The model's name.
    pub model: Arc<str>,
    /// Its launch configuration.
    pub variant: Arc<str>,
    /// When it was first wanted, if that is known.
    #[serde(default)]
    pub queued_us: Option<Micros>,
    /// When its process was started.
    pub started_us: Micros,
    /// When it became ready, if it did.
    pub ready_us: Option<Micros>,
    /// When it was last known to be alive.
    pub heartbeat_us: Micros,
    /// When it ended.
    pub ended_us: Option<Micros>,
    /// How it ended: the exit of its process.
    pub end_reason: Option<String>,
    /// Why it ended, as `EndCause` words it.
    #[serde(default)]
    pub cause: Option<String>,
    /// The model that needed its memory.
    #[serde(default)]
    pub evicted_for: Option<String>,
    /// Who began it, kind and name: `local:alice`, `rule:request`.
    #[serde(default)]
    pub started_by: Option<String>,
    /// Who ended it, if somebody or a rule did.
    #[serde(default)]
    pub ended_by: Option<String>,
    /// Whether the time from start to ready is paid too.
    pub bill_loading: bool,
    /// What it took from the socket, if that was measured.
    pub energy: Option<Energy>,
    /// When it was parked, in order. Of news, the latest stretch is enough: they add up.
    #[serde(default)]
    pub parked: Vec<Parking>,
}

/// A stretch of time in which a run was parked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parking {
    /// Since when.
    pub from_us: Micros,
    /// Until when; `None`: until the end of the run, or still.
    pub to_us: Option<Micros>,
}

/// Electricity of a run so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Energy {
    /// Millijoules.
    pub millijoules: i64,
    /// What they cost, in the ledger's unit of money, and its currency.
    pub cost: Option<(i64, Arc<str>)>,
}

/// One deed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRow {
    /// Writing it twice is writing it once.
    pub key: RowKey,
    /// When.
    pub at_us: Micros,
    /// `key`, `session`, `local`, `anyone` or `rule`.
    pub kind: String,
    /// The key's name, the user, or the rule.
    pub who: String,
    /// Where they are.
    pub address: Option<String>,
    /// What they did, such as `start`.
    pub action: String,
    /// To what, such as a model's name.
    pub subject: Option<String>,
    /// More about it.
    pub detail: Option<String>,
}

/// Anything that is written in batches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum LedgerEvent {
    /// A request has ended.
    Request(Box<RequestRow>),
    /// News of a run.
    Run(Box<RunRow>),
    /// Somebody has done something.
    Audit(Box<AuditRow>),
}
