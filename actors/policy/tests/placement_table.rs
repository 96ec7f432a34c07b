//! Placement, case by case, and what is told of it.

#![expect(clippy::unwrap_used, reason = "a test may")]

use llm_manager_policy::devices::{Device, DeviceSnapshot, Program, Requirement};
use llm_manager_policy::lifecycle::Moment;
use llm_manager_policy::placement::*;
use std::time::Duration;

const NOW: Moment = Duration::from_secs(10_000);

fn ago(seconds: u64) -> Moment {
    NOW - Duration::from_secs(seconds)
}

fn device(id: &str, name: &str, total: u64, used: u64) -> Device {
    Device { total_mib: Some(total), used_mib: Some(used), ..Device::new(id, name, "fake") }
}

fn held(model: &str, parts: &[(&str, u64)], standing: ResidentState) -> Resident {
    let part = |(device, mib): &(&str, u64)| HeldPart {
        device: (*device).into(),
        mib: *mib,
        actual: Some(*mib),
        unexplained_before: None,
    };
    let parts = parts.iter().map(part).collect();
    let reload = Some(Duration::from_secs(30));
    let kept_until = match standing {
        ResidentState::Ready { since, .. } => Some(since + Duration::from_secs(10)),
        _ => None,
    };
    Resident { standing, reload, kept_until, ..Resident::new(model.into(), parts) }
}

fn idle(seconds: u64) -> ResidentState {
    ResidentState::Ready { since: ago(5000), busy: false, idle_since: ago(seconds) }
}

const BUSY: ResidentState =
    ResidentState::Ready { since: Duration::ZERO, busy: true, idle_since: Duration::ZERO };

fn variant(name: &str, needs: &[(&str, u64)]) -> Variant {
    let need = |(text, mib): &(&str, u64)| Need { requirement: Requirement::parse(text).unwrap(), mib: *mib };
    Variant { name: name.into(), needs: needs.iter().map(need).collect() }
}

fn demand(variants: Vec<Variant>) -> Demand {
    Demand::new("qwen".into(), variants.into())
}

struct House {
    devices: Vec<Device>,
    held: Vec<Resident>,
    settings: PlacementSettings,
}

impl House {
    fn new(devices: Vec<Device>, held: Vec<Resident>) -> Self {
        Self { devices, held, settings: PlacementSettings::default() }
    }

    fn with<T>(&self, ask: impl Fn(&World<'_>) -> T) -> T {
        let snapshot = DeviceSnapshot { devices: self.devices.clone(), taken_at: Some(NOW) };
        ask(&World {
            now: NOW,
            snapshot: &snapshot,
            held: &self.held,
            settings: &self.settings,
            dated: false,
        })
    }

    /// The decision in short: `fits 0 on v,r`, `evict a,b for 0 on v`, `wait for a for 0 on v`, `never`.
    fn decides(&self, demand: &Demand) -> String {
        let on = |assignment: &[DeviceAllocation]| {
            assignment.iter().map(|part| &*part.device).collect::<Vec<_>>().join(",")
        };
        match self.with(|world| decide(world, demand)) {
            Decision::Fits { variant, assignment } => format!("fits {variant} on {}", on(&assignment)),
            Decision::Evict { variant, assignment, victims, .. } => {
                format!("evict {} for {variant} on {}", victims.join(","), on(&assignment))
            }
            Decision::Wait { variant, assignment, blockers } => {
                let whom: Vec<_> = blockers.iter().map(|one| &*one.model).collect();
                format!("wait for {} for {variant} on {}", whom.join(","), on(&assignment))
            }
            Decision::Never { reason } => format!("never: {reason:?}"),
        }
    }

    fn explains(&self, demand: &Demand) -> String {
        self.with(|world| explain(world, demand)).to_string()
    }
}

fn two_cards() -> Vec<Device> {
    vec![device("r", "GeForce RTX 4060", 8000, 0), device("v", "Tesla V100", 32_000, 0)]
}

/// A model that wants two cards, and makes do with the larger one.
fn qwen() -> Demand {
    demand(vec![
        variant("Dual-GPU-Config", &[("rtx 4060", 8000), ("v100", 16_000)]),
        variant("Single-GPU-Config", &[("v100", 24_000)]),
    ])
}

#[test]
fn the_first_variant_that_fits_is_taken() {
    let mut house = House::new(two_cards(), vec![]);
    assert_eq!(house.decides(&qwen()), "fits 0 on r,v");
    house.devices[0].used_mib = Some(1);
    assert_eq!(house.decides(&qwen()), "fits 1 on v", "strangers are nobody's to stop");
    house.devices[0].online = false;
    assert_eq!(house.decides(&qwen()), "fits 1 on v");
    house.devices[1].used_mib = Some(8001);
    assert_eq!(house.decides(&qwen()), "never: NoMemory");
    house.devices[1].online = false;
    assert_eq!(house.decides(&qwen()), "never: NoDevice");
    assert_eq!(house.decides(&demand(vec![variant("anywhere", &[])])), "fits 0 on ");
}

#[test]
fn an_idle_model_goes_for_the_better_variant_unless_residents_come_first() {
    let mut house = House::new(two_cards(), vec![held("bge", &[("r", 3000)], idle(60))]);
    house.devices[0].used_mib = Some(3000);
    assert_eq!(house.decides(&qwen()), "evict bge for 0 on r,v");
    house.settings.prefer = Prefer::Resident;
    assert_eq!(house.decides(&qwen()), "fits 1 on v");
    house.settings.prefer = Prefer::Best;
    for standing in [BUSY, ResidentState::Ready { since: ago(3), busy: false, idle_since: ago(3) }] {
        house.held[0] = held("bge", &[("r", 3000)], standing);
        assert_eq!(house.decides(&qwen()), "fits 1 on v");
        let only_dual = demand(qwen().variants[..1].to_vec());
        assert_eq!(house.decides(&only_dual), "wait for bge for 0 on r,v");
    }
    house.held[0] = Resident { pinned: true, ..held("bge", &[("r", 3000)], idle(60)) };
    assert_eq!(house.decides(&demand(qwen().variants[..1].to_vec())), "never: NoMemory");
    house.held[0] = held("bge", &[("r", 3000)], ResidentState::Leaving { ready: None });
    assert_eq!(house.decides(&qwen()), "wait for bge for 0 on r,v", "the room is on its way");
}

#[test]
fn the_explanation_tells_the_numbers() {
    let mut house =
        House::new(vec![device("v", "Tesla V100", 24_200, 6000)], vec![held("bge-m3", &[("v", 5000)], BUSY)]);
    let demand = demand(vec![variant("Single", &[("v100", 24_000)])]);
    assert_eq!(
        house.explains(&demand),
        "qwen: no variant fits, even without the models that may be stopped; Single: v100: needs 24000 MiB, \
         18200 free, 5000 held by bge-m3 which is busy, 1000 used by other programs"
    );
    let other = |name: &str, mib| Program { name: name.to_owned(), mib };
    house.devices[0].others = vec![other("game", Some(900)), other("Xorg", Some(100))];
    let named = house.explains(&demand);
    assert!(named.ends_with("1000 used by other programs (game 900, Xorg 100)"), "{named}");
    house.devices[0].others =
        vec![other("a", Some(7)), other("b", Some(6)), other("c", None), other("d", None)];
    let named = house.explains(&demand);
    assert!(named.ends_with("used by other programs (a 7, b 6, c, and 1 more)"), "{named}");
    house.devices[0].used_mib = Some(5000);
    assert_eq!(
        house.explains(&demand),
        "qwen: Single waits for bge-m3 which is busy; Single: v100: needs 24000 MiB, 19200 free, 5000 held by \
         bge-m3 which is busy"
    );
    house.held[0].standing = idle(60);
    assert!(house.explains(&demand).starts_with("qwen: Single fits without bge-m3; Single: v100: needs"));
    for (total, told) in [(24_000, false), (23_999, true)] {
        house.devices[0].total_mib = Some(total);
        let words = house.explains(&demand);
        assert_eq!(words.contains(&format!(" {total} in all")), told, "{words}");
    }
    house.devices[0].online = false;
    assert_eq!(
        house.explains(&demand),
        "qwen: no variant's devices are all online; Single: v100: no device online matches; offline: Tesla V100"
    );
}

#[test]
fn requirements_find_an_assignment_where_there_is_one() {
    let cards = vec![
        device("a", "RTX 4060", 8000, 0),
        device("b", "RTX 3090", 24_000, 2000),
        device("c", "RTX 3090", 24_000, 1000),
    ];
    let mut house = House::new(cards, vec![]);
    let one = |needs: &[(&str, u64)]| demand(vec![variant("v", needs)]);
    assert_eq!(house.decides(&one(&[("rtx", 100)])), "fits 0 on c", "where most is free");
    assert_eq!(house.decides(&one(&[("rtx", 100), ("rtx", 100), ("rtx", 100)])), "fits 0 on c,b,a");
    assert_eq!(house.decides(&one(&[("rtx", 100), ("rtx 4060", 100)])), "fits 0 on c,a");
    assert_eq!(house.decides(&one(&[("rtx", 5), ("3090", 5), ("3090", 5)])), "fits 0 on a,c,b");
    assert_eq!(house.decides(&one(&[("rtx", 22_500), ("rtx", 22_000)])), "fits 0 on c,b");
    assert_eq!(house.decides(&one(&[("rtx", 22_000), ("rtx", 22_500)])), "fits 0 on b,c");
    assert_eq!(house.decides(&one(&[("2x rtx 3090", 22_000)])), "fits 0 on c,b");
    assert_eq!(house.decides(&one(&[("2x rtx 3090", 22_500)])), "never: NoMemory");
    assert_eq!(house.decides(&one(&[("3x rtx 3090", 1)])), "never: NoDevice");
    assert_eq!(house.decides(&one(&[("2x rtx 3090", 1), ("rtx", 1), ("rtx", 1)])), "never: NoDevice");
    assert_eq!(house.decides(&one(&[("rtx 3090 #1", 22_000)])), "fits 0 on b");
    house.devices[2].total_mib = None;
    assert_eq!(house.decides(&one(&[("rtx", 99_000_000)])), "fits 0 on c", "what can't tell isn't asked");
}

#[test]
fn memory_is_counted_once() {
    let demand = demand(vec![variant("v", &[("v100", 10_000)])]);
    let house = |used, standing, actual, before| {
        let mut house =
            House::new(vec![device("v", "v100", 24_000, used)], vec![held("x", &[("v", 8000)], standing)]);
        house.held[0].parts[0].actual = actual;
        house.held[0].parts[0].unexplained_before = before;
        house
    };
    let starting = ResidentState::Starting { wanted: true, since: ago(5) };
    // Free: 24000 - 8000 - strangers.
    for (used, standing, actual, before, free) in [
        (8000, BUSY, Some(8000), None, 16_000),
        (8000, BUSY, None, None, 16_000),
        (14_000, BUSY, None, None, 10_000),
        (14_001, BUSY, None, None, 9999),
        (6000, starting, Some(0), None, 10_000),
        (10_000, starting, Some(4000), None, 10_000),
        (10_000, starting, None, Some(6000), 10_000),
        (6001, starting, None, Some(6001), 9999),
        // Not known: the safe side.
        (6000, starting, None, None, 10_000),
        (7000, starting, None, None, 9000),
        // It uses more than it reserved.
        (9000, BUSY, Some(9000), None, 15_000),
        (0, BUSY, Some(0), None, 16_000),
    ] {
        let house = house(used, standing, actual, before);
        let expected = if free >= 10_000 { "fits" } else { "wait" };
        assert!(house.decides(&demand).starts_with(expected), "{used} {standing:?} {actual:?} {before:?}");
    }
}

#[test]
fn victims_are_as_cheap_as_can_be() {
    let named = |name: &str, mib, seconds, reload| Resident {
        reload: Some(Duration::from_secs(reload)),
        ..held(name, &[("v", mib)], idle(seconds))
    };
    let house = |held: Vec<Resident>| {
        let used = held.iter().flat_map(|held| &held.parts).map(|part| part.mib).sum();
        House::new(vec![device("v", "v100", 24_000, used)], held)
    };
    let demand = demand(vec![variant("v", &[("v100", 10_000)])]);
    // Longest idle first, as LRU has it.
    let same = house(vec![named("new", 12_000, 20, 30), named("old", 12_000, 900, 30)]);
    assert_eq!(same.decides(&demand), "evict old for 0 on v");
    // Two that nobody has asked for in hours rather than one that was just used.
    let hot =
        house(vec![named("hot", 12_000, 11, 60), named("a", 6000, 7200, 20), named("b", 6000, 7200, 20)]);
    assert_eq!(hot.decides(&demand), "evict a,b for 0 on v");
    // What loads quickly rather than what loads slowly.
    let slow = house(vec![named("slow", 12_000, 60, 300), named("fast", 12_000, 50, 10)]);
    assert_eq!(slow.decides(&demand), "evict fast for 0 on v");
    // Nobody in vain: when one suffices, the cheap small one stays.
    let one = house(vec![named("large", 20_000, 60, 30), named("small", 100, 6000, 1)]);
    assert_eq!(one.decides(&demand), "evict large for 0 on v");
    // Nobody at all when it wouldn't do.
    let mut hopeless = house(vec![named("idle", 4000, 60, 30), held("busy", &[("v", 20_000)], BUSY)]);
    assert_eq!(hopeless.decides(&demand), "wait for busy for 0 on v");
    hopeless.held[1].pinned = true;
    assert_eq!(hopeless.decides(&demand), "never: NoMemory");
}

#[test]
fn those_who_come_later_leave_what_might_be_needed() {
    let mut house = House::new(two_cards(), vec![]);
    let claimed = |house: &House, demand: &Demand| {
        let parts = house.with(|world| claims(world.snapshot, demand)).into_iter();
        parts.map(|part| format!("{} {}", part.device, part.mib)).collect::<Vec<_>>()
    };
    assert_eq!(claimed(&house, &qwen()), ["r 8000", "v 24000"], "the most of all variants");
    let large = demand(vec![variant("large", &[("gpu", 9000)]), variant("any", &[("v100", 9000)])]);
    assert_eq!(claimed(&house, &large), ["v 9000"]);
    assert_eq!(claimed(&house, &demand(vec![variant("r", &[("rtx 4060", 8001)])])), [""; 0], "it has less");
    assert_eq!(claimed(&house, &demand(vec![variant("none", &[("v100", 0)])])), [""; 0], "it needs none");
    house.devices[1].online = false;
    assert_eq!(claimed(&house, &qwen()), ["r 8000"], "what is offline can't be left");
}

#[test]
fn what_nobody_explains_is_told_for_each_device() {
    let mut house = House::new(two_cards(), vec![held("bge", &[("v", 5000)], BUSY)]);
    (house.devices[0].used_mib, house.devices[1].used_mib) = (Some(700), Some(6000));
    assert_eq!(house.with(unexplained), [700, 1000]);
    house.devices[1].used_mib = Some(4000);
    assert_eq!(house.with(unexplained), [700, -1000], "it uses less than is said");
    // What has just ended may be among it or not; of a start as much as has come since it was reserved is its own.
    house.devices[1].used_mib = Some(6000);
    house.held[0].standing = ResidentState::Settling;
    assert_eq!(house.with(unexplained), [700, 6000]);
    house.held[0].standing = ResidentState::Starting { wanted: true, since: ago(5) };
    (house.held[0].parts[0].actual, house.held[0].parts[0].unexplained_before) = (None, Some(1500));
    assert_eq!(house.with(unexplained), [700, 1500]);
}

#[test]
fn the_first_requirement_without_a_device_is_named() {
    let house = House::new(two_cards(), vec![]);
    let words = house.explains(&demand(vec![variant("Two", &[("v100", 100), ("a100", 100)])]));
    assert!(words.contains("Two: a100: no device online matches"), "{words}");
}

#[test]
fn the_ram_is_a_device_like_any_other() {
    let cpu = Device { plugin: "cpu".to_owned(), ..device("cpu", "AMD Ryzen 9", 64_000, 30_000) };
    let house = House::new(vec![cpu], vec![held("x", &[("cpu", 20_000)], idle(60))]);
    let wants = |mib| demand(vec![variant("v", &[("cpu", mib)])]);
    assert_eq!(house.decides(&wants(34_000)), "fits 0 on cpu");
    assert_eq!(house.decides(&wants(34_001)), "evict x for 0 on cpu");
    assert_eq!(house.decides(&wants(54_001)), "never: NoMemory");
}

#[test]
fn a_variant_that_ran_out_of_memory_is_passed_over() {
    let house = House::new(two_cards(), vec![]);
    let mut demand = qwen();
    demand.excluded = vec![0];
    assert_eq!(house.decides(&demand), "fits 1 on v");
    demand.excluded = vec![0, 1];
    assert_eq!(house.decides(&demand), "never: OutOfMemory");
    assert!(house.explains(&demand).contains("Dual-GPU-Config: ran out of memory at its last start"));
}

/// Each device has a moment of its own: the oldest look says nothing about the others.
#[test]
fn what_a_device_shows_counts_from_when_it_was_looked_at() {
    let card = Device { taken_at: Some(NOW), ..device("v", "Tesla V100", 24_000, 15_000) };
    let mut going = held("a", &[("v", 15_000)], ResidentState::Leaving { ready: Some(ago(1)) });
    going.parts.iter_mut().for_each(|part| part.actual = None);
    let snapshot = DeviceSnapshot { devices: vec![card], taken_at: Some(ago(5)) };
    let (settings, held) = (PlacementSettings::default(), [going]);
    let world = World { now: NOW, snapshot: &snapshot, held: &held, settings: &settings, dated: false };
    let decision = decide(&world, &demand(vec![variant("b", &[("v100", 15_000)])]));
    assert!(matches!(decision, Decision::Wait { .. }), "{decision:?}");
}

/// The card keeps 2000 MiB free for other programs, which have 4000 MiB.
#[test]
fn as_many_make_way_as_other_programs_lack() {
    let mut cards = vec![device("v", "Tesla V100", 10_000, 8500), device("r", "RTX 4060", 8000, 3000)];
    cards[0].shared.keep_free_mib = 2000;
    let small = Resident { reload: Some(Duration::from_secs(20)), ..held("small", &[("v", 500)], idle(60)) };
    let elsewhere = held("elsewhere", &[("v", 0), ("r", 3000)], idle(60));
    let mut house = House::new(cards, vec![elsewhere, small, held("large", &[("v", 4000)], idle(60))]);
    let going = |house: &House| -> Vec<String> {
        house.with(|world| make_way(world, 0)).iter().map(ToString::to_string).collect()
    };
    assert_eq!(going(&house), ["small"], "500 MiB are lacking");
    house.devices[0].used_mib = Some(8501);
    assert_eq!(going(&house), ["large"]);
    house.devices[0].used_mib = Some(8000);
    assert_eq!(going(&house), [""; 0]);
    // They have all of it: everybody who has a part of that card helps.
    house.devices[0].used_mib = Some(14_000);
    assert_eq!(going(&house), ["small", "large"]);
}

#[test]
fn a_sleeper_shows_what_it_holds_once_it_was_looked_at() {
    let demand = demand(vec![variant("v", &[("v100", 10_000)])]);
    let shows = |used, standing, before| {
        let mut one = held("x", &[("v", 8000)], standing);
        (one.parts[0].actual, one.parts[0].unexplained_before) = (None, before);
        let house = House::new(vec![device("v", "v100", 24_000, used)], vec![one]);
        house.decides(&demand).starts_with("fits")
    };
    let fits = |used, since, before| {
        let parked = ResidentState::Parked { since, wanted: false, idle_since: since };
        let ready = ResidentState::Ready { since, busy: true, idle_since: since };
        let fits = shows(used, parked, before);
        assert_eq!(shows(used, ready, before), fits, "one that is awake");
        fits
    };
    // All that it holds is among the 14000 MiB that are in use.
    assert!(fits(14_000, ago(5), None) && fits(14_000, NOW, None) && !fits(14_001, ago(5), None));
    // It fell asleep after the look: what is more than before may be its own.
    let later = NOW + Duration::from_secs(1);
    assert!(fits(10_000, later, Some(6000)) && !fits(10_001, later, Some(6001)));
}

#[test]
fn only_devices_that_lack_memory_are_waited_for() {
    let leaving =
        |model: &str, parts: &[(&str, u64)]| held(model, parts, ResidentState::Leaving { ready: None });
    let mut house =
        House::new(two_cards(), vec![leaving("x", &[("r", 3000)]), leaving("y", &[("v", 20_000)])]);
    (house.devices[0].used_mib, house.devices[1].used_mib) = (Some(3000), Some(20_000));
    let wants = |on_r| demand(vec![variant("two", &[("rtx 4060", on_r), ("v100", 20_000)])]);
    assert_eq!(house.decides(&wants(5000)), "wait for y for 0 on r,v");
    assert_eq!(house.decides(&wants(5001)), "wait for x,y for 0 on r,v");
}

#[test]
fn of_those_that_are_busy_the_one_that_loads_fastest_is_waited_for() {
    let busy = |name: &str, reload| Resident {
        reload: Some(Duration::from_secs(reload)),
        ..held(name, &[("v", 12_000)], BUSY)
    };
    let house = House::new(
        vec![device("v", "v100", 36_000, 36_000)],
        vec![busy("slow", 300), busy("fast", 10), busy("medium", 50)],
    );
    let wants = demand(vec![variant("v", &[("v100", 10_000)])]);
    assert_eq!(house.decides(&wants), "wait for fast for 0 on v");
}

#[test]
fn a_holder_is_told_with_what_it_does() {
    let wants = demand(vec![variant("v", &[("v100", 20_000)])]);
    let told = |change: &dyn Fn(&mut Resident)| {
        let mut one = held("bge", &[("v", 5000)], idle(60));
        change(&mut one);
        let none = held("none", &[("v", 0)], idle(60));
        House::new(vec![device("v", "v100", 24_000, 5000)], vec![none, one]).explains(&wants)
    };
    let later = |seconds| Some(NOW + Duration::from_secs(seconds));
    let parked = ResidentState::Parked { since: ago(60), wanted: false, idle_since: ago(60) };
    let guarded = "5000 held by bge which a higher class has just used, and is kept for it for another 9.0 s";
    let young = "5000 held by bge which keeps its memory for another 9.0 s (min_hold)";
    type Change<'a> = &'a dyn Fn(&mut Resident);
    let cases: [(Change<'_>, &str); 5] = [
        (&|_| (), "5000 held by bge which is idle"),
        (&|one| one.standing = parked, "5000 held by bge which is parked"),
        (&|one| (one.kept_until, one.guarded_until) = (later(5), later(9)), guarded),
        (&|one| (one.kept_until, one.guarded_until) = (later(9), later(5)), young),
        (&|one| (one.kept_until, one.guarded_until) = (later(9), later(9)), young),
    ];
    for (change, words) in cases {
        let told = told(change);
        assert!(told.ends_with(words), "{told}");
        assert!(!told.contains("none"), "it holds nothing there: {told}");
    }
}

/// Two models that can sleep, of 12000 MiB each, of which 500 MiB stay on the card.
#[test]
fn where_not_all_may_sleep_as_many_do_as_there_is_room_for() {
    let sleeper = |name: &str| Resident {
        sleep: Some(ParkedMemory { wake: Duration::from_secs(1), holds: vec![("v".into(), 500)] }),
        ..held(name, &[("v", 12_000)], idle(60))
    };
    let house = House::new(vec![device("v", "v100", 24_000, 24_000)], vec![sleeper("a"), sleeper("b")]);
    let goes = |mib| match house.with(|world| decide(world, &demand(vec![variant("v", &[("v100", mib)])]))) {
        Decision::Evict { victims, parks, .. } => (victims.len(), parks.len()),
        other => panic!("{other:?}"),
    };
    assert_eq!(goes(23_000), (2, 2));
    assert_eq!(goes(23_500), (2, 1), "one of them ends");
    assert_eq!(goes(23_501), (2, 0));
}

#[test]
fn an_explanation_tells_what_is_kept_what_has_to_finish_and_what_is_offline() {
    let mut busy = held("bge", &[("v", 5000)], BUSY);
    busy.patience = Some(Duration::from_secs(60));
    let mut house = House::new(vec![device("v", "v100", 24_000, 5000)], vec![busy]);
    house.devices[0].shared.keep_free_mib = 2000;
    let mut wants = demand(vec![variant("Far", &[]), variant("v", &[("v100", 20_000)])]);
    wants.offline = vec![(0, "box: no connection".into())];
    let told = house.explains(&wants);
    assert!(told.contains("; Far: box: no connection"), "{told}");
    let words = "5000 held by bge which is busy and has to finish after 60.0 s (max_hold), 2000 kept free for other programs (keep_free_mb)";
    assert!(told.ends_with(words), "{told}");
}

/// It will have ended its former life before it begins the next.
#[test]
fn what_a_model_holds_itself_is_waited_for_and_asleep_it_is_its_own() {
    let mut house =
        House::new(vec![device("v", "v100", 24_000, 20_000)], vec![held("qwen", &[("v", 20_000)], idle(60))]);
    let wants = demand(vec![variant("v", &[("v100", 20_000)])]);
    assert_eq!(house.decides(&wants), "wait for qwen for 0 on v");
    house.held[0].standing = ResidentState::Parked { since: ago(60), wanted: true, idle_since: ago(60) };
    assert_eq!(house.decides(&wants), "never: NoMemory");
    assert!(
        house.explains(&wants).contains("20000 held by qwen by itself, parked"),
        "{}",
        house.explains(&wants)
    );
}

#[test]
fn a_sleeper_that_ends_loses_what_its_wake_would_have_saved() {
    let sleep = ParkedMemory { wake: Duration::from_secs(1), holds: vec![("v".into(), 500)] };
    let parked = ResidentState::Parked { since: ago(60), wanted: false, idle_since: NOW };
    let mut one = Resident { sleep: Some(sleep), ..held("x", &[("v", 500)], parked) };
    assert_eq!(stop_cost(&one, NOW), 29_000_000);
    // Awake it could still be sent to sleep, for the price of the wake.
    one.standing = ResidentState::Ready { since: ago(60), busy: false, idle_since: NOW };
    assert_eq!(stop_cost(&one, NOW), 29_000_000);
    one.sleep = None;
    assert_eq!(stop_cost(&one, NOW), 0);
}

/// Who prefers what is resident takes the variant that comes first among those for which nobody busy is in the way.
#[test]
fn room_that_is_being_made_is_worth_a_model_that_would_go() {
    let leaving = ResidentState::Leaving { ready: None };
    let either = demand(vec![variant("a", &[("rtx 4060", 8000)]), variant("b", &[("v100", 32_000)])]);
    for (first, second, decision) in [
        (leaving, idle(60), "wait for x for 0 on r"),
        (idle(60), leaving, "evict x for 0 on r"),
        (BUSY, idle(60), "evict y for 1 on v"),
        (BUSY, leaving, "wait for y for 1 on v"),
        (idle(60), idle(60), "evict x for 0 on r"),
    ] {
        let holds = vec![held("x", &[("r", 8000)], first), held("y", &[("v", 32_000)], second)];
        let mut house = House::new(two_cards(), holds);
        (house.devices[0].used_mib, house.devices[1].used_mib) = (Some(8000), Some(32_000));
        house.settings.prefer = Prefer::Resident;
        assert_eq!(house.decides(&either), decision, "{first:?}, {second:?}");
    }
}

#[test]
fn of_two_starts_that_nobody_waits_for_the_one_that_began_first_goes() {
    let starts = |seconds| ResidentState::Starting { wanted: false, since: ago(seconds) };
    let holds = vec![held("young", &[("v", 16_000)], starts(1)), held("old", &[("v", 16_000)], starts(100))];
    let mut house = House::new(vec![device("v", "Tesla V100", 32_000, 32_000)], holds);
    let one = demand(vec![variant("a", &[("v100", 16_000)])]);
    assert_eq!(house.decides(&one), "evict old for 0 on v");
    house.held.reverse();
    assert_eq!(house.decides(&one), "evict old for 0 on v");
}
