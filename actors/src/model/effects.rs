//! Carries out what the lifecycle decides: processes, probes, timers, the door.

use super::actor::Model;
use super::lease::{BreakReason, Door, Way};
use super::life::CurrentRun;
use super::messages::{Refused, RefusedReason};
use super::trace::Trace;
use crate::billing::RunStart;
use actix::{ActorFutureExt, AsyncContext, Context, StreamHandler, WrapFuture};
use jiff::Timestamp;
use llm_manager_policy::lifecycle::{Effect, Event, Moment, Phase, Refusal, StopCause};
use llm_manager_policy::oom::says_out_of_memory;
use llm_manager_policy::spec::VariantSpec;
use llm_manager_policy::visible;
use llm_manager_process::{Away, ExitReport, LaunchError, LaunchOrder, Run};
use std::sync::Arc;

/// A lease came back while the door was watched.
struct Freed;

impl Model {
    /// Does one thing; answers the event that follows from it at once, if any.
    pub(super) fn carry_out(&mut self, effect: Effect, ctx: &mut Context<Self>) -> Option<Event> {
        let epoch = self.state.epoch;
        match effect {
            Effect::Reserve => return self.reserve(),
            Effect::ReturnReservation => self.give_back(epoch),
            Effect::Launch => self.launch(ctx),
            Effect::Probe => self.probe(ctx),
            Effect::Check => self.check(ctx),
            Effect::ReportStuck => self.report_stuck(),
            Effect::OpenGate => self.open_door(ctx),
            Effect::CloseGate => {
                let wanted = matches!(self.state.phase, Phase::Draining { cause: StopCause::Evicted, .. });
                self.door.iter().for_each(|door| door.set_wanted(wanted));
                let inside = self.door.as_ref().map_or(0, |door| door.gate.close());
                return (inside == 0).then_some(Event::LeaseFreed);
            }
            Effect::ReserveAwake => return self.reserve_awake(),
            Effect::ReturnAwake => self.return_awake(),
            Effect::Park => return self.park(ctx),
            Effect::Wake => return self.wake(ctx),
            Effect::ReopenGate => {
                self.leaving = None;
                if let Some(door) = &self.door {
                    door.set_wanted(false);
                    door.touch();
                    door.gate.open();
                }
            }
            Effect::CloseIfUnused(cause) => return Some(self.close_if_unused(cause)),
            Effect::BreakLeases => {
                if let Some(door) = &self.door {
                    // Those on a backend that has died may be sent again.
                    let gone = self.run.is_none() || self.state.phase.is_crash();
                    door.break_leases(if gone { BreakReason::BackendGone } else { BreakReason::Stopped });
                }
            }
            Effect::GrantWaiters => {
                self.publish_change();
                self.grant_waiters();
            }
            Effect::RefuseWaiters(refusal) => self.refuse(refusal),
            Effect::Terminate => return self.terminate(ctx),
            Effect::Kill => return self.kill(ctx),
            Effect::ArmTimer(at) => self.rearm(Some(at), ctx),
            Effect::DisarmTimer => self.disarm(ctx),
        }
        None
    }

    fn name(&self) -> &str {
        &self.spec.name
    }

    /// Orders the one timer anew; `None`: nothing is due.
    pub(super) fn rearm(&mut self, at: Option<Moment>, ctx: &mut Context<Self>) {
        self.disarm(ctx);
        if let Some(at) = at {
            let pause = at.saturating_sub(self.handle.origin.elapsed());
            self.timer.0 = Some(ctx.run_later(pause, |model, ctx| model.drive(Event::Deadline, ctx)));
        }
    }

    fn disarm(&mut self, ctx: &mut Context<Self>) {
        if let Some(timer) = self.timer.0.take() {
            ctx.cancel_future(timer);
        }
    }

    fn refuse(&mut self, refusal: Refusal) {
        if refusal == Refusal::StartTimeout {
            self.note_start_timeout();
        }
        self.publish_change();
        let refused = self.refused(refusal);
        self.refuse_waiters(refusal, &refused);
    }

    fn note_start_timeout(&mut self) {
        let waited_for = self.waits_for.as_deref().unwrap_or("the launch");
        let seconds = self.limits.start_timeout.as_secs_f64();
        let tail = self
            .run
            .as_ref()
            .map_or_else(Vec::new, |run| run.tail().borrow().lines.iter().cloned().collect());
        let text = format!("not ready within start_timeout ({seconds} s); it waited for {waited_for}");
        self.last_error = Some(with_last_lines(text, &tail).into());
    }

    fn launch(&mut self, ctx: &mut Context<Self>) {
        let spec = Arc::clone(&self.spec);
        let Some(variant) = spec.variants.get(self.grant.variant) else { return };
        self.exit = None;
        self.taken = None;
        self.evicted_for = None;
        self.waits_for = Some("the process to start".into());
        let id = self.env.ledger.next_run();
        self.current = Some(CurrentRun {
            id,
            started_by: Arc::clone(&self.begun_by),
            queued_at: self.queued_at,
            started_at: Timestamp::now(),
            launched: self.handle.origin.elapsed(),
            ready_at: None,
            ready_moment: None,
            variant: variant.name.as_str().into(),
            pid: None,
            port: spec.port,
            place: (!variant.place.is_local()).then(|| variant.place.to_string().into()),
            ends: None,
            trace: Trace {
                placed: Some(Timestamp::now()),
                victims_gone: self.grant.made_room.and_then(|room| self.wall_time(room.victims_gone)),
                memory_free: self.grant.made_room.and_then(|room| self.wall_time(room.memory_free)),
                ..Trace::of(self.queued_at)
            },
            traced: false,
        });
        let order = LaunchOrder {
            run: id,
            model: spec.name.clone(),
            known_as: spec.model().to_owned(),
            variant: variant.name.clone(),
            epoch: self.state.epoch,
            place: variant.place.clone(),
            launch: variant.launch.clone(),
            working_dir: self.env.working_dir.clone(),
            env: self.environment(variant),
            port: spec.port,
            stop_timeout: spec.stop_timeout,
            stop_command: variant.stop_command.clone(),
            slot: Arc::clone(&self.env.slot),
        };
        let launched = self.env.launcher.launch(order).into_actor(self);
        self.launching = Some(ctx.spawn(launched.map(|result, model, ctx| model.launched(result, ctx))));
    }

    /// The variant's own variables go before the scheduler's.
    fn environment(&self, variant: &VariantSpec) -> Vec<(String, String)> {
        visible::beside(&self.grant.visible, &variant.env).chain(variant.env.clone()).collect()
    }

    fn launched(&mut self, result: Result<Box<dyn Run>, LaunchError>, ctx: &mut Context<Self>) {
        self.launching = None;
        let epoch = self.state.epoch;
        match result {
            Ok(run) => {
                if let Some(current) = &mut self.current {
                    current.pid = run.pid();
                    current.trace.launched = Some(Timestamp::now());
                }
                self.open_ledger_run();
                self.ran = true;
                self.handle.members.store(Some(Arc::new(run.members())));
                let exited = run.exited().into_actor(self);
                ctx.spawn(exited.map(move |report, model, ctx| {
                    // What the cluster did has its own sentence.
                    let text = match report.away {
                        Some(_) => report.status.clone(),
                        None => format!("{}{}", report.status, model.when_it_died(report.success)),
                    };
                    let phase = &model.state.phase;
                    let asleep =
                        matches!(phase, Phase::Parking { .. } | Phase::Parked { .. } | Phase::Waking { .. });
                    let died = matches!(phase, Phase::Starting { .. } | Phase::Ready { .. })
                        || phase.is_crash()
                        || asleep;
                    if died && model.unreachable.is_none() {
                        let whole = match report.away {
                            Some(Away::Refused) => text.clone(),
                            _ => with_last_lines(text.clone(), &report.last_lines),
                        };
                        model.last_error = Some(whole.into());
                    }
                    model.notice_lost_place(&report);
                    model.notice_missing_memory(&text, &report);
                    model.exit = Some(report);
                    model.gone(epoch, ctx);
                }));
                self.run = Some(run);
                self.watch_process(ctx);
                self.watch_term(ctx);
                self.settle_in(ctx);
            }
            Err(error) => {
                let why: Arc<str> = error.to_string().into();
                if matches!(error, LaunchError::NoWay { .. }) {
                    self.unreachable = Some(Arc::clone(&why));
                }
                self.last_error = Some(why);
                self.gone(epoch, ctx);
            }
        }
    }

    /// What was taken away is no failure of the backend.
    fn notice_lost_place(&mut self, report: &ExitReport) {
        if !matches!(self.state.phase, Phase::Starting { .. } | Phase::Ready { .. }) {
            return;
        }
        match report.away {
            Some(Away::Taken(cause)) => self.taken = Some(cause),
            Some(Away::Refused) => self.unreachable = Some(report.status.as_str().into()),
            None => {}
        }
    }

    fn notice_missing_memory(&mut self, text: &str, report: &ExitReport) {
        let starting = matches!(self.state.phase, Phase::Starting { .. });
        let lines = report.last_lines.iter().map(String::as_str);
        if starting && self.env.memory.is_there() && says_out_of_memory(lines) {
            self.out_of_memory = true;
            let variant = self.current.as_ref().map_or("", |run| &run.variant);
            let text = format!("variant {variant}: {text}");
            let text = with_last_lines(text, &report.last_lines);
            log::warn!("models/{}: out of memory: {text}", self.name());
            self.last_out_of_memory = Some(text.into());
        }
    }

    fn open_ledger_run(&mut self) {
        let Some(current) = &self.current else { return };
        let model: Arc<str> = self.spec.model().into();
        let run = RunStart {
            model,
            variant: Arc::clone(&current.variant),
            id: current.id,
            queued_us: current.queued_at.as_microsecond(),
            bill_loading: self.spec.bill_loading,
            started_by: Arc::clone(&current.started_by),
        };
        self.ledger_run = Some(self.env.ledger.run_started(run));
    }

    fn when_it_died(&self, success: bool) -> String {
        let hint = match (&self.state.phase, success) {
            (Phase::Starting { .. }, true) => {
                " (the script must stay: end it with `exec`, start nothing with `&`)"
            }
            _ => "",
        };
        let after =
            self.current.as_ref().map(|run| self.handle.origin.elapsed().saturating_sub(run.launched));
        let phase = match self.state.phase {
            Phase::Starting { .. } => "before it was ready",
            Phase::Parking { .. } | Phase::Parked { .. } | Phase::Waking { .. } => "while it was parked",
            _ => "while it was ready",
        };
        format!(" {phase}, after {:.1} s{hint}", after.unwrap_or_default().as_secs_f64())
    }

    /// The last process of the run is gone, or there was none.
    fn gone(&mut self, epoch: u64, ctx: &mut Context<Self>) {
        let futures = [
            self.probing.take(),
            self.listening.take(),
            self.first_byte.take(),
            self.watching.take(),
            self.breaking.take(),
            self.checking.take(),
            self.asking_there.take(),
            self.term.take(),
            self.sleeping.take(),
        ];
        for future in futures.into_iter().flatten() {
            ctx.cancel_future(future);
        }
        self.leave_place(ctx);
        self.state_there = None;
        self.run = None;
        self.leaving = None;
        self.frozen = None;
        let exit = self.exit.as_ref().map_or_else(|| "not started".to_owned(), |exit| exit.status.clone());
        self.remember_run(&exit);
        self.handle.members.store(None);
        let event = match () {
            () if self.out_of_memory => Event::OutOfMemory { epoch },
            () if self.unreachable.is_some() || self.taken.is_some() => Event::Unreachable { epoch },
            () => Event::Gone { epoch },
        };
        self.drive(event, ctx);
        self.tell_of_change();
        if !matches!(self.state.phase, Phase::Ready { .. }) {
            self.shut_door();
        }
    }

    /// Takes the door away from the handle. Leases that are still held keep it alive.
    pub(super) fn shut_door(&mut self) {
        self.handle.door.store(None);
        if let Some(door) = self.door.take() {
            door.gate.close();
            door.break_leases(BreakReason::BackendGone);
        }
    }

    fn open_door(&mut self, ctx: &mut Context<Self>) {
        let (Some(run), Some(endpoint)) = (&self.run, self.endpoint()) else { return };
        run.claim_port();
        if let Some(current) = &mut self.current {
            let now = Timestamp::now();
            current.ready_at = Some(now);
            current.trace.ready = Some(now);
            current.ready_moment = Some(self.handle.origin.elapsed());
        }
        let took_off =
            self.current.as_ref().map(|run| self.handle.origin.elapsed().saturating_sub(run.launched));
        if let Some(took) = took_off {
            self.handle.last_start.store(Some(Arc::new((self.state.epoch, took))));
        }
        self.last_error = None;
        self.last_out_of_memory = None;
        self.waits_for = None;
        self.tell_of_change();
        let limit = self.spec.max_concurrency;
        if let Some(run) = &mut self.ledger_run {
            run.ready();
        }
        let run_id = self.ledger_run.as_ref().map(|run| run.id());
        let spec = self.spec.variants.get(self.grant.variant);
        let way = Way {
            endpoint,
            epoch: self.state.epoch,
            variant: self.current.as_ref().map_or_else(|| Arc::from(""), |run| Arc::clone(&run.variant)),
            run_id,
            took_off,
            start: self.current.as_ref().map(|run| run.trace),
            served_name: self.served_name.take(),
            routes: spec
                .filter(|variant| !variant.routes.are_plain())
                .map(|variant| Arc::new(variant.routes.clone())),
        };
        let door = Arc::new(Door::new(way, limit, self.handle.origin));
        if self.handle.front().is_some() {
            // Nobody overtakes those in its front's line before the front has looked.
            door.gate.watch(true);
        }
        door.gate.open();
        let watched = Arc::downgrade(&door);
        let freed = futures_util::stream::unfold(watched, |watched| async move {
            let door = watched.upgrade()?;
            door.freed.notified().await;
            Some((Freed, watched))
        });
        self.listening = Some(ctx.add_stream(freed));
        self.handle.door.store(Some(Arc::clone(&door)));
        self.door = Some(door);
        self.await_first_byte(ctx);
        self.watch_requests(ctx);
        self.watch_there(ctx);
    }

    fn close_if_unused(&mut self, cause: StopCause) -> Event {
        match &self.door {
            Some(door) if !door.gate.close_if_unused_since(self.seen) => Event::InUse(cause),
            _ => Event::Closed(cause),
        }
    }

    fn terminate(&mut self, ctx: &mut Context<Self>) -> Option<Event> {
        if let Some(door) = &self.door {
            door.end();
        }
        match &self.run {
            Some(run) => {
                if self.frozen.is_some() {
                    log::info!(
                        "models/{}: its CUDA calls are locked, so it can't end by itself: it is killed",
                        self.name()
                    );
                    run.kill();
                } else {
                    run.terminate();
                }
                None
            }
            None => self.give_up_launch(ctx),
        }
    }

    fn kill(&mut self, ctx: &mut Context<Self>) -> Option<Event> {
        match &self.run {
            Some(run) => {
                run.kill();
                None
            }
            None => self.give_up_launch(ctx),
        }
    }

    /// Those who wait for the end of a run that doesn't come are told so; the run is watched on.
    fn report_stuck(&mut self) {
        let name = &self.spec.name;
        let remainder = self.run.as_ref().and_then(|run| run.remainder());
        let why = remainder.unwrap_or_else(|| "processes of it are left that SIGKILL did not end".to_owned());
        let text = format!("it can't be stopped: {why}");
        log::error!("models/{name}: {text}");
        let message: Arc<str> = format!("model `{name}` could not be stopped: {why}").into();
        self.last_error = Some(text.into());
        self.publish();
        for answer in self.stop_waiters.drain(..) {
            let refused = Refused {
                reason: RefusedReason::StopFailed,
                message: Arc::clone(&message),
                retry_after: None,
            };
            // An operator who hung up does not need the answer.
            let _ = answer.send(Err(refused));
        }
    }

    /// A launch that has not come to a process yet ends by being dropped.
    fn give_up_launch(&mut self, ctx: &mut Context<Self>) -> Option<Event> {
        let launching = self.launching.take()?;
        ctx.cancel_future(launching);
        self.remember_run("not started");
        Some(Event::Gone { epoch: self.state.epoch })
    }
}

impl StreamHandler<Freed> for Model {
    fn handle(&mut self, _: Freed, ctx: &mut Context<Self>) {
        self.drive(Event::LeaseFreed, ctx);
    }

    fn finished(&mut self, _: &mut Context<Self>) {
        // The default would stop the actor.
    }
}

/// A line that may stand in an error, which goes to every client that waits.
fn shortened(line: &str) -> String {
    const LONGEST: usize = 300;
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", line.get(..end).unwrap_or_default()),
        None => line.to_owned(),
    }
}

/// An error with what the backend printed last; its first line says it all.
pub(super) fn with_last_lines(text: String, lines: &[String]) -> String {
    if lines.is_empty() {
        return format!("{text}; it printed nothing");
    }
    let lines: Vec<String> = lines.iter().map(|line| format!("  | {}", shortened(line))).collect();
    format!("{text}\n{}", lines.join("\n"))
}
