//! The queue under random traffic, models and devices: `support/house` checks every promise at every moment.

#![expect(clippy::unwrap_used, reason = "a test may")]

#[path = "support/house.rs"]
mod house;

use house::residents::Sleeper;
use house::{House, Policy, Request, Resident};
use llm_manager_policy::devices::{Device, Requirement};
use llm_manager_policy::placement::{DemandPriority, Need, PlacementSettings, Prefer, Variant};
use llm_manager_policy::queue::{Effect, Event, Stage, State, View, Waiting, classes, step};
use llm_manager_policy::spec::Class;
use proptest::prelude::*;
use std::cmp::Reverse;
use std::time::Duration;

/// The queue, with what must hold of its state after every step.
#[derive(Default)]
struct Queue(State);

impl Policy for Queue {
    fn step(&mut self, event: Event, view: &View<'_>) -> Vec<Effect> {
        let after = step(&self.0, event, view);
        self.0 = after.state;
        let armed = after.effects.iter().filter(|effect| matches!(effect, Effect::ArmTimer(_))).count();
        assert!(armed == 1 || self.0.waiting.is_empty(), "somebody waits and no timer is armed");
        for (at, waiting) in self.0.waiting.iter().enumerate() {
            assert!(view.now < waiting.since + view.settings.queue_timeout);
            let rank = |one: &Waiting| {
                let old = view.now >= one.since + classes::age(view.settings);
                (Reverse(old), Reverse(if old { DemandPriority::Boot } else { one.urgency }), one.since)
            };
            assert!(self.0.waiting[..at].iter().all(|earlier| rank(earlier) <= rank(waiting)));
            assert!(self.0.waiting[..at].iter().all(|earlier| earlier.model != waiting.model));
        }
        for device in &view.snapshot.devices {
            let kept = self.0.holds.iter().filter(|hold| !matches!(hold.stage, Stage::Gone { .. }));
            let parts = kept.flat_map(|hold| &hold.parts).filter(|part| part.device == device.id);
            assert!(parts.map(|part| part.mib).sum::<u64>() <= device.total_mib.unwrap(), "over-commit");
        }
        after.effects
    }
}

fn seconds(range: std::ops::Range<u64>) -> impl Strategy<Value = Duration> {
    range.prop_map(Duration::from_secs)
}

fn device(at: usize) -> impl Strategy<Value = Device> {
    (8..16_u64, 0..4_u64).prop_map(move |(total, strangers)| Device {
        total_mib: Some(total * 1000),
        used_mib: Some(strangers * 1000),
        ..Device::new(&at.to_string(), if at == 0 { "Tesla V100" } else { "GeForce RTX 3090" }, "fake")
    })
}

fn variant() -> impl Strategy<Value = Variant> {
    let words = prop::sample::select(vec!["v100", "rtx", "2x rtx"]);
    let needs = prop::collection::vec((words, 0..9_u64), 1..3);
    needs.prop_map(|needs| {
        let need = |(text, mib): (&str, u64)| Need {
            requirement: Requirement::parse(text).unwrap(),
            mib: mib * 1000,
        };
        Variant { name: format!("{needs:?}").into(), needs: needs.into_iter().map(need).collect() }
    })
}

fn resident(at: usize) -> impl Strategy<Value = Resident> {
    let variants = prop::collection::vec(variant(), 1..3);
    let sleeps =
        (0..4_u64, 0..4_u64, 0..500_u64, 0..6000_u64).prop_map(|(falls_asleep, wakes, keeps, ram)| {
            let (falls_asleep, wakes) = (Duration::from_secs(falls_asleep), Duration::from_secs(wakes));
            Sleeper { falls_asleep, wakes, keeps, ram }
        });
    let sleeps = prop::option::of(sleeps);
    (variants, prop::bool::weighted(0.1), seconds(1..40), 0..12_u64, 60..=100_u64, any::<bool>(), sleeps)
        .prop_map(move |(variants, pinned, load, stop, uses, seen, sleeps)| Resident {
            name: format!("m{at}").into(),
            variants: variants.into(),
            pinned,
            load,
            stop: Duration::from_secs(stop),
            // What can't be seen has to be believed.
            uses: if seen { uses } else { 100 },
            seen,
            sleeps,
        })
}

fn class() -> impl Strategy<Value = Class> {
    (0..3_usize).prop_map(|at| Class::ALL[at])
}

fn requests(models: usize) -> impl Strategy<Value = Vec<Request>> {
    let one = (0..400_000_u64, 0..models, prop_oneof![3 => 100..5000_u64, 1 => 5000..60_000_u64], class());
    let steady = (0..models, 0..200_u64, 1..300_usize, class()).prop_map(|(model, from, count, class)| {
        // Before one answer has ended the next request is there.
        let at = move |nth: usize| Duration::from_millis(from * 1000 + nth as u64 * 900);
        (0..count)
            .map(move |nth| Request { at: at(nth), model, takes: Duration::from_secs(1), class })
            .collect::<Vec<_>>()
    });
    let some = prop::collection::vec(one, 1..30).prop_map(|all| {
        let request = |(at, model, takes, class)| Request {
            at: Duration::from_millis(at),
            model,
            takes: Duration::from_millis(takes),
            class,
        };
        all.into_iter().map(request).collect::<Vec<_>>()
    });
    (some, prop::collection::vec(steady, 0..3)).prop_map(|(some, steady)| {
        let mut all: Vec<Request> = some.into_iter().chain(steady.into_iter().flatten()).collect();
        all.sort_unstable();
        all
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_comes_everybody_is_answered_and_no_promise_is_broken(
        devices in (device(0), device(1), device(2)),
        residents in (resident(0), resident(1), resident(2), resident(3), resident(4)),
        requests in requests(5),
        resident_first in any::<bool>(),
        delay in 0..300_u64,
        lag in 0..3000_u64,
        ram in 0..12_u64,
    ) {
        let prefer = if resident_first { Prefer::Resident } else { Prefer::Best };
        let settings = PlacementSettings { prefer, ..PlacementSettings::default() };
        let residents: [Resident; 5] = residents.into();
        let mut devices = <[Device; 3]>::from(devices).to_vec();
        devices.push(Device { total_mib: Some(ram * 1000), used_mib: Some(0), ..Device::new("cpu", "cpu", "cpu") });
        let (delay, lag) = (Duration::from_millis(delay), Duration::from_millis(lag));
        let house = House::new(Queue::default(), settings.clone(), devices, residents.into(), delay, lag);
        let all = requests.len();
        let report = house.run(&requests);
        prop_assert_eq!(report.served + report.denied, all);
        prop_assert!(report.longest_demand <= settings.queue_timeout);
    }
}
