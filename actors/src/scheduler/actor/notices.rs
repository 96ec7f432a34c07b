//! What Models tell of their memory: a demand, its end, what they hold, how they sleep.

use super::super::messages::ModelCrashed;
use super::Scheduler;
use crate::memory::{Denied, Holding, MemoryNotice};
use actix::{Context, Handler};
use llm_manager_policy::placement::DemandPriority;
use llm_manager_policy::queue::Event;
use llm_manager_policy::spec::ModelSpec;
use std::sync::Arc;

impl Handler<MemoryNotice> for Scheduler {
    type Result = ();

    fn handle(&mut self, notice: MemoryNotice, ctx: &mut Context<Self>) {
        match notice {
            MemoryNotice::Demand { spec, epoch, urgency } => self.hear(spec, epoch, urgency, ctx),
            MemoryNotice::Returned { model, epoch, ran, out_of_memory, unreachable } => {
                if let Some(why) = unreachable {
                    self.drive(Event::Unreachable { model: Arc::clone(&model), epoch, why }, ctx);
                }
                self.returned(model, epoch, ran, out_of_memory, ctx);
            }
            MemoryNotice::Holds { model, holding } => self.announced(&model, holding, ctx),
            MemoryNotice::EvictRefused { model, epoch } => {
                self.drive(Event::EvictRefused { model, epoch }, ctx)
            }
            MemoryNotice::Parking { model, epoch } => {
                self.note_before_sleep(&model, epoch);
                self.drive(Event::Parking { model, epoch }, ctx);
            }
            MemoryNotice::Asleep { model, epoch, woke_in } => self.asleep(model, epoch, woke_in, ctx),
            MemoryNotice::StaysAwake { model, epoch } => self.drive(Event::StaysAwake { model, epoch }, ctx),
            MemoryNotice::Wake { model, epoch, urgency, turn } => {
                self.wakes.insert((Arc::clone(&model), epoch), turn);
                self.drive(Event::Wake { model, epoch, urgency }, ctx);
            }
            // Without anybody who waits or sleeps, nothing depends on it.
            MemoryNotice::Changed if self.state.waiting.is_empty() && !self.any_can_sleep() => (),
            MemoryNotice::Changed => self.drive(Event::Changed, ctx),
        }
    }
}

impl Scheduler {
    pub(in crate::scheduler) fn demanded(
        &mut self,
        spec: &ModelSpec,
        epoch: u64,
        urgency: DemandPriority,
        ctx: &mut Context<Self>,
    ) {
        let model: Arc<str> = spec.name.as_str().into();
        match self.variants(spec) {
            Ok(variants) => {
                let load = self.measured.reload(spec.model());
                let overlap = spec.overlap;
                self.drive(Event::Demand { model, epoch, variants, load, urgency, overlap }, ctx);
            }
            Err(error) => {
                let why = format!("a `required_devices` entry of {model} {error}");
                self.tell(
                    &model,
                    Denied { epoch, why: why.into(), retry_after: None, turn: None, never: true },
                );
            }
        }
    }

    fn returned(
        &mut self,
        model: Arc<str>,
        epoch: u64,
        ran: bool,
        out_of_memory: bool,
        ctx: &mut Context<Self>,
    ) {
        if let Some(took) = self.find(&model).and_then(|handle| handle.took_off(epoch))
            && self.measured.note_reload(&self.model_of(&model), took)
        {
            self.measured.save(&self.measured_file);
        }
        if out_of_memory {
            self.drive(Event::StartFailed { model: Arc::clone(&model), epoch, out_of_memory }, ctx);
        }
        self.granted.remove(&(Arc::clone(&model), epoch));
        self.wakes.remove(&(Arc::clone(&model), epoch));
        self.estimates.forget(&model, epoch);
        self.drive(Event::Returned { model, epoch, ran }, ctx);
    }

    fn announced(&mut self, model: &Arc<str>, holding: Option<Holding>, ctx: &mut Context<Self>) {
        if let Some(holding) = holding {
            let model = Arc::clone(model);
            let Holding { epoch, variant, assignment } = holding.clone();
            self.granted.insert((Arc::clone(&model), epoch), holding);
            self.drive(Event::Holds { model, epoch, variant, assignment }, ctx);
        }
        let Some(silent) = &mut self.silent else { return };
        silent.remove(model);
        if silent.is_empty() {
            self.silent = None;
            self.drive(Event::AllAnnounced, ctx);
        }
    }
}

impl Handler<ModelCrashed> for Scheduler {
    type Result = ();

    fn handle(&mut self, lost: ModelCrashed, ctx: &mut Context<Self>) {
        let model: Arc<str> = lost.model;
        self.estimates.forget_all(&model);
        let waits = self.state.waiting.iter().map(|one| (&one.model, one.epoch));
        let holds = self.state.holds.iter().map(|one| (&one.model, one.epoch));
        let lives = waits.chain(holds).filter(|(name, _)| **name == model).map(|(_, epoch)| epoch);
        for epoch in lives.collect::<Vec<_>>() {
            self.granted.remove(&(Arc::clone(&model), epoch));
            // Its process is being killed; the device shows when that is over.
            self.drive(Event::Returned { model: Arc::clone(&model), epoch, ran: true }, ctx);
        }
    }
}
