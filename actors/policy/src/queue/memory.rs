//! What the devices tell: how old it is, whether memory has come back, what a failed start is worth.

use super::round::Round;
use super::{CHANGE_MIB, FRESH, Hold, RECENT, RETRY_VARIANT, SNAPSHOT_PATIENCE, Stage, View, Waiting};
use crate::devices::{Device, DeviceId};
use crate::lifecycle::Moment;
use crate::placement::{HeldPart, RETRY_ADDRESS};

/// How far a snapshot can be trusted with a demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Age {
    /// It says what is free.
    Fresh,
    /// It says who is in the way.
    Recent,
    /// It says nothing.
    Old,
}

impl Round<'_> {
    pub(super) fn age(&self, waiting: &Waiting) -> Age {
        let View { now, snapshot, .. } = *self.view;
        // What wants no device can be decided without a look at them.
        let wants_none = waiting.variants.iter().all(|variant| variant.needs.is_empty());
        if wants_none || now >= waiting.since.saturating_add(SNAPSHOT_PATIENCE) {
            return Age::Fresh;
        }
        let wanted = self.wanted_devices(waiting);
        let changing = wanted.iter().filter(|device| may_change(device));
        let oldest = changing.map(|device| device.taken_at.or(snapshot.taken_at)).min();
        let taken_at = match oldest {
            Some(oldest) => oldest,
            None if wanted.is_empty() => snapshot.taken_at,
            None => return Age::Fresh,
        };
        match taken_at {
            Some(at) if at.saturating_add(FRESH) >= waiting.since => Age::Fresh,
            Some(at) if at.saturating_add(RECENT) >= waiting.since => Age::Recent,
            _ => Age::Old,
        }
    }

    /// All devices that any variant could use.
    fn wanted_devices(&self, waiting: &Waiting) -> Vec<&Device> {
        let snapshot = self.view.snapshot;
        let needs = waiting.variants.iter().flat_map(|variant| &variant.needs);
        let mut all: Vec<usize> = needs.flat_map(|need| need.requirement.matches(snapshot)).collect();
        all.sort_unstable();
        all.dedup();
        all.into_iter().filter_map(|at| snapshot.devices.get(at)).collect()
    }

    /// The devices that have to be looked at now, so that somebody who waits can go on; none: no look is needed.
    pub(super) fn to_look_at(&self) -> Option<Vec<DeviceId>> {
        if self.state.waiting.is_empty() {
            return None;
        }
        let gone = self.state.holds.iter().filter(|hold| matches!(hold.stage, Stage::Gone { .. }));
        let mut all: Vec<DeviceId> =
            gone.flat_map(|hold| &hold.parts).map(|part| part.device.clone()).collect();
        let mut any = !all.is_empty();
        for waiting in self.state.waiting.iter().filter(|waiting| self.age(waiting) != Age::Fresh) {
            any = true;
            let wanted = self.wanted_devices(waiting);
            if wanted.is_empty() {
                // Not known yet: whoever has it must be asked.
                return Some(Vec::new());
            }
            all.extend(wanted.into_iter().map(|device| device.id.clone()));
        }
        all.sort();
        all.dedup();
        any.then_some(all)
    }

    pub(super) fn used_on(&self, parts: &[HeldPart]) -> Vec<Option<u64>> {
        parts.iter().map(|part| self.view.snapshot.get(&part.device)?.used_mib).collect()
    }

    /// Lets go of the memory that has come back, and of failures that something has changed about.
    pub(super) fn settle(&mut self) {
        let view = self.view;
        self.give_back(|hold| is_back(hold, view));
        self.state.failed.retain(|failed| {
            let fell = failed.devices.iter().any(|(device, before)| {
                let used = view.snapshot.get(device).and_then(|device| device.used_mib);
                used.zip(*before).is_some_and(|(used, before)| used.saturating_add(CHANGE_MIB) <= before)
            });
            let pause = if failed.offline.is_some() { RETRY_ADDRESS } else { RETRY_VARIANT };
            !fell && view.now < failed.at.saturating_add(pause)
        });
    }

    /// Lets go of these reservations, and of failures on the same devices: something has changed.
    pub(super) fn give_back(&mut self, is_back: impl Fn(&Hold) -> bool) {
        let (back, left): (Vec<Hold>, Vec<Hold>) = self.state.holds.drain(..).partition(is_back);
        self.state.holds = left;
        self.state.failed.retain(|failed| {
            let on = |hold: &Hold| {
                hold.parts.iter().any(|part| failed.devices.iter().any(|(device, _)| *device == part.device))
            };
            !back.iter().any(|hold| hold.model != failed.model && on(hold))
        });
    }
}

/// A device that is there and doesn't tell what is in use says the same at every look.
fn may_change(device: &Device) -> bool {
    !device.online || device.used_mib.is_some()
}

/// Whether the memory of a process that is gone has come back.
fn is_back(hold: &Hold, view: &View<'_>) -> bool {
    let Stage::Gone { since, used } = &hold.stage else { return false };
    if view.now >= since.saturating_add(view.settings.settle) {
        return true;
    }
    let mut parts = hold.parts.iter().zip(used).zip(&hold.used_before);
    parts.all(|((part, end), start)| shows(part, *end, *start, *since, view))
}

/// Whether a device shows that a part of a process that is gone is free again.
fn shows(
    part: &HeldPart,
    before_end: Option<u64>,
    before_start: Option<u64>,
    since: Moment,
    view: &View<'_>,
) -> bool {
    let most = part.actual.unwrap_or(part.mib);
    // As Ollama has it, three quarters are enough: nobody knows the rest to the MiB.
    let freed = most / 4 * 3;
    if most == 0 && part.mib == 0 {
        return true;
    }
    let Some(device) = view.snapshot.get(&part.device).filter(|device| device.online) else { return false };
    let Some(now) = device.used_mib else { return true };
    if device.taken_at.or(view.snapshot.taken_at) <= Some(since) {
        return false;
    }
    let fell = before_end.is_some_and(|before| now.saturating_add(freed) <= before);
    // It used less than it might have, or ended before a device could show it.
    let is_low = before_start.is_some_and(|before| now <= before.saturating_add(most - freed));
    freed == 0 || fell || is_low
}
