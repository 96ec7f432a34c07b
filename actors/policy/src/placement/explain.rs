//! A decision in sentences: for each variant what it wants, what is there and who is in the way.

use super::assignment::{self, Slot};
use super::capacity::Rooms;
use super::decide::{decide, for_whom, judge, parts};
use super::victims::BUDGET;
use super::world::{
    BlockReason, Decision, Demand, DeviceAllocation, ModelName, Never, ResidentState, Variant, World,
};
use crate::devices::{DeviceId, Missing, Program};
use crate::duration_text::DurationText;
use crate::lifecycle::Moment;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What would happen now, and why.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Explanation {
    /// Who wants to run.
    pub model: ModelName,
    pub decision: Decision,
    /// Each variant on its own, in order of priority.
    pub variants: Vec<VariantExplanation>,
}

/// One variant, judged as if there were no other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VariantExplanation {
    /// Its name.
    pub variant: Arc<str>,
    /// What would be done about it.
    pub verdict: Decision,
    /// Where it goes or would go.
    pub assignment: Vec<DeviceAllocation>,
    /// Requirements that no device online meets.
    pub missing: Vec<Missing>,
    /// Why its address counts as offline, if it does.
    pub offline: Option<Arc<str>>,
    /// Devices without whose pause it would not be refused.
    pub paused: Vec<Paused>,
    /// Devices that have not enough free now.
    pub lacks: Vec<MissingMemory>,
}

/// A device that an operator has paused.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Paused {
    /// Its name.
    pub device: String,
    /// For how much longer.
    pub left: Duration,
}

/// A device with less free than wanted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MissingMemory {
    /// The entry of `required_devices`.
    pub requirement: Arc<str>,
    /// The device that comes nearest to it.
    pub device: DeviceId,
    /// MiB wanted.
    pub wanted: u64,
    /// MiB free.
    pub free: u64,
    /// MiB that the device has at all.
    pub total: Option<u64>,
    /// Models that hold the rest, the largest first.
    pub holders: Vec<MemoryHolder>,
    /// MiB used by other programs.
    pub strangers: u64,
    /// These programs, the largest first, as far as the system tells of them.
    pub others: Vec<Program>,
    /// MiB that are kept free for other programs.
    pub kept_free: u64,
}

/// A model that holds memory of a device.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MemoryHolder {
    pub model: ModelName,
    pub mib: u64,
    /// Why it can't be stopped; `None`: it can.
    pub why: Option<BlockReason>,
    /// It sleeps, and this is what it holds so.
    pub parked: bool,
    /// How long it may keep the asker waiting while it is busy; `None`: for ever.
    pub patience: Option<Duration>,
}

impl Explanation {
    /// How long a pause stands in the way that every variant would have to wait for.
    pub fn paused_for(&self) -> Option<Duration> {
        let longest = |one: &VariantExplanation| one.paused.iter().map(|paused| paused.left).max();
        match self.decision {
            Decision::Never { reason: Never::Paused } => self.variants.iter().filter_map(longest).min(),
            _ => None,
        }
    }

    /// The decision alone, without what each variant lacks: "qwen-14b: Dual fits without llama-8b".
    pub fn summary(&self) -> String {
        let variant = |at: &usize| self.variants.get(*at).map_or("it", |variant| &*variant.variant);
        let model = &self.model;
        match &self.decision {
            Decision::Fits { variant: at, .. } => format!("{model}: {} fits", variant(at)),
            Decision::Evict { variant: at, victims, parks, .. } => {
                let word = |victim: &ModelName| {
                    let sleeps = parks.contains(victim);
                    if sleeps { format!("{victim} (which is parked)") } else { victim.to_string() }
                };
                let words: Vec<_> = victims.iter().map(word).collect();
                format!("{model}: {} fits without {}", variant(at), words.join(", "))
            }
            Decision::Wait { variant: at, blockers, .. } => {
                let whom: Vec<_> = blockers.iter().map(|one| format!("{} {}", one.model, one.why)).collect();
                format!("{model}: {} waits for {}", variant(at), whom.join(", "))
            }
            Decision::Never { reason } => format!("{model}: {reason}"),
        }
    }
}

/// Says what would happen with a demand, and why.
pub fn explain(world: &World<'_>, demand: &Demand) -> Explanation {
    let rooms = Rooms::new(world, demand);
    let variants = demand.variants.iter().enumerate();
    let variants = variants.map(|(at, variant)| {
        let verdict = if demand.excluded.contains(&at) {
            Decision::Never { reason: Never::OutOfMemory }
        } else if demand.offline(at).is_some() {
            Decision::Never { reason: Never::Unreachable }
        } else {
            for_whom(judge(world, &rooms, at, variant, &mut BUDGET.clone()), demand.urgency)
        };
        let offline = demand.offline(at).cloned();
        VariantExplanation { offline, ..explain_variant(world, &rooms, variant, verdict) }
    });
    Explanation { model: demand.model.clone(), decision: decide(world, demand), variants: variants.collect() }
}

fn explain_variant(
    world: &World<'_>,
    rooms: &Rooms,
    variant: &Variant,
    verdict: Decision,
) -> VariantExplanation {
    let snapshot = world.snapshot;
    let (mut missing, mut paused) = (Vec::new(), Vec::new());
    let mut assignment = match &verdict {
        Decision::Fits { assignment, .. }
        | Decision::Evict { assignment, .. }
        | Decision::Wait { assignment, .. } => assignment.clone(),
        Decision::Never { .. } => Vec::new(),
    };
    if matches!(verdict, Decision::Never { .. }) {
        if let Some(slots) = assignment::slots(snapshot, variant) {
            let anywhere: Vec<Slot> = slots.iter().map(|slot| Slot { mib: 0, ..slot.clone() }).collect();
            let devices = assignment::first(&anywhere, &rooms.with_idle).unwrap_or_default();
            assignment = parts(snapshot, &slots, &devices);
        } else if let Some(end) = assignment::paused_until(snapshot, variant) {
            paused = pauses(world, variant, end);
        } else {
            let need = assignment::first_missing(snapshot, variant).and_then(|at| variant.needs.get(at));
            missing.extend(need.map(|need| need.requirement.missing(snapshot)));
        }
    }
    let lacks = assignment.iter().filter_map(|part| lack(world, rooms, part)).collect();
    let variant = Arc::clone(&variant.name);
    VariantExplanation { variant, verdict, assignment, missing, paused, offline: None, lacks }
}

/// The paused devices that a variant could use, as far as their pause has to be over for it.
fn pauses(world: &World<'_>, variant: &Variant, end: Moment) -> Vec<Paused> {
    let needs = variant.needs.iter().flat_map(|need| need.requirement.matches(world.snapshot));
    let mut wanted: Vec<usize> = needs.collect();
    wanted.sort_unstable();
    wanted.dedup();
    let devices = wanted.into_iter().filter_map(|at| world.snapshot.devices.get(at));
    let paused = devices.filter_map(|device| Some((device, device.shared.paused_until?)));
    let counted = paused.filter(|(_, until)| *until <= end);
    counted
        .map(|(device, until)| Paused { device: device.name.clone(), left: until.saturating_sub(world.now) })
        .collect()
}

fn lack(world: &World<'_>, rooms: &Rooms, part: &DeviceAllocation) -> Option<MissingMemory> {
    let at = world.snapshot.position(&part.device)?;
    let amount = |rooms: &[i64]| u64::try_from(rooms.get(at).copied().unwrap_or(0)).unwrap_or(0);
    let free = amount(&rooms.free);
    if part.mib <= free {
        return None;
    }
    let shares = rooms.shares.iter().filter(|share| share.device == at && share.mib > 0);
    let holder = |share: &super::capacity::MemoryShare| {
        let mib = u64::try_from(share.mib).unwrap_or(0);
        let held = world.held.get(share.held)?;
        let parked = matches!(held.standing, ResidentState::Parked { .. });
        let (model, why) = (held.model.clone(), rooms.why(share.held));
        Some(MemoryHolder { model, mib, why, parked, patience: held.patience })
    };
    let mut holders: Vec<MemoryHolder> = shares.filter_map(holder).collect();
    holders.sort_by(|one, other| other.mib.cmp(&one.mib).then_with(|| one.model.cmp(&other.model)));
    Some(MissingMemory {
        requirement: Arc::clone(&part.requirement),
        device: Arc::clone(&part.device),
        wanted: part.mib,
        free,
        total: world.snapshot.devices.get(at)?.total_mib,
        holders,
        strangers: amount(&rooms.strangers),
        others: world.snapshot.devices.get(at)?.others.clone(),
        kept_free: world.snapshot.devices.get(at)?.shared.keep_free_mib,
    })
}

impl fmt::Display for Explanation {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.summary())?;
        for variant in &self.variants {
            let not_tried = matches!(variant.verdict, Decision::Never { reason: Never::OutOfMemory });
            if not_tried {
                write!(to, "; {}: {}", variant.variant, Never::OutOfMemory)?;
            } else if let Some(why) = &variant.offline {
                write!(to, "; {}: {why}", variant.variant)?;
            } else {
                let missing = variant.missing.iter().map(ToString::to_string);
                let paused = variant.paused.iter().map(ToString::to_string);
                let lacks = variant.lacks.iter().map(ToString::to_string);
                let all: Vec<_> = missing.chain(paused).chain(lacks).collect();
                if !all.is_empty() {
                    write!(to, "; {}: {}", variant.variant, all.join(", "))?;
                }
            }
        }
        Ok(())
    }
}

/// "v100 is paused by an operator for another 1 h 59 min".
impl fmt::Display for Paused {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.left.as_secs();
        write!(to, "{} is paused by an operator for another ", self.device)?;
        match (seconds / 3600, seconds / 60 % 60) {
            (0, 0) => write!(to, "{} s", seconds.max(1)),
            (0, minutes) => write!(to, "{minutes} min"),
            (hours, minutes) => write!(to, "{hours} h {minutes} min"),
        }
    }
}

/// "v100: needs 24000 MiB, 18200 free, 5000 held by bge-m3 which is busy".
impl fmt::Display for MissingMemory {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{}: needs {} MiB, {} free", self.requirement, self.wanted, self.free)?;
        if let Some(total) = self.total.filter(|total| *total < self.wanted) {
            write!(to, ", {total} in all")?;
        }
        for holder in &self.holders {
            write!(to, ", {} held by {} ", holder.mib, holder.model)?;
            match holder.why {
                Some(BlockReason::Busy) if holder.patience.is_some() => {
                    let patience = DurationText(holder.patience.unwrap_or_default());
                    write!(to, "{} and has to finish after {patience} (max_hold)", BlockReason::Busy)?;
                }
                Some(why) => write!(to, "{why}")?,
                None if holder.parked => to.write_str("which is parked")?,
                None => to.write_str("which is idle")?,
            }
        }
        if self.strangers > 0 {
            write!(to, ", {} used by other programs", self.strangers)?;
            write_others(to, &self.others)?;
        }
        if self.kept_free > 0 {
            write!(to, ", {} kept free for other programs (keep_free_mb)", self.kept_free)?;
        }
        Ok(())
    }
}

/// " (game 3000, Xorg 200, and 2 more)"
fn write_others(to: &mut fmt::Formatter<'_>, others: &[Program]) -> fmt::Result {
    const NAMED: usize = 3;
    let named: Vec<String> = others.iter().take(NAMED).map(Program::to_string).collect();
    match others.len() {
        0 => Ok(()),
        count if count <= NAMED => write!(to, " ({})", named.join(", ")),
        count => write!(to, " ({}, and {} more)", named.join(", "), count - NAMED),
    }
}

impl fmt::Display for BlockReason {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            BlockReason::Young { left, .. } => {
                return write!(to, "which keeps its memory for another {} (min_hold)", DurationText(*left));
            }
            BlockReason::Guarded { left, .. } => {
                return write!(
                    to,
                    "which a higher class has just used, and is kept for it for another {}",
                    DurationText(*left)
                );
            }
            BlockReason::Busy => "which is busy",
            BlockReason::Starting => "which is being started",
            BlockReason::Leaving => "which is stopping",
            BlockReason::Settling => "which has just ended",
            BlockReason::First => "which came first",
            BlockReason::Pinned => "which is pinned",
            BlockReason::Warm => "which is kept warm (keep_warm), and goes for a higher class only",
            BlockReason::Itself => "by itself, parked",
        })
    }
}

impl fmt::Display for Never {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            Never::Unreachable => "no variant's address answers",
            Never::NoDevice => "no variant's devices are all online",
            Never::NoMemory => "no variant fits, even without the models that may be stopped",
            Never::NotForBoot => "other models would have to stop, and only auto_start asked for it",
            Never::OutOfMemory => "ran out of memory at its last start",
            Never::Paused => "an operator has paused a device that it needs",
        })
    }
}
