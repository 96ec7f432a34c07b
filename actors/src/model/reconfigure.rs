//! A Model whose configuration changes while it lives.

use super::actor::{Model, limits};
use super::messages::Reconfigure;
use super::waiters::StartRequest;
use actix::{Context, Handler};
use llm_manager_policy::lifecycle::{Event, Phase};
use llm_manager_policy::spec::ModelSpec;
use std::sync::Arc;

impl Handler<Reconfigure> for Model {
    type Result = ();

    fn handle(&mut self, new: Reconfigure, ctx: &mut Context<Self>) {
        self.tell_crew_later(&new);
        self.reconfigure(new, ctx);
        self.look_around(true, ctx);
    }
}

impl Model {
    pub(super) fn reconfigure(&mut self, new: Reconfigure, ctx: &mut Context<Self>) {
        let old = std::mem::replace(&mut self.spec, new.spec);
        // Until the front has looked, what stayed before stays.
        if old.replicas.min > 0 && self.spec.replicas.min > 0 && self.handle.front().is_none() {
            self.handle.set_stays(true);
        }
        self.env.timeouts = new.timeouts;
        // What a client has wanted for this life goes before what has not changed.
        let same_time = old.alive_time == self.spec.alive_time && old.replicas.min == self.spec.replicas.min;
        if let Some(life) = self.life.as_mut().filter(|_| !same_time) {
            life.kept_for = None;
        }
        self.limits = limits(&self.spec, new.timeouts);
        self.handle.set_alive_time(self.alive_time());
        self.past.sleepless = 0;
        let other_variants = old.variants != self.spec.variants;
        if other_variants {
            // They are kept by position.
            self.past.lessons.clear();
        }
        let variant = self.run().map(|run| Arc::clone(&run.variant));
        let is_old = match (&self.state.phase, &variant) {
            // What was demanded is memory for the former variants.
            (Phase::Queued { .. }, _) => other_variants,
            (Phase::Failed { .. }, _) => !new.relaunched.is_empty(),
            (_, Some(variant)) => new.relaunched.iter().any(|name| **name == **variant),
            // Granted, and not launched yet.
            (Phase::Starting { .. }, None) => other_variants,
            _ => false,
        };
        if is_old {
            let serves = match self.state.phase {
                Phase::Ready { .. } | Phase::Waking { .. } => true,
                Phase::Starting { .. } => !self.is_awaited(),
                _ => false,
            };
            if serves {
                // It comes back, but nobody has to make room for it.
                self.waiters.order(StartRequest::Boot(None));
            }
            self.ordered_by = None;
            self.drive(Event::Renew, ctx);
        } else {
            self.change_in_place(&old, variant.as_deref(), ctx);
        }
        if self.spec.auto_start && !old.auto_start && matches!(self.state.phase, Phase::Stopped) {
            self.ordered_by = None;
            self.waiters.order(StartRequest::Boot(None));
            self.drive(Event::Start, ctx);
        }
        self.publish();
        self.tell_of_change();
    }

    fn change_in_place(&mut self, old: &ModelSpec, variant: Option<&str>, ctx: &mut Context<Self>) {
        let place = variant.and_then(|name| self.spec.variants.iter().position(|one| one.name == name));
        if let (Some(life), Some(place)) = (&mut self.life, place) {
            life.grant.variant = place;
        }
        if let Some(door) = self.door() {
            door.gate.set_limit(self.spec.max_concurrency.unwrap_or(u32::MAX));
        }
        if old.keep_parked != self.spec.keep_parked && matches!(self.state.phase, Phase::Parked { .. }) {
            // Since when it sleeps is not known any more: the new time begins now.
            let until = self.spec.keep_parked.map(|time| self.handle.origin.elapsed().saturating_add(time));
            self.state.phase = Phase::Parked { until };
            self.rearm(until, ctx);
        }
        if !matches!(self.state.phase, Phase::Ready { .. }) {
            return;
        }
        if old.max_concurrency != self.spec.max_concurrency {
            // There may be room now for those who wait.
            self.drive(Event::LeaseFreed, ctx);
        }
        if old.alive_time != self.spec.alive_time || old.replicas.min != self.spec.replicas.min {
            // It arms the timer anew, or finds that the time is over.
            self.drive(Event::Deadline, ctx);
        }
    }
}
