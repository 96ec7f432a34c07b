//! Hours in which a Model is kept warm: it is started before they begin, and not stopped for being idle while they last.

use super::actor::Model;
use super::messages::By;
use super::waiters::StartRequest;
use actix::{Context, Handler, Message};
use llm_manager_policy::hours::Start;
use llm_manager_policy::lifecycle::{Event, Phase};
use std::time::Duration;

/// The hours of this model have begun or ended, or it is missing in them. Told by whoever looks at the clock.
#[derive(Message)]
#[rtype(result = "()")]
pub struct WarmHours {
    /// It is kept warm from now on.
    pub warm: bool,
    /// It is to be started.
    pub start: Option<Start>,
}

impl Model {
    /// After how much time without a lease a life is stopped that no client has wanted anything else for.
    pub(super) fn own_alive_time(&self) -> Option<Duration> {
        if self.handle.is_warm() || self.handle.stays() { None } else { self.spec.alive_time }
    }

    /// The same of the present life.
    pub(super) fn alive_time(&self) -> Option<Duration> {
        let wish = self.life.as_ref().and_then(|life| life.kept_for);
        wish.unwrap_or_else(|| self.own_alive_time())
    }

    /// It has become another one.
    pub(super) fn apply_alive_time(&mut self, ctx: &mut Context<Self>) {
        if let Some(life) = &mut self.life {
            life.kept_for = None;
        }
        self.handle.set_alive_time(self.alive_time());
        if matches!(self.state.phase, Phase::Ready { .. }) {
            // As if the timer had run out: it is armed anew or stopped, or the time is up.
            self.drive(Event::Deadline, ctx);
        }
        self.publish();
    }
}

impl Handler<WarmHours> for Model {
    type Result = ();

    fn handle(&mut self, warmth: WarmHours, ctx: &mut Context<Self>) {
        if self.handle.set_warm(warmth.warm) != warmth.warm {
            self.apply_alive_time(ctx);
        }
        let Some(start) = warmth.start else { return };
        if matches!(self.state.phase, Phase::Stopped | Phase::Failed { .. }) {
            self.ordered_by = Some(By::rule("keep_warm"));
            self.waiters.order(match start {
                Start::MakesRoom => StartRequest::Operator(None),
                Start::IfThereIsRoom => StartRequest::Boot(None),
            });
            self.drive(Event::Start, ctx);
        }
    }
}
