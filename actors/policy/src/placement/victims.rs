//! The cheapest set of models whose going makes room: a small covering problem, solved by branch and bound.
//!
//! The set is the cheapest of all for as many as the budget allows to look at, which is everything in worlds
//! of the size that people have; beyond that it is the best one seen. Sufficient and without a dispensable
//! member it is always.

use super::assignment::{Slot, each};

/// How many steps one decision may take in search of a cheaper set.
pub(super) const BUDGET: u32 = 4000;
/// How many assignments of requirements to devices are compared.
const ASSIGNMENTS: usize = 128;

/// A model that could go, as one device sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    /// Position in `World::held`.
    pub(super) held: usize,
    /// MiB that its going leaves on this device.
    pub(super) mib: i64,
    /// What its going costs.
    pub(super) cost: u64,
}

/// Who could go, per device.
#[derive(Debug)]
pub(super) struct Candidates {
    on: Vec<Vec<Candidate>>,
    /// Sum of their memory.
    mib: Vec<i64>,
}

impl Candidates {
    pub(super) fn new(devices: usize) -> Self {
        Self { on: vec![Vec::new(); devices], mib: vec![0; devices] }
    }

    pub(super) fn add(&mut self, device: usize, candidate: Candidate) {
        if let (Some(on), Some(mib)) = (self.on.get_mut(device), self.mib.get_mut(device)) {
            on.push(candidate);
            *mib += candidate.mib;
        }
    }

    fn on(&self, device: usize) -> &[Candidate] {
        self.on.get(device).map_or(&[], Vec::as_slice)
    }
}

/// An assignment and those who have to go for it.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    pub(super) devices: Vec<usize>,
    /// Positions in `World::held`.
    pub(super) victims: Vec<usize>,
    pub(super) cost: u64,
}

/// The cheapest choice; `None`: not even the going of all candidates makes enough room.
pub(super) fn cheapest(
    slots: &[Slot],
    rooms: &[i64],
    candidates: &Candidates,
    budget: &mut u32,
) -> Option<Choice> {
    let most: Vec<i64> = rooms.iter().zip(&candidates.mib).map(|(room, mib)| room + mib).collect();
    let mut best: Option<Choice> = None;
    let mut left = ASSIGNMENTS;
    each(slots, &most, rooms, &mut |devices| {
        let lacks = slots.iter().zip(devices);
        let lacks = lacks.map(|(slot, at)| (*at, slot.lack(rooms.get(*at).copied().unwrap_or(0))));
        let lacks: Vec<(usize, i64)> = lacks.filter(|(_, lack)| *lack > 0).collect();
        let limit = best.as_ref().map_or(u64::MAX, |choice| choice.cost);
        if let Some((victims, cost)) = cover(&lacks, candidates, limit, budget) {
            best = Some(Choice { devices: devices.to_vec(), victims, cost });
        }
        left -= 1;
        left > 0
    });
    best
}

/// A candidate with what it leaves on each device that lacks memory.
struct Item {
    held: usize,
    cost: u64,
    mib: Vec<i64>,
}

/// The cheapest set that covers all lacks for less than `limit`.
fn cover(
    lacks: &[(usize, i64)],
    candidates: &Candidates,
    limit: u64,
    budget: &mut u32,
) -> Option<(Vec<usize>, u64)> {
    let lack: Vec<i64> = lacks.iter().map(|(_, lack)| *lack).collect();
    // What one device alone asks for at least.
    let least = lacks.iter().map(|(device, lack)| {
        let on = candidates.on(*device).iter();
        on.filter(|one| one.mib > 0).map(|one| share(one.cost, *lack, one.mib)).min().unwrap_or(u64::MAX)
    });
    if least.max().is_some_and(|least| least >= limit) {
        return None;
    }
    let mut items: Vec<Item> = Vec::new();
    for (nth, (device, lack)) in lacks.iter().enumerate() {
        for one in candidates.on(*device).iter().filter(|one| one.mib > 0) {
            let known = (nth > 0).then(|| items.iter_mut().find(|item| item.held == one.held)).flatten();
            let mib = one.mib.min(*lack);
            match known {
                Some(item) => item.mib.iter_mut().skip(nth).take(1).for_each(|place| *place = mib),
                None => {
                    let mut all = vec![0; lacks.len()];
                    all.iter_mut().skip(nth).take(1).for_each(|place| *place = mib);
                    items.push(Item { held: one.held, cost: one.cost, mib: all });
                }
            }
        }
    }
    // The best for its price first; the position decides between equals, so that the answer is always the same.
    items.sort_by_cached_key(|item| {
        let covered: i64 = item.mib.iter().zip(&lack).map(|(mib, lack)| mib * 1024 / lack.max(&1)).sum();
        (u128::from(item.cost) * 1024 / u128::try_from(covered.max(1)).unwrap_or(1), item.held)
    });
    let mut search =
        Search { suffix: suffixes(&items, lacks.len()), items: &items, limit, best: None, budget };
    search.descend(0, &lack, 0, &mut Vec::new());
    let (mut chosen, cost) = search.best?;
    let dropped = drop_dispensable(&mut chosen, &items, &lack);
    Some((chosen.iter().filter_map(|at| items.get(*at)).map(|item| item.held).collect(), cost - dropped))
}

/// What the items from some position on can do for one device.
#[derive(Clone, Copy)]
struct Suffix {
    /// All of them leave this much.
    mib: i64,
    /// The cheapest memory among them: cost and MiB.
    rate: (u64, i64),
}

fn suffixes(items: &[Item], devices: usize) -> Vec<Suffix> {
    let nothing = Suffix { mib: 0, rate: (u64::MAX, 1) };
    let mut all = vec![nothing; (items.len() + 1) * devices];
    for (at, item) in items.iter().enumerate().rev() {
        for (device, mib) in item.mib.iter().enumerate() {
            let after = all.get((at + 1) * devices + device).copied().unwrap_or(nothing);
            let cheaper = *mib > 0
                && u128::from(item.cost) * u128::from(after.rate.1.unsigned_abs())
                    < u128::from(after.rate.0) * u128::from(mib.unsigned_abs());
            let rate = if cheaper { (item.cost, *mib) } else { after.rate };
            if let Some(place) = all.get_mut(at * devices + device) {
                *place = Suffix { mib: after.mib + mib, rate };
            }
        }
    }
    all
}

struct Search<'a> {
    items: &'a [Item],
    suffix: Vec<Suffix>,
    limit: u64,
    best: Option<(Vec<usize>, u64)>,
    budget: &'a mut u32,
}

impl Search<'_> {
    fn descend(&mut self, at: usize, lack: &[i64], cost: u64, chosen: &mut Vec<usize>) {
        if lack.iter().all(|lack| *lack <= 0) {
            if cost < self.limit {
                self.limit = cost;
                self.best = Some((chosen.clone(), cost));
            }
            return;
        }
        // The first set is found without detours; only better ones are a matter of budget.
        if *self.budget == 0 && self.best.is_some() {
            return;
        }
        *self.budget = self.budget.saturating_sub(1);
        let Some(item) = self.items.get(at) else { return };
        let suffixes = self.suffix.iter().skip(at * lack.len());
        let mut more = 0;
        for (lack, suffix) in lack.iter().zip(suffixes).filter(|(lack, _)| **lack > 0) {
            if suffix.mib < *lack {
                return;
            }
            more = more.max(fraction(suffix.rate.0, *lack, suffix.rate.1));
        }
        if cost.saturating_add(more) >= self.limit {
            return;
        }
        if lack.iter().zip(&item.mib).any(|(lack, mib)| *lack > 0 && *mib > 0) {
            let left: Vec<i64> = lack.iter().zip(&item.mib).map(|(lack, mib)| lack - mib).collect();
            chosen.push(at);
            self.descend(at + 1, &left, cost.saturating_add(item.cost), chosen);
            chosen.pop();
        }
        self.descend(at + 1, lack, cost, chosen);
    }
}

/// What so much memory costs at least if only this candidate gave it, whole or several times over.
fn share(cost: u64, lack: i64, mib: i64) -> u64 {
    if lack >= mib { fraction(cost, lack, mib) } else { cost }
}

/// What so much memory costs at that rate: a lower bound when the rate is the best.
fn fraction(cost: u64, lack: i64, mib: i64) -> u64 {
    let (lack, mib) = (u128::from(lack.unsigned_abs()), u128::from(mib.unsigned_abs().max(1)));
    u64::try_from(u128::from(cost) * lack / mib).unwrap_or(u64::MAX)
}

/// Takes out whom the others make up for, the most expensive first; answers what that saves.
fn drop_dispensable(chosen: &mut Vec<usize>, items: &[Item], lack: &[i64]) -> u64 {
    let cost = |at: &usize| items.get(*at).map_or(0, |item| item.cost);
    let mut by_cost = chosen.clone();
    by_cost.sort_by_key(|at| std::cmp::Reverse((cost(at), *at)));
    let mut saved = 0;
    for at in by_cost {
        let others = || chosen.iter().filter(|other| **other != at).filter_map(|other| items.get(*other));
        let enough =
            |device: usize, lack: i64| others().filter_map(|item| item.mib.get(device)).sum::<i64>() >= lack;
        if lack.iter().enumerate().all(|(device, lack)| enough(device, *lack)) {
            saved += cost(&at);
            chosen.retain(|other| *other != at);
        }
    }
    saved
}
