//! Three models that take turns on one card, in virtual time: A B A A C A B C, three requests in two loads, six times.
//!
//! `cargo run --release -p llm-manager-policy --example simulate_turns`

#![expect(clippy::print_stdout, reason = "an example that prints its result")]
#![expect(clippy::unwrap_used, reason = "the simulated house is a test's")]

#[path = "../tests/support/house.rs"]
mod house;
#[path = "../tests/support/rivals.rs"]
mod rivals;

use house::{House, Policy, Request, Resident};
use llm_manager_policy::devices::{Device, Requirement};
use llm_manager_policy::placement::{HoldTime, Need, PlacementSettings, Variant};
use llm_manager_policy::spec::Class;
use rivals::{Lru, Ours, former};
use std::time::Duration;

fn row(name: &str, load: Duration, settings: &PlacementSettings, policy: Box<dyn Policy>) {
    let card = Device { total_mib: Some(16_000), used_mib: Some(0), ..Device::new("0", "card", "fake") };
    let need = || vec![Need { requirement: Requirement::parse("card").unwrap(), mib: 12_000 }];
    let resident = |name: &str| Resident {
        name: name.into(),
        variants: [Variant { name: "only".into(), needs: need() }].into(),
        pinned: false,
        load,
        stop: Duration::from_millis(30),
        uses: 100,
        seen: true,
        sleeps: None,
    };
    let request = |(nth, model): (u32, usize)| Request {
        at: load * nth * 2 / 3,
        model,
        takes: load / 500,
        class: Class::Normal,
    };
    let requests: Vec<Request> =
        (0..48).zip([0, 1, 0, 0, 2, 0, 1, 2].into_iter().cycle()).map(request).collect();
    let settings = PlacementSettings { queue_timeout: load * 100, ..settings.clone() };
    let (delay, lag) = (Duration::from_millis(2), Duration::from_millis(20));
    let residents = ["a", "b", "c"].map(resident).into();
    let mut report = House::new(policy, settings, vec![card], residents, delay, lag).run(&requests);
    report.waits.sort_unstable();
    let wait = |at: usize| report.waits[at].as_secs_f64() / load.as_secs_f64();
    let loading: Duration = report.loads.iter().map(|(begin, end)| *end - *begin).sum();
    println!(
        "{name:<26} {:>6} {:>8.2} {:>8.2} {:>8.2} {:>7.0} %",
        report.cold_starts,
        wait(24),
        wait(45),
        wait(47),
        100.0 * loading.as_secs_f64() / report.last.as_secs_f64()
    );
}

fn main() {
    let auto = PlacementSettings::default();
    let strict = PlacementSettings {
        min_hold: HoldTime::Fixed(Duration::ZERO),
        max_hold: HoldTime::Fixed(Duration::ZERO),
        ..auto.clone()
    };
    for load in [Duration::from_millis(500), Duration::from_secs(5), Duration::from_secs(60)] {
        println!(
            "load {load:?}; waits in loads\n{:<26} {:>6} {:>8} {:>8} {:>8} {:>9}",
            "policy", "starts", "median", "p95", "max", "loading"
        );
        row("this queue", load, &auto, Box::<Ours>::default());
        row("... holding 10 and 60 s", load, &former(&auto), Box::<Ours>::default());
        row("FIFO, at once", load, &strict, Box::<Ours>::default());
        row("LRU, 10 and 60 s", load, &former(&auto), Box::new(Lru::new(false)));
        println!();
    }
}
