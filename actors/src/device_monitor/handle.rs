//! What the rest of the program holds: the newest snapshot, the pace, and the way to ask.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::watch;

use super::board::{Board, FastPolling, MonitorSettings, PollRate};
use super::{DeviceMonitor, Hurry, LookAt, Replaced, SampleNow};
use crate::actor_ref::{ActorRef, tell};
use crate::supervisor::{Child, ChildSpec};
use llm_manager_devices::sampler::Sampler;
use llm_manager_devices::{PluginFactory, Registry, Snapshot};

/// SIGKILL needs no time, unless a driver holds the process in the kernel.
const STOP_LIMIT: Duration = Duration::from_secs(1);

/// The devices as all others see them. Cheap to clone; outlives the actor's restarts.
#[derive(Clone)]
pub struct Devices {
    board: Arc<Board>,
    live: ActorRef<DeviceMonitor>,
}

impl Devices {
    /// Starts a thread per plugin, none if the monitor isn't enabled. The actor is started by its supervisor.
    pub fn new(settings: MonitorSettings, registry: Registry) -> Self {
        Self { board: Arc::new(Board::new(settings, registry)), live: ActorRef::new() }
    }

    /// The child of the supervision tree that keeps the snapshots coming.
    pub fn child_spec(&self) -> ChildSpec {
        let (board, live) = (Arc::clone(&self.board), self.live.clone());
        let mut spec =
            ChildSpec::new("devices", move || Child::start(DeviceMonitor::new(Arc::clone(&board)), &live));
        let devices = self.clone();
        spec.detail = Box::new(move || Some(devices.summary()));
        let board = Arc::clone(&self.board);
        spec.down = Box::new(move |_, _| board.mark_stale());
        spec
    }

    /// The actor, wherever it is now.
    pub fn live(&self) -> &ActorRef<DeviceMonitor> {
        &self.live
    }

    /// The newest snapshot.
    pub fn latest(&self) -> Arc<Snapshot> {
        self.board.latest()
    }

    /// Hears of every snapshot, or of the newest only if it is slow.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.board.snapshots.subscribe()
    }

    /// A snapshot taken now, within the time that `ask` allows; the newest one, marked stale, if the monitor
    /// is down.
    pub async fn sample_now(&self, ask: SampleNow) -> Arc<Snapshot> {
        if let Some(monitor) = self.live.addr()
            && let Ok(snapshot) = monitor.send(ask).await
        {
            return snapshot;
        }
        self.board.mark_stale();
        self.latest()
    }

    /// A snapshot in which these devices were looked at now; the newest one, marked stale, if the monitor is down.
    pub async fn look_at(&self, look: LookAt) -> Arc<Snapshot> {
        if let Some(monitor) = self.live.addr()
            && let Ok(snapshot) = monitor.send(look).await
        {
            return snapshot;
        }
        self.board.mark_stale();
        self.latest()
    }

    /// Looks fast while the answer is held.
    #[must_use]
    pub fn attend(&self) -> FastPolling {
        let was_slow = self.pace() == PollRate::Slow;
        let attention = FastPolling::pay(&self.board);
        if was_slow {
            self.hurry();
        }
        attention
    }

    /// How fast to look when nobody holds an [`FastPolling`].
    pub fn set_pace(&self, pace: PollRate) {
        let was_slow = self.pace() == PollRate::Slow;
        self.board.fast.store(pace == PollRate::Fast, Ordering::Release);
        if was_slow && pace == PollRate::Fast {
            self.hurry();
        }
    }

    /// How fast it looks.
    pub fn pace(&self) -> PollRate {
        self.board.pace()
    }

    /// Ends the users' commands that run now, and lets none start any more. In the last phase of a shutdown;
    /// takes at most a second.
    pub async fn stop(&self) {
        self.board.stopped.store(true, Ordering::Release);
        let samplers = self.board.samplers();
        let all = futures_util::future::join_all(samplers.iter().map(|sampler| sampler.stop()));
        if tokio::time::timeout(STOP_LIMIT, all).await.is_err() {
            log::warn!("devices: a plugin's command did not end within {} s", STOP_LIMIT.as_secs());
        }
    }

    /// Plugins come and go while it runs: those that `keep` names stay, `more` are started.
    pub fn replace(&self, keep: impl Fn(&Sampler) -> bool, more: Vec<PluginFactory>) {
        let left = self.board.replace(keep, more);
        if let Some(monitor) = self.live.addr() {
            tell(&monitor, Replaced);
        }
        // A command of the user's may be at work.
        actix_rt::spawn(async move {
            let all = futures_util::future::join_all(left.iter().map(|sampler| sampler.stop()));
            if tokio::time::timeout(STOP_LIMIT, all).await.is_err() {
                log::warn!(
                    "devices: the command of a plugin that was removed did not end within {} s",
                    STOP_LIMIT.as_secs()
                );
            }
        });
    }

    fn hurry(&self) {
        if let Some(monitor) = self.live.addr() {
            tell(&monitor, Hurry);
        }
    }

    fn summary(&self) -> String {
        if self.board.samplers().is_empty() {
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
        text.push_str(&format!(", every {} s", self.board.interval().as_secs_f32()));
        text
    }
}
