//! A day of 50 models on 4 GPUs in virtual time: the queue against LRU and against "one model at a time".
//!
//! `cargo run --release -p llm-manager-policy --example simulate_day [SEED]`
//!
//! Requests come in sessions of several, to a model chosen by Zipf's law (s = 1); models have 2 to 26 GiB, load
//! at 1 GiB per second, and are stopped for nobody but others. LRU is what most other managers do: the first
//! in the queue has the least recently used idle model stopped, whichever it is, until there is room.

#![expect(clippy::print_stdout, reason = "an example that prints its result")]
#![expect(clippy::unwrap_used, reason = "the simulated house is a test's")]

#[path = "../tests/support/house.rs"]
mod house;

use house::{House, Policy, Report, Request, Resident};
use llm_manager_policy::devices::{Device, Requirement};
use llm_manager_policy::placement::{
    Decision, Demand, Held, HeldPart, ModelName, Need, Part, Prefer, Settings, Standing, Variant, World,
    decide,
};
use llm_manager_policy::queue::{Denial, Effect, Event, POLL, State, View, explain, step};
use std::sync::Arc;
use std::time::Duration;

const MODELS: usize = 50;
const GPUS: usize = 4;
const GPU_MIB: u64 = 24_576;
const DAY: u64 = 86_400;
/// What was the rule before holding followed cost.
const FORMER_MIN_HOLD: Duration = Duration::from_secs(10);
const FORMER_MAX_HOLD: Duration = Duration::from_secs(60);

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

struct Ours(State);

impl Policy for Ours {
    fn step(&mut self, event: Event, view: &View<'_>) -> Vec<Effect> {
        let step = step(&self.0, event, view);
        self.0 = step.state;
        step.effects
    }
}

/// First come, first served; the least recently used idle model goes. With `alone` everybody else has to go.
struct Lru {
    alone: bool,
    waiting: Vec<(ModelName, u64, Arc<[Variant]>, Duration)>,
    holds: Vec<(ModelName, u64, Vec<Part>)>,
    asked: Vec<ModelName>,
}

impl Lru {
    fn new(alone: bool) -> Self {
        Self { alone, waiting: Vec::new(), holds: Vec::new(), asked: Vec::new() }
    }

    /// Where the first in the queue fits beside what is held; nobody is in the way of anybody.
    fn room(&self, view: &View<'_>, demand: &Demand) -> Option<(usize, Vec<Part>)> {
        let held = self.holds.iter().map(|(model, _, parts)| Held {
            standing: Standing::First,
            ..Held::new(
                model.clone(),
                parts
                    .iter()
                    .map(|part| HeldPart {
                        device: part.device.clone(),
                        mib: part.mib,
                        actual: Some(0),
                        unexplained_before: None,
                    })
                    .collect(),
            )
        });
        let held: Vec<Held> = held.collect();
        let mut snapshot = view.snapshot.clone();
        snapshot.devices.iter_mut().for_each(|device| device.used_mib = Some(0));
        let settings = Settings { prefer: Prefer::Resident, ..view.settings.clone() };
        let world = World { now: view.now, snapshot: &snapshot, held: &held, settings: &settings };
        match decide(&world, demand) {
            Decision::Fits { variant, assignment } => Some((variant, assignment)),
            _ => None,
        }
    }

    fn serve(&mut self, view: &View<'_>, effects: &mut Vec<Effect>) {
        while let Some((model, epoch, variants, since)) = self.waiting.first().cloned() {
            let demand = Demand::new(model.clone(), variants);
            if view.now >= since + view.settings.queue_timeout {
                let state = State::default();
                let explanation = Box::new(explain(&state, view, &model, &demand.variants, None));
                effects.push(Effect::Deny { model, epoch, denial: Denial::Timeout, explanation });
                self.waiting.remove(0);
                continue;
            }
            let others = self.holds.iter().any(|hold| hold.0 != model);
            if let Some((variant, assignment)) = self.room(view, &demand).filter(|_| !(self.alone && others))
            {
                self.holds.push((model.clone(), epoch, assignment.clone()));
                let explanation = Box::new(explain(&State::default(), view, &model, &demand.variants, None));
                effects.push(Effect::Grant { model, epoch, variant, assignment, explanation, made_room: None });
                self.waiting.remove(0);
                continue;
            }
            if self.asked.is_empty() {
                self.make_room(view, &model, since, effects);
            }
            return;
        }
    }

    fn make_room(&mut self, view: &View<'_>, asker: &ModelName, since: Duration, effects: &mut Vec<Effect>) {
        let ready = view.models.iter().filter_map(|seen| match seen.standing {
            Standing::Ready { since, busy, idle_since } => Some((busy, idle_since, since, seen)),
            _ => None,
        });
        let mut ready: Vec<_> = ready.collect();
        ready.sort_by_key(|(busy, idle_since, ..)| (*busy, *idle_since));
        let Some((busy, _, ready_since, seen)) = ready.first() else { return };
        let (model, epoch, in_favour_of) = (seen.model.clone(), seen.epoch, asker.clone());
        if !busy && view.now >= *ready_since + FORMER_MIN_HOLD {
            self.asked.push(model.clone());
            effects.push(Effect::AskEvict { model, epoch, in_favour_of });
        } else if *busy && view.now >= since.max(*ready_since) + FORMER_MAX_HOLD {
            self.asked.push(model.clone());
            effects.push(Effect::AskYield { model, epoch, in_favour_of });
        }
    }
}

impl Policy for Lru {
    fn step(&mut self, event: Event, view: &View<'_>) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Demand { model, epoch, variants, .. } => self.waiting.push((model, epoch, variants, view.now)),
            Event::Returned { model, epoch, .. } => {
                self.holds.retain(|hold| hold.0 != model || hold.1 != epoch);
                self.asked.retain(|asked| *asked != model);
            }
            Event::EvictRefused { model, .. } => self.asked.retain(|asked| *asked != model),
            _ => {}
        }
        self.serve(view, &mut effects);
        let waits = !self.waiting.is_empty();
        effects.push(if waits { Effect::ArmTimer(view.now + POLL) } else { Effect::DisarmTimer });
        effects
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
    }
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
            all.push(Request { at, model, takes });
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
        "{name:<24} {:>8} {:>7} {:>11} {:>9} {:>7} {mean:>8.2} {:>8.2} {:>8.2} {max:>8.1}",
        report.served,
        report.denied,
        report.cold_starts,
        report.evictions,
        report.yields,
        at(95),
        at(99),
    );
}

fn main() {
    let seed = std::env::args().nth(1).and_then(|seed| seed.parse().ok()).unwrap_or(1_u64);
    let settings = Settings { queue_timeout: Duration::from_secs(300), ..Settings::default() };
    for sessions_per_hour in [60.0, 180.0] {
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).max(1));
        let residents: Vec<Resident> = (0..MODELS).map(|at| resident(at, &mut dice)).collect();
        let requests = requests(&mut dice, sessions_per_hour);
        println!("{sessions_per_hour} sessions per hour, {} requests, seed {seed}", requests.len());
        println!(
            "{:<24} {:>8} {:>7} {:>11} {:>9} {:>7} {:>8} {:>8} {:>8} {:>8}",
            "policy",
            "served",
            "denied",
            "cold starts",
            "evictions",
            "yields",
            "mean s",
            "p95 s",
            "p99 s",
            "max s"
        );
        let delay = Duration::from_millis(2);
        let lag = Duration::from_millis(600);
        let run = |settings: &Settings, policy: Box<dyn Policy>| {
            House::new(policy, settings.clone(), devices(), residents.clone(), delay, lag).run(&requests)
        };
        row("this queue", run(&settings, Box::new(Ours(State::default()))));
        let resident_first = Settings { prefer: Prefer::Resident, ..settings.clone() };
        row("... prefer: resident", run(&resident_first, Box::new(Ours(State::default()))));
        row("LRU", run(&settings, Box::new(Lru::new(false))));
        row("one model at a time", run(&settings, Box::new(Lru::new(true))));
        println!();
    }
}
