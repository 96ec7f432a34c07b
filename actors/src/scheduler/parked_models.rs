//! Models that sleep, as the Scheduler sees them: what they hold so, and what a wake takes.

use super::actor::Scheduler;
use crate::memory::{Holding, WakeGranted};
use crate::model::{ModelHandle, ParkedUse};
use actix::Context;
use llm_manager_policy::devices::{DeviceId, DeviceSnapshot};
use llm_manager_policy::lifecycle::Moment;
use llm_manager_policy::parking::expected_wake;
use llm_manager_policy::placement::{ParkedMemory, ResidentState, guessed_reload};
use llm_manager_policy::queue::{self, Event, ObservedModel, View};
use std::sync::Arc;
use std::time::Duration;

/// The name of RAM in `parked_mb`, and of its plugin.
const RAM: &str = "cpu";
/// What a device shows so soon may still be what the model had awake.
const SETTLED: Duration = Duration::from_secs(1);

impl Scheduler {
    /// Notes what a model uses asleep, where the devices tell; true if that is news.
    pub(super) fn measure_asleep(&mut self, seen: &ObservedModel, holding: &Holding) -> bool {
        let ResidentState::Parked { since, .. } = seen.standing else { return false };
        let mut news = self.measure_ram(seen, holding, since);
        for part in &holding.assignment {
            let device = self.snapshot.get(&part.device);
            let taken_at = device.and_then(|device| device.taken_at.or(self.snapshot.taken_at));
            let used = seen.actual.iter().find(|(device, _)| *device == part.device);
            if let (Some((_, mib)), true) = (used, taken_at > Some(since + SETTLED)) {
                news |= self.measured.note_parked(
                    &self.model_of(&seen.model),
                    &holding.variant,
                    &part.requirement,
                    *mib,
                );
            }
        }
        news
    }

    /// How a model sleeps or could; `None`: it can't, or is on its way out.
    pub(super) fn sleep_of(&self, handle: &ModelHandle, seen: &ObservedModel) -> Option<ParkedMemory> {
        let variant = handle.sleepable()?;
        let name = variant.name.as_str();
        let holding = self.granted.get(&(Arc::clone(&seen.model), seen.epoch))?;
        let model = handle.spec.model();
        let mut holds: Vec<(DeviceId, u64)> = Vec::new();
        for part in &holding.assignment {
            let declared = variant.parked_mb.get(&*part.requirement).copied();
            let asleep = declared.or_else(|| self.measured.parked(model, name, &part.requirement));
            // What it has in RAM awake it has asleep.
            let least = if is_ram(&self.snapshot, &part.device) { part.mib } else { 0 };
            holds.push((Arc::clone(&part.device), asleep.unwrap_or(least)));
        }
        let ram = self.snapshot.devices.iter().find(|device| device.plugin == RAM);
        if let Some(ram) = ram.filter(|ram| !holds.iter().any(|(device, _)| *device == ram.id)) {
            // Until somebody says better: all that it gives up on the cards.
            let on_cards = holding.assignment.iter().map(|part| part.mib).sum();
            let told = variant.parked_mb.get(RAM).copied();
            let mib = told.or_else(|| self.measured.parked(model, name, RAM)).unwrap_or(on_cards);
            holds.push((Arc::clone(&ram.id), mib));
        }
        let reload = seen
            .reload
            .unwrap_or_else(|| guessed_reload(holding.assignment.iter().map(|part| part.mib).sum()));
        let measured = handle.last_wake().or_else(|| self.measured.wake(model));
        let wake = expected_wake(measured, reload);
        let name = |device: &DeviceId| {
            self.snapshot.get(device).map_or_else(|| device.to_string(), |device| device.name.clone())
        };
        let shown = holds.iter().map(|(device, mib)| (name(device), *mib)).collect();
        handle.set_asleep(ParkedUse { holds: shown, wake, measured: measured.is_some() });
        Some(ParkedMemory { wake, holds })
    }

    /// What is in RAM before the model falls asleep.
    pub(super) fn note_before_sleep(&mut self, model: &Arc<str>, epoch: u64) {
        let ram = self.snapshot.devices.iter().find(|device| device.plugin == RAM);
        if let Some(used) = ram.and_then(|ram| ram.used_mib) {
            self.ram_before.insert(Arc::clone(model), (epoch, used));
        }
    }

    /// Notes by how much RAM has grown since; true if that is news. No device tells which process has it, so it is what
    /// appeared, and no more than what left the cards.
    fn measure_ram(&mut self, seen: &ObservedModel, holding: &Holding, since: Moment) -> bool {
        let Some(ram) = self.snapshot.devices.iter().find(|device| device.plugin == RAM) else {
            return false;
        };
        if ram.taken_at.or(self.snapshot.taken_at) <= Some(since + SETTLED) {
            return false;
        }
        let (Some(used), Some((epoch, before))) = (ram.used_mib, self.ram_before.remove(&seen.model)) else {
            return false;
        };
        if epoch != seen.epoch || holding.assignment.iter().any(|part| part.device == ram.id) {
            return false;
        }
        let on_cards = holding.assignment.iter().map(|part| part.mib).sum();
        let model = self.model_of(&seen.model);
        let last = self.measured.parked(&model, &holding.variant, RAM);
        grown(before, used, on_cards, last)
            .is_some_and(|mib| self.measured.note_parked(&model, &holding.variant, RAM, mib))
    }

    /// Whether any model has a way to sleep.
    pub(super) fn any_can_sleep(&self) -> bool {
        let scope = self.setup.scope.load();
        scope.models.iter().any(|model| model.spec.variants.iter().any(|variant| variant.park.is_some()))
    }

    /// Tells the models whether there would be room for them asleep.
    pub(super) fn publish_room(&self, view: &View<'_>) {
        if view.models.iter().all(|seen| seen.sleep.is_none()) {
            return;
        }
        for (model, may) in queue::may_park(&self.state, view) {
            if let Some(handle) = self.find(&model) {
                handle.set_may_park(may);
            }
        }
    }

    pub(super) fn asleep(
        &mut self,
        model: Arc<str>,
        epoch: u64,
        woke_in: Option<Duration>,
        ctx: &mut Context<Self>,
    ) {
        self.wakes.remove(&(Arc::clone(&model), epoch));
        if woke_in.is_some_and(|took| self.measured.note_wake(&self.model_of(&model), took)) {
            self.measured.save(&self.measured_file);
        }
        self.drive(Event::Asleep { model, epoch }, ctx);
    }

    pub(super) fn grant_wake(&mut self, model: &Arc<str>, epoch: u64) {
        let Some(turn) = self.wakes.remove(&(Arc::clone(model), epoch)) else { return };
        log::info!("scheduler: {model} gets the memory back that it needs awake");
        self.tell(model, WakeGranted { epoch, turn });
    }
}

/// What a model took of RAM when it fell asleep; `None`: others have given more back meanwhile, so nobody knows. It was as
/// much once, and will be again: the most that was seen counts.
fn grown(before: u64, now: u64, on_cards: u64, last: Option<u64>) -> Option<u64> {
    let grown = now.checked_sub(before)?.min(on_cards);
    Some(last.map_or(grown, |last| last.max(grown)))
}

fn is_ram(snapshot: &DeviceSnapshot, device: &DeviceId) -> bool {
    snapshot.get(device).is_some_and(|device| device.plugin == RAM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ram_is_what_appeared_and_no_more_than_what_left_the_cards() {
        assert_eq!(grown(10_000, 18_000, 15_000, None), Some(8_000));
        assert_eq!(grown(10_000, 60_000, 15_000, None), Some(15_000));
        assert_eq!(grown(10_000, 9_000, 15_000, Some(7_000)), None);
        assert_eq!(grown(10_000, 11_000, 15_000, Some(8_000)), Some(8_000));
    }
}
