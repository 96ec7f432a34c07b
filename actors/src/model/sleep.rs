//! A Model whose backend sleeps, or is on its way there or back.

use super::actor::Model;
use super::messages::{Refused, RefusedReason};
use crate::memory::{LetPark, MemoryNotice, WakeGranted};
use crate::probe::sleep::{Awake, Sleeper};
use actix::{Context, Handler};
use llm_manager_policy::lifecycle::{Event, Phase, StopCause};
use llm_manager_policy::model_state::ModelState;
use llm_manager_policy::parking::ParkSpec;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio_util::task::AbortOnDropHandle;

/// After so many failures in a row it is stopped rather than parked, until its configuration changes.
const SLEEPLESS: u32 = 3;

impl Model {
    /// How the present run sleeps, if it can.
    fn park_spec(&self) -> Option<&ParkSpec> {
        self.variant()?.park.as_ref()
    }

    /// If it has to go now, may it sleep instead?
    pub(super) fn may_park(&self) -> bool {
        let room = !self.env.memory.is_there() || self.handle.may_park.load(Ordering::Relaxed);
        self.process().is_some()
            && self.past.sleepless < SLEEPLESS
            && self.park_spec().is_some()
            && !self.env.stopping.is_cancelled()
            && self.life.as_ref().and_then(|life| life.leaving).unwrap_or(room)
    }

    /// Asks for room for what it holds asleep; without a Scheduler there is room for everything.
    pub(super) fn park(&mut self, ctx: &mut Context<Self>) -> Option<Event> {
        self.note_sleep_begins();
        if self.env.memory.is_there() {
            let (model, epoch) = (self.name_shared(), self.state.epoch);
            self.env.memory.tell(MemoryNotice::Parking { model, epoch });
            return None;
        }
        self.fall_asleep(ctx)
    }

    fn fall_asleep(&mut self, ctx: &mut Context<Self>) -> Option<Event> {
        let epoch = self.state.epoch;
        let Some(mut sleeper) = self.sleeper() else { return Some(Event::ParkFailed { epoch }) };
        self.freeze(sleeper.freezes().then(Vec::new));
        let counted = self.process().filter(|_| sleeper.freezes()).map(|process| process.count());
        // A task of its own: its looks shouldn't wake all that the actor waits for.
        let parking = AbortOnDropHandle::new(actix_rt::spawn(async move {
            if let Some(counted) = counted {
                sleeper.members = counted.await;
            }
            sleeper.park().await
        }));
        self.await_in_life(ctx, parking, move |model, result, ctx| {
            let result = result.unwrap_or_else(|error| Err(Awake::Failed(error.to_string())));
            let event = match result {
                Ok(asleep) => {
                    model.past.sleepless = 0;
                    if let Some(members) = model.life.as_mut().and_then(|life| life.sleep.frozen.as_mut()) {
                        *members = asleep;
                    }
                    Event::Parked { epoch }
                }
                Err(Awake::Busy(why)) => {
                    model.freeze(None);
                    log::info!("models/{}: it is not parked: {why}", model.spec.name);
                    Event::ParkRefused { epoch }
                }
                Err(Awake::Frozen(why)) => {
                    model.note_sleepless("it can't be parked, and is stopped instead", &why);
                    Event::ParkFailed { epoch }
                }
                Err(Awake::Failed(why)) => {
                    model.freeze(None);
                    model.note_sleepless("it can't be parked, and is stopped instead", &why);
                    Event::ParkFailed { epoch }
                }
            };
            if matches!(event, Event::ParkRefused { .. }) {
                model.env.memory.tell(MemoryNotice::StaysAwake { model: model.name_shared(), epoch });
            }
            model.drive(event, ctx);
        });
        None
    }

    /// Asks for what it needs awake.
    pub(super) fn reserve_awake(&mut self) -> Option<Event> {
        let epoch = self.state.epoch;
        self.wait_for("memory".into());
        let urgency = self.urgency_now();
        if let Some(life) = &mut self.life {
            life.sleep.turn += 1;
            life.urgency = urgency;
        }
        if !self.env.memory.is_there() {
            return Some(Event::Reserved { epoch });
        }
        self.demand_awake();
        None
    }

    pub(super) fn demand_awake(&self) {
        let Some(life) = &self.life else { return };
        let (model, epoch) = (self.name_shared(), life.epoch);
        let (urgency, turn) = (life.urgency, life.sleep.turn);
        self.env.memory.tell(MemoryNotice::Wake { model, epoch, urgency, turn });
    }

    /// From now on it holds only what it needs asleep.
    pub(super) fn return_awake(&mut self) {
        self.remains();
        if let Some(books) = self.run_mut().and_then(|run| run.books.as_mut()) {
            books.parked();
        }
        let epoch = self.state.epoch;
        let woke_in = self.handle.last_wake.load().as_ref().filter(|wake| wake.0 == epoch).map(|wake| wake.1);
        self.env.memory.tell(MemoryNotice::Asleep { model: self.name_shared(), epoch, woke_in });
    }

    pub(super) fn wake(&mut self, ctx: &mut Context<Self>) -> Option<Event> {
        let epoch = self.state.epoch;
        let Some(sleeper) = self.sleeper() else { return Some(Event::WakeFailed { epoch }) };
        self.wait_for("the backend to wake".into());
        // It holds its card again.
        if let Some(books) = self.run_mut().and_then(|run| run.books.as_mut()) {
            books.unparked();
        }
        self.note_sleep_begins();
        let waking = AbortOnDropHandle::new(actix_rt::spawn(async move { sleeper.wake().await }));
        self.await_in_life(ctx, waking, move |model, result, ctx| {
            let event = match result.unwrap_or_else(|error| Err(error.to_string())) {
                Ok(()) => {
                    let took = model.slept_or_woke_in();
                    model.handle.last_wake.store(Some(Arc::new((epoch, took))));
                    model.past.sleepless = 0;
                    model.freeze(None);
                    Event::Woken { epoch }
                }
                Err(why) => {
                    model
                        .note_sleepless("it can't be woken; a fresh one is started for those who wait", &why);
                    Event::WakeFailed { epoch }
                }
            };
            model.drive(event, ctx);
            model.tell_of_change();
        });
        None
    }

    fn sleeper(&self) -> Option<Sleeper> {
        let (process, spec, variant) = (self.process()?, self.park_spec()?.clone(), self.variant()?);
        Some(Sleeper {
            endpoint: self.endpoint()?,
            model: self.spec.model().to_owned(),
            pid: process.pid(),
            members: self.life.as_ref()?.sleep.frozen.clone().unwrap_or_default(),
            folder: self.env.working_dir.clone(),
            headers: variant.probe.as_ref().map_or_else(Vec::new, |probe| probe.headers.clone()),
            spec,
        })
    }

    fn note_sleep_begins(&mut self) {
        let now = self.handle.origin.elapsed();
        if let Some(life) = &mut self.life {
            life.sleep.began = now;
        }
    }

    /// How long it took to send it to sleep, or to wake it.
    fn slept_or_woke_in(&self) -> Duration {
        let began = self.life.as_ref().map_or(Duration::ZERO, |life| life.sleep.began);
        self.handle.origin.elapsed().saturating_sub(began)
    }

    fn freeze(&mut self, members: Option<Vec<u32>>) {
        if let Some(life) = &mut self.life {
            life.sleep.frozen = members;
        }
    }

    /// What its start or its waking is waiting for.
    pub(super) fn wait_for(&mut self, what: Arc<str>) {
        if let Some(run) = self.run_mut() {
            run.waits_for = Some(what);
        }
    }

    fn note_sleepless(&mut self, what: &str, why: &str) {
        self.past.sleepless += 1;
        self.past.error = Some(format!("{what}: {why}").into());
        let name = &self.spec.name;
        log::warn!("models/{name}: {what}: {why}");
        if self.past.sleepless == SLEEPLESS {
            log::warn!(
                "models/{name}: {SLEEPLESS} times in a row: it is not parked any more until its configuration changes"
            );
        }
    }

    fn name_shared(&self) -> Arc<str> {
        self.spec.name.as_str().into()
    }

    pub(super) fn park_order(
        &mut self,
        answer: Option<oneshot::Sender<Result<(), Refused>>>,
        ctx: &mut Context<Self>,
    ) {
        self.park_waiters.extend(answer);
        // One that goes already need not be told.
        if matches!(self.state.phase, Phase::Ready { .. }) {
            self.remains();
        }
        self.drive(Event::Park, ctx);
    }

    /// Those who ordered it to be parked hear when it is, or that it won't be.
    pub(super) fn answer_park_orders(&mut self) {
        let on_its_way = matches!(
            self.state.phase,
            Phase::Parking { .. } | Phase::Draining { cause: StopCause::Park | StopCause::Evicted, .. }
        );
        if self.park_waiters.is_empty() || on_its_way {
            return;
        }
        let parked = matches!(self.state.phase, Phase::Parked { .. });
        let name = &self.spec.name;
        let message = match (&self.state.phase, self.park_spec()) {
            (Phase::Ready { .. }, None) => format!(
                "model `{name}` can't be parked: it has no `park` in the configuration; add one, or stop it"
            ),
            (Phase::Ready { .. }, Some(_)) => format!(
                "model `{name}` is not parked: {}",
                if self.may_park() {
                    "its backend has work"
                } else {
                    "there is no room for what it holds asleep, or it failed too often; see the manager's log"
                }
            ),
            // It was tried just now.
            (Phase::Stopping { .. }, _) if self.past.sleepless > 0 => {
                let why = self.past.error.as_deref().unwrap_or("its backend refused");
                format!("model `{name}` is not parked: {why}")
            }
            _ => format!("model `{name}` is not parked: only one that is ready can be"),
        };
        let message: Arc<str> = message.into();
        for answer in self.park_waiters.drain(..) {
            let refused = Refused {
                reason: RefusedReason::NotParked,
                message: Arc::clone(&message),
                retry_after: None,
            };
            // An operator who hung up does not need the answer.
            let _ = answer.send(if parked { Ok(()) } else { Err(refused) });
        }
    }

    /// The end of the log line of a transition that is about sleep.
    pub(super) fn words_of_sleep(&self, event: Event) -> Option<String> {
        let took = || self.slept_or_woke_in().as_secs_f64();
        Some(match (&self.state.phase, event) {
            (Phase::Parking { cause, .. }, _) => match cause {
                StopCause::Idle => {
                    let idle = self.alive_time().unwrap_or_default().as_secs_f64() / 60.0;
                    format!(": idle for {idle:.2} min")
                }
                StopCause::Evicted => format!(": {} needs its memory", self.evictor()),
                _ => format!(": ordered by {}", self.orderer("an operator")),
            },
            (Phase::Parked { until }, Event::Parked { .. }) => {
                let kept = until.map_or_else(
                    || "for ever".to_owned(),
                    |until| {
                        let left = until.saturating_sub(self.handle.origin.elapsed());
                        format!("for {:.2} min", left.as_secs_f64() / 60.0)
                    },
                );
                format!(" in {:.2} s (kept {kept})", took())
            }
            (Phase::Parked { .. }, _) => ": it goes on sleeping".to_owned(),
            (Phase::Waking { .. }, Event::Parked { .. }) => {
                format!(": parked in {:.2} s; requests came meanwhile", took())
            }
            (Phase::Waking { .. }, Event::Acquire) => ": for a request".to_owned(),
            (Phase::Waking { .. }, _) => {
                format!(": requested by {}", self.orderer("`auto_start`"))
            }
            (Phase::Ready { .. }, Event::Woken { .. }) => format!(": woken in {:.2} s", took()),
            (Phase::Ready { .. }, Event::ParkRefused { .. }) => ": its backend has work".to_owned(),
            (Phase::Stopping { cause: StopCause::Idle, .. }, Event::Deadline) if self.was_parked() => {
                let kept = self.limits.keep_parked.unwrap_or_default().as_secs_f64() / 60.0;
                format!(": parked for {kept:.2} min")
            }
            _ => return None,
        })
    }

    fn was_parked(&self) -> bool {
        self.handle.status().state == ModelState::Parked
    }
}

impl Handler<LetPark> for Model {
    type Result = ();

    fn handle(&mut self, LetPark { epoch, go }: LetPark, ctx: &mut Context<Self>) {
        if epoch != self.state.epoch || !matches!(self.state.phase, Phase::Parking { .. }) {
            return;
        }
        let failed = if go { self.fall_asleep(ctx) } else { Some(Event::ParkFailed { epoch }) };
        if !go {
            log::info!("models/{}: there is no room for what it would hold parked", self.spec.name);
        }
        if let Some(event) = failed {
            self.drive(event, ctx);
        }
    }
}

impl Handler<WakeGranted> for Model {
    type Result = ();

    fn handle(&mut self, WakeGranted { epoch, turn }: WakeGranted, ctx: &mut Context<Self>) {
        // A demand that was taken back meanwhile: the Scheduler will read that next.
        let same = self.life.as_ref().is_some_and(|life| life.epoch == epoch && life.sleep.turn == turn);
        if same {
            self.drive(Event::Reserved { epoch }, ctx);
        }
    }
}
