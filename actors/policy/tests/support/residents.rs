//! Who lives in the simulated house, what is asked of them, and what is told of it afterwards.

use llm_manager_policy::lifecycle::Moment;
use llm_manager_policy::placement::{ModelName, Variant};
use llm_manager_policy::spec::Class;
use std::sync::Arc;
use std::time::Duration;

/// A model and how it behaves.
#[derive(Clone, Debug)]
pub(crate) struct Resident {
    pub(crate) name: ModelName,
    pub(crate) variants: Arc<[Variant]>,
    pub(crate) pinned: bool,
    pub(crate) load: Duration,
    /// From being told to stop to its end.
    pub(crate) stop: Duration,
    /// Really used, in percent of what it reserved.
    pub(crate) uses: u64,
    /// The devices tell what it uses.
    pub(crate) seen: bool,
    /// It can sleep.
    pub(crate) sleeps: Option<Sleeper>,
}

/// How a model sleeps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sleeper {
    /// From being told to sleeping.
    pub(crate) falls_asleep: Duration,
    /// From its memory to being awake.
    pub(crate) wakes: Duration,
    /// MiB that it holds asleep on each of its devices.
    pub(crate) keeps: u64,
    /// ... and in RAM, if there is a device for that.
    pub(crate) ram: u64,
}

/// A request to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Request {
    pub(crate) at: Moment,
    pub(crate) model: usize,
    pub(crate) takes: Duration,
    pub(crate) class: Class,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    pub(crate) served: usize,
    pub(crate) denied: usize,
    pub(crate) cold_starts: usize,
    pub(crate) parks: usize,
    pub(crate) wakes: usize,
    pub(crate) evictions: usize,
    pub(crate) yields: usize,
    pub(crate) steps: usize,
    /// Of each request that was served.
    pub(crate) waits: Vec<Duration>,
    /// The same with its class.
    pub(crate) waits_of: Vec<(Class, Duration)>,
    /// Why each refusal.
    pub(crate) denials: Vec<String>,
    /// Beginning and end of each load that came to its end.
    pub(crate) loads: Vec<(Moment, Moment)>,
    /// Longest time from a demand to its answer.
    pub(crate) longest_demand: Duration,
    /// Most requests that a decision has stopped while they ran; to stay 0.
    pub(crate) last: Moment,
}
