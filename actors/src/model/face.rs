//! Face: what the world sees of a model, written by its actor and read through its handle.

use super::asleep::Asleep;
use super::learnt::Engine;
use super::lease::Door;
use super::status::Status;
use arc_swap::{ArcSwap, ArcSwapOption};
use llm_manager_policy::spec::ModelSpec;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// It outlives the actor, and is there before the first one.
pub struct Face {
    /// What the user asks for; a reload may change it.
    pub(super) spec: ArcSwap<ModelSpec>,
    pub(super) origin: Instant,
    pub(super) door: ArcSwapOption<Door>,
    status: ArcSwap<Status>,
    /// Processes of the present run, as they were last counted.
    pub(super) members: ArcSwapOption<watch::Receiver<Vec<u32>>>,
    /// The life that was last ready, and how long it took to be.
    pub(super) last_start: ArcSwapOption<(u64, Duration)>,
    /// The life that was last woken, and how long that took.
    pub(super) last_wake: ArcSwapOption<(u64, Duration)>,
    /// What it holds asleep. Written by the Scheduler.
    pub(super) asleep: ArcSwapOption<Asleep>,
    /// If it had to go now, there would be room for what it holds asleep. Written by the Scheduler.
    pub(super) may_park: AtomicBool,
    /// A standing order, `auto_start` among them, waits for it to be ready.
    pub(super) standing_order: AtomicBool,
    /// What is known of the engine.
    pub engine: Engine,
    /// It is kept warm.
    warm: AtomicBool,
    /// See `quiet_until`; seconds since 1970, 0 for none.
    quiet_until: AtomicI64,
    /// See `alive_time`; in microseconds, `NEVER` for none.
    alive_us: AtomicU64,
    /// See `context`; 0 where it isn't known.
    context: AtomicU64,
}

const NEVER: u64 = u64::MAX;

impl Face {
    pub(super) fn new(spec: Arc<ModelSpec>, origin: Instant) -> Self {
        let alive_us = AtomicU64::new(micros(spec.alive_time));
        Self {
            spec: ArcSwap::new(spec),
            origin,
            door: ArcSwapOption::empty(),
            status: ArcSwap::from_pointee(Status::stopped()),
            members: ArcSwapOption::empty(),
            last_start: ArcSwapOption::empty(),
            last_wake: ArcSwapOption::empty(),
            asleep: ArcSwapOption::empty(),
            may_park: AtomicBool::new(false),
            standing_order: AtomicBool::new(false),
            engine: Engine::default(),
            warm: AtomicBool::new(false),
            quiet_until: AtomicI64::new(0),
            alive_us,
            context: AtomicU64::new(0),
        }
    }

    /// After how much time without a lease the present run is stopped; `None`: never.
    pub(super) fn alive_time(&self) -> Option<Duration> {
        let micros = self.alive_us.load(Ordering::Relaxed);
        (micros != NEVER).then(|| Duration::from_micros(micros))
    }

    pub(super) fn set_alive_time(&self, time: Option<Duration>) {
        self.alive_us.store(micros(time), Ordering::Relaxed);
    }

    pub(super) fn is_warm(&self) -> bool {
        self.warm.load(Ordering::Relaxed)
    }

    /// Answers what it was before.
    pub(super) fn set_warm(&self, warm: bool) -> bool {
        self.warm.swap(warm, Ordering::Relaxed)
    }

    pub(super) fn quiet_until(&self) -> i64 {
        self.quiet_until.load(Ordering::Relaxed)
    }

    pub(super) fn set_quiet_until(&self, second: i64) {
        self.quiet_until.store(second, Ordering::Relaxed);
    }

    /// Tokens of context of the backend that was last ready, as it said itself.
    pub(super) fn context(&self) -> Option<u64> {
        Some(self.context.load(Ordering::Relaxed)).filter(|tokens| *tokens > 0)
    }

    pub(super) fn set_context(&self, tokens: Option<u64>) {
        self.context.store(tokens.unwrap_or(0), Ordering::Relaxed);
    }

    /// What the actor last said of itself.
    pub(super) fn status(&self) -> Arc<Status> {
        self.status.load_full()
    }

    pub(super) fn publish(&self, status: Status) {
        self.status.store(Arc::new(status));
    }
}

fn micros(time: Option<Duration>) -> u64 {
    time.map_or(NEVER, |time| u64::try_from(time.as_micros()).unwrap_or(NEVER - 1).min(NEVER - 1))
}
