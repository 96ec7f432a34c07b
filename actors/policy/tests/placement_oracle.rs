//! `placement::decide` against brute force: every set of victims on every assignment, in small worlds.
//!
//! The oracle knows the truth from which the world was made (who really uses what), tries everything, and
//! shares no code with what it checks but the cost of one eviction.

#![expect(clippy::unwrap_used, reason = "a test may")]

use llm_manager_policy::devices::{Device, DeviceSnapshot, Requirement};
use llm_manager_policy::lifecycle::Moment;
use llm_manager_policy::placement::*;
use llm_manager_policy::spec::Class;
use proptest::prelude::*;
use std::time::Duration;

const NOW: Moment = Duration::from_secs(10_000);

#[derive(Clone, Debug)]
struct Card {
    name: &'static str,
    total: u64,
    strangers: u64,
    online: bool,
}

#[derive(Clone, Debug)]
struct Runner {
    /// Device, reserved, really used.
    parts: Vec<(usize, u64, u64)>,
    seen: bool,
    standing: ResidentState,
    pinned: bool,
    warm: Option<Class>,
    reload: u64,
}

#[derive(Clone, Debug)]
struct Case {
    cards: Vec<Card>,
    runners: Vec<Runner>,
    variants: Vec<Vec<(&'static str, u64)>>,
    prefer: Prefer,
    urgency: DemandPriority,
}

fn card() -> impl Strategy<Value = Card> {
    let name = prop::sample::select(vec!["GeForce RTX 3090", "GeForce RTX 4060", "Tesla V100"]);
    (name, 4..12_u64, prop_oneof![4 => Just(0), 1 => 1..6_u64], prop::bool::weighted(0.9))
        .prop_map(|(name, total, strangers, online)| Card { name, total, strangers, online })
}

fn standing() -> impl Strategy<Value = ResidentState> {
    let ago = |seconds| NOW - Duration::from_secs(seconds);
    prop_oneof![
        6 => (0..2000_u64).prop_map(move |idle| ResidentState::Ready { since: ago(5000), busy: false, idle_since: ago(idle) }),
        2 => Just(ResidentState::Ready { since: ago(5000), busy: true, idle_since: ago(9) }),
        1 => Just(ResidentState::Ready { since: ago(3), busy: false, idle_since: ago(2) }),
        1 => Just(ResidentState::Leaving { ready: Some(ago(5000)) }),
        1 => any::<bool>().prop_map(move |wanted| ResidentState::Starting { wanted, since: ago(4) }),
    ]
}

fn runner(cards: usize) -> impl Strategy<Value = Runner> {
    let part = (0..cards, 0..6_u64, 0..6_u64);
    let warm = prop::option::weighted(0.3, class());
    (prop::collection::vec(part, 1..3), any::<bool>(), standing(), prop::bool::weighted(0.1), warm, 0..40_u64)
        .prop_map(|(mut parts, seen, standing, pinned, warm, reload)| {
            parts.sort_unstable();
            parts.dedup_by_key(|part| part.0);
            // What can't be seen is taken for what was reserved.
            let starting = matches!(standing, ResidentState::Starting { .. });
            if !seen {
                parts.iter_mut().for_each(|part| part.2 = if starting { 0 } else { part.1 });
            }
            Runner { parts, seen, standing, pinned, warm, reload }
        })
}

fn class() -> impl Strategy<Value = Class> {
    prop::sample::select(Class::ALL.to_vec())
}

fn case() -> impl Strategy<Value = Case> {
    let words = prop::sample::select(vec!["rtx", "3090", "v100", "rtx 4060", "rtx 3090 #1", "2x rtx"]);
    let variant = prop::collection::vec((words, 0..9_u64), 0..3);
    (1..4_usize)
        .prop_flat_map(move |cards| {
            (
                prop::collection::vec(card(), cards),
                prop::collection::vec(runner(cards), 0..7),
                prop::collection::vec(variant.clone(), 1..4),
                prop::bool::weighted(0.3),
                class(),
            )
        })
        .prop_map(|(cards, runners, variants, resident, class)| Case {
            cards,
            runners,
            variants,
            prefer: if resident { Prefer::Resident } else { Prefer::Best },
            urgency: DemandPriority::Wanted(class),
        })
}

impl Case {
    fn snapshot(&self) -> DeviceSnapshot {
        let device = |(at, card): (usize, &Card)| {
            let ours = self.runners.iter().flat_map(|runner| &runner.parts);
            let used: u64 = ours.filter(|part| part.0 == at).map(|part| part.2).sum();
            Device {
                online: card.online,
                total_mib: Some(card.total),
                used_mib: Some(card.strangers + used),
                ..Device::new(&at.to_string(), card.name, "fake")
            }
        };
        DeviceSnapshot { devices: self.cards.iter().enumerate().map(device).collect(), taken_at: Some(NOW) }
    }

    fn held(&self) -> Vec<Resident> {
        let part = |(device, mib, used): &(usize, u64, u64), seen: bool| HeldPart {
            device: device.to_string().into(),
            mib: *mib,
            actual: seen.then_some(*used),
            unexplained_before: None,
        };
        let held = |(at, runner): (usize, &Runner)| {
            let parts = runner.parts.iter().map(|one| part(one, runner.seen)).collect();
            Resident {
                standing: runner.standing,
                pinned: runner.pinned,
                warm: runner.warm,
                reload: Some(Duration::from_secs(runner.reload)),
                kept_until: kept_until(runner.standing),
                ..Resident::new(at.to_string().into(), parts)
            }
        };
        self.runners.iter().enumerate().map(held).collect()
    }

    fn demand(&self) -> Demand {
        let need =
            |(text, mib): &(&str, u64)| Need { requirement: Requirement::parse(text).unwrap(), mib: *mib };
        let variant =
            |needs: &Vec<(&str, u64)>| Variant { name: "v".into(), needs: needs.iter().map(need).collect() };
        let variants = self.variants.iter().map(variant).collect();
        Demand { urgency: self.urgency, ..Demand::new("asker".into(), variants) }
    }

    /// All ways to put the wishes on devices of their own.
    fn assignments(&self, variant: &[(&str, u64)]) -> Vec<Vec<(usize, u64)>> {
        let mut wishes = Vec::new();
        for (text, mib) in variant {
            let (count, text) = text.strip_prefix("2x ").map_or((1, *text), |rest| (2, rest));
            let (words, nth) = text.split_once(" #").map_or((text, None), |(words, nth)| (words, Some(nth)));
            let named = |card: &Card| words.split(' ').all(|word| card.name.to_lowercase().contains(word));
            let mut matching: Vec<usize> =
                (0..self.cards.len()).filter(|at| named(&self.cards[*at])).collect();
            if nth.is_some() {
                matching.truncate(1);
            }
            matching.retain(|at| self.cards[*at].online);
            wishes.extend((0..count).map(|_| (matching.clone(), *mib)));
        }
        let mut all = vec![Vec::new()];
        for (matching, mib) in wishes {
            all = all
                .iter()
                .flat_map(|before: &Vec<(usize, u64)>| {
                    let free = matching.iter().filter(|at| before.iter().all(|(taken, _)| taken != *at));
                    free.map(|at| [&before[..], &[(*at, mib)]].concat()).collect::<Vec<_>>()
                })
                .collect();
        }
        all
    }

    fn room(&self, device: usize, gone: impl Fn(usize) -> bool) -> i64 {
        let card = &self.cards[device];
        let left = self.runners.iter().enumerate().filter(|(at, _)| !gone(*at));
        let parts = left.flat_map(|(_, runner)| &runner.parts).filter(|part| part.0 == device);
        let held: u64 = parts.map(|part| part.1.max(part.2)).sum();
        card.total as i64 - card.strangers as i64 - held as i64
    }

    fn suffices(&self, assignment: &[(usize, u64)], gone: impl Fn(usize) -> bool + Copy) -> bool {
        assignment.iter().all(|(device, mib)| *mib == 0 || self.room(*device, gone) >= *mib as i64)
    }

    fn is_going(&self, at: usize) -> bool {
        matches!(self.runners[at].standing, ResidentState::Leaving { .. })
    }

    /// Pinned, or kept warm from an asker whose class isn't higher.
    fn is_kept(&self, at: usize) -> bool {
        let DemandPriority::Wanted(asker) = self.urgency else { unreachable!() };
        self.runners[at].pinned || self.runners[at].warm.is_some_and(|own| asker <= own)
    }

    fn is_idle(&self, at: usize) -> bool {
        let runner = &self.runners[at];
        let settled = kept_until(runner.standing).is_none_or(|until| NOW >= until);
        !self.is_kept(at)
            && match runner.standing {
                ResidentState::Ready { busy, .. } => !busy && settled,
                ResidentState::Starting { wanted, .. } => !wanted,
                _ => false,
            }
    }

    fn cost(&self, at: usize) -> u64 {
        let idle_since = match self.runners[at].standing {
            ResidentState::Ready { idle_since, .. } => idle_since,
            ResidentState::Starting { since, .. } => since,
            _ => unreachable!(),
        };
        eviction_cost(Duration::from_secs(self.runners[at].reload), NOW - idle_since)
    }

    /// What brute force says of one variant: rank and, for an eviction, its least cost.
    fn verdict(&self, variant: &[(&str, u64)]) -> Verdict {
        let assignments = self.assignments(variant);
        if assignments.is_empty() {
            return Verdict::NoDevice;
        }
        let any = |gone: &dyn Fn(usize) -> bool| assignments.iter().any(|all| self.suffices(all, gone));
        if any(&|_| false) {
            return Verdict::Fits;
        }
        if any(&|at| self.is_going(at)) {
            return Verdict::Going;
        }
        let idle: Vec<usize> = (0..self.runners.len()).filter(|at| self.is_idle(*at)).collect();
        let sets = (0_u32..1 << idle.len()).filter_map(|set| {
            let chosen: Vec<usize> =
                idle.iter().enumerate().filter(|(bit, _)| set & (1 << bit) != 0).map(|(_, at)| *at).collect();
            any(&|at| self.is_going(at) || chosen.contains(&at))
                .then(|| chosen.iter().map(|at| self.cost(*at)).sum())
        });
        if let Some(cost) = sets.min() {
            return Verdict::Evict(cost);
        }
        let stays = |at: usize| self.is_kept(at) && !self.is_going(at);
        if any(&|at| !stays(at)) { Verdict::Wait } else { Verdict::NoMemory }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Verdict {
    NoDevice,
    Fits,
    Going,
    Evict(u64),
    Wait,
    NoMemory,
}

/// Ten seconds after it became ready.
fn kept_until(standing: ResidentState) -> Option<Duration> {
    let ResidentState::Ready { since, .. } = standing else { return None };
    Some(since + Duration::from_secs(10))
}

fn position(model: &ModelName) -> usize {
    model.parse().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_decides_as_brute_force_does(case in case()) {
        let (snapshot, held, demand) = (case.snapshot(), case.held(), case.demand());
        let settings = PlacementSettings { prefer: case.prefer, ..PlacementSettings::default() };
        let world = World { now: NOW, snapshot: &snapshot, held: &held, settings: &settings, dated: false };
        let verdicts: Vec<Verdict> = case.variants.iter().map(|variant| case.verdict(variant)).collect();
        let pick = |wanted: &dyn Fn(&Verdict) -> bool| verdicts.iter().position(wanted);
        let fits = |verdict: &Verdict| *verdict == Verdict::Fits;
        let making = |verdict: &Verdict| matches!(verdict, Verdict::Going | Verdict::Evict(_));
        let expected = match case.prefer {
            Prefer::Best => pick(&|one| fits(one) || making(one)),
            Prefer::Resident => pick(&fits).or(pick(&making)),
        };
        let expected = expected.or(pick(&|one| *one == Verdict::Wait));
        let decision = decide(&world, &demand);
        let case = &case;
        let idle_and_going = |victims: &[ModelName]| {
            let victims: Vec<usize> = victims.iter().map(position).collect();
            move |at: usize| case.is_going(at) || victims.contains(&at)
        };
        let told = |assignment: &[DeviceAllocation]| -> Vec<(usize, u64)> {
            assignment.iter().map(|part| (part.device.parse().unwrap(), part.mib)).collect()
        };
        match &decision {
            Decision::Fits { variant, assignment } => {
                prop_assert_eq!(Some(*variant), expected);
                prop_assert_eq!(verdicts[*variant], Verdict::Fits);
                prop_assert!(case.suffices(&told(assignment), |_| false));
                prop_assert!(case.assignments(&case.variants[*variant]).contains(&told(assignment)));
            }
            Decision::Evict { variant, assignment, victims, cost, .. } => {
                prop_assert_eq!(Some(*variant), expected);
                prop_assert_eq!(verdicts[*variant], Verdict::Evict(*cost));
                prop_assert!(victims.iter().all(|victim| case.is_idle(position(victim))), "not idle");
                prop_assert!(case.suffices(&told(assignment), &idle_and_going(victims)), "not enough");
                prop_assert!(case.assignments(&case.variants[*variant]).contains(&told(assignment)));
                for at in 0..victims.len() {
                    let mut fewer = victims.clone();
                    let spared = fewer.remove(at);
                    let enough = case.suffices(&told(assignment), &idle_and_going(&fewer));
                    prop_assert!(!enough, "{} could have stayed", spared);
                }
                prop_assert_eq!(victims.iter().map(|victim| case.cost(position(victim))).sum::<u64>(), *cost);
            }
            Decision::Wait { variant, blockers, .. } => {
                prop_assert_eq!(Some(*variant), expected);
                prop_assert!(matches!(verdicts[*variant], Verdict::Wait | Verdict::Going));
                prop_assert!(!blockers.is_empty());
                for blocker in blockers {
                    let at = position(&blocker.model);
                    prop_assert!(!case.is_idle(at) && !matches!(blocker.why, BlockReason::Pinned | BlockReason::Warm | BlockReason::First));
                    prop_assert_eq!(case.is_going(at), blocker.why == BlockReason::Leaving);
                    prop_assert_eq!(case.is_going(at), verdicts[*variant] == Verdict::Going);
                }
            }
            Decision::Never { reason } => {
                prop_assert_eq!(expected, None);
                let memory = verdicts.contains(&Verdict::NoMemory);
                prop_assert_eq!(*reason, if memory { Never::NoMemory } else { Never::NoDevice });
            }
        }
        let explanation = explain(&world, &demand);
        prop_assert_eq!(&explanation.decision, &decision);
        for (variant, verdict) in explanation.variants.iter().zip(&verdicts) {
            prop_assert_eq!(variant.missing.is_empty(), *verdict != Verdict::NoDevice);
            let lacking = !matches!(verdict, Verdict::Fits | Verdict::NoDevice);
            // The devices of a hopeless variant are chosen one by one: there may be enough on each alone.
            prop_assert!(variant.lacks.is_empty() != lacking || *verdict == Verdict::NoMemory);
        }
        prop_assert!(!explanation.to_string().is_empty());
    }
}
