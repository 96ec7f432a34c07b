//! The Model actor: its state, and what it does with the messages that it hears.

use super::history::ModelHistory;
use super::life::{CurrentRun, Life, Timer};
use super::messages::{
    Abandoned, Acquire, By, Cancel, GetWaiting, Operate, Refused, RefusedReason, SetKeepAlive, Timeouts,
    Verb, WaitingRequests,
};
use super::published::Published;
use super::replica_link::ReplicaSet;
use super::status::ModelStatus;
use super::waiters::{QueuedRequest, StartRequest, Waiters};
use crate::billing::Ledger;
use crate::fault::Panic;
use crate::feeds::{Feed, Happening};
use crate::memory::MemoryLink;
use actix::{Actor, Context, Handler};
use jiff::Timestamp;
use llm_manager_policy::gate::Word;
use llm_manager_policy::lifecycle::{
    self, Event, GONE_HERE, Limits, Phase, State, StopCause, StopUrgency, View,
};
use llm_manager_policy::model_state::ModelState;
use llm_manager_policy::parking::ParkSpec;
use llm_manager_policy::spec::ModelSpec;
use llm_manager_process::Launcher;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, oneshot};
use tokio_util::sync::CancellationToken;

/// What a Model needs of the world; the same for all models but for the slot.
pub struct ModelContext {
    /// Starts backends.
    pub launcher: Rc<dyn Launcher>,
    /// Told of every change.
    pub feed: Feed,
    /// Working directory of backends.
    pub working_dir: PathBuf,
    /// Limits that are the same for all models.
    pub timeouts: Timeouts,
    /// Who looks after memory.
    pub memory: MemoryLink,
    /// Where runs are recorded.
    pub ledger: Ledger,
    /// Cancelled when the manager begins to stop.
    pub stopping: CancellationToken,
    /// Held by a run until its last process is gone; outlives the actor, so that a restarted actor can't
    /// launch beside what its predecessor left.
    pub slot: Arc<Semaphore>,
}

/// The actor.
pub struct Model {
    pub(super) handle: Arc<Published>,
    pub(super) spec: Arc<ModelSpec>,
    pub(super) env: ModelContext,
    pub(super) limits: Limits,
    pub(super) state: State,
    pub(super) waiters: Waiters,
    /// Operators who wait for the model to be stopped.
    pub(super) stop_waiters: Vec<oneshot::Sender<Result<(), Refused>>>,
    /// Operators who wait for it to be parked.
    pub(super) park_waiters: Vec<oneshot::Sender<Result<(), Refused>>>,
    pub(super) timer: Timer,
    /// `None`: it is stopped or failed.
    pub(super) life: Option<Life>,
    pub(super) past: ModelHistory,
    /// Who gave the last order.
    pub(super) ordered_by: Option<By>,
    /// Who began the present life, or will have begun the next one, as the ledger keeps it.
    pub(super) begun_by: Arc<str>,
    /// Of a model with several replicas.
    pub(super) front: ReplicaSet,
}

pub(super) fn limits(spec: &ModelSpec, timeouts: Timeouts) -> Limits {
    Limits {
        start_timeout: spec.start_timeout,
        stop_timeout: spec.stop_timeout,
        // Of one on this machine; of another, see `gone_timeout`.
        gone_timeout: GONE_HERE,
        drain_timeout: timeouts.drain,
        alive_time: spec.alive_time,
        park_timeout: longest(spec, ParkSpec::sleep_limit),
        wake_timeout: longest(spec, ParkSpec::wake_limit),
        keep_parked: spec.keep_parked,
        // The scheduler answers first; this is for one that doesn't answer at all.
        queue_timeout: timeouts.queue + Duration::from_secs(10),
    }
}

/// Of all ways in which a variant of the model may sleep.
fn longest(spec: &ModelSpec, limit: impl Fn(&ParkSpec) -> Duration) -> Duration {
    spec.variants.iter().filter_map(|variant| variant.park.as_ref()).map(limit).max().unwrap_or_default()
}

impl Model {
    /// An actor in its first phase; `handle` is what the world will see of it.
    pub fn new(handle: Arc<Published>, env: ModelContext) -> Self {
        let spec = handle.spec.load_full();
        let limits = limits(&spec, env.timeouts);
        let state = State { epoch: handle.status().epoch, ..State::new() };
        Self {
            handle,
            spec,
            env,
            limits,
            // After a crash, the lives of the former actor go on being counted.
            state,
            waiters: Waiters::default(),
            stop_waiters: Vec::new(),
            park_waiters: Vec::new(),
            timer: Timer::default(),
            life: None,
            past: ModelHistory::default(),
            ordered_by: None,
            begun_by: "".into(),
            front: ReplicaSet::default(),
        }
    }

    /// Takes one event, and those that follow from it at once, through the table.
    pub(super) fn drive(&mut self, event: Event, ctx: &mut Context<Self>) {
        let before = self.state.phase.clone();
        self.note_who_begins(event);
        let mut events = VecDeque::from([event]);
        let mut ended = false;
        while let Some(event) = events.pop_front() {
            ended |= event.ends(self.state.epoch);
            let view = self.view();
            let limits =
                Limits { alive_time: self.alive_time(), gone_timeout: self.gone_timeout(), ..self.limits };
            let step = lifecycle::step(&self.state, event, &view, &limits);
            self.state = step.state;
            for effect in step.effects {
                events.extend(self.carry_out(effect, ctx));
            }
        }
        self.handle.standing_order.store(self.waiters.any_standing(), Ordering::Relaxed);
        let changed = self.state.phase != before;
        if changed {
            self.announce(&before, event);
        }
        self.answer_park_orders();
        if ended {
            // What a client wanted for that life has gone with it.
            self.handle.set_alive_time(self.alive_time());
        }
        // Stopped, even if the next life has begun already for those who came meanwhile.
        if ended || matches!(self.state.phase, Phase::Stopped | Phase::Failed { .. }) {
            for answer in self.stop_waiters.drain(..) {
                // An operator who hung up does not need the answer.
                let _ = answer.send(Ok(()));
            }
        }
        self.look_around(changed, ctx);
    }

    fn view(&mut self) -> View {
        let awaited = self.is_awaited();
        let serving = self.life.as_mut().and_then(|life| life.serving.as_mut());
        let (seen, unused_since) = serving.map_or((Word::CLOSED, Duration::ZERO), |serving| {
            serving.seen = serving.door.gate.look();
            (serving.seen, serving.door.unused_since())
        });
        View {
            now: self.handle.origin.elapsed(),
            waiting: usize::from(awaited),
            leases: seen.leases(),
            unused_since,
            may_park: self.may_park(),
        }
    }

    /// Says in the log, in the status and in the feed what has changed.
    fn announce(&mut self, before: &Phase, event: Event) {
        let name = &self.spec.name;
        let (from, to) = (ModelState::from(before), ModelState::from(&self.state.phase));
        if from != to {
            self.note_rule(from, to, event);
            let why = self.reason(event);
            let level = match &self.state.phase {
                Phase::Failed { .. } => log::Level::Error,
                Phase::Draining { cause, .. } | Phase::Stopping { cause, .. } if cause.is_failure() => {
                    log::Level::Warn
                }
                _ => log::Level::Info,
            };
            log::log!(level, "models/{name}: {from} -> {to}{why}");
            let made_room = matches!(before, Phase::Stopping { cause: StopCause::Evicted, .. });
            if to == ModelState::Queued || made_room {
                self.env.launcher.expect();
            }
        }
        // Whoever is answered must find the new state.
        self.publish();
    }

    /// Before those who wait are answered: they must find the new state.
    pub(super) fn publish_change(&self) {
        if self.handle.status().state != self.shown_state() {
            self.publish();
        }
    }

    /// What waits for its place elsewhere is queued, too.
    fn shown_state(&self) -> ModelState {
        match ModelState::from(&self.state.phase) {
            ModelState::Starting if self.queued_there().is_some() => ModelState::Queued,
            state => state,
        }
    }

    pub(super) fn publish(&self) {
        let now = self.handle.origin.elapsed();
        let wall = Timestamp::now();
        let old = self.handle.status();
        let state = self.shown_state();
        let waits = matches!(self.state.phase, Phase::Starting { .. } | Phase::Waking { .. });
        let (life, run) = (self.life.as_ref(), self.run());
        let retry_at = match self.state.phase {
            Phase::Failed { retry_at } => Some(wall + retry_at.saturating_sub(now)),
            _ => None,
        };
        self.handle.publish(ModelStatus {
            state,
            since: if old.state == state { old.since } else { wall },
            moment: if old.state == state && old.epoch == self.state.epoch { old.moment } else { now },
            ready_moment: run.and_then(|run| run.ready_moment),
            epoch: self.state.epoch,
            variant: run.map(|run| Arc::clone(&run.variant)),
            chosen: run.and(life).and_then(|life| life.grant.why.clone()),
            pid: run.and_then(|run| run.pid),
            port: match run {
                Some(run) if run.place.is_some() => None,
                run => run.and_then(|run| run.port).or(self.spec.port),
            },
            place: run.and_then(|run| run.place.clone()),
            there: run.and_then(|run| run.state_there.clone()).filter(|_| state == ModelState::Ready),
            started_at: run.map(|run| run.started_at),
            ends: run.and_then(|run| run.ends),
            ends_at: run.and_then(|run| run.ends).and_then(|ends| self.wall_time(ends)),
            ready_at: run.and_then(|run| run.ready_at),
            retry_at,
            waits_for: run
                .filter(|_| waits)
                .and_then(|run| run.queued_there.clone().or_else(|| run.waits_for.clone())),
            last_error: self.past.error.clone(),
            failures: self.state.failures,
            run_id: run.and_then(CurrentRun::booked),
            trace: run.map(|run| run.trace),
            runs: self.past.runs.iter().cloned().collect(),
        });
        self.env.feed.publish(Happening::Model(self.spec.model().into()));
    }
}

impl Actor for Model {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        // Of a crashed one, this is known.
        self.handle.set_alive_time(self.alive_time());
        if self.spec.auto_start {
            self.waiters.order(StartRequest::Boot(None));
            self.drive(Event::Start, ctx);
        } else {
            // Its replicas may be running.
            self.look_around(true, ctx);
        }
    }
}

impl Handler<Acquire> for Model {
    type Result = ();

    fn handle(&mut self, acquire: Acquire, ctx: &mut Context<Self>) {
        if acquire.answer.is_closed() {
            return;
        }
        let Acquire { answer, class, client } = acquire;
        self.waiters.queue_up(QueuedRequest { answer, class, client, since: Instant::now() });
        self.demand_anew();
        if matches!(self.state.phase, Phase::Parked { .. }) && !self.is_awaited() {
            // While another replica serves, nobody waits for this one: it is for the front to say who comes.
            self.look_around(false, ctx);
        } else {
            self.drive(Event::Acquire, ctx);
        }
    }
}

impl Handler<Operate> for Model {
    type Result = ();

    fn handle(&mut self, operate: Operate, ctx: &mut Context<Self>) {
        self.ordered_by = operate.by;
        match operate.verb {
            Verb::Start | Verb::Boot => {
                self.waiters.order(match operate.verb {
                    Verb::Boot => StartRequest::Boot(operate.answer),
                    _ => StartRequest::Operator(operate.answer),
                });
                if !self.is_started(ctx) {
                    self.demand_anew();
                    self.drive(Event::Start, ctx);
                }
            }
            Verb::Restart => {
                self.waiters.order(StartRequest::Operator(operate.answer));
                self.drive(Event::Restart, ctx);
            }
            Verb::Park => self.park_order(operate.answer, ctx),
            Verb::Stop(urgency) => {
                self.stop_waiters.extend(operate.answer);
                self.stop_crew(ctx);
                self.drive(Event::Stop(urgency), ctx);
            }
        }
    }
}

impl Handler<SetKeepAlive> for Model {
    type Result = ();

    fn handle(&mut self, SetKeepAlive(time): SetKeepAlive, ctx: &mut Context<Self>) {
        // A life that has not begun, or is over, has nothing to be kept.
        if !matches!(self.state.phase, Phase::Ready { .. }) || self.alive_time() == time {
            return;
        }
        if let Some(life) = &mut self.life {
            life.kept_for = Some(time);
        }
        self.handle.set_alive_time(time);
        // As if the timer had run out: it is armed anew, or the time is up.
        self.drive(Event::Deadline, ctx);
        self.publish();
    }
}

impl Handler<Abandoned> for Model {
    type Result = ();

    fn handle(&mut self, _: Abandoned, ctx: &mut Context<Self>) {
        self.forget_demand(ctx);
    }
}

impl Model {
    /// A demand for nobody must not make others go.
    fn forget_demand(&mut self, ctx: &mut Context<Self>) {
        if matches!(self.state.phase, Phase::Queued { .. }) && !self.waiters.any() {
            log::info!("models/{}: no request waits for it any more", self.spec.name);
            self.ordered_by = None;
            self.drive(Event::Stop(StopUrgency::Drain), ctx);
        } else {
            self.demand_anew();
        }
        if matches!(self.state.phase, Phase::Waking { granted: false, .. }) && !self.waiters.any() {
            log::info!("models/{}: no request waits for it any more; it goes on sleeping", self.spec.name);
            self.drive(Event::Abandoned, ctx);
        }
    }
}

impl Handler<GetWaiting> for Model {
    type Result = WaitingRequests;

    fn handle(&mut self, _: GetWaiting, _: &mut Context<Self>) -> WaitingRequests {
        WaitingRequests(self.waiters.list())
    }
}

impl Handler<Cancel> for Model {
    type Result = bool;

    fn handle(&mut self, Cancel { id, by }: Cancel, ctx: &mut Context<Self>) -> bool {
        let refused = Refused {
            reason: RefusedReason::Cancelled,
            message: format!(
                "the request was cancelled while it waited for model `{}`, by {by}",
                self.spec.name
            )
            .into(),
            retry_after: None,
        };
        let found = self.waiters.cancel(&id, &refused);
        if found {
            self.forget_demand(ctx);
        }
        found
    }
}

impl Handler<Panic> for Model {
    type Result = ();

    #[expect(clippy::panic, reason = "that is what the message asks for")]
    fn handle(&mut self, _: Panic, _: &mut Context<Self>) {
        panic!("fault injection");
    }
}
