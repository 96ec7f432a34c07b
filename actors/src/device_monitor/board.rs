//! Board: the newest snapshot and the pace, shared by the monitor and all who look; it outlives the actor's restarts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use llm_manager_devices::sampler::Sampler;
use llm_manager_devices::{PluginFactory, Registry, Snapshot};
use tokio::sync::watch;

/// How often to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PollRate {
    /// Something runs, or someone watches.
    Fast,
    /// Nothing does.
    Slow,
}

/// How the monitor works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MonitorSettings {
    /// False: no plugin is ever asked, and there are no devices (`Disable_GPU_monitoring`).
    pub enabled: bool,
    /// Between two looks at [`PollRate::Fast`]. Shorter costs processor time, longer shows what happens late.
    pub fast: Duration,
    /// Between two looks at [`PollRate::Slow`].
    pub slow: Duration,
}

impl Default for MonitorSettings {
    fn default() -> Self {
        Self { enabled: true, fast: Duration::from_secs(1), slow: Duration::from_secs(10) }
    }
}

/// Someone watches: while this is held, the pace is fast.
pub struct FastPolling(Arc<Board>);

impl FastPolling {
    pub(super) fn pay(board: &Arc<Board>) -> Self {
        board.attentive.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(board))
    }
}

impl Drop for FastPolling {
    fn drop(&mut self) {
        // The next tick sees it.
        self.0.attentive.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The board itself.
pub(super) struct Board {
    settings: MonitorSettings,
    samplers: ArcSwap<Vec<Arc<Sampler>>>,
    pub(super) snapshots: watch::Sender<Arc<Snapshot>>,
    pub(super) fast: AtomicBool,
    attentive: AtomicUsize,
    pub(super) stopped: AtomicBool,
}

impl Board {
    /// Starts a thread per plugin, none if the monitor isn't enabled.
    pub(super) fn new(settings: MonitorSettings, registry: Registry) -> Self {
        let sources = if settings.enabled { registry.sources } else { Vec::new() };
        let (snapshots, _) = watch::channel(Arc::new(Snapshot::empty()));
        Self {
            settings,
            samplers: ArcSwap::from_pointee(
                sources.into_iter().map(|one| Arc::new(Sampler::start(one))).collect(),
            ),
            snapshots,
            fast: AtomicBool::new(false),
            attentive: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
        }
    }

    pub(super) fn latest(&self) -> Arc<Snapshot> {
        self.snapshots.borrow().clone()
    }

    pub(super) fn pace(&self) -> PollRate {
        let fast = self.fast.load(Ordering::Acquire) || self.attentive.load(Ordering::Acquire) > 0;
        if fast { PollRate::Fast } else { PollRate::Slow }
    }

    pub(super) fn samplers(&self) -> Arc<Vec<Arc<Sampler>>> {
        self.samplers.load_full()
    }

    /// Others from now on; answers those that are left out, which are still at work.
    pub(super) fn replace(
        &self,
        keep: impl Fn(&Sampler) -> bool,
        more: Vec<PluginFactory>,
    ) -> Vec<Arc<Sampler>> {
        let more = if self.settings.enabled { more } else { Vec::new() };
        let (mut kept, left): (Vec<_>, Vec<_>) = self.samplers().iter().cloned().partition(|one| keep(one));
        kept.extend(more.into_iter().map(|source| Arc::new(Sampler::start(source))));
        self.samplers.store(Arc::new(kept));
        left
    }

    /// Nothing is looked at any more, and no answer counts.
    pub(super) fn stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    pub(super) fn interval(&self) -> Duration {
        match self.pace() {
            PollRate::Fast => self.settings.fast,
            PollRate::Slow => self.settings.slow,
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
