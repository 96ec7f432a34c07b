//! DeviceMonitor: asks the device plugins, and broadcasts what they say as immutable snapshots.
//!
//! Each plugin has a thread of its own that takes one sample at a time. The actor orders samples when its
//! timer fires or somebody asks, collects the answers, and publishes when all are in, or a moment after the
//! first: nobody waits for a plugin that hangs. Three misses in a row, and its devices are offline until its
//! next good sample. Threads and the newest snapshot belong to the [`board`], which outlives the actor.

mod board;
mod handle;
mod history;
mod plugin_state;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Actor, AsyncContext, Context, Handler, Message, MessageResult, ResponseFuture, SpawnHandle};
use jiff::Timestamp;
use tokio::sync::oneshot;

use crate::actor_ref::tell;
use crate::fault::Panic;
use board::Board;
pub use board::{FastPolling, MonitorSettings, PollRate};
pub use handle::Devices;
use history::DeviceHistory;
pub use history::{DeviceSample, HistoryPoint};
use llm_manager_devices::sampler::{NotTaken, Sampler};
use llm_manager_devices::{Sample, Snapshot};
use plugin_state::PluginState;

/// After the first answer, the others have this long to be in the same snapshot.
const GATHER: Duration = Duration::from_millis(100);

/// What is wrong with a plugin that hangs.
const SILENT: &str = "it does not answer";

/// Orders a sample of every device, and answers with the snapshot that has it.
///
/// Those who ask meanwhile share the sample that is under way. Asked by the scheduler before a placement. If
/// a plugin takes longer than `within`, the answer is the newest snapshot, marked stale.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Arc<Snapshot>")]
pub struct SampleNow {
    /// How long to wait.
    pub within: Duration,
    /// A snapshot no older than this will do; zero: always take a new one.
    pub max_age: Duration,
}

impl Default for SampleNow {
    fn default() -> Self {
        Self { within: Duration::from_secs(2), max_age: Duration::ZERO }
    }
}

/// Orders a sample of these devices alone, and answers with the snapshot that has it: what other devices say may be
/// older in it, and a slow one keeps nobody waiting. Devices that nobody knows yet mean all of them.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Arc<Snapshot>")]
pub struct LookAt {
    /// Their ids: a UUID, or else a name.
    pub devices: Vec<Arc<str>>,
    /// How long to wait.
    pub within: Duration,
}

/// Asks for the last hour, oldest point first.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Vec<Arc<HistoryPoint>>")]
pub struct GetHistory;

/// Other plugins are on the board; sent by `Devices`.
#[derive(Message)]
#[rtype(result = "()")]
struct Replaced;

/// A plugin has answered; sent by its thread.
#[derive(Message)]
#[rtype(result = "()")]
struct SampleDone {
    /// The number of its sampler: one that is gone by now means nothing.
    plugin: usize,
    answer: Result<Vec<Sample>, String>,
}

/// Somebody began to pay attention; sent by `Devices`.
#[derive(Message)]
#[rtype(result = "()")]
struct Hurry;

/// Someone who has asked for a new sample.
struct Asker {
    /// Plugins whose answer is not in yet.
    awaited: BTreeSet<usize>,
    reply: oneshot::Sender<Arc<Snapshot>>,
}

/// A plugin's thread, and how it stands.
struct Plugin {
    sampler: Arc<Sampler>,
    standing: PluginState,
}

impl Plugin {
    fn new(sampler: &Arc<Sampler>, last: &Snapshot) -> Self {
        let standing = PluginState::new(&sampler.name, sampler.plugin, last);
        Self { sampler: Arc::clone(sampler), standing }
    }
}

/// The actor.
pub struct DeviceMonitor {
    board: Arc<Board>,
    plugins: Vec<Plugin>,
    askers: Vec<Asker>,
    timer: Option<SpawnHandle>,
    gather: Option<SpawnHandle>,
    history: DeviceHistory,
}

impl DeviceMonitor {
    /// Begins with what its predecessor last saw.
    fn new(board: Arc<Board>) -> Self {
        let last = board.latest();
        let plugins = board.samplers().iter().map(|sampler| Plugin::new(sampler, &last)).collect();
        Self {
            board,
            plugins,
            askers: Vec::new(),
            timer: None,
            gather: None,
            history: DeviceHistory::default(),
        }
    }

    fn standings(&self) -> impl Iterator<Item = &PluginState> {
        self.plugins.iter().map(|one| &one.standing)
    }

    fn enabled(&self) -> bool {
        !self.plugins.is_empty() && !self.board.stopped()
    }

    /// The timer has fired, or is overtaken by events.
    fn tick(&mut self, ctx: &mut Context<Self>) {
        if !self.enabled() {
            return;
        }
        let now = Instant::now();
        let mut missed = false;
        for Plugin { sampler, standing } in &mut self.plugins {
            if standing.hangs(now, sampler.patience) {
                standing.miss(SILENT.to_owned(), now);
                missed = true;
                for asker in &mut self.askers {
                    asker.awaited.remove(&sampler.number);
                }
            }
        }
        missed |= self.order(ctx, |_| true, true);
        if missed {
            self.answered(ctx);
        }
        self.rearm(ctx);
    }

    fn rearm(&mut self, ctx: &mut Context<Self>) {
        if let Some(timer) = self.timer.take() {
            ctx.cancel_future(timer);
        }
        self.timer = Some(ctx.run_later(self.board.interval(), Self::tick));
    }

    /// Orders a sample from every plugin of these that isn't taking one. With `count`, one that can't take the order
    /// has missed; returns whether there is such a one.
    fn order(&mut self, ctx: &mut Context<Self>, of: impl Fn(usize) -> bool, count: bool) -> bool {
        let now = Instant::now();
        let mut missed = false;
        for Plugin { sampler, standing } in self.plugins.iter_mut().filter(|one| of(one.sampler.number)) {
            if standing.busy() {
                continue;
            }
            let plugin = sampler.number;
            let monitor = ctx.address();
            let reply = move |answer| tell(&monitor, SampleDone { plugin, answer });
            let why = match sampler.order(Box::new(reply)) {
                Ok(()) => {
                    standing.ordered(now);
                    continue;
                }
                // It still hangs on the orders of a former monitor.
                Err(NotTaken::Busy) => SILENT.to_owned(),
                Err(NotTaken::Dead(why)) => why,
            };
            if count {
                standing.miss(why, now);
                missed = true;
            }
        }
        missed
    }

    /// News are in: publish now if nothing else is about to come, or a moment later.
    fn answered(&mut self, ctx: &mut Context<Self>) {
        let all_in = self.standings().all(|standing| !standing.awaited());
        let asked = self.askers.iter().any(|asker| asker.awaited.is_empty());
        if all_in || asked {
            self.publish(ctx);
        } else if self.gather.is_none() {
            self.gather = Some(ctx.run_later(GATHER, |monitor, ctx| {
                monitor.gather = None;
                monitor.publish(ctx);
            }));
        }
    }

    fn publish(&mut self, ctx: &mut Context<Self>) {
        if let Some(gather) = self.gather.take() {
            ctx.cancel_future(gather);
        }
        let now = Instant::now();
        let stale = self.standings().any(|standing| standing.stale(now));
        let snapshot = Arc::new(Snapshot {
            devices: self.standings().flat_map(PluginState::devices).collect(),
            taken_at: Timestamp::now(),
            asked_at: self.asked_at(),
            asked: self.standings().flat_map(PluginState::asked).collect(),
            sequence: self.board.latest().sequence + 1,
            stale,
            problems: self.standings().filter_map(PluginState::problem).collect(),
        });
        self.history.note(&snapshot);
        self.board.publish(Arc::clone(&snapshot));
        for asker in self.askers.extract_if(.., |asker| asker.awaited.is_empty()) {
            // Whoever does not wait any more has taken the last one.
            let _ = asker.reply.send(Arc::clone(&snapshot));
        }
    }

    /// When the oldest of what is known was asked for. One that has missed its turn is not waited for.
    fn asked_at(&self) -> Option<Instant> {
        let alive = self.standings().filter(|standing| !standing.has_missed());
        alive.map(PluginState::asked_at).min().unwrap_or_else(|| Some(Instant::now()))
    }

    /// The newest snapshot, if it is young enough.
    fn young(&self, max_age: Duration) -> Option<Arc<Snapshot>> {
        let now = Instant::now();
        let fresh = self.standings().all(|standing| standing.younger_than(max_age, now));
        let latest = self.board.latest();
        (fresh && !max_age.is_zero() && !latest.stale).then_some(latest)
    }
}

impl Actor for DeviceMonitor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.tick(ctx);
    }
}

impl Handler<SampleDone> for DeviceMonitor {
    type Result = ();

    fn handle(&mut self, done: SampleDone, ctx: &mut Context<Self>) {
        if !self.enabled() {
            return;
        }
        let found = self.plugins.iter_mut().find(|one| one.sampler.number == done.plugin);
        let Some(Plugin { standing, .. }) = found else { return };
        match done.answer {
            Ok(devices) => standing.good(devices),
            Err(why) => standing.failed(why, Instant::now()),
        }
        for asker in &mut self.askers {
            asker.awaited.remove(&done.plugin);
        }
        self.answered(ctx);
    }
}

impl Handler<SampleNow> for DeviceMonitor {
    type Result = ResponseFuture<Arc<Snapshot>>;

    fn handle(&mut self, ask: SampleNow, ctx: &mut Context<Self>) -> Self::Result {
        let young = self.young(ask.max_age).or_else(|| (!self.enabled()).then(|| self.board.latest()));
        if let Some(young) = young {
            return Box::pin(async move { young });
        }
        self.sample(ctx, |_| true, ask.within)
    }
}

impl Handler<LookAt> for DeviceMonitor {
    type Result = ResponseFuture<Arc<Snapshot>>;

    fn handle(&mut self, look: LookAt, ctx: &mut Context<Self>) -> Self::Result {
        if !self.enabled() {
            let latest = self.board.latest();
            return Box::pin(async move { latest });
        }
        let has = |standing: &PluginState| look.devices.iter().any(|id| standing.has(id));
        let of_them = self.plugins.iter().filter(|one| has(&one.standing));
        let plugins: BTreeSet<usize> = of_them.map(|one| one.sampler.number).collect();
        let all = plugins.is_empty();
        self.sample(ctx, move |plugin| all || plugins.contains(&plugin), look.within)
    }
}

impl DeviceMonitor {
    fn sample(
        &mut self,
        ctx: &mut Context<Self>,
        of: impl Fn(usize) -> bool,
        within: Duration,
    ) -> ResponseFuture<Arc<Snapshot>> {
        self.order(ctx, &of, false);
        // One that hangs already is not waited for.
        let awaited = self.plugins.iter().filter(|one| of(one.sampler.number) && one.standing.awaited());
        let awaited = awaited.map(|one| one.sampler.number).collect();
        let (reply, answer) = oneshot::channel();
        self.askers.retain(|asker| !asker.reply.is_closed());
        self.askers.push(Asker { awaited, reply });
        if self.askers.last().is_some_and(|asker| asker.awaited.is_empty()) {
            self.publish(ctx);
        }
        let board = Arc::clone(&self.board);
        Box::pin(async move {
            match tokio::time::timeout(within, answer).await {
                Ok(Ok(snapshot)) => snapshot,
                _ => {
                    let latest = board.latest();
                    if latest.stale {
                        latest
                    } else {
                        Arc::new(Snapshot { stale: true, ..(*latest).clone() })
                    }
                }
            }
        })
    }
}

impl Handler<GetHistory> for DeviceMonitor {
    type Result = MessageResult<GetHistory>;

    fn handle(&mut self, _: GetHistory, _: &mut Context<Self>) -> Self::Result {
        MessageResult(self.history.points())
    }
}

impl Handler<Replaced> for DeviceMonitor {
    type Result = ();

    fn handle(&mut self, _: Replaced, ctx: &mut Context<Self>) {
        let last = self.board.latest();
        let mut before = std::mem::take(&mut self.plugins);
        let now = self.board.samplers();
        let taken = now.iter().map(|sampler| {
            let same = before.iter().position(|one| one.sampler.number == sampler.number);
            same.map_or_else(|| Plugin::new(sampler, &last), |at| before.swap_remove(at))
        });
        self.plugins = taken.collect();
        for asker in &mut self.askers {
            asker.awaited.retain(|number| now.iter().any(|sampler| sampler.number == *number));
        }
        // Without the devices of those that are gone, and soon with those of the new ones.
        self.publish(ctx);
        self.tick(ctx);
    }
}

impl Handler<Hurry> for DeviceMonitor {
    type Result = ();

    fn handle(&mut self, _: Hurry, ctx: &mut Context<Self>) {
        self.tick(ctx);
    }
}

impl Handler<Panic> for DeviceMonitor {
    type Result = ();

    #[expect(clippy::panic, reason = "that is what the message asks for")]
    fn handle(&mut self, _: Panic, _: &mut Context<Self>) {
        panic!("fault injection");
    }
}
