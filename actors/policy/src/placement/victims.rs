//! The cheapest set of models whose going makes room: a small covering problem, solved by branch and bound.
//!
//! The set is the cheapest of all for as many as the budget allows to look at, which is everything in worlds
//! of the size that people have; beyond that it is the best one seen. Sufficient and without a dispensable
//! member it is always.

use super::assignment::{Slot, each};

/// How much work one decision may spend on the search for cheaper sets, in steps of about 10 ns.
pub(super) const BUDGET: u32 = 3000;

/// A model that could go, as one device sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct VictimCandidate {
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
    on: Vec<Vec<VictimCandidate>>,
    /// Sum of their memory.
    mib: Vec<i64>,
}

impl Candidates {
    pub(super) fn new(devices: usize) -> Self {
        Self { on: vec![Vec::new(); devices], mib: vec![0; devices] }
    }

    pub(super) fn add(&mut self, device: usize, candidate: VictimCandidate) {
        if let (Some(on), Some(mib)) = (self.on.get_mut(device), self.mib.get_mut(device)) {
            on.push(candidate);
            *mib += candidate.mib;
        }
    }

    /// Those of one device, the cheapest memory first; the position decides between equals, so that the
    /// answer is always the same.
    fn by_price(&self, device: usize) -> Vec<VictimCandidate> {
        let on = self.on.get(device).into_iter().flatten();
        let mut sorted: Vec<VictimCandidate> = on.filter(|one| one.mib > 0).copied().collect();
        sorted.sort_unstable_by(|one, other| {
            let (left, right) = (product(one.cost, other.mib), product(other.cost, one.mib));
            left.cmp(&right).then(one.held.cmp(&other.held))
        });
        sorted
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
    let room = |device: usize| rooms.get(device).copied().unwrap_or(0);
    let wanted = |device: usize| slots.iter().any(|slot| slot.devices.contains(&device));
    let sorted = |device| if wanted(device) { candidates.by_price(device) } else { Vec::new() };
    let sorted: Vec<Vec<VictimCandidate>> = (0..rooms.len()).map(sorted).collect();
    // What each slot costs on each device at least.
    let least = |slot: &Slot| -> Vec<u64> {
        let devices = sorted.iter().enumerate();
        devices.map(|(device, sorted)| least(sorted, slot.lack(room(device)))).collect()
    };
    let leasts: Vec<Vec<u64>> = slots.iter().map(least).collect();
    let least = |slot: usize, device: usize| leasts.get(slot)?.get(device).copied();
    let rank = |slot: usize, device: usize| (least(slot, device).unwrap_or(0), -room(device));
    let mut best: Option<Choice> = None;
    each(slots, &most, &rank, &mut |devices| {
        let limit = best.as_ref().map_or(u64::MAX, |choice| choice.cost);
        *budget = budget.saturating_sub(1);
        if devices.iter().enumerate().all(|(slot, device)| least(slot, *device).unwrap_or(0) < limit) {
            let lacks = slots.iter().zip(devices).map(|(slot, at)| (*at, slot.lack(room(*at))));
            let lacks: Vec<(usize, i64)> = lacks.filter(|(_, lack)| *lack > 0).collect();
            if let Some((victims, cost)) = cover(&lacks, &sorted, limit, budget) {
                best = Some(Choice { devices: devices.to_vec(), victims, cost });
            }
        }
        *budget > 0
    });
    best
}

/// What so much memory of one device costs at least: as if a part of a model could go.
fn least(sorted: &[VictimCandidate], mut lack: i64) -> u64 {
    let mut cost = 0_u64;
    for one in sorted {
        if lack <= one.mib {
            return cost.saturating_add(fraction(one.cost, lack, one.mib));
        }
        cost = cost.saturating_add(one.cost);
        lack -= one.mib;
    }
    cost
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
    sorted: &[Vec<VictimCandidate>],
    limit: u64,
    budget: &mut u32,
) -> Option<(Vec<usize>, u64)> {
    let mut lack: Vec<i64> = lacks.iter().map(|(_, lack)| *lack).collect();
    let items = items(lacks, sorted);
    *budget = budget.saturating_sub(u32::try_from(items.len()).unwrap_or(u32::MAX).saturating_mul(10));
    let suffix = suffixes(&items, lacks.len());
    let mut search = Search { items: &items, suffix, limit, best: None, budget };
    search.descend(0, &mut lack, 0, &mut Vec::new());
    let (mut chosen, cost) = search.best?;
    let dropped = drop_dispensable(&mut chosen, &items, &lack);
    Some((chosen.iter().filter_map(|at| items.get(*at)).map(|item| item.held).collect(), cost - dropped))
}

/// The candidates of all devices that lack memory, those that give the most for their price first.
fn items(lacks: &[(usize, i64)], sorted: &[Vec<VictimCandidate>]) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    for (nth, (device, lack)) in lacks.iter().enumerate() {
        let earlier = items.len();
        for one in sorted.get(*device).into_iter().flatten() {
            let known = items.iter().take(earlier).position(|item| item.held == one.held);
            let at = known.unwrap_or(items.len());
            if known.is_none() {
                items.push(Item { held: one.held, cost: one.cost, mib: vec![0; lacks.len()] });
            }
            if let Some(place) = items.get_mut(at).and_then(|item| item.mib.get_mut(nth)) {
                *place = one.mib.min(*lack);
            }
        }
    }
    items.sort_by_cached_key(|item| {
        let parts = item.mib.iter().zip(lacks).map(|(mib, (_, lack))| mib * 1024 / lack.max(&1));
        let covered = u64::try_from(parts.sum::<i64>()).unwrap_or(0).max(1);
        (item.cost.saturating_mul(1024) / covered, item.held)
    });
    items
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
            let cheaper = product(item.cost, after.rate.1) < product(after.rate.0, *mib);
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
    fn descend(&mut self, at: usize, lack: &mut [i64], cost: u64, chosen: &mut Vec<usize>) {
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
        let suffixes = self.suffix.get(at * lack.len()..).unwrap_or_default();
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
            lack.iter_mut().zip(&item.mib).for_each(|(lack, mib)| *lack -= mib);
            chosen.push(at);
            self.descend(at + 1, lack, cost.saturating_add(item.cost), chosen);
            chosen.pop();
            lack.iter_mut().zip(&item.mib).for_each(|(lack, mib)| *lack += mib);
        }
        self.descend(at + 1, lack, cost, chosen);
    }
}

/// What so much memory costs at that rate: a lower bound when the rate is the best.
fn fraction(cost: u64, lack: i64, mib: i64) -> u64 {
    let mib = mib.unsigned_abs().max(1);
    match cost.checked_mul(lack.unsigned_abs()) {
        Some(product) => product / mib,
        None => u64::try_from(product(cost, lack) / u128::from(mib)).unwrap_or(u64::MAX),
    }
}

fn product(cost: u64, mib: i64) -> u128 {
    u128::from(cost) * u128::from(mib.unsigned_abs())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(mib: u64, device: usize) -> Slot {
        Slot { requirement: "gpu".into(), mib, devices: vec![device] }
    }

    /// Its position, the devices and what it leaves there, and its cost.
    type Going<'a> = (usize, &'a [(usize, i64)], u64);

    fn candidates(all: &[Going<'_>]) -> Candidates {
        let mut candidates = Candidates::new(2);
        for (held, parts, cost) in all {
            for (device, mib) in *parts {
                candidates.add(*device, VictimCandidate { held: *held, mib: *mib, cost: *cost });
            }
        }
        candidates
    }

    /// The victims, their cost, and what was spent of the budget.
    fn chosen(slots: &[Slot], candidates: &Candidates, budget: u32) -> (Vec<usize>, u64, u32) {
        let mut left = budget;
        let mut choice = cheapest(slots, &[0, 0], candidates, &mut left).unwrap();
        choice.victims.sort_unstable();
        (choice.victims, choice.cost, budget - left)
    }

    #[test]
    fn the_first_set_has_no_member_that_the_others_make_up_for() {
        // Those that give the most for their price come first, and then the last of them is enough by itself.
        let one = candidates(&[(0, &[(0, 3)], 3), (1, &[(0, 3)], 3), (2, &[(0, 10)], 12)]);
        assert_eq!(chosen(&[slot(10, 0)], &one, 1), (vec![2], 12, 1));
        let by_price = candidates(&[(0, &[(0, 10)], 100), (1, &[(0, 10)], 10)]);
        assert_eq!(chosen(&[slot(10, 0)], &by_price, 1), (vec![1], 10, 1));
        // What it gives is a part of what the device lacks: 10 MiB may be all of it, and 100 a tenth.
        let parts = candidates(&[(0, &[(1, 1000)], 30), (1, &[(0, 10), (1, 100)], 20), (2, &[(0, 10)], 12)]);
        assert_eq!(chosen(&[slot(10, 0), slot(1000, 1)], &parts, 1), (vec![0, 2], 42, 1));
    }

    #[test]
    fn of_sets_that_cost_the_same_the_first_is_taken() {
        let three = candidates(&[(0, &[(0, 6)], 5), (1, &[(0, 6)], 5), (2, &[(0, 6)], 5)]);
        let (victims, cost, _) = chosen(&[slot(10, 0)], &three, BUDGET);
        assert_eq!((victims, cost), (vec![0, 1], 10));
    }

    #[test]
    fn what_cannot_be_cheaper_is_not_looked_at() {
        let many: Vec<Going<'_>> = (0..20).map(|at| (at, &[(0, 7)][..], 5 + at as u64)).collect();
        let (victims, cost, spent) = chosen(&[slot(21, 0)], &candidates(&many), 1_000_000);
        assert_eq!((victims, cost), (vec![0, 1, 2], 5 + 6 + 7));
        assert!(spent <= 20 * 10 + 10, "{spent} steps");
        // A second device at the same price is an assignment more, and no search.
        let either = |devices: Vec<usize>| [Slot { devices, ..slot(10, 0) }];
        let equal = candidates(&[(0, &[(0, 10)], 5), (1, &[(1, 10)], 5)]);
        let spent = |devices| chosen(&either(devices), &equal, BUDGET).2;
        assert_eq!(spent(vec![0, 1]), spent(vec![0]) + 1);
        // Nor is a device looked through that lacks nothing.
        let spent = |slots: &[Slot]| chosen(slots, &equal, BUDGET).2;
        assert_eq!(spent(&[slot(10, 0), slot(0, 1)]), spent(&[slot(10, 0)]));
        // Nor is a model that leaves nothing.
        let empty = candidates(&[(0, &[(0, 10)], 5), (1, &[(1, 10)], 5), (2, &[(0, 0)], 5)]);
        assert_eq!(chosen(&[slot(10, 0)], &empty, BUDGET), chosen(&[slot(10, 0)], &equal, BUDGET));
    }

    #[test]
    fn where_nobody_has_to_go_the_device_with_the_most_room_is_taken() {
        let either = [Slot { devices: vec![0, 1, 2], ..slot(1, 0) }];
        let choice = cheapest(&either, &[2, 5, 3], &Candidates::new(3), &mut BUDGET.clone()).unwrap();
        assert_eq!((choice.devices, choice.cost), (vec![1], 0));
    }

    #[test]
    fn where_the_budget_ends_the_best_that_was_seen_is_taken() {
        // On the first device a part of a model would be cheap; but it goes as a whole.
        let either = [Slot { devices: vec![0, 1], ..slot(10, 0) }];
        let two = candidates(&[(0, &[(0, 20)], 20), (1, &[(1, 10)], 15)]);
        assert_eq!(chosen(&either, &two, 1).0, [0]);
        assert_eq!(chosen(&either, &two, BUDGET).0, [1]);
        // What gives the most for its price comes first, and is enough.
        let one = candidates(&[(0, &[(0, 5)], 8), (1, &[(0, 5)], 8), (2, &[(0, 10)], 12)]);
        assert_eq!(chosen(&[slot(10, 0)], &one, 1).0, [2]);
    }

    #[test]
    fn a_part_of_a_model_is_reckoned_at_its_part_of_the_price() {
        let one = |mib, cost| VictimCandidate { held: 0, mib, cost };
        let sorted = [one(4, 8), one(10, 30)];
        assert_eq!([2, 4, 9, 20].map(|lack| least(&sorted, lack)), [4, 8, 8 + 15, 38]);
        assert_eq!(fraction(10, 3, 4), 7);
        assert_eq!(fraction(u64::MAX / 2, 4, 2), u64::MAX - 1, "beyond 64 bits on the way");
        assert_eq!(fraction(u64::MAX, 4, 2), u64::MAX);
    }
}
