//! The decision about one demand.

use super::assignment::{self, Slot};
use super::capacity::{self, Rooms};
use super::parking;
use super::victims;
use super::world::{
    BlockReason, Blocker, Decision, Demand, DemandPriority, DeviceAllocation, ModelName, Never, Prefer,
    Variant, World,
};
use crate::devices::DeviceSnapshot;
use std::sync::Arc;

/// Decides about a demand.
pub fn decide(world: &World<'_>, demand: &Demand) -> Decision {
    let rooms = Rooms::new(world, demand);
    let mut budget = victims::BUDGET;
    let mut found: Option<(u8, Decision)> = None;
    let mut reason = None;
    for (variant, needs) in demand.variants.iter().enumerate() {
        if demand.excluded.contains(&variant) {
            reason = reason.max(Some(Never::OutOfMemory));
            continue;
        }
        if demand.offline(variant).is_some() {
            reason = reason.max(Some(Never::Unreachable));
            continue;
        }
        let decision = for_whom(judge(world, &rooms, variant, needs, &mut budget), demand.urgency);
        let rank = match (&decision, world.settings.prefer) {
            (Decision::Never { reason: why }, _) => {
                reason = reason.max(Some(*why));
                continue;
            }
            (Decision::Fits { .. }, _) => 0,
            // Room that is being made was made for a reason.
            (Decision::Evict { .. }, Prefer::Best) => 0,
            (Decision::Wait { blockers, .. }, Prefer::Best) if only_leaving(blockers) => 0,
            (Decision::Wait { blockers, .. }, Prefer::Resident) if only_leaving(blockers) => 1,
            (Decision::Evict { .. }, Prefer::Resident) => 1,
            (Decision::Wait { .. }, _) => 2,
        };
        if rank == 0 {
            return decision;
        }
        if found.as_ref().is_none_or(|(best, _)| rank < *best) {
            found = Some((rank, decision));
        }
    }
    let never = Decision::Never { reason: reason.unwrap_or(Never::NoDevice) };
    found.map_or(never, |(_, decision)| decision)
}

/// The memory that a demand may come to need on each device, whichever variant it will get: what those who
/// come later must leave alone.
pub fn claims(snapshot: &DeviceSnapshot, demand: &Demand) -> Vec<DeviceAllocation> {
    let mut claims: Vec<DeviceAllocation> = Vec::new();
    let variants = demand.variants.iter().enumerate();
    for (_, variant) in variants.filter(|(at, _)| !demand.excluded.contains(at)) {
        for need in variant.needs.iter().filter(|need| need.mib > 0) {
            let devices = need.requirement.matches(snapshot).into_iter();
            let devices = devices.filter_map(|at| snapshot.devices.get(at));
            let large = |most: Option<u64>| most.is_none_or(|most| most >= need.mib);
            for device in devices.filter(|device| device.is_open() && large(device.for_models())) {
                match claims.iter_mut().find(|claim| claim.device == device.id) {
                    Some(claim) => claim.mib = claim.mib.max(need.mib),
                    None => claims.push(DeviceAllocation {
                        requirement: Arc::clone(need.requirement.text()),
                        device: Arc::clone(&device.id),
                        mib: need.mib,
                    }),
                }
            }
        }
    }
    claims
}

/// MiB used on each device of the snapshot that neither the models known to use it explain, nor starts that are under
/// way. Negative when they use less than they reserved and the device doesn't say so.
pub fn unexplained(world: &World<'_>) -> Vec<i64> {
    capacity::unexplained(world)
}

/// MiB of each device of the snapshot that nobody holds, now and once those that are on their way out are gone.
pub fn room(world: &World<'_>) -> (Vec<i64>, Vec<i64>) {
    let nobody = Demand::new("".into(), Arc::from([]));
    let rooms = Rooms::new(world, &nobody);
    (rooms.free, rooms.with_going)
}

/// `auto_start` alone takes what is free, or is about to be.
pub(super) fn for_whom(decision: Decision, urgency: DemandPriority) -> Decision {
    let others_go = match &decision {
        Decision::Evict { .. } => true,
        Decision::Wait { blockers, .. } => !only_leaving(blockers),
        Decision::Fits { .. } | Decision::Never { .. } => false,
    };
    match urgency {
        DemandPriority::Boot if others_go => Decision::Never { reason: Never::NotForBoot },
        _ => decision,
    }
}

fn only_leaving(blockers: &[Blocker]) -> bool {
    blockers.iter().all(|blocker| matches!(blocker.why, BlockReason::Leaving | BlockReason::Settling))
}

pub(super) fn judge(
    world: &World<'_>,
    rooms: &Rooms,
    variant: usize,
    wanted: &Variant,
    budget: &mut u32,
) -> Decision {
    let Some(slots) = assignment::slots(world.snapshot, wanted) else {
        let paused = assignment::paused_until(world.snapshot, wanted);
        return Decision::Never { reason: paused.map_or(Never::NoDevice, |_| Never::Paused) };
    };
    let parts = |devices: &[usize]| parts(world.snapshot, &slots, devices);
    if let Some(devices) = assignment::first(&slots, &rooms.free) {
        return Decision::Fits { variant, assignment: parts(&devices) };
    }
    if let Some(devices) = assignment::first(&slots, &rooms.with_going) {
        let blockers = rooms.going_on(world, &slots, &devices);
        return Decision::Wait { variant, assignment: parts(&devices), blockers };
    }
    if let Some(going) = parking::cheapest(&slots, rooms, budget) {
        let names = |held: &[usize]| held.iter().filter_map(|at| rooms.name(world, *at)).collect();
        let (victims, parks) = (names(&going.choice.victims), names(&going.parks));
        let assignment = parts(&going.choice.devices);
        return Decision::Evict { variant, assignment, victims, parks, cost: going.choice.cost };
    }
    if let Some(choice) = victims::cheapest(&slots, &rooms.with_idle, &rooms.blocked, budget) {
        let blockers = choice.victims.iter().filter_map(|at| rooms.blocker(world, *at)).collect();
        return Decision::Wait { variant, assignment: parts(&choice.devices), blockers };
    }
    Decision::Never { reason: Never::NoMemory }
}

/// Idle models that have to go so that other programs have on a device what is kept free for them.
pub fn make_way(world: &World<'_>, device: usize) -> Vec<ModelName> {
    // Other programs have no class: what is kept warm stays.
    let demand = Demand { urgency: DemandPriority::Boot, ..Demand::new("".into(), Arc::new([])) };
    let rooms = Rooms::new(world, &demand);
    let lacks = |rooms: &[i64]| rooms.get(device).is_some_and(|room| *room < 0);
    if !lacks(&rooms.with_going) {
        return Vec::new();
    }
    // A slot of nothing is met by any room: it is one MiB here, and each room has one more.
    let slot = Slot { requirement: "".into(), mib: 1, devices: vec![device] };
    let with_going: Vec<i64> = rooms.with_going.iter().map(|room| room + 1).collect();
    let enough = victims::cheapest(&[slot], &with_going, &rooms.idle, &mut victims::BUDGET.clone());
    let held: Vec<usize> = match enough {
        Some(choice) => choice.victims,
        // Not even all of them are enough; each of them helps.
        None => {
            let on = rooms.shares.iter().filter(|share| share.device == device && share.mib > 0);
            on.map(|share| share.held).filter(|held| rooms.why(*held).is_none()).collect()
        }
    };
    held.into_iter().filter_map(|at| rooms.name(world, at)).collect()
}

pub(super) fn parts(snapshot: &DeviceSnapshot, slots: &[Slot], devices: &[usize]) -> Vec<DeviceAllocation> {
    let part = |(slot, at): (&Slot, &usize)| {
        let device = Arc::clone(&snapshot.devices.get(*at)?.id);
        Some(DeviceAllocation { requirement: Arc::clone(&slot.requirement), device, mib: slot.mib })
    };
    slots.iter().zip(devices).filter_map(part).collect()
}
