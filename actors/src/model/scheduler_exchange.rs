//! What a Model and the Scheduler say to each other.

use super::actor::Model;
use super::life::{Grant, Life};
use crate::memory::{Announce, CancelYield, Denied, Evict, Granted, MemoryDrawn, MemoryNotice, Yield};
use actix::{Context, Handler};
use llm_manager_policy::lifecycle::{Event, Phase};
use std::sync::Arc;

impl Model {
    /// Begins a life, and asks for its memory; without a Scheduler there is memory for everything.
    pub(super) fn reserve(&mut self) -> Option<Event> {
        let epoch = self.state.epoch;
        let urgency = self.urgency_now();
        self.life = Some(Life::new(epoch, urgency));
        self.read_ahead();
        if !self.env.memory.is_there() {
            return Some(self.reserve_alone(epoch));
        }
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
        let Some(life) = &mut self.life else { return };
        if std::mem::replace(&mut life.urgency, urgency) == urgency {
            return;
        }
        if wakes {
            self.demand_awake();
        } else {
            self.demand();
        }
    }

    fn demand(&self) {
        let Some(life) = &self.life else { return };
        let (spec, epoch, urgency) = (Arc::clone(&self.spec), life.epoch, life.urgency);
        self.env.memory.tell(MemoryNotice::Demand { spec, epoch, urgency });
    }

    pub(super) fn tell_of_change(&self) {
        self.env.memory.tell(MemoryNotice::Changed);
    }

    /// It stays for now: the Scheduler may ask again.
    pub(super) fn refuse_eviction(&mut self) {
        self.remains();
        let (model, epoch) = (self.spec.name.as_str().into(), self.state.epoch);
        self.env.memory.tell(MemoryNotice::EvictRefused { model, epoch });
    }

    /// It isn't on its way out, or not any more.
    pub(super) fn remains(&mut self) {
        if let Some(life) = &mut self.life {
            life.leaving = None;
        }
    }

    /// It is asked to go, for whom, and whether it is enough that it sleeps.
    fn is_in_the_way(&mut self, in_favour_of: Arc<str>, park: bool) {
        if let Some(life) = &mut self.life {
            life.evicted_for = Some(in_favour_of);
            life.leaving = Some(park);
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
        if let Some(life) = &mut self.life {
            life.grant = Grant {
                variant: granted.variant,
                holding: Some(granted.holding),
                visible: granted.visible,
                why: Some(granted.why),
                made_room: granted.made_room,
            };
        }
        self.drive(Event::Reserved { epoch }, ctx);
    }
}

impl Handler<Denied> for Model {
    type Result = ();

    fn handle(&mut self, denied: Denied, ctx: &mut Context<Self>) {
        let wakes = matches!(self.state.phase, Phase::Waking { granted: false, .. });
        let last_turn = self.life.as_ref().map(|life| life.sleep.turn);
        if denied.turn.is_some_and(|turn| Some(turn) != last_turn || !wakes) {
            return;
        }
        let queued = matches!(self.state.phase, Phase::Queued { .. });
        if denied.epoch == self.state.epoch && (queued || wakes) {
            self.past.error = Some(match &self.past.out_of_memory {
                Some(output) => format!("{}; the last start: {output}", denied.why).into(),
                None => denied.why,
            });
            self.past.room_in = denied.retry_after;
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
            self.is_in_the_way(evict.in_favour_of, evict.park);
            self.drive(Event::Evict, ctx);
        }
    }
}

impl Handler<Yield> for Model {
    type Result = ();

    fn handle(&mut self, yielding: Yield, ctx: &mut Context<Self>) {
        if yielding.epoch == self.state.epoch {
            self.is_in_the_way(yielding.in_favour_of, yielding.park);
            self.drive(Event::Yield, ctx);
        }
    }
}

impl Handler<CancelYield> for Model {
    type Result = ();

    fn handle(&mut self, stay: CancelYield, ctx: &mut Context<Self>) {
        if stay.epoch == self.state.epoch {
            self.drive(Event::Stay, ctx);
        }
    }
}

impl Handler<MemoryDrawn> for Model {
    type Result = ();

    fn handle(&mut self, drew: MemoryDrawn, _: &mut Context<Self>) {
        if drew.epoch == self.state.epoch
            && let Some(books) = self.run_mut().and_then(|run| run.books.as_mut())
        {
            books.drew(drew.millijoules);
        }
    }
}

impl Handler<Announce> for Model {
    type Result = ();

    fn handle(&mut self, _: Announce, _: &mut Context<Self>) {
        if matches!(self.state.phase, Phase::Queued { .. }) {
            self.demand();
        }
        let holding = self.life.as_ref().and_then(|life| life.grant.holding.clone());
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
