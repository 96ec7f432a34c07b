//! The Model actor: its state, and what it does with the messages that it hears.

use super::crew::Front;
use super::face::Face;
use super::lease::Door;
use super::life::{CurrentRun, Grant, Timer};
use super::messages::{
    Abandoned, Acquire, By, Cancel, KeepAlive, Line, Operate, Refused, RefusedReason, Timeouts, Verb,
    WhoWaits,
};
use super::status::{RunRecord, Status};
use super::waiters::{Order, Request, Waiters};
use crate::billing::{Ledger, Run, RunEnd};
use crate::fault::Panic;
use crate::feeds::{Feed, Happening};
use crate::memory::MemoryLink;
use crate::probe::There;
use actix::{Actor, Context, Handler, SpawnHandle};
use jiff::Timestamp;
use llm_manager_policy::ending::{Circumstances, EndCause};
use llm_manager_policy::gate::Word;
use llm_manager_policy::lifecycle::{self, Event, Limits, Phase, State, StopCause, Urgency, View};
use llm_manager_policy::model_state::ModelState;
use llm_manager_policy::parking::ParkSpec;
use llm_manager_policy::placement::Urgency as PlacementUrgency;
use llm_manager_policy::readiness::Lessons;
use llm_manager_policy::spec::ModelSpec;
use llm_manager_process as process;
use llm_manager_process::{ExitReport, Launcher};
use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, oneshot};
use tokio_util::sync::CancellationToken;

const REMEMBERED_RUNS: usize = 20;

/// What a Model needs of the world; the same for all models but for the slot.
pub struct Environment {
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
    pub(super) handle: Arc<Face>,
    pub(super) spec: Arc<ModelSpec>,
    pub(super) env: Environment,
    pub(super) limits: Limits,
    pub(super) state: State,
    pub(super) waiters: Waiters,
    /// Operators who wait for the model to be stopped.
    pub(super) stop_waiters: Vec<oneshot::Sender<Result<(), Refused>>>,
    pub(super) door: Option<Arc<Door>>,
    pub(super) seen: Word,
    pub(super) timer: Timer,
    pub(super) launching: Option<SpawnHandle>,
    pub(super) probing: Option<SpawnHandle>,
    pub(super) listening: Option<SpawnHandle>,
    pub(super) first_byte: Option<SpawnHandle>,
    pub(super) watching: Option<SpawnHandle>,
    pub(super) breaking: Option<SpawnHandle>,
    pub(super) checking: Option<SpawnHandle>,
    pub(super) placing: Option<SpawnHandle>,
    pub(super) term: Option<SpawnHandle>,
    /// It is on its way to sleep, or back.
    pub(super) sleeping: Option<SpawnHandle>,
    /// It was told to go, and whether it is enough that it sleeps.
    pub(super) leaving: Option<bool>,
    /// Counts its wakes.
    pub(super) wake_turn: u64,
    /// When it was last begun to be sent to sleep, or woken.
    pub(super) sleep_began: Duration,
    /// How often in a row it could not be sent to sleep, or woken.
    pub(super) sleepless: u32,
    /// The processes of which the driver holds the CUDA state; `Some`: they can't end by themselves.
    pub(super) frozen: Option<Vec<u32>>,
    /// Operators who wait for it to be parked.
    pub(super) park_waiters: Vec<oneshot::Sender<Result<(), Refused>>>,
    pub(super) run: Option<Box<dyn process::Run>>,
    pub(super) current: Option<CurrentRun>,
    pub(super) exit: Option<ExitReport>,
    pub(super) ledger_run: Option<Run>,
    pub(super) grant: Grant,
    /// When the present life was first wanted.
    pub(super) queued_at: Timestamp,
    /// Who was last said to need this model's memory.
    pub(super) evicted_for: Option<Arc<str>>,
    /// The present life has had a process.
    pub(super) ran: bool,
    /// The present life has ended for lack of memory.
    pub(super) out_of_memory: bool,
    /// Who gave the last order.
    pub(super) ordered_by: Option<By>,
    /// Who began the present life, or will have begun the next one, as the ledger keeps it.
    pub(super) begun_by: Arc<str>,
    /// For whom memory was last demanded.
    pub(super) urgency: PlacementUrgency,
    pub(super) last_out_of_memory: Option<Arc<str>>,
    /// Without a Scheduler: variants whose address didn't answer, and when.
    pub(super) left_out: HashMap<usize, Duration>,
    /// Nothing is heard of the present run at its address, and why.
    pub(super) unreachable: Option<Arc<str>>,
    /// When there may be room, as the last refusal for want of it said.
    pub(super) room_in: Option<Duration>,
    /// The cluster has taken the place of the last run away, and why.
    pub(super) taken: Option<EndCause>,
    pub(super) waits_for: Option<Arc<str>>,
    /// What was launched has no place yet, and why.
    pub(super) queued_there: Option<Arc<str>>,
    pub(super) last_error: Option<Arc<str>>,
    pub(super) runs: VecDeque<RunRecord>,
    /// What the last start of each variant has shown, by its position.
    pub(super) lessons: HashMap<usize, Lessons>,
    /// The present run is another manager, which can say what its model does.
    pub(super) manager_there: bool,
    /// What it says, while requests wait for it.
    pub(super) state_there: Option<There>,
    pub(super) asking_there: Option<SpawnHandle>,
    /// The name that the probe of the present life has found, until the door is opened.
    pub(super) served_name: Option<Arc<str>>,
    /// Of a model with several replicas.
    pub(super) front: Front,
}

pub(super) fn limits(spec: &ModelSpec, timeouts: Timeouts) -> Limits {
    Limits {
        start_timeout: spec.start_timeout,
        stop_timeout: spec.stop_timeout,
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
    pub fn new(handle: Arc<Face>, env: Environment) -> Self {
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
            door: None,
            seen: Word::CLOSED,
            timer: Timer::default(),
            launching: None,
            probing: None,
            listening: None,
            first_byte: None,
            watching: None,
            breaking: None,
            checking: None,
            placing: None,
            term: None,
            sleeping: None,
            leaving: None,
            wake_turn: 0,
            sleep_began: Duration::ZERO,
            sleepless: 0,
            frozen: None,
            park_waiters: Vec::new(),
            run: None,
            current: None,
            exit: None,
            ledger_run: None,
            grant: Grant::default(),
            queued_at: Timestamp::now(),
            evicted_for: None,
            ran: false,
            out_of_memory: false,
            ordered_by: None,
            begun_by: "".into(),
            urgency: PlacementUrgency::default(),
            last_out_of_memory: None,
            left_out: HashMap::new(),
            unreachable: None,
            room_in: None,
            taken: None,
            waits_for: None,
            queued_there: None,
            last_error: None,
            runs: VecDeque::new(),
            lessons: HashMap::new(),
            manager_there: false,
            state_there: None,
            asking_there: None,
            served_name: None,
            front: Front::default(),
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
            let step = lifecycle::step(&self.state, event, &view, &self.limits);
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
            // What a client wanted for that life.
            self.limits.alive_time = self.own_alive_time();
            self.handle.set_alive_time(self.limits.alive_time);
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
        let door = self.door.as_ref();
        self.seen = door.map_or(Word::CLOSED, |door| door.gate.look());
        View {
            now: self.handle.origin.elapsed(),
            waiting: usize::from(awaited),
            leases: self.seen.leases(),
            unused_since: door.map_or(Duration::ZERO, |door| door.unused_since()),
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
            ModelState::Starting if self.queued_there.is_some() => ModelState::Queued,
            state => state,
        }
    }

    pub(super) fn publish(&self) {
        let now = self.handle.origin.elapsed();
        let wall = Timestamp::now();
        let old = self.handle.status();
        let state = self.shown_state();
        let waits = matches!(self.state.phase, Phase::Starting { .. } | Phase::Waking { .. });
        let run = self.current.as_ref();
        let retry_at = match self.state.phase {
            Phase::Failed { retry_at } => Some(wall + retry_at.saturating_sub(now)),
            _ => None,
        };
        self.handle.publish(Status {
            state,
            since: if old.state == state { old.since } else { wall },
            moment: if old.state == state && old.epoch == self.state.epoch { old.moment } else { now },
            ready_moment: run.and_then(|run| run.ready_moment),
            epoch: self.state.epoch,
            variant: run.map(|run| Arc::clone(&run.variant)),
            chosen: run.and(self.grant.why.clone()),
            pid: run.and_then(|run| run.pid),
            port: match run {
                Some(run) if run.place.is_some() => None,
                run => run.and_then(|run| run.port).or(self.spec.port),
            },
            place: run.and_then(|run| run.place.clone()),
            there: self.state_there.clone().filter(|_| state == ModelState::Ready),
            started_at: run.map(|run| run.started_at),
            ends: run.and_then(|run| run.ends),
            ends_at: run.and_then(|run| run.ends).and_then(|ends| self.wall_time(ends)),
            ready_at: run.and_then(|run| run.ready_at),
            retry_at,
            waits_for: self.queued_there.as_ref().or(self.waits_for.as_ref()).filter(|_| waits).cloned(),
            last_error: self.last_error.clone(),
            failures: self.state.failures,
            run_id: self.ledger_run.as_ref().map(|run| run.id()),
            trace: run.map(|run| run.trace),
            runs: self.runs.iter().cloned().collect(),
        });
        self.env.feed.publish(Happening::Model(self.spec.model().into()));
    }

    /// Closes the books of a run whose processes are gone.
    pub(super) fn remember_run(&mut self, exit: &str) {
        self.tell_trace();
        let Some(run) = self.current.take() else { return };
        let id = self.ledger_run.as_ref().map(|run| run.id());
        let cause = EndCause::of(
            &self.state.phase,
            Circumstances {
                was_ready: run.ready_at.is_some(),
                out_of_memory: self.out_of_memory,
                unreachable: self.unreachable.is_some(),
                taken: self.taken,
                shutting_down: self.env.stopping.is_cancelled(),
            },
        );
        let evicted_for = self.evicted_for.take().filter(|_| cause == EndCause::Evicted);
        let ended_by = self.who_ended(cause, evicted_for.as_deref());
        if let Some(run) = self.ledger_run.take() {
            let (exit, evicted_for, ended_by) = (exit.to_owned(), evicted_for.clone(), ended_by.clone());
            run.ended(RunEnd { exit, cause, evicted_for, ended_by });
        }
        self.runs.push_front(RunRecord {
            id,
            trace: run.trace,
            variant: run.variant,
            pid: run.pid,
            queued_at: run.queued_at,
            started_at: run.started_at,
            ready_at: run.ready_at,
            ended_at: Timestamp::now(),
            exit: exit.to_owned(),
            cause,
            evicted_for,
            started_by: run.started_by,
            ended_by,
        });
        self.runs.truncate(REMEMBERED_RUNS);
    }
}

impl Actor for Model {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        // Of a crashed one, this is known.
        self.limits.alive_time = self.own_alive_time();
        self.handle.set_alive_time(self.limits.alive_time);
        if self.spec.auto_start {
            self.waiters.order(Order::Boot);
            self.drive(Event::Start, ctx);
        } else {
            // Its replicas may be running.
            self.look_around(true, ctx);
        }
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        // After a panic too: whoever holds the door must not find it open.
        self.shut_door();
    }
}

impl Handler<Acquire> for Model {
    type Result = ();

    fn handle(&mut self, acquire: Acquire, ctx: &mut Context<Self>) {
        if acquire.answer.is_closed() {
            return;
        }
        let Acquire { answer, class, client } = acquire;
        self.waiters.queue_up(Request { answer, class, client, since: Instant::now() });
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
            Verb::Start => {
                self.waiters.order(Order::Operator(operate.answer));
                if !self.is_started(ctx) {
                    self.demand_anew();
                    self.drive(Event::Start, ctx);
                }
            }
            Verb::Restart => {
                self.waiters.order(Order::Operator(operate.answer));
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

impl Handler<KeepAlive> for Model {
    type Result = ();

    fn handle(&mut self, KeepAlive(time): KeepAlive, ctx: &mut Context<Self>) {
        // A life that has not begun, or is over, has nothing to be kept.
        if !matches!(self.state.phase, Phase::Ready { .. }) || self.limits.alive_time == time {
            return;
        }
        self.limits.alive_time = time;
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
            self.drive(Event::Stop(Urgency::Drain), ctx);
        } else {
            self.demand_anew();
        }
        if matches!(self.state.phase, Phase::Waking { granted: false, .. }) && !self.waiters.any() {
            log::info!("models/{}: no request waits for it any more; it goes on sleeping", self.spec.name);
            self.drive(Event::Abandoned, ctx);
        }
    }
}

impl Handler<WhoWaits> for Model {
    type Result = Line;

    fn handle(&mut self, _: WhoWaits, _: &mut Context<Self>) -> Line {
        Line(self.waiters.list())
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
