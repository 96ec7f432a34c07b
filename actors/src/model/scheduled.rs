//! What a Model and the Scheduler say to each other.

use super::actor::Model;
use super::life::Grant;
use crate::memory::{Announce, Denied, Drew, Evict, Granted, MemoryNotice, Stay, Yield};
use actix::{Context, Handler};
use jiff::Timestamp;
use llm_manager_policy::lifecycle::{Event, Phase};
use std::sync::Arc;

impl Model {
    /// Asks for memory; without a Scheduler there is memory for everything.
    pub(super) fn reserve(&mut self) -> Option<Event> {
        let epoch = self.state.epoch;
        self.grant = Grant::default();
        self.ran = false;
        self.queued_at = Timestamp::now();
        self.read_ahead();
        if !self.env.memory.is_there() {
            return Some(self.reserve_alone(epoch));
        }
        self.urgency = self.urgency_now();
        self.demand();
        None
    }

    /// Demands again if others want it than when it did: what `auto_start` alone has wanted so far, somebody wants now, and
    /// others have to go for it; or the highest class has come, or has left.
    pub(super) fn demand_anew(&mut self) {
        let wakes = matches!(self.state.phase, Phase::Waking { granted: false, .. });
        if !wakes && !matches!(self.state.phase, Phase::Queued { .. }) {
            return;
        }
        let urgency = self.urgency_now();
        if std::mem::replace(&mut self.urgency, urgency) == urgency {
            return;
        }
        if wakes {
            self.demand_awake();
        } else {
            self.demand();
        }
    }

    fn demand(&self) {
        let (spec, epoch) = (Arc::clone(&self.spec), self.state.epoch);
        self.env.memory.tell(MemoryNotice::Demand { spec, epoch, urgency: self.urgency });
    }

    /// Gives memory back, or takes the demand back. The epoch has moved on already when a new life begins in
    /// the same step, so the one that is meant comes with the grant.
    pub(super) fn give_back(&mut self, epoch: u64) {
        let grant = std::mem::take(&mut self.grant);
        let unreachable = self.unreachable.take();
        self.leave_out(grant.variant, unreachable.as_ref());
        let epoch = grant.holding.map_or(epoch, |holding| holding.epoch);
        self.env.memory.tell(MemoryNotice::Returned {
            model: self.spec.name.as_str().into(),
            epoch,
            ran: std::mem::take(&mut self.ran),
            out_of_memory: std::mem::take(&mut self.out_of_memory),
            unreachable,
        });
    }

    pub(super) fn tell_of_change(&self) {
        self.env.memory.tell(MemoryNotice::Changed);
    }

    fn refuse_eviction(&mut self, epoch: u64) {
        let stays =
            matches!(self.state.phase, Phase::Ready { .. } | Phase::Starting { .. } | Phase::Waking { .. });
        if stays {
            self.leaving = None;
            self.env.memory.tell(MemoryNotice::EvictRefused { model: self.spec.name.as_str().into(), epoch });
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
            visible: granted.visible,
            why: Some(granted.why),
            made_room: granted.made_room,
        };
        self.drive(Event::Reserved { epoch }, ctx);
    }
}

impl Handler<Denied> for Model {
    type Result = ();

    fn handle(&mut self, denied: Denied, ctx: &mut Context<Self>) {
        let wakes = matches!(self.state.phase, Phase::Waking { granted: false, .. });
        if denied.turn.is_some_and(|turn| turn != self.wake_turn || !wakes) {
            return;
        }
        let queued = matches!(self.state.phase, Phase::Queued { .. });
        if denied.epoch == self.state.epoch && (queued || wakes) {
            self.last_error = Some(match &self.last_out_of_memory {
                Some(output) => format!("{}; the last start: {output}", denied.why).into(),
                None => denied.why,
            });
            self.room_in = denied.retry_after;
        }
        let epoch = denied.epoch;
        // Where it sleeps there will be no memory for it; a cold start may find some elsewhere.
        let event = if wakes && denied.never { Event::WakeFailed { epoch } } else { Event::Denied { epoch } };
        self.drive(event, ctx);
    }
}

impl Handler<Evict> for Model {
    type Result = ();

    fn handle(&mut self, evict: Evict, ctx: &mut Context<Self>) {
        if evict.epoch == self.state.epoch {
            self.evicted_for = Some(evict.in_favour_of);
            self.leaving = Some(evict.park);
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
            self.leaving = Some(yielding.park);
            self.drive(Event::Yield, ctx);
            self.refuse_eviction(yielding.epoch);
        }
    }
}

impl Handler<Stay> for Model {
    type Result = ();

    fn handle(&mut self, stay: Stay, ctx: &mut Context<Self>) {
        if stay.epoch == self.state.epoch {
            self.drive(Event::Stay, ctx);
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
            self.demand();
        }
        let holding = self.grant.holding.clone();
        let (model, epoch): (Arc<str>, _) = (self.spec.name.as_str().into(), self.state.epoch);
        self.env.memory.tell(MemoryNotice::Holds { model: Arc::clone(&model), holding });
        match self.state.phase {
            Phase::Parking { .. } => self.env.memory.tell(MemoryNotice::Parking { model, epoch }),
            Phase::Parked { .. } => self.return_awake(),
            Phase::Waking { granted: false, .. } => {
                self.return_awake();
                self.demand_awake();
            }
            _ => {}
        }
    }
}
