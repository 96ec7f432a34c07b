//! What the rest of the program holds: the newest snapshot, the pace, and the way to ask.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use super::{DeviceMonitor, Hurry, LookAt, SampleNow};
use crate::devices::sampler::Sampler;
use crate::devices::{Registry, Snapshot};
use crate::live::{Live, tell};
use crate::supervisor::{Child, ChildSpec};

/// SIGKILL needs no time, unless a driver holds the process in the kernel.
const STOP_LIMIT: Duration = Duration::from_secs(1);

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

/// The devices as all others see them. Cheap to clone; outlives the actor's restarts.
#[derive(Clone)]
pub struct Devices(Arc<Shared>);

struct Shared {
    settings: Settings,
    samplers: Vec<Sampler>,
    snapshots: watch::Sender<Arc<Snapshot>>,
    live: Live<DeviceMonitor>,
    fast: AtomicBool,
    attentive: AtomicUsize,
    stopped: AtomicBool,
}

/// Someone watches: while this is held, the pace is fast.
pub struct Attention(Arc<Shared>);

impl Devices {
    /// Starts a thread per plugin, none if the monitor isn't enabled. The actor is started by its supervisor.
    pub fn new(settings: Settings, registry: Registry) -> Self {
        let sources = if settings.enabled { registry.sources } else { Vec::new() };
        let (snapshots, _) = watch::channel(Arc::new(Snapshot::empty()));
        Self(Arc::new(Shared {
            settings,
            samplers: sources.into_iter().map(Sampler::start).collect(),
            snapshots,
            live: Live::new(),
            fast: AtomicBool::new(false),
            attentive: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
        }))
    }

    /// The child of the supervision tree that keeps the snapshots coming.
    pub fn child_spec(&self) -> ChildSpec {
        let devices = self.clone();
        let mut spec = ChildSpec::new("devices", move || {
            Child::start(DeviceMonitor::new(devices.clone()), &devices.0.live)
        });
        let devices = self.clone();
        spec.detail = Box::new(move || Some(devices.summary()));
        let devices = self.clone();
        spec.down = Box::new(move |_, _| devices.mark_stale());
        spec
    }

    /// The actor, wherever it is now.
    pub fn live(&self) -> &Live<DeviceMonitor> {
        &self.0.live
    }

    /// The newest snapshot.
    pub fn latest(&self) -> Arc<Snapshot> {
        self.0.snapshots.borrow().clone()
    }

    /// Hears of every snapshot, or of the newest only if it is slow.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.0.snapshots.subscribe()
    }

    /// A snapshot taken now, within the time that `ask` allows; the newest one, marked stale, if the monitor
    /// is down.
    pub async fn sample_now(&self, ask: SampleNow) -> Arc<Snapshot> {
        if let Some(monitor) = self.0.live.addr()
            && let Ok(snapshot) = monitor.send(ask).await
        {
            return snapshot;
        }
        self.mark_stale();
        self.latest()
    }

    /// A snapshot in which these devices were looked at now; the newest one, marked stale, if the monitor is down.
    pub async fn look_at(&self, look: LookAt) -> Arc<Snapshot> {
        if let Some(monitor) = self.0.live.addr()
            && let Ok(snapshot) = monitor.send(look).await
        {
            return snapshot;
        }
        self.mark_stale();
        self.latest()
    }

    /// Looks fast while the answer is held.
    #[must_use]
    pub fn attend(&self) -> Attention {
        let was_slow = self.pace() == Pace::Slow;
        self.0.attentive.fetch_add(1, Ordering::AcqRel);
        if was_slow {
            self.hurry();
        }
        Attention(Arc::clone(&self.0))
    }

    /// How fast to look when nobody holds an [`Attention`].
    pub fn set_pace(&self, pace: Pace) {
        let was_slow = self.pace() == Pace::Slow;
        self.0.fast.store(pace == Pace::Fast, Ordering::Release);
        if was_slow && pace == Pace::Fast {
            self.hurry();
        }
    }

    /// How fast it looks.
    pub fn pace(&self) -> Pace {
        let fast = self.0.fast.load(Ordering::Acquire) || self.0.attentive.load(Ordering::Acquire) > 0;
        if fast { Pace::Fast } else { Pace::Slow }
    }

    /// Ends the users' commands that run now, and lets none start any more. In the last phase of a shutdown;
    /// takes at most a second.
    pub async fn stop(&self) {
        self.0.stopped.store(true, Ordering::Release);
        let all = futures_util::future::join_all(self.0.samplers.iter().map(Sampler::stop));
        if tokio::time::timeout(STOP_LIMIT, all).await.is_err() {
            log::warn!("devices: a plugin's command did not end within {} s", STOP_LIMIT.as_secs());
        }
    }

    pub(super) fn samplers(&self) -> &[Sampler] {
        &self.0.samplers
    }

    /// Nothing is looked at any more, and no news are good or bad.
    pub(super) fn stopped(&self) -> bool {
        self.0.stopped.load(Ordering::Acquire)
    }

    pub(super) fn interval(&self) -> Duration {
        match self.pace() {
            Pace::Fast => self.0.settings.fast,
            Pace::Slow => self.0.settings.slow,
        }
    }

    pub(super) fn publish(&self, snapshot: Arc<Snapshot>) {
        self.0.snapshots.send_replace(snapshot);
    }

    /// The monitor is down: what is known is from before.
    fn mark_stale(&self) {
        self.0.snapshots.send_if_modified(|snapshot| {
            let fresh = !snapshot.stale;
            if fresh {
                *snapshot = Arc::new(Snapshot { stale: true, ..(**snapshot).clone() });
            }
            fresh
        });
    }

    fn hurry(&self) {
        if let Some(monitor) = self.0.live.addr() {
            tell(&monitor, Hurry);
        }
    }

    fn summary(&self) -> String {
        if self.0.samplers.is_empty() {
            return "off".to_owned();
        }
        let snapshot = self.latest();
        let online = snapshot.devices.iter().filter(|device| device.online).count();
        let gone = snapshot.devices.len() - online;
        let mut text = format!("{online} online");
        if gone > 0 {
            text.push_str(&format!(", {gone} offline"));
        }
        if !snapshot.problems.is_empty() {
            text.push_str(&format!(", {} in trouble", snapshot.problems.len()));
        }
        text.push_str(&format!(", every {} s", self.interval().as_secs_f32()));
        text
    }
}

impl Drop for Attention {
    fn drop(&mut self) {
        // The next tick sees it.
        self.0.attentive.fetch_sub(1, Ordering::AcqRel);
    }
}
