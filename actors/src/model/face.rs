//! Face: what the world sees of a model, written by its actor and read through its handle.

use super::lease::Door;
use super::status::Status;
use arc_swap::{ArcSwap, ArcSwapOption};
use llm_manager_policy::spec::ModelSpec;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// It outlives the actor, and is there before the first one.
pub struct Face {
    pub(super) spec: Arc<ModelSpec>,
    pub(super) origin: Instant,
    pub(super) door: ArcSwapOption<Door>,
    status: ArcSwap<Status>,
    /// Processes of the present run, as they were last counted.
    pub(super) members: ArcSwapOption<watch::Receiver<Vec<u32>>>,
    /// The life that was last ready, and how long it took to be.
    pub(super) last_start: ArcSwapOption<(u64, Duration)>,
    /// A standing order, `auto_start` among them, waits for it to be ready.
    pub(super) standing_order: AtomicBool,
}

impl Face {
    pub(super) fn new(spec: Arc<ModelSpec>, origin: Instant) -> Self {
        Self {
            spec,
            origin,
            door: ArcSwapOption::empty(),
            status: ArcSwap::from_pointee(Status::stopped()),
            members: ArcSwapOption::empty(),
            last_start: ArcSwapOption::empty(),
            standing_order: AtomicBool::new(false),
        }
    }

    /// What the actor last said of itself.
    pub(super) fn status(&self) -> Arc<Status> {
        self.status.load_full()
    }

    pub(super) fn publish(&self, status: Status) {
        self.status.store(Arc::new(status));
    }
}
