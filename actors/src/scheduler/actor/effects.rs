//! Carries the effects of a step out: Models are told, the devices are looked at, the timer is set.

use super::{SNAPSHOT_TIME, Scheduler};
use crate::device_monitor::LookAt;
use crate::memory::{CancelYield, Denied, Evict, Granted, Holding, LetPark, Yield};
use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};
use llm_manager_policy::placement::{DeviceAllocation, Explanation, Never};
use llm_manager_policy::queue::{Denial, Effect, Event, MadeRoom};
use llm_manager_policy::visible_devices;
use std::sync::Arc;

impl Scheduler {
    pub(super) fn carry_out(&mut self, effect: Effect, ctx: &mut Context<Self>) {
        match effect {
            Effect::Grant { model, epoch, variant, assignment, explanation, made_room } => {
                self.grant(&model, epoch, variant, assignment, &explanation, made_room);
            }
            Effect::Deny { model, epoch, denial, explanation } => {
                let why = match denial {
                    Denial::Timeout => format!(
                        "queue_timeout ({} s) is over; {explanation}",
                        self.setup.scope.load().settings.queue_timeout.as_secs_f64()
                    ),
                    Denial::Never(_) => explanation.to_string(),
                };
                match denial {
                    // Nobody asked for it, or an operator wants it so.
                    Denial::Never(Never::NotForBoot | Never::Paused) => {
                        log::info!("scheduler: {model} is not started: {why}")
                    }
                    _ => log::warn!("scheduler: no memory: {why}"),
                }
                // Where nobody has to go for it, there may be memory for it later.
                let never = matches!(&denial, Denial::Never(never) if !matches!(never, Never::NotForBoot));
                let turn = self.wakes.remove(&(Arc::clone(&model), epoch));
                let retry_after = explanation.paused_for();
                self.tell(&model, Denied { epoch, why: why.into(), retry_after, turn, never });
            }
            Effect::AskEvict { model, epoch, in_favour_of, park } => {
                let how = if park { ", parked" } else { "" };
                log::info!("scheduler: {model} is idle and makes room for {in_favour_of}{how}");
                self.tell(&model, Evict { epoch, in_favour_of, park });
            }
            Effect::AskYield { model, epoch, in_favour_of, park } => {
                let why = match self.find(&in_favour_of) {
                    Some(_) => format!("{in_favour_of} has waited for max_hold"),
                    None => "an operator has paused a device".to_owned(),
                };
                log::info!(
                    "scheduler: {why}; {model} finishes its responses and makes room for {in_favour_of}"
                );
                self.tell(&model, Yield { epoch, in_favour_of, park });
            }
            Effect::GrantWake { model, epoch } => self.grant_wake(&model, epoch),
            Effect::LetPark { model, epoch, go } => self.tell(&model, LetPark { epoch, go }),
            Effect::WithdrawYield { model, epoch } => {
                log::info!("scheduler: the memory of {model} is no longer needed; it keeps running");
                self.tell(&model, CancelYield { epoch });
            }
            Effect::AskSnapshot(devices) => self.ask_snapshot(devices, ctx),
            Effect::ArmTimer(at) => {
                self.disarm(ctx);
                let pause = at.saturating_sub(self.setup.origin.elapsed());
                self.timer = Some(ctx.run_later(pause, |scheduler, ctx| scheduler.drive(Event::Timer, ctx)));
            }
            Effect::DisarmTimer => self.disarm(ctx),
        }
    }

    fn grant(
        &mut self,
        model: &Arc<str>,
        epoch: u64,
        variant: usize,
        assignment: Vec<DeviceAllocation>,
        why: &Explanation,
        made_room: Option<MadeRoom>,
    ) {
        let Some(handle) = self.find(model) else { return };
        let variant_name = handle.spec.variants.get(variant).map_or("", |variant| &variant.name);
        let words: Vec<String> = assignment.iter().map(|part| self.words(part)).collect();
        if !words.is_empty() {
            log::info!("scheduler: {model} gets {} (variant {variant_name})", words.join(", "));
        }
        // `2x rtx 3090` is two cards in the order of the bus, however they were chosen.
        let mut ordered: Vec<&DeviceAllocation> = assignment.iter().collect();
        for alike in ordered.chunk_by_mut(|one, next| one.requirement == next.requirement) {
            alike.sort_by_key(|part| self.snapshot.position(&part.device));
        }
        let devices = ordered.into_iter().filter_map(|part| self.snapshot.get(&part.device));
        let visible = visible_devices::variables(devices);
        let holding = Holding { epoch, variant: variant_name.into(), assignment };
        self.granted.insert((Arc::clone(model), epoch), holding.clone());
        let why = why.to_string().into();
        self.tell(model, Granted { epoch, variant, holding, visible, why, made_room });
    }

    fn words(&self, part: &DeviceAllocation) -> String {
        let device = self.snapshot.get(&part.device);
        let name = device.map_or(&*part.device, |device| &device.name);
        let free = device.and_then(|device| device.total_mib?.checked_sub(device.used_mib?));
        let free = free.map_or_else(String::new, |free| format!(", {free} free before"));
        format!("{} MiB on {name}{free}", part.mib)
    }

    fn disarm(&mut self, ctx: &mut Context<Self>) {
        if let Some(timer) = self.timer.take() {
            ctx.cancel_future(timer);
        }
    }

    fn ask_snapshot(&mut self, of: Vec<Arc<str>>, ctx: &mut Context<Self>) {
        if std::mem::replace(&mut self.asking, true) {
            return;
        }
        let devices = self.setup.devices.clone();
        let look = LookAt { devices: of, within: SNAPSHOT_TIME };
        let sampled = async move { devices.look_at(look).await }.into_actor(self);
        ctx.spawn(sampled.map(|snapshot, scheduler, ctx| {
            scheduler.asking = false;
            scheduler.see(&snapshot, ctx);
        }));
    }
}
