//! Board: the newest snapshot and the pace, shared by the monitor and all who look; it outlives the actor's restarts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use llm_manager_devices::sampler::Sampler;
use llm_manager_devices::{Registry, Snapshot};
use tokio::sync::watch;

/// How often to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Something runs, or someone watches.
    Fast,
    /// Nothing does.
    Slow,
}

/// How the monitor works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// False: no plugin is ever asked, and there are no devices (`Disable_GPU_monitoring`).
    pub enabled: bool,
    /// Between two looks at [`Pace::Fast`]. Shorter costs processor time, longer shows what happens late.
    pub fast: Duration,
    /// Between two looks at [`Pace::Slow`].
    pub slow: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { enabled: true, fast: Duration::from_secs(1), slow: Duration::from_secs(10) }
    }
}

/// Someone watches: while this is held, the pace is fast.
pub struct Attention(Arc<Board>);

impl Attention {
    pub(super) fn pay(board: &Arc<Board>) -> Self {
        board.attentive.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(board))
    }
}

impl Drop for Attention {
    fn drop(&mut self) {
        // The next tick sees it.
        self.0.attentive.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The board itself.
pub(super) struct Board {
    settings: Settings,
    samplers: Vec<Sampler>,
    pub(super) snapshots: watch::Sender<Arc<Snapshot>>,
    pub(super) fast: AtomicBool,
    attentive: AtomicUsize,
    pub(super) stopped: AtomicBool,
}

impl Board {
    /// Starts a thread per plugin, none if the monitor isn't enabled.
    pub(super) fn new(settings: Settings, registry: Registry) -> Self {
        let sources = if settings.enabled { registry.sources } else { Vec::new() };
        let (snapshots, _) = watch::channel(Arc::new(Snapshot::empty()));
        Self {
            settings,
            samplers: sources.into_iter().map(Sampler::start).collect(),
            snapshots,
            fast: AtomicBool::new(false),
            attentive: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
        }
    }

    pub(super) fn latest(&self) -> Arc<Snapshot> {
        self.snapshots.borrow().clone()
    }

    pub(super) fn pace(&self) -> Pace {
        let fast = self.fast.load(Ordering::Acquire) || self.attentive.load(Ordering::Acquire) > 0;
        if fast { Pace::Fast } else { Pace::Slow }
    }

    pub(super) fn samplers(&self) -> &[Sampler] {
        &self.samplers
    }

    /// Nothing is looked at any more, and no answer counts.
    pub(super) fn stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    pub(super) fn interval(&self) -> Duration {
        match self.pace() {
            Pace::Fast => self.settings.fast,
            Pace::Slow => self.settings.slow,
        }
    }

    pub(super) fn publish(&self, snapshot: Arc<Snapshot>) {
        self.snapshots.send_replace(snapshot);
    }

    /// The monitor is down: what is known is from before.
    pub(super) fn mark_stale(&self) {
        self.snapshots.send_if_modified(|snapshot| {
            let fresh = !snapshot.stale;
            if fresh {
                *snapshot = Arc::new(Snapshot { stale: true, ..(**snapshot).clone() });
            }
            fresh
        });
    }
}
