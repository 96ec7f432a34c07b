//! How much memory each device has, and for whom: free, going to be free, held by the idle, held by the rest.

use super::assignment::{PLENTY, Slot, mib};
use super::cost::{eviction_cost, guessed_reload};
use super::victims::{Candidates, VictimCandidate};
use super::world::{BlockReason, Blocker, Demand, ModelName, Resident, ResidentState, World};
use crate::devices::Device;
use crate::lifecycle::Moment;

/// What one model's part is worth on a device.
#[derive(Clone, Copy, Debug)]
pub(super) struct MemoryShare {
    /// Position in `World::held`.
    pub(super) held: usize,
    /// Position of the device in the snapshot.
    pub(super) device: usize,
    /// MiB that are free when it is gone: what it reserved, or what it uses if that is more.
    pub(super) mib: i64,
    /// ... of these, what it goes on holding if it sleeps; `None`: it doesn't.
    pub(super) asleep: Option<i64>,
}

impl MemoryShare {
    /// MiB that are free when it sleeps, or is gone.
    pub(super) fn given_up(&self) -> i64 {
        (self.mib - self.asleep.unwrap_or(0)).max(0)
    }
}

/// Memory of all devices, each list in the order of the snapshot's devices; may be negative.
pub(super) struct Rooms {
    /// Free now.
    pub(super) free: Vec<i64>,
    /// ... and once those that are on their way out are gone.
    pub(super) with_going: Vec<i64>,
    /// ... and once all idle models are.
    pub(super) with_idle: Vec<i64>,
    /// Used by nobody that the manager knows.
    pub(super) strangers: Vec<i64>,
    /// Models that may be stopped, or sleep if they can.
    pub(super) idle: Candidates,
    /// The same, all of them stopped; `None`: none of them can sleep.
    pub(super) stopped: Option<Candidates>,
    /// Models that may be waited for.
    pub(super) blocked: Candidates,
    /// Everybody's.
    pub(super) shares: Vec<MemoryShare>,
    /// In the order of `World::held`; `None`: idle.
    whys: Vec<Option<BlockReason>>,
}

impl Rooms {
    pub(super) fn new(world: &World<'_>, demand: &Demand) -> Self {
        let devices = &world.snapshot.devices;
        let (uses, shares) = uses(world);
        let strangers: Vec<i64> = devices
            .iter()
            .zip(&uses)
            .map(|(device, device_use)| device_use.strangers(device, world.dated))
            .collect();
        let free = devices.iter().zip(&uses).zip(&strangers);
        let mut free: Vec<i64> = free
            .map(|((device, device_use), strangers)| {
                device.total_mib.map_or(PLENTY, |total| {
                    mib(total) - mib(device.shared.keep_free_mib) - strangers - device_use.held
                })
            })
            .collect();
        if demand.overlap {
            // By the time at which it allocates, what has ended will have given its memory back.
            let is_settling = |share: &&MemoryShare| {
                world.held.get(share.held).is_some_and(|one| one.standing == ResidentState::Settling)
            };
            for share in shares.iter().filter(is_settling) {
                free.iter_mut().skip(share.device).take(1).for_each(|free| *free += share.mib);
            }
        }
        let whys: Vec<_> = world.held.iter().map(|held| why(held, demand, world)).collect();
        let (mut with_going, mut with_idle) = (free.clone(), free.clone());
        let mut idle = Candidates::new(devices.len());
        let mut stopped = Candidates::new(devices.len());
        let mut blocked = Candidates::new(devices.len());
        for share in &shares {
            let (Some(going), Some(idling)) =
                (with_going.get_mut(share.device), with_idle.get_mut(share.device))
            else {
                continue;
            };
            let candidate = |cost| VictimCandidate { held: share.held, mib: share.mib, cost };
            let parked = |cost| VictimCandidate { mib: share.given_up(), ..candidate(cost) };
            let held = world.held.get(share.held);
            match whys.get(share.held).copied().flatten() {
                Some(BlockReason::Pinned | BlockReason::Warm | BlockReason::Itself) => {}
                // It is free already for those who overlap.
                Some(BlockReason::Settling) if demand.overlap => {}
                Some(BlockReason::Leaving | BlockReason::Settling) => {
                    let dozes = held.is_some_and(|held| held.dozes);
                    let comes = if dozes { share.given_up() } else { share.mib };
                    *going += comes;
                    *idling += comes;
                    // What it keeps asleep comes back, too, once it ends: nobody is refused for that.
                    let kept =
                        VictimCandidate { mib: share.mib - comes, ..candidate(held.map_or(1, full_cost_of)) };
                    blocked.add(share.device, kept);
                }
                None => {
                    *idling += share.mib;
                    idle.add(share.device, parked(held.map_or(1, |held| cost_of(held, world.now, true))));
                    stopped
                        .add(share.device, candidate(held.map_or(1, |held| cost_of(held, world.now, false))));
                }
                // They are needed now: what it costs is the whole reload.
                Some(_) => blocked.add(share.device, candidate(held.map_or(1, full_cost_of))),
            }
        }
        let any_sleeps = shares.iter().any(|share| share.asleep.is_some());
        let stopped = any_sleeps.then_some(stopped);
        Self { free, with_going, with_idle, strangers, idle, stopped, blocked, shares, whys }
    }

    pub(super) fn name(&self, world: &World<'_>, held: usize) -> Option<ModelName> {
        world.held.get(held).map(|held| held.model.clone())
    }

    /// Why it can't be stopped now; `None`: it can.
    pub(super) fn why(&self, held: usize) -> Option<BlockReason> {
        self.whys.get(held).copied().flatten()
    }

    pub(super) fn blocker(&self, world: &World<'_>, held: usize) -> Option<Blocker> {
        Some(Blocker { model: self.name(world, held)?, why: self.why(held)? })
    }

    /// Those on their way out of devices that have not enough free yet.
    pub(super) fn going_on(&self, world: &World<'_>, slots: &[Slot], devices: &[usize]) -> Vec<Blocker> {
        let short: Vec<usize> = slots
            .iter()
            .zip(devices)
            .filter(|(slot, at)| self.free.get(**at).is_some_and(|free| *free < slot.mib_signed()))
            .map(|(_, at)| *at)
            .collect();
        let going = self.shares.iter().filter(|share| short.contains(&share.device));
        let mut held: Vec<usize> = going.map(|share| share.held).collect();
        held.dedup();
        let going = |why| matches!(why, BlockReason::Leaving | BlockReason::Settling);
        held.retain(|at| self.why(*at).is_some_and(going));
        held.into_iter().filter_map(|at| self.blocker(world, at)).collect()
    }
}

/// What the models use on each device.
fn uses(world: &World<'_>) -> (Vec<Use>, Vec<MemoryShare>) {
    let mut shares = Vec::with_capacity(world.held.len() * 2);
    let mut uses: Vec<Use> = world.snapshot.devices.iter().map(|_| Use::default()).collect();
    for (at, held) in world.held.iter().enumerate() {
        for part in &held.parts {
            let Some(device) = world.snapshot.position(&part.device) else { continue };
            let reserved = mib(part.mib);
            let mib = reserved.max(part.actual.map_or(0, mib));
            // What sleeps already gives all of it up.
            let sleeps = !matches!(held.standing, ResidentState::Parked { .. });
            let asleep =
                held.sleep.as_ref().filter(|_| sleeps).map(|sleep| self::mib(sleep.on(&part.device)));
            shares.push(MemoryShare { held: at, device, mib, asleep });
            if let Some(device_use) = uses.get_mut(device) {
                // Each device is looked at by itself: another one may have been looked at long ago.
                let seen = world.snapshot.devices.get(device).and_then(|device| device.taken_at);
                let shows = shows(held.standing, seen.or(world.snapshot.taken_at));
                device_use.add(shows, reserved, part.actual.map(self::mib), part.unexplained_before);
                device_use.held += mib;
            }
        }
    }
    (uses, shares)
}

pub(super) fn unexplained(world: &World<'_>) -> Vec<i64> {
    // What has just ended may or may not be among what is used: rather too much remains unexplained.
    let held: Vec<Resident> =
        world.held.iter().filter(|held| held.standing != ResidentState::Settling).cloned().collect();
    let devices = world.snapshot.devices.iter().zip(uses(&World { held: &held, ..*world }).0);
    devices
        .map(|(device, device_use)| device_use.unexplained(device) - device_use.grown(device, false))
        .collect()
}

/// What is known of the memory in use on one device.
#[derive(Default)]
struct Use {
    /// By all that the manager knows, or reserved by them.
    held: i64,
    /// Ours, of what the device reports as used.
    ours: i64,
    /// Reserved by starts whose processes can't be seen.
    unseen: i64,
    /// Unexplained when the last of these starts was reserved; `None`: there is none.
    before: Option<i64>,
}

impl Use {
    fn add(&mut self, shows: Shows, reserved: i64, actual: Option<i64>, before: Option<i64>) {
        match (actual, shows) {
            (Some(actual), _) => self.ours += actual,
            (None, Shows::Nothing) => {}
            // How much of it a start has allocated can only be told from what came since.
            (None, Shows::Part) => {
                self.unseen += reserved;
                self.before = self.before.max(Some(before.unwrap_or(PLENTY)));
            }
            (None, Shows::All) => self.ours += reserved,
        }
    }

    /// What the device reports as used, without what is known to be ours.
    fn unexplained(&self, device: &Device) -> i64 {
        device.used_mib.map_or(0, |used| mib(used) - self.ours)
    }

    /// ... and without what is likely to be ours.
    fn strangers(&self, device: &Device, dated: bool) -> i64 {
        (self.unexplained(device) - self.grown(device, dated)).max(0)
    }

    /// What has come since the starts that can't be seen were reserved, as far as they may have come to use it.
    fn grown(&self, device: &Device, dated: bool) -> i64 {
        let before = self.before.map(|before| if dated { 0 } else { before });
        before.map_or(0, |before| (self.unexplained(device) - before).clamp(0, self.unseen))
    }
}

/// How much of a reservation the snapshot shows as used, where it doesn't say by whom.
#[derive(Clone, Copy)]
enum Shows {
    Nothing,
    /// It loads, or did when the snapshot was taken.
    Part,
    /// All that it will ever use.
    All,
}

fn shows(standing: ResidentState, taken_at: Option<Moment>) -> Shows {
    match standing {
        ResidentState::First => Shows::Nothing,
        ResidentState::Parked { since, .. } if Some(since) <= taken_at => Shows::All,
        ResidentState::Ready { since, .. } | ResidentState::Leaving { ready: Some(since) }
            if Some(since) <= taken_at =>
        {
            Shows::All
        }
        ResidentState::Settling => Shows::All,
        ResidentState::Starting { .. }
        | ResidentState::Ready { .. }
        | ResidentState::Parked { .. }
        | ResidentState::Leaving { .. } => Shows::Part,
    }
}

/// Why a model can't be stopped now; `None`: it can.
fn why(held: &Resident, demand: &Demand, world: &World<'_>) -> Option<BlockReason> {
    let asker = &demand.model;
    match held.standing {
        ResidentState::Leaving { .. } => Some(BlockReason::Leaving),
        ResidentState::Settling => Some(BlockReason::Settling),
        ResidentState::First => Some(BlockReason::First),
        ResidentState::Parked { .. } if held.model == *asker => Some(BlockReason::Itself),
        _ if held.pinned => Some(BlockReason::Pinned),
        _ if held.warm.is_some_and(|own| !demand.urgency.is_above(own)) => Some(BlockReason::Warm),
        // It will have ended its former life before it begins the next.
        _ if held.model == *asker => Some(BlockReason::Leaving),
        ResidentState::Starting { wanted: true, .. } => Some(BlockReason::Starting),
        ResidentState::Starting { wanted: false, .. } | ResidentState::Parked { .. } => None,
        ResidentState::Ready { busy: true, .. } => Some(BlockReason::Busy),
        ResidentState::Ready { .. } => {
            let is_ahead = |until: &Moment| world.now < *until;
            let (young, guarded) = (held.kept_until.filter(is_ahead), held.guarded_until.filter(is_ahead));
            let until = young.max(guarded)?;
            let left = until.saturating_sub(world.now);
            Some(if young < guarded {
                BlockReason::Guarded { until, left }
            } else {
                BlockReason::Young { until, left }
            })
        }
    }
}

/// What it costs that it ends, and, if it sleeps or can, what its wake would have saved.
pub fn stop_cost(held: &Resident, now: Moment) -> u64 {
    let asleep = cost_of(held, now, true);
    let whole = cost_of(held, now, false);
    if matches!(held.standing, ResidentState::Parked { .. }) { whole } else { whole.saturating_sub(asleep) }
}

/// What it costs that it goes, or sleeps if it can. One that sleeps already loses what its wake would have saved.
pub(super) fn cost_of(held: &Resident, now: Moment, may_sleep: bool) -> u64 {
    let idle_since = match held.standing {
        ResidentState::Ready { idle_since, .. } | ResidentState::Parked { wanted: false, idle_since, .. } => {
            idle_since
        }
        ResidentState::Starting { since, .. } => since,
        _ => now,
    };
    let lost = match (&held.sleep, held.standing) {
        (Some(sleep), ResidentState::Parked { .. }) => reload_of(held).saturating_sub(sleep.wake),
        (Some(sleep), _) if may_sleep => sleep.wake,
        _ => reload_of(held),
    };
    eviction_cost(lost, now.saturating_sub(idle_since))
}

fn full_cost_of(held: &Resident) -> u64 {
    eviction_cost(reload_of(held), Moment::ZERO)
}

fn reload_of(held: &Resident) -> Moment {
    held.reload.unwrap_or_else(|| guessed_reload(held.parts.iter().map(|part| part.mib).sum()))
}
