//! The two bounds of `queue::pace`, played through with models that compete for one card without a pause, and rules
//! that don't keep them: the checks have to find those out.

#![expect(clippy::unwrap_used, reason = "a test may")]

#[path = "support/house.rs"]
mod house;

use house::{House, Policy, Report, Request, Resident};
use llm_manager_policy::devices::{Device, Requirement};
use llm_manager_policy::placement::{HoldTime, Need, PlacementSettings, Variant};
use llm_manager_policy::queue::{Effect, Event, State, View, classes, pace, step};
use llm_manager_policy::spec::Class;
use proptest::prelude::*;
use std::time::Duration;

/// From an effect to its arrival, and from a process's end to the device's showing it.
const DELAY: Duration = Duration::from_millis(2);
const LAG: Duration = Duration::from_millis(20);
const STOP: Duration = Duration::from_millis(30);

#[derive(Default)]
struct Queue(State);

impl Policy for Queue {
    fn step(&mut self, event: Event, view: &View<'_>) -> Vec<Effect> {
        let step = step(&self.0, event, view);
        self.0 = step.state;
        step.effects
    }
}

/// One card; each model needs most of it.
fn play(settings: &PlacementSettings, loads: &[Duration], requests: &[Request]) -> Report {
    let card = Device { total_mib: Some(16_000), used_mib: Some(0), ..Device::new("0", "card", "fake") };
    let need = || vec![Need { requirement: Requirement::parse("card").unwrap(), mib: 12_000 }];
    let resident = |(at, load): (usize, &Duration)| Resident {
        name: format!("m{at}").into(),
        variants: [Variant { name: "only".into(), needs: need() }].into(),
        pinned: false,
        load: *load,
        stop: STOP,
        uses: 100,
        seen: true,
        sleeps: None,
    };
    let residents = loads.iter().enumerate().map(resident).collect();
    House::new(Queue::default(), settings.clone(), vec![card], residents, DELAY, LAG).run(requests)
}

/// Short requests to every model, so many that each is wanted again before the others have had their turn.
fn steady(loads: &[Duration], rounds: u32) -> Vec<Request> {
    let shortest = *loads.iter().min().unwrap();
    let end = loads.iter().sum::<Duration>() * rounds * 2;
    let mut all = Vec::new();
    for model in 0..loads.len() {
        let pause = shortest / 3;
        let mut at = pause / 7 * u32::try_from(model).unwrap();
        while at < end {
            all.push(Request { at, model, takes: Duration::from_millis(1), class: Class::Normal });
            at += pause;
        }
    }
    all.sort_unstable();
    all
}

/// Of a stretch from the beginning of one load to the end of another, 8/17 and 18/17 of the longest load at most.
fn loads_in_bounds(report: &Report) -> Result<(), String> {
    let loads = &report.loads;
    for first in 0..loads.len() {
        let (mut sum, mut longest) = (Duration::ZERO, Duration::ZERO);
        for (count, (begin, end)) in loads[first..].iter().enumerate() {
            sum += *end - *begin;
            longest = longest.max(*end - *begin);
            let stretch = *end - loads[first].0;
            if sum * 17 > stretch * 8 + longest * 18 {
                return Err(format!("{} loads take {sum:?} of {stretch:?}", count + 1));
            }
        }
    }
    Ok(())
}

/// The share of the time of ten loads in a row, from the first one's beginning to the last one's end.
fn worst_share(report: &Report) -> f64 {
    let share = |ten: &[(Duration, Duration)]| {
        let loading: Duration = ten.iter().map(|(begin, end)| *end - *begin).sum();
        loading.as_secs_f64() / (ten[9].1 - ten[0].0).as_secs_f64()
    };
    report.loads.windows(10).map(share).fold(0.0, f64::max)
}

#[test]
fn ten_equal_loads_take_ten_nineteenths_of_the_time_and_with_naive_rules_more() {
    for load in [Duration::from_millis(500), Duration::from_secs(60)] {
        for models in [2, 4] {
            let loads = vec![load; models];
            let requests = steady(&loads, 8);
            let report = play(&PlacementSettings::default(), &loads, &requests);
            assert!(report.loads.len() > 12, "{models} models take turns: {}", report.loads.len());
            assert!(
                worst_share(&report) <= 10.0 / 19.0 + 1e-6,
                "{models} of {load:?}: {}",
                worst_share(&report)
            );
            loads_in_bounds(&report).unwrap();
            // At once, or after any constant multiple of the load below what the bound needs: refuted.
            for hold in [Duration::ZERO, load / 10, load / 4, load / 2] {
                let min_hold = HoldTime::Fixed(hold);
                let settings =
                    PlacementSettings { min_hold, max_hold: min_hold, ..PlacementSettings::default() };
                let naive = play(&settings, &loads, &requests);
                assert!(loads_in_bounds(&naive).is_err(), "{models} of {load:?} after {hold:?}");
            }
        }
    }
}

#[test]
fn one_request_amid_steady_traffic_is_served_after_one_load_and_costs_the_others_two() {
    for load in [Duration::from_millis(500), Duration::from_secs(60)] {
        let loads = [load, load];
        let mut requests: Vec<Request> = steady(&loads, 8).into_iter().filter(|one| one.model == 0).collect();
        let at = load * 6;
        requests.push(Request { at, model: 1, takes: Duration::from_millis(1), class: Class::Normal });
        requests.sort_unstable();
        let report = play(&PlacementSettings::default(), &loads, &requests);
        assert_eq!(report.loads.len(), 3, "a, b, and a again");
        let longest = report.waits.iter().max().unwrap();
        assert!(*longest <= load * 2 + Duration::from_secs(1), "{longest:?} for loads of {load:?}");
    }
}

/// The bench's pattern, half a second to load, three requests a second.
#[test]
fn a_b_a_a_c_a_b_c_is_served_in_turns() {
    let load = Duration::from_millis(500);
    let request = |(nth, model): (u64, usize)| Request {
        at: Duration::from_millis(333) * u32::try_from(nth).unwrap(),
        model,
        takes: Duration::from_millis(1),
        class: Class::Normal,
    };
    let requests: Vec<Request> =
        (0..48).zip([0, 1, 0, 0, 2, 0, 1, 2].into_iter().cycle()).map(request).collect();
    let mut report = play(&PlacementSettings::default(), &[load; 3], &requests);
    report.waits.sort_unstable();
    assert!(report.loads.len() <= 18, "{} starts", report.loads.len());
    assert!(report.waits[24] <= Duration::from_millis(1200), "median {:?}", report.waits[24]);
    assert!(report.waits[45] <= Duration::from_millis(2700), "p95 {:?}", report.waits[45]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_loads_both_bounds_hold(
        loads in prop::collection::vec((500..20_000_u64).prop_map(Duration::from_millis), 2..5),
    ) {
        let requests = steady(&loads, 4);
        let report = play(&PlacementSettings { queue_timeout: Duration::from_secs(3600), ..PlacementSettings::default() }, &loads, &requests);
        prop_assert!(report.denials.is_empty(), "{:?}", report.denials);
        prop_assert!(loads_in_bounds(&report).is_ok(), "{:?}", loads_in_bounds(&report));
        // Each of the others once, and one's own: load, and then a busy time of 3/4 of its and the next one's load.
        let count = u32::try_from(loads.len()).unwrap();
        let sum: Duration = loads.iter().sum();
        let slack = (pace::LEAST_BUSY + STOP + LAG + Duration::from_millis(300)) * (count + 1);
        let longest = *report.waits.iter().max().unwrap();
        prop_assert!(longest <= sum * 5 / 2 + slack, "{:?} > 5/2 of {:?}", longest, sum);
    }

    /// Steady traffic of different classes to models on one card: each demand is served in the time that `classes` states, and
    /// nobody above has to wait for those below but for what they are in the middle of.
    #[test]
    fn whatever_the_classes_nobody_starves_and_the_highest_goes_first(
        of in prop::collection::vec(((500..8_000_u64).prop_map(Duration::from_millis), 0..3_usize), 2..5),
    ) {
        let loads: Vec<Duration> = of.iter().map(|(load, _)| *load).collect();
        let class = |at: usize| Class::ALL[of[at].1];
        let settings = PlacementSettings { queue_timeout: Duration::from_secs(3600), ..PlacementSettings::default() };
        let requests = steady(&loads, 12).into_iter().map(|one| Request { class: class(one.model), ..one });
        let report = play(&settings, &loads, &requests.collect::<Vec<_>>());
        prop_assert!(report.denials.is_empty(), "{:?}", report.denials);
        let count = u32::try_from(loads.len()).unwrap();
        let sum: Duration = loads.iter().sum();
        let slack = (pace::LEAST_BUSY + STOP + LAG + Duration::from_millis(300)) * (count + 1);
        let longest = report.waits.iter().max().unwrap();
        prop_assert!(*longest <= classes::AGE + sum * 5 / 2 + slack, "{:?} > {:?} + 5/2 of {:?}", longest, classes::AGE, sum);
        let highest = (0..loads.len()).map(class).max().unwrap();
        if (0..loads.len()).filter(|at| class(*at) == highest).count() == 1 {
            // Alone in its class: before its own load, the one that is under way, and those that have come of age meanwhile, one of each.
            let waits = report.waits_of.iter().filter(|(class, _)| *class == highest).map(|(_, wait)| *wait);
            let longest = waits.max().unwrap_or_default();
            prop_assert!(longest <= sum * 5 / 2 + slack, "{:?} of {:?}", longest, sum);
        }
    }
}
