//! A day of 50 models on 4 GPUs in virtual time: the queue against LRU and against "one model at a time".
//!
//! `cargo run --release -p llm-manager-policy --example simulate_day [SEED]`
//!
//! Requests come in sessions of several, to a model chosen by Zipf's law (s = 1); models have 2 to 26 GiB, load
//! at 1 GiB per second, and are stopped for nobody but others. LRU is what most other managers do: the first
//! in the queue has the least recently used idle model stopped, whichever it is, until there is room.
//!
//! Then the same day with a person among those, who are agents now: somebody who talks to two of the models, thinks about each answer,
//! and has the class `interactive`, while the agents are `batch`. The rule without classes is that of the builds before there were any.

#![expect(clippy::print_stdout, reason = "an example that prints its result")]
#![expect(clippy::unwrap_used, reason = "the simulated house is a test's")]

#[path = "../tests/support/house.rs"]
mod house;
#[path = "../tests/support/rivals.rs"]
mod rivals;

use house::residents::Sleeper;
use house::{House, Policy, Report, Request, Resident};
use llm_manager_policy::devices::{Device, Requirement};
use llm_manager_policy::placement::{Need, PlacementSettings, Prefer, Variant};
use llm_manager_policy::spec::Class;
use rivals::{Lru, Ours, former};
use std::time::Duration;

const MODELS: usize = 50;
const GPUS: usize = 4;
const GPU_MIB: u64 = 24_576;
const DAY: u64 = 86_400;

/// xorshift64*: small, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn fraction(&mut self) -> f64 {
        f64::from(u32::try_from(self.next() >> 32).unwrap()) / f64::from(u32::MAX)
    }

    /// Exponentially distributed with that mean.
    fn pause(&mut self, mean: f64) -> Duration {
        Duration::from_secs_f64(-mean * self.fraction().max(1e-9).ln())
    }
}

fn devices() -> Vec<Device> {
    let device = |at: usize| Device {
        total_mib: Some(GPU_MIB),
        used_mib: Some(0),
        ..Device::new(&format!("GPU-{at}"), "NVIDIA GeForce RTX 3090", "nvidia")
    };
    (0..GPUS).map(device).collect()
}

fn resident(at: usize, dice: &mut Dice) -> Resident {
    // Popularity and size have nothing to do with each other.
    let mib = match dice.below(10) {
        0..4 => 1500 + dice.below(3000),
        4..8 => 5000 + dice.below(6000),
        _ => 14_000 + dice.below(12_000),
    };
    let need = |text: &str, mib| vec![Need { requirement: Requirement::parse(text).unwrap(), mib }];
    let mut variants = Vec::new();
    if mib > 12_000 {
        variants.push(Variant { name: "dual".into(), needs: need("2x rtx 3090", mib / 2) });
    }
    if mib < 23_000 {
        variants.push(Variant { name: "single".into(), needs: need("rtx 3090", mib) });
    }
    Resident {
        name: format!("model-{at}").into(),
        variants: variants.into(),
        pinned: false,
        load: Duration::from_millis(1500 + mib),
        stop: Duration::from_millis(800),
        uses: 95,
        seen: true,
        sleeps: None,
    }
}

/// The same models, which sleep in a twentieth of their load and wake in a tenth; RAM holds as much as they gave up.
fn sleeping(residents: &[Resident]) -> Vec<Resident> {
    let sleeper = |resident: &Resident| {
        let mib = resident
            .variants
            .iter()
            .flat_map(|variant| variant.needs.iter().map(|need| need.mib))
            .sum::<u64>();
        let ram = mib / u64::try_from(resident.variants.len().max(1)).unwrap_or(1);
        Sleeper { falls_asleep: resident.load / 20, wakes: resident.load / 10, keeps: 500, ram }
    };
    residents.iter().map(|one| Resident { sleeps: Some(sleeper(one)), ..one.clone() }).collect()
}

fn with_ram(mib: u64) -> Vec<Device> {
    let ram = Device { total_mib: Some(mib), used_mib: Some(0), ..Device::new("cpu", "cpu", "cpu") };
    devices().into_iter().chain([ram]).collect()
}

fn requests(dice: &mut Dice, sessions_per_hour: f64) -> Vec<Request> {
    let weights: Vec<f64> = (1..=u32::try_from(MODELS).unwrap()).map(|rank| 1.0 / f64::from(rank)).collect();
    let sum: f64 = weights.iter().sum();
    let mut all = Vec::new();
    let mut begins = Duration::ZERO;
    while begins < Duration::from_secs(DAY) {
        let mut left = dice.fraction() * sum;
        let model = weights.iter().position(|weight| {
            left -= weight;
            left <= 0.0
        });
        let model = model.unwrap_or(MODELS - 1);
        let mut at = begins;
        for _ in 0..1 + dice.below(8) {
            let takes = Duration::from_millis(1000) + dice.pause(6.0);
            all.push(Request { at, model, takes, class: Class::Normal });
            at += takes + dice.pause(20.0);
        }
        begins += dice.pause(3600.0 / sessions_per_hour);
    }
    all.sort_unstable();
    all
}

fn row(name: &str, mut report: Report) {
    report.waits.sort_unstable();
    let count = report.waits.len().max(1);
    let mean = report.waits.iter().sum::<Duration>().as_secs_f64() / f64::from(u32::try_from(count).unwrap());
    let at = |share: usize| report.waits.get(count * share / 100).map_or(0.0, Duration::as_secs_f64);
    let max = report.waits.last().map_or(0.0, Duration::as_secs_f64);
    println!(
        "{name:<24} {:>8} {:>7} {:>11} {:>7} {:>9} {:>7} {mean:>8.2} {:>8.2} {:>8.2} {max:>8.1} {:>6.1} %",
        report.served,
        report.denied,
        report.cold_starts,
        report.wakes,
        report.evictions,
        report.yields,
        at(95),
        at(99),
        loading(&report),
    );
}

/// Two models of middle size, and conversations of some questions each with one of them. Whoever asks reads the answer,
/// thinks, and asks again.
fn person(dice: &mut Dice, residents: &[Resident]) -> Vec<Request> {
    let is_middle = |at: &usize| (6_000..10_000).contains(&residents[*at].load.as_millis());
    let favourites: Vec<usize> = (0..residents.len()).filter(is_middle).take(2).collect();
    let mut all = Vec::new();
    let mut at = Duration::from_secs(600);
    while at < Duration::from_secs(DAY) {
        let model = favourites[usize::from(dice.below(4) == 0)];
        for _ in 0..4 + dice.below(9) {
            let takes = Duration::from_millis(1500) + dice.pause(6.0);
            all.push(Request { at, model, takes, class: Class::Interactive });
            at += takes + Duration::from_secs(3) + dice.pause(20.0);
        }
        at += dice.pause(900.0);
    }
    all
}

fn shared(name: &str, report: &Report) -> (Duration, usize) {
    let quantile = |class: Class, percent: usize| {
        let waits = report.waits_of.iter().filter(|(of, _)| *of == class);
        let mut waits: Vec<Duration> = waits.map(|(_, wait)| *wait).collect();
        waits.sort_unstable();
        waits.get(waits.len() * percent / 100).copied().unwrap_or_default()
    };
    let of = |class, percent| quantile(class, percent).as_secs_f64();
    println!(
        "{name:<24} {:>11} {:>7} {:>10.2} {:>10.2} {:>10.2} {:>10.2} {:>10.2} {:>6.1} %",
        report.cold_starts,
        report.denied,
        of(Class::Interactive, 50),
        of(Class::Interactive, 95),
        of(Class::Batch, 50),
        of(Class::Batch, 95),
        report.waits.iter().max().map_or(0.0, Duration::as_secs_f64),
        loading(report),
    );
    (quantile(Class::Interactive, 95), report.cold_starts)
}

/// Agents keep the cards busy, and somebody wants to talk.
fn shared_day(seed: u64, sessions_per_hour: f64) {
    let settings =
        PlacementSettings { queue_timeout: Duration::from_secs(600), ..PlacementSettings::default() };
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).max(1));
    let residents: Vec<Resident> = (0..MODELS).map(|at| resident(at, &mut dice)).collect();
    let agents = requests(&mut dice, sessions_per_hour);
    let agents = agents.into_iter().map(|request| Request { class: Class::Batch, ..request });
    let mut all: Vec<Request> = agents.chain(person(&mut dice, &residents)).collect();
    all.sort_unstable();
    println!(
        "{sessions_per_hour} sessions of agents per hour and a person, {} requests, seed {seed}",
        all.len()
    );
    println!(
        "{:<24} {:>11} {:>7} {:>10} {:>10} {:>10} {:>10} {:>10} {:>8}",
        "policy", "cold starts", "denied", "person p50", "p95 s", "agents p50", "p95 s", "max s", "loading"
    );
    let (delay, lag) = (Duration::from_millis(2), Duration::from_millis(600));
    let run = |all: &[Request], classes: bool| {
        let policy = Ours::with_classes(classes);
        House::new(policy, settings.clone(), devices(), residents.clone(), delay, lag).run(all)
    };
    let (before, starts_before) = shared("without classes", &run(&all, false));
    let (after, starts) = shared("with classes", &run(&all, true));
    let percent = |new: f64, old: f64| 100.0 * new / old.max(1e-9);
    println!(
        "the person's p95 is {:.0} % of that before, cold starts are {:.0} %\n",
        percent(after.as_secs_f64(), before.as_secs_f64()),
        percent(f64::from(u32::try_from(starts).unwrap()), f64::from(u32::try_from(starts_before).unwrap())),
    );
}

/// Time spent loading, by all cards together, of the day on all cards.
fn loading(report: &Report) -> f64 {
    let loading: Duration = report.loads.iter().map(|(begin, end)| *end - *begin).sum();
    100.0 * loading.as_secs_f64() / (report.last.as_secs_f64() * f64::from(u32::try_from(GPUS).unwrap()))
}

fn main() {
    let seed = std::env::args().nth(1).and_then(|seed| seed.parse().ok()).unwrap_or(1_u64);
    let settings =
        PlacementSettings { queue_timeout: Duration::from_secs(300), ..PlacementSettings::default() };
    for sessions_per_hour in [60.0, 180.0] {
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).max(1));
        let residents: Vec<Resident> = (0..MODELS).map(|at| resident(at, &mut dice)).collect();
        let requests = requests(&mut dice, sessions_per_hour);
        println!("{sessions_per_hour} sessions per hour, {} requests, seed {seed}", requests.len());
        println!(
            "{:<24} {:>8} {:>7} {:>11} {:>7} {:>9} {:>7} {:>8} {:>8} {:>8} {:>8} {:>8}",
            "policy",
            "served",
            "denied",
            "cold starts",
            "wakes",
            "evictions",
            "yields",
            "mean s",
            "p95 s",
            "p99 s",
            "max s",
            "loading"
        );
        let delay = Duration::from_millis(2);
        let lag = Duration::from_millis(600);
        let run = |settings: &PlacementSettings, policy: Box<dyn Policy>| {
            House::new(policy, settings.clone(), devices(), residents.clone(), delay, lag).run(&requests)
        };
        row("this queue", run(&settings, Box::<Ours>::default()));
        for (name, gib) in [("... parking, 64 GiB RAM", 64), ("... parking, 256 GiB RAM", 256)] {
            let house = House::new(
                Box::<Ours>::default() as Box<dyn Policy>,
                settings.clone(),
                with_ram(gib * 1024),
                sleeping(&residents),
                delay,
                lag,
            );
            row(name, house.run(&requests));
        }
        row("... holding 10 and 60 s", run(&former(&settings), Box::<Ours>::default()));
        let resident_first = PlacementSettings { prefer: Prefer::Resident, ..settings.clone() };
        row("... prefer: resident", run(&resident_first, Box::<Ours>::default()));
        row("LRU", run(&former(&settings), Box::new(Lru::new(false))));
        row("one model at a time", run(&former(&settings), Box::new(Lru::new(true))));
        println!();
    }
    for sessions_per_hour in [180.0, 600.0] {
        shared_day(seed, sessions_per_hour);
    }
}
