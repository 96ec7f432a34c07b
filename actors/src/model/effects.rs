//! Carries out what the lifecycle decides: the gate, the timer, the end of a process, those who wait.

use super::actor::Model;
use super::lease::BreakReason;
use super::messages::{Refused, RefusedReason};
use super::run_end::with_last_lines;
use actix::{AsyncContext, Context};
use llm_manager_policy::lifecycle::{Effect, Event, Moment, Phase, Refusal, StopCause};
use std::sync::Arc;

impl Model {
    /// Does one thing; answers the event that follows from it at once, if any.
    pub(super) fn carry_out(&mut self, effect: Effect, ctx: &mut Context<Self>) -> Option<Event> {
        match effect {
            Effect::Reserve => return self.reserve(),
            Effect::ReturnReservation => self.end_life(),
            Effect::Launch => self.launch(ctx),
            Effect::Probe => self.probe(ctx),
            Effect::Check => self.check(ctx),
            Effect::ReportStuck => self.report_stuck(),
            Effect::OpenGate => self.open_door(ctx),
            Effect::CloseGate => {
                let wanted = matches!(self.state.phase, Phase::Draining { cause: StopCause::Evicted, .. });
                let door = self.door();
                door.iter().for_each(|door| door.set_wanted(wanted));
                let inside = door.map_or(0, |door| door.gate.close());
                return (inside == 0).then_some(Event::LeaseFreed);
            }
            Effect::ReserveAwake => return self.reserve_awake(),
            Effect::ReturnAwake => self.return_awake(),
            Effect::Park => return self.park(ctx),
            Effect::Wake => return self.wake(ctx),
            Effect::ReopenGate => {
                self.remains();
                if let Some(door) = self.door() {
                    door.set_wanted(false);
                    door.touch();
                    door.gate.open();
                }
            }
            Effect::CloseIfUnused(cause) => return Some(self.close_if_unused(cause)),
            Effect::BreakLeases => {
                if let Some(door) = self.door() {
                    // Those on a backend that has died may be sent again.
                    let gone = self.process().is_none() || self.state.phase.is_crash();
                    door.break_leases(if gone { BreakReason::BackendGone } else { BreakReason::Stopped });
                }
            }
            Effect::GrantWaiters => {
                self.publish_change();
                self.grant_waiters();
            }
            Effect::RefuseWaiters(refusal) => self.refuse(refusal),
            Effect::RefuseEviction => self.refuse_eviction(),
            Effect::Terminate => return self.terminate(),
            Effect::Kill => return self.kill(),
            Effect::ArmTimer(at) => self.rearm(Some(at), ctx),
            Effect::DisarmTimer => self.disarm(ctx),
        }
        None
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
        let waited_for = self.run().and_then(|run| run.waits_for.as_deref()).unwrap_or("the launch");
        let seconds = self.limits.start_timeout.as_secs_f64();
        let tail = self
            .process()
            .map_or_else(Vec::new, |process| process.tail().borrow().lines.iter().cloned().collect());
        let text = format!("not ready within start_timeout ({seconds} s); it waited for {waited_for}");
        // A server elsewhere prints nothing here.
        let text = if self.far().is_some() { text } else { with_last_lines(text, &tail) };
        self.past.error = Some(text.into());
    }

    fn close_if_unused(&self, cause: StopCause) -> Event {
        let serving = self.life.as_ref().and_then(|life| life.serving.as_ref());
        match serving {
            Some(serving) if !serving.door.gate.close_if_unused_since(serving.seen) => Event::InUse(cause),
            _ => Event::Closed(cause),
        }
    }

    fn terminate(&mut self) -> Option<Event> {
        if let Some(door) = self.door() {
            door.end();
        }
        let Some(process) = self.process() else { return self.give_up_launch() };
        if self.life.as_ref().is_some_and(|life| life.sleep.frozen.is_some()) {
            let name = &self.spec.name;
            log::info!("models/{name}: its CUDA calls are locked, so it can't end by itself: it is killed");
            process.kill();
        } else {
            process.terminate();
        }
        None
    }

    fn kill(&mut self) -> Option<Event> {
        let Some(process) = self.process() else { return self.give_up_launch() };
        process.kill();
        None
    }

    /// Those who wait for the end of a run that doesn't come are told so; the run is watched on.
    fn report_stuck(&mut self) {
        let name = &self.spec.name;
        let remainder = self.process().and_then(|process| process.remainder());
        let why = remainder.unwrap_or_else(|| "processes of it are left that SIGKILL did not end".to_owned());
        let text = format!("it can't be stopped: {why}");
        log::error!("models/{name}: {text}");
        let message: Arc<str> = format!("model `{name}` could not be stopped: {why}").into();
        self.past.error = Some(text.into());
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

    /// A launch that has not come to a process yet ends with the life that it is for. One that is over gives up nothing.
    fn give_up_launch(&mut self) -> Option<Event> {
        self.run()?;
        Some(self.close_books())
    }
}
