//! `memory_mb: auto` before the first run: what the files and the command line say, read on a thread that may wait.

use super::actor::Scheduler;
use super::estimates::{EstimateResult, PendingDemand, VariantMemory};
use crate::model::ModelHandle;
use actix::{ActorFutureExt, AsyncContext, Context, Handler, Message, ResponseActFuture, WrapFuture};
use llm_manager_policy::devices::{DeviceSnapshot, Requirement};
use llm_manager_policy::memory::{Cards, shares};
use llm_manager_policy::placement::DemandPriority;
use llm_manager_policy::spec::{ModelSpec, VariantSpec};
use llm_manager_weights::look;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long a demand waits for the disk; a share of a network that hangs must not hold a start up for long.
const LOOK_TIME: Duration = Duration::from_secs(5);

impl Scheduler {
    /// Hears a demand, after a look at the files if the memory of a variant was never measured.
    pub(super) fn hear(
        &mut self,
        spec: Arc<ModelSpec>,
        epoch: u64,
        urgency: DemandPriority,
        ctx: &mut Context<Self>,
    ) {
        if !self.needs_a_look(&spec) {
            return self.demanded(&spec, epoch, urgency, ctx);
        }
        let model: Arc<str> = spec.name.as_str().into();
        self.estimates
            .waiting
            .insert(Arc::clone(&model), PendingDemand { spec: Arc::clone(&spec), epoch, urgency });
        let late = Arc::clone(&model);
        ctx.run_later(LOOK_TIME, move |scheduler, ctx| {
            if scheduler.estimates.waiting.get(&late).is_some_and(|waiting| waiting.epoch == epoch) {
                log::warn!(
                    "scheduler: {late}: its files can't be read within 5 s; it starts without an estimate"
                );
                scheduler.hear_waiting(&late, ctx);
            }
        });
        if !self.estimates.reading.insert(Arc::clone(&model)) {
            return;
        }
        let found = self.read(&spec);
        ctx.spawn(found.into_actor(self).map(move |found, scheduler, ctx| {
            scheduler.estimates.reading.remove(&model);
            scheduler.note_found(&spec, &found);
            scheduler.hear_waiting(&model, ctx);
        }));
    }

    fn hear_waiting(&mut self, model: &Arc<str>, ctx: &mut Context<Self>) {
        if let Some(PendingDemand { spec, epoch, urgency }) = self.estimates.waiting.remove(model) {
            self.demanded(&spec, epoch, urgency, ctx);
        }
    }

    fn needs_a_look(&self, spec: &ModelSpec) -> bool {
        spec.variants.iter().any(|variant| self.is_unmeasured(spec, variant))
    }

    /// Looks at the files for somebody who only wants to know; nothing if that takes too long, or isn't needed.
    pub(super) fn look_for_explanation(
        &self,
        spec: &Arc<ModelSpec>,
    ) -> impl Future<Output = Vec<EstimateResult>> + use<> {
        let found = self.needs_a_look(spec).then(|| self.read(spec));
        async move {
            match found {
                Some(found) => tokio::time::timeout(LOOK_TIME, found).await.unwrap_or_default(),
                None => Vec::new(),
            }
        }
    }

    fn is_unmeasured(&self, spec: &ModelSpec, variant: &VariantSpec) -> bool {
        let is_measured = |text: &String| self.measured.peak(spec.model(), &variant.name, text).is_some();
        variant.memory_auto && !variant.required_devices.iter().all(is_measured)
    }

    /// Looks at the files of all variants; nothing if the thread died.
    fn read(&self, spec: &Arc<ModelSpec>) -> impl Future<Output = Vec<EstimateResult>> + use<> {
        let (spec, base) = (Arc::clone(spec), self.setup.base_dir.clone());
        let cards: Vec<Cards> = spec.variants.iter().map(|variant| cards(variant, &self.snapshot)).collect();
        let found = actix_rt::task::spawn_blocking(move || look_at_all(&spec, &base, &cards));
        async move { found.await.unwrap_or_default() }
    }

    pub(super) fn note_found(&mut self, spec: &ModelSpec, found: &[EstimateResult]) {
        for (variant, found) in spec.variants.iter().zip(found) {
            if !self.is_unmeasured(spec, variant) {
                continue;
            }
            let key = (spec.name.clone(), variant.name.clone());
            let known = match found {
                Ok(estimate) => shares(estimate, &requirements(variant), ram(&self.snapshot)),
                Err(why) => {
                    log::info!(
                        "scheduler: {}: the memory of {} isn't checked: {why}",
                        spec.name,
                        variant.name
                    );
                    BTreeMap::new()
                }
            };
            if self.estimates.known.get(&key) != Some(&known) && !known.is_empty() {
                let words: Vec<_> =
                    known.iter().map(|(device, mib)| format!("{mib} MiB on {device}")).collect();
                let (model, variant, words) = (&spec.name, &variant.name, words.join(", "));
                log::info!("scheduler: {model}: {variant} was never measured; estimated: {words}");
            }
            self.estimates.known.insert(key, known);
        }
    }
}

/// The cards that a variant wants, with what they have in all.
fn cards(variant: &VariantSpec, snapshot: &DeviceSnapshot) -> Cards {
    let total = |requirement: &Requirement| {
        let devices = requirement.matches(snapshot).into_iter().filter_map(|at| snapshot.devices.get(at));
        devices.filter(|device| device.online).find_map(|device| device.total_mib)
    };
    Cards::of(&requirements(variant), total)
}

fn requirements(variant: &VariantSpec) -> Vec<Requirement> {
    variant.required_devices.iter().filter_map(|text| Requirement::parse(text).ok()).collect()
}

/// MiB of RAM.
fn ram(snapshot: &DeviceSnapshot) -> Option<u64> {
    snapshot.devices.iter().find(|device| device.plugin == "cpu").and_then(|device| device.total_mib)
}

fn look_at_all(spec: &ModelSpec, base: &Path, cards: &[Cards]) -> Vec<EstimateResult> {
    spec.variants.iter().zip(cards).map(|(variant, cards)| look(variant, base, cards)).collect()
}

/// What will each variant of this model need, and how is that known?
#[derive(Message)]
#[rtype(result = "Vec<VariantMemory>")]
pub struct ExplainMemory {
    pub model: Arc<ModelHandle>,
}

impl Handler<ExplainMemory> for Scheduler {
    type Result = ResponseActFuture<Self, Vec<VariantMemory>>;

    fn handle(&mut self, explain: ExplainMemory, _: &mut Context<Self>) -> Self::Result {
        let spec = Arc::clone(&explain.model.spec);
        let found = self.read(&spec);
        let found = async move { tokio::time::timeout(LOOK_TIME, found).await.ok() };
        Box::pin(found.into_actor(self).map(move |found, scheduler, _| {
            let late = || Err("its files can't be read within 5 s".to_owned());
            let mut found = found.unwrap_or_default().into_iter();
            let of_variant = |variant: &VariantSpec| VariantMemory {
                variant: variant.name.clone(),
                required: requirements(variant),
                declared: (!variant.memory_mb.is_empty()).then(|| variant.memory_mb.clone()),
                is_auto: variant.memory_auto,
                measured: scheduler
                    .measured
                    .of(&spec.name)
                    .and_then(|of| of.peak_mib.get(&variant.name))
                    .cloned()
                    .unwrap_or_default(),
                ram: ram(&scheduler.snapshot),
                estimate: found.next().map_or_else(late, |found| found.map_err(|why| why.to_string())),
            };
            spec.variants.iter().map(of_variant).collect()
        }))
    }
}
