//! What a Model and the Scheduler say to each other.

use super::actor::Model;
use super::messages::{Announce, Denied, Drew, Evict, Granted, Yield};
use crate::scheduler::{Changed, Demand, EvictRefused, Holding, Holds, Returned};
use actix::{Context, Handler};
use jiff::Timestamp;
use llm_manager_policy::lifecycle::{Event, Phase};
use llm_manager_policy::queue::MadeRoom;
use std::sync::Arc;

/// The Scheduler's answer to the demand of the present life.
#[derive(Default)]
pub(super) struct Grant {
    /// Position among the variants.
    pub(super) variant: usize,
    /// What is reserved; `None` without a Scheduler.
    pub(super) holding: Option<Holding>,
    /// UUIDs of NVIDIA cards.
    pub(super) cuda: Vec<String>,
    /// Why this variant.
    pub(super) why: Option<Arc<str>>,
    /// When those that went for it were gone, and when their memory was free.
    #[expect(dead_code, reason = "the trace of a start will show it")]
    pub(super) made_room: Option<MadeRoom>,
}

impl Model {
    /// Asks for memory; without a Scheduler there is memory for everything.
    pub(super) fn reserve(&mut self) -> Option<Event> {
        let epoch = self.state.epoch;
        self.grant = Grant::default();
        self.ran = false;
        self.queued_at = Timestamp::now();
        if !self.env.scheduler.is_there() {
            return Some(Event::Reserved { epoch });
        }
        self.boots = self.waiters.only_boot();
        self.env.scheduler.tell(Demand { model: Arc::clone(&self.handle), epoch, boot: self.boots });
        None
    }

    /// What `auto_start` alone has wanted so far is now wanted by somebody: others have to go for it.
    pub(super) fn demand_in_earnest(&mut self) {
        if matches!(self.state.phase, Phase::Queued { .. }) && std::mem::take(&mut self.boots) {
            let (model, epoch) = (Arc::clone(&self.handle), self.state.epoch);
            self.env.scheduler.tell(Demand { model, epoch, boot: false });
        }
    }

    /// Gives memory back, or takes the demand back. The epoch has moved on already when a new life begins in
    /// the same step, so the one that is meant comes with the grant.
    pub(super) fn give_back(&mut self, epoch: u64) {
        let grant = std::mem::take(&mut self.grant);
        let epoch = grant.holding.map_or(epoch, |holding| holding.epoch);
        self.env.scheduler.tell(Returned {
            model: self.handle.spec.name.as_str().into(),
            epoch,
            ran: std::mem::take(&mut self.ran),
            out_of_memory: std::mem::take(&mut self.out_of_memory),
        });
    }

    pub(super) fn tell_of_change(&self) {
        self.env.scheduler.tell(Changed);
    }

    fn refuse_eviction(&self, epoch: u64) {
        if matches!(self.state.phase, Phase::Ready { .. } | Phase::Starting { .. }) {
            self.env.scheduler.tell(EvictRefused { model: self.handle.spec.name.as_str().into(), epoch });
        }
    }
}

impl Handler<Granted> for Model {
    type Result = ();

    fn handle(&mut self, granted: Granted, ctx: &mut Context<Self>) {
        let epoch = granted.epoch;
        if epoch != self.state.epoch || !matches!(self.state.phase, Phase::Queued { .. }) {
            // Its demand has been taken back meanwhile; the Scheduler will read that next.
            return;
        }
        self.grant = Grant {
            variant: granted.variant,
            holding: Some(granted.holding),
            cuda: granted.cuda,
            why: Some(granted.why),
            made_room: granted.made_room,
        };
        self.drive(Event::Reserved { epoch }, ctx);
    }
}

impl Handler<Denied> for Model {
    type Result = ();

    fn handle(&mut self, denied: Denied, ctx: &mut Context<Self>) {
        if denied.epoch == self.state.epoch && matches!(self.state.phase, Phase::Queued { .. }) {
            self.last_error = Some(match &self.last_out_of_memory {
                Some(output) => format!("{}; the last start: {output}", denied.why).into(),
                None => denied.why,
            });
        }
        self.drive(Event::Denied { epoch: denied.epoch }, ctx);
    }
}

impl Handler<Evict> for Model {
    type Result = ();

    fn handle(&mut self, evict: Evict, ctx: &mut Context<Self>) {
        if evict.epoch == self.state.epoch {
            self.evicted_for = Some(evict.in_favour_of);
            self.drive(Event::Evict, ctx);
            self.refuse_eviction(evict.epoch);
        }
    }
}

impl Handler<Yield> for Model {
    type Result = ();

    fn handle(&mut self, yielding: Yield, ctx: &mut Context<Self>) {
        if yielding.epoch == self.state.epoch {
            self.evicted_for = Some(yielding.in_favour_of);
            self.drive(Event::Yield, ctx);
            self.refuse_eviction(yielding.epoch);
        }
    }
}

impl Handler<Drew> for Model {
    type Result = ();

    fn handle(&mut self, drew: Drew, _: &mut Context<Self>) {
        if drew.epoch == self.state.epoch
            && let Some(run) = &mut self.ledger_run
        {
            run.drew(drew.millijoules);
        }
    }
}

impl Handler<Announce> for Model {
    type Result = ();

    fn handle(&mut self, _: Announce, _: &mut Context<Self>) {
        if matches!(self.state.phase, Phase::Queued { .. }) {
            let (model, epoch) = (Arc::clone(&self.handle), self.state.epoch);
            self.env.scheduler.tell(Demand { model, epoch, boot: self.boots });
        }
        let holding = self.grant.holding.clone();
        self.env.scheduler.tell(Holds { model: self.handle.spec.name.as_str().into(), holding });
    }
}
