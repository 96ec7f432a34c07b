//! Which requirement goes on which device: each on one of its own.
//!
//! Kuhn's algorithm for bipartite matching (1955, as augmenting paths) answers whether all can be placed;
//! the search asks it before each step, so it never runs into a dead end.

use super::world::Variant;
use crate::devices::{Device, DeviceSnapshot};
use crate::lifecycle::Moment;
use std::sync::Arc;

/// More memory than any device has; still far from an overflow.
pub(super) const PLENTY: i64 = i64::MAX / 1_000_000;

/// What a device costs a slot, and the less room it has the more.
pub(super) type Rank = (u64, i64);

/// One device that a variant wants.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    /// The entry of `required_devices`.
    pub(super) requirement: Arc<str>,
    /// MiB wanted; 0: nothing is checked.
    pub(super) mib: u64,
    /// Devices online that it may be, as positions in the snapshot.
    pub(super) devices: Vec<usize>,
}

impl Slot {
    pub(super) fn mib_signed(&self) -> i64 {
        mib(self.mib)
    }

    /// What is missing on a device of so much memory.
    pub(super) fn lack(&self, room: i64) -> i64 {
        if self.mib == 0 { 0 } else { (self.mib_signed() - room).max(0) }
    }

    fn fits(&self, rooms: &[i64], device: usize) -> bool {
        rooms.get(device).is_some_and(|room| self.lack(*room) == 0)
    }
}

/// What a variant wants, one slot per device; `None`: the devices that are online and not paused don't suffice.
pub(super) fn slots(snapshot: &DeviceSnapshot, variant: &Variant) -> Option<Vec<Slot>> {
    slots_on(snapshot, variant, Device::is_open)
}

/// When the pauses are over without which the devices online would suffice; `None`: they don't in any case.
pub(super) fn paused_until(snapshot: &DeviceSnapshot, variant: &Variant) -> Option<Moment> {
    let mut ends: Vec<Moment> = snapshot.devices.iter().filter_map(|one| one.shared.paused_until).collect();
    ends.sort_unstable();
    let by_then = |end: Moment| {
        slots_on(snapshot, variant, |one| one.online && one.shared.paused_until.is_none_or(|own| own <= end))
    };
    ends.into_iter().find(|end| by_then(*end).is_some())
}

fn slots_on(
    snapshot: &DeviceSnapshot,
    variant: &Variant,
    counts: impl Fn(&Device) -> bool,
) -> Option<Vec<Slot>> {
    let mut slots = Vec::with_capacity(variant.needs.len());
    for need in &variant.needs {
        let mut devices = need.requirement.matches(snapshot);
        devices.retain(|at| snapshot.devices.get(*at).is_some_and(&counts));
        if devices.len() < need.requirement.count() {
            return None;
        }
        let slot = Slot { requirement: Arc::clone(need.requirement.text()), mib: need.mib, devices };
        for _ in 1..need.requirement.count() {
            slots.push(slot.clone());
        }
        slots.push(slot);
    }
    let anywhere = |_: usize, _: usize| true;
    all_placed(&slots, &[], anywhere).then_some(slots)
}

/// The first requirement that finds no device of its own, in the order of the configuration.
pub(super) fn first_missing(snapshot: &DeviceSnapshot, variant: &Variant) -> Option<usize> {
    (0..variant.needs.len()).find(|at| {
        let needs = variant.needs.iter().take(at + 1).cloned().collect();
        let part = Variant { name: Arc::clone(&variant.name), needs };
        slots_on(snapshot, &part, |device| device.online).is_none()
    })
}

/// The devices, one per slot, on which all fit into these rooms. Where a slot has a choice it takes the device
/// with the most room, as far as the others still find theirs.
pub(super) fn first(slots: &[Slot], rooms: &[i64]) -> Option<Vec<usize>> {
    let mut found = None;
    each(slots, rooms, &|_, device| (0, -rooms.get(device).copied().unwrap_or(0)), &mut |devices| {
        found = Some(devices.to_vec());
        false
    });
    found
}

/// Calls `visit` with the assignments in which all fit into `rooms`, until it answers false; where a slot has
/// a choice, the device of the lower `rank` comes first. Assignments that differ only by an exchange of equal slots count once.
pub(super) fn each(
    slots: &[Slot],
    rooms: &[i64],
    rank: &dyn Fn(usize, usize) -> Rank,
    visit: &mut dyn FnMut(&[usize]) -> bool,
) {
    let fits = |slot: usize, device| slots.get(slot).is_some_and(|slot| slot.fits(rooms, device));
    if all_placed(slots, &[], fits) {
        let mut chosen = Vec::with_capacity(slots.len());
        descend(slots, rooms, rank, &mut chosen, visit);
    }
}

fn descend(
    slots: &[Slot],
    rooms: &[i64],
    rank: &dyn Fn(usize, usize) -> Rank,
    chosen: &mut Vec<usize>,
    visit: &mut dyn FnMut(&[usize]) -> bool,
) -> bool {
    let at = chosen.len();
    let Some(slot) = slots.get(at) else { return visit(chosen) };
    let rank_here = |device: &usize| (rank(at, *device), *device);
    let twin = at.checked_sub(1).and_then(|before| Some((slots.get(before)?, *chosen.get(before)?)));
    let twin = twin.filter(|(before, _)| before.mib == slot.mib && before.devices == slot.devices);
    let mut devices = slot.devices.clone();
    devices.retain(|device| {
        let in_order = twin.is_none_or(|(_, before)| rank_here(&before) < rank_here(device));
        in_order && slot.fits(rooms, *device) && !chosen.contains(device)
    });
    devices.sort_by_cached_key(rank_here);
    for device in devices {
        chosen.push(device);
        let fits = |slot: usize, device| slots.get(slot).is_some_and(|slot| slot.fits(rooms, device));
        let goes_on = !all_placed(slots, chosen, fits) || descend(slots, rooms, rank, chosen, visit);
        chosen.pop();
        if !goes_on {
            return false;
        }
    }
    true
}

/// Whether every slot finds a device of its own when the first ones have theirs already.
fn all_placed(slots: &[Slot], chosen: &[usize], fits: impl Fn(usize, usize) -> bool) -> bool {
    if let ([slot], []) = (slots, chosen) {
        return slot.devices.iter().any(|device| fits(0, *device));
    }
    if slots.len() == chosen.len() {
        return true;
    }
    let mut owner: Vec<(usize, usize)> = Vec::with_capacity(slots.len());
    let mut tried = Vec::new();
    (chosen.len()..slots.len()).all(|slot| {
        tried.clear();
        augment(slots, chosen, slot, &fits, &mut owner, &mut tried)
    })
}

fn augment(
    slots: &[Slot],
    chosen: &[usize],
    slot: usize,
    fits: &impl Fn(usize, usize) -> bool,
    owner: &mut Vec<(usize, usize)>,
    tried: &mut Vec<usize>,
) -> bool {
    for device in slots.get(slot).into_iter().flat_map(|slot| &slot.devices).copied() {
        if chosen.contains(&device) || tried.contains(&device) || !fits(slot, device) {
            continue;
        }
        tried.push(device);
        let taken = owner.iter().find(|(taken, _)| *taken == device).map(|(_, by)| *by);
        match taken {
            None => owner.push((device, slot)),
            Some(other) if augment(slots, chosen, other, fits, owner, tried) => {
                owner.retain(|(taken, _)| *taken != device);
                owner.push((device, slot));
            }
            Some(_) => continue,
        }
        return true;
    }
    false
}

pub(super) fn mib(mib: u64) -> i64 {
    i64::try_from(mib).unwrap_or(PLENTY).min(PLENTY)
}
