//! What the world sees of a model, written by its actor and read through its handle.

use super::engine_behavior::DisconnectBehavior;
use super::lease::RunGate;
use super::parked_memory::ParkedUse;
use super::replica_link::ReplicaLink;
use super::status::ModelStatus;
use arc_swap::{ArcSwap, ArcSwapOption};
use jiff::Timestamp;
use llm_manager_policy::model_state::ModelState;
use llm_manager_policy::replicas::ReplicaState;
use llm_manager_policy::spec::ModelSpec;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, watch};

/// Another replica of the same model, as its front sees it.
#[derive(Clone)]
pub(super) struct ReplicaPeer {
    pub(super) face: Arc<Published>,
    pub(super) link: ReplicaLink,
}

/// It outlives the actor, and is there before the first one.
pub struct Published {
    /// The further replicas of this model; empty: it is the only one, or a further one itself.
    crew: ArcSwap<Vec<ReplicaPeer>>,
    /// Of a further replica: its position, and its front.
    front: Option<(usize, ReplicaLink)>,
    /// Held by a run until its last process is gone.
    slot: Arc<Semaphore>,
    /// What the user asks for; a reload may change it.
    pub(super) spec: ArcSwap<ModelSpec>,
    pub(super) origin: Instant,
    pub(super) door: ArcSwapOption<RunGate>,
    status: ArcSwap<ModelStatus>,
    /// Processes of the present run, as they were last counted.
    pub(super) members: ArcSwapOption<watch::Receiver<Vec<u32>>>,
    /// The life that was last ready, and how long it took to be.
    pub(super) last_start: ArcSwapOption<(u64, Duration)>,
    /// The life that was last woken, and how long that took.
    pub(super) last_wake: ArcSwapOption<(u64, Duration)>,
    /// What it holds asleep. Written by the Scheduler.
    pub(super) asleep: ArcSwapOption<ParkedUse>,
    /// If it had to go now, there would be room for what it holds asleep. Written by the Scheduler.
    pub(super) may_park: AtomicBool,
    /// A standing order, `auto_start` among them, waits for it to be ready.
    pub(super) standing_order: AtomicBool,
    /// What is known of the engine.
    pub engine: Arc<DisconnectBehavior>,
    /// It is kept warm.
    warm: AtomicBool,
    /// One of several replicas that stays when it is idle. Written by their front.
    stays: AtomicBool,
    /// See `quiet_until`; seconds since 1970, 0 for none.
    quiet_until: AtomicI64,
    /// See `alive_time`; in microseconds, `NEVER` for none.
    alive_us: AtomicU64,
    /// See `context`; 0 where it isn't known.
    context: AtomicU64,
}

const NEVER: u64 = u64::MAX;

impl Published {
    pub(super) fn new(spec: Arc<ModelSpec>, origin: Instant) -> Self {
        let alive_us = AtomicU64::new(micros(spec.alive_time));
        Self {
            crew: ArcSwap::default(),
            front: None,
            slot: Arc::new(Semaphore::new(1)),
            spec: ArcSwap::new(spec),
            origin,
            door: ArcSwapOption::empty(),
            status: ArcSwap::from_pointee(ModelStatus::stopped()),
            members: ArcSwapOption::empty(),
            last_start: ArcSwapOption::empty(),
            last_wake: ArcSwapOption::empty(),
            asleep: ArcSwapOption::empty(),
            may_park: AtomicBool::new(false),
            standing_order: AtomicBool::new(false),
            engine: Arc::default(),
            warm: AtomicBool::new(false),
            stays: AtomicBool::new(false),
            quiet_until: AtomicI64::new(0),
            alive_us,
            context: AtomicU64::new(0),
        }
    }

    /// That of a further replica, at this position behind this front.
    pub(super) fn of_replica(
        spec: Arc<ModelSpec>,
        origin: Instant,
        position: usize,
        front: ReplicaLink,
        engine: &Arc<DisconnectBehavior>,
    ) -> Self {
        Self { front: Some((position, front)), engine: Arc::clone(engine), ..Self::new(spec, origin) }
    }

    pub(super) fn front(&self) -> Option<(usize, ReplicaLink)> {
        self.front.clone()
    }

    pub(super) fn crew(&self) -> Arc<Vec<ReplicaPeer>> {
        self.crew.load_full()
    }

    pub(super) fn set_crew(&self, crew: Vec<ReplicaPeer>) {
        self.crew.store(Arc::new(crew));
    }

    /// Whether there are no other replicas.
    fn is_one(&self) -> bool {
        self.front.is_none() && self.crew.load().is_empty()
    }

    /// One permit: two runs of the same replica never overlap, a restart of its actor included.
    pub fn slot(&self) -> Arc<Semaphore> {
        Arc::clone(&self.slot)
    }

    /// The doors of all replicas that let people in.
    pub(super) fn open_doors(&self) -> Vec<Arc<RunGate>> {
        let crew = self.crew.load();
        let faces = std::iter::once(self).chain(crew.iter().map(|mate| &*mate.face));
        let doors = faces.filter_map(|face| face.door.load_full());
        doors.filter(|door| door.gate.look().is_open()).collect()
    }

    /// What it does, as far as it matters to the others.
    pub(super) fn stand(&self, now: Duration) -> ReplicaState {
        let status = self.status();
        match status.state {
            ModelState::Stopped | ModelState::Parked => ReplicaState::Down,
            ModelState::Queued | ModelState::Starting | ModelState::Waking => ReplicaState::Rising,
            ModelState::Ready => ReplicaState::Ready,
            ModelState::Draining | ModelState::Stopping | ModelState::Parking => ReplicaState::Leaving,
            ModelState::Failed => {
                let left = status.retry_at.map(|at| at.duration_since(Timestamp::now()));
                let left = left.map(|left| Duration::try_from(left).unwrap_or_default());
                // One whose actor was given up is never tried again.
                ReplicaState::Failed { retry_at: left.map_or(Duration::MAX, |left| now.saturating_add(left)) }
            }
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

    /// It is never stopped for being idle, because there would be too few.
    pub(super) fn stays(&self) -> bool {
        if self.is_one() { self.spec.load().replicas.min > 0 } else { self.stays.load(Ordering::Relaxed) }
    }

    /// Answers whether that is new.
    pub(super) fn set_stays(&self, stays: bool) -> bool {
        self.stays.swap(stays, Ordering::Relaxed) != stays
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
    pub(super) fn status(&self) -> Arc<ModelStatus> {
        self.status.load_full()
    }

    pub(super) fn publish(&self, status: ModelStatus) {
        self.status.store(Arc::new(status));
    }
}

fn micros(time: Option<Duration>) -> u64 {
    time.map_or(NEVER, |time| u64::try_from(time.as_micros()).unwrap_or(NEVER - 1).min(NEVER - 1))
}
