//! A cluster of 1,000 nodes with 10,000 replicas in virtual time: how much the manager's decisions cost.
//!
//! `cargo run --release -p llm-manager-policy --example simulate_cluster [SEED]`
//!
//! 320 models have up to 32 replicas each, every one a job with one of ten cards of a node and a time limit of four hours, so each has a
//! successor before that. Jobs wait in the queue and load; requests come in bursts and wait, so models grow and shrink; nodes are
//! lost. Each event is decided as the manager decides it: the front of the model looks at all of its replicas (`replicas::step`), each
//! request takes the least busy door (`least_busy`), and the poller says when Slurm is asked next (`next_look`). What is left out: processes,
//! sockets, Slurm.

#![expect(clippy::print_stdout, reason = "an example that prints its result")]

use llm_manager_policy::cluster::{
    ClusterNode, Gres, JobStage, LastPoll, NodeJob, SlurmRequest, WatchedJob, next_look, outlook,
};
use llm_manager_policy::gate::{Gate, LeaseAsker};
use llm_manager_policy::lifecycle::Moment;
use llm_manager_policy::replicas::{
    Effect, Event, ReplicaState, Replicas, State, Term, View, least_busy, step,
};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

const NODES: usize = 1000;
const CARDS: usize = 10;
const MODELS: usize = 320;
const MAX: u32 = 32;
const SEATS: usize = 2 * MAX as usize;
const LIMIT: Duration = Duration::from_secs(4 * 3600);
const BEFORE: Duration = Duration::from_secs(600);
const HOURS: u64 = 24;

/// xorshift64*: small, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) % limit.max(1)
    }

    fn pause(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.below(to - from))
    }
}

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    /// The model's front looks.
    Look,
    /// So many seconds somebody waits.
    Crowd,
    /// Nobody waits any more.
    Calm,
    /// The job of this seat has a card and has loaded.
    Up(usize),
    /// Its answers have ended.
    Gone(usize),
    /// Its time limit, of this life.
    Over(usize, u64),
    /// Its node is lost, of this life.
    Lost(usize, u64),
}

struct Seat {
    stand: ReplicaState,
    since: Moment,
    ready: Moment,
    life: u64,
}

struct Model {
    state: State,
    seats: Vec<Seat>,
    gates: Vec<Gate>,
    waits_since: Option<Moment>,
    /// Its one timer.
    looks_at: Option<Moment>,
}

/// Times of one kind of decision, in nanoseconds.
#[derive(Default)]
struct Times(Vec<u64>);

impl Times {
    fn of<T>(&mut self, decide: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let decided = decide();
        self.0.push(u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX));
        decided
    }

    fn print(&mut self, what: &str) {
        self.0.sort_unstable();
        let at = |part: f64| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "a place in a list"
            )]
            let place = (part * (self.0.len().saturating_sub(1)) as f64) as usize;
            #[expect(clippy::cast_precision_loss, reason = "a time for people")]
            let micros = self.0.get(place).copied().unwrap_or_default() as f64 / 1000.0;
            micros
        };
        println!(
            "| {what} | {} | {:.1} µs | {:.1} µs | {:.1} µs |",
            self.0.len(),
            at(0.5),
            at(0.99),
            at(1.0)
        );
    }
}

struct World {
    now: Moment,
    dice: Dice,
    due: BinaryHeap<Reverse<(Moment, usize, What)>>,
    models: Vec<Model>,
    rules: Replicas,
    free: usize,
    fronts: Times,
    begun: u64,
    retired: u64,
    cut_off: u64,
    most: usize,
}

impl World {
    fn new(seed: u64) -> Self {
        let rules = Replicas { min: MAX / 2, max: MAX, scale_up_after: Duration::from_secs(5), spare: MAX };
        let model = || Model {
            state: State::default(),
            seats: (0..SEATS)
                .map(|_| Seat {
                    stand: ReplicaState::Down,
                    since: Moment::ZERO,
                    ready: Moment::ZERO,
                    life: 0,
                })
                .collect(),
            gates: (0..SEATS).map(|_| Gate::new(4)).collect(),
            waits_since: None,
            looks_at: None,
        };
        let mut world = Self {
            now: Moment::ZERO,
            dice: Dice(seed | 1),
            due: BinaryHeap::new(),
            models: (0..MODELS).map(|_| model()).collect(),
            rules,
            free: NODES * CARDS,
            fronts: Times::default(),
            begun: 0,
            retired: 0,
            cut_off: 0,
            most: 0,
        };
        for model in 0..MODELS {
            // Not all at once: a cluster fills over an hour.
            let first = world.dice.pause(0, 3_600_000);
            world.due.push(Reverse((first, model, What::Crowd)));
        }
        world
    }

    fn later(&mut self, pause: Duration, model: usize, what: What) {
        self.due.push(Reverse((self.now + pause, model, what)));
    }

    fn set(&mut self, model: usize, seat: usize, stand: ReplicaState) {
        let now = self.now;
        let Some(one) = self.models.get_mut(model).and_then(|model| model.seats.get_mut(seat)) else {
            return;
        };
        let (had, has) = (one.stand != ReplicaState::Down, stand != ReplicaState::Down);
        (one.stand, one.since) = (stand, now);
        match stand {
            ReplicaState::Rising => one.life += 1,
            ReplicaState::Ready => one.ready = now,
            _ => {}
        }
        match (had, has) {
            (false, true) => self.free = self.free.saturating_sub(1),
            (true, false) => self.free += 1,
            _ => {}
        }
        if let Some(gate) = self.models.get(model).and_then(|model| model.gates.get(seat)) {
            if stand == ReplicaState::Ready {
                gate.open();
            } else {
                gate.close();
            }
        }
    }

    /// The front of a model looks, and what it decides is done.
    fn look(&mut self, at: usize, event: Event) {
        let Some(model) = self.models.get_mut(at) else { return };
        let stands: Vec<ReplicaState> = model.seats.iter().map(|seat| seat.stand).collect();
        let now = self.now;
        let (rules, waits_since, state) = (self.rules, model.waits_since, &model.state);
        let seats = &model.seats;
        let step = self.fronts.of(|| {
            let term = |seat: &Seat| {
                (seat.stand == ReplicaState::Ready)
                    .then(|| Term::new(seat.ready, seat.ready + LIMIT, BEFORE, true))
            };
            let terms: Vec<Option<Term>> = seats.iter().map(term).collect();
            step(state, event, &View { now, waits_since, stands: &stands, terms: &terms }, &rules)
        });
        model.state = step.state;
        model.looks_at = None;
        for effect in step.effects {
            match effect {
                Effect::First | Effect::More { .. } => {
                    let seat = if let Effect::More { replica, .. } = effect { replica } else { 0 };
                    if self.free == 0 {
                        let refused = Event::Refused { replica: seat, retry_after: Duration::ZERO };
                        self.look(at, refused);
                        continue;
                    }
                    self.begun += 1;
                    self.set(at, seat, ReplicaState::Rising);
                    let pause = self.dice.pause(1000, 120_000);
                    self.later(pause, at, What::Up(seat));
                }
                Effect::Retire(seat) | Effect::Release(seat) => {
                    self.retired += 1;
                    self.set(at, seat, ReplicaState::Leaving);
                    let pause = self.dice.pause(0, 60_000);
                    self.later(pause, at, What::Gone(seat));
                }
                Effect::LookAt(then) => {
                    self.due.push(Reverse((then, at, What::Look)));
                    self.models.get_mut(at).into_iter().for_each(|model| model.looks_at = Some(then));
                }
            }
        }
        let alive = NODES * CARDS - self.free;
        self.most = self.most.max(alive);
    }

    /// False: it means nothing any more.
    fn happens(&mut self, at: usize, what: What) -> bool {
        let now = self.now;
        let of = |world: &Self, seat: usize| {
            let one = world.models.get(at).and_then(|model| model.seats.get(seat));
            one.map_or((ReplicaState::Down, 0), |one| (one.stand, one.life))
        };
        match what {
            // An order that another one has replaced.
            What::Look if self.models.get(at).is_none_or(|model| model.looks_at != Some(now)) => {
                return false;
            }
            What::Look => {}
            What::Crowd => {
                if let Some(model) = self.models.get_mut(at) {
                    model.waits_since.get_or_insert(now);
                }
                let pause = self.dice.pause(10_000, 120_000);
                self.later(pause, at, What::Calm);
            }
            What::Calm => {
                if let Some(model) = self.models.get_mut(at) {
                    model.waits_since = None;
                }
                let pause = self.dice.pause(1000, 60_000);
                self.later(pause, at, What::Crowd);
            }
            What::Up(seat) if of(self, seat).0 == ReplicaState::Rising => {
                self.set(at, seat, ReplicaState::Ready);
                let life = of(self, seat).1;
                self.later(LIMIT, at, What::Over(seat, life));
                if self.dice.below(200) == 0 {
                    let pause = self.dice.pause(60_000, 14_000_000);
                    self.later(pause, at, What::Lost(seat, life));
                }
            }
            What::Gone(seat) if of(self, seat).0 == ReplicaState::Leaving => {
                self.set(at, seat, ReplicaState::Down)
            }
            What::Over(seat, life) if of(self, seat) == (ReplicaState::Ready, life) => {
                self.cut_off += 1;
                self.set(at, seat, ReplicaState::Down);
            }
            What::Lost(seat, life) if of(self, seat) == (ReplicaState::Ready, life) => {
                self.set(at, seat, ReplicaState::Down)
            }
            What::Up(_) | What::Gone(_) | What::Over(..) | What::Lost(..) => return false,
        }
        self.look(at, Event::Look);
        true
    }
}

/// Kilobytes of memory that this process has.
fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kb| kb.parse().ok()).unwrap_or_default()
}

fn nodes() -> Vec<ClusterNode> {
    let job = |id: usize| NodeJob {
        id: id as u64,
        user: "me".to_owned(),
        name: format!("llm-manager-{id}"),
        model: None,
        gres: "gpu:v100:1(IDX:0)".to_owned(),
        ends: Some(0),
    };
    let node = |at: usize| ClusterNode {
        name: format!("n{at:04}"),
        partitions: vec!["gpu".to_owned()],
        state: vec!["mixed".to_owned()],
        cpus: 64,
        gres: vec![Gres { name: "gpu".to_owned(), kind: Some("v100".to_owned()), count: 10, used: 9 }],
        jobs: (0..CARDS).map(|card| job(at * CARDS + card)).collect(),
        ..ClusterNode::default()
    };
    (0..NODES).map(node).collect()
}

fn main() {
    let seed = std::env::args().nth(1).and_then(|seed| seed.parse().ok()).unwrap_or(7);
    let before = resident_kb();
    let mut world = World::new(seed);
    let began = Instant::now();
    let end = Duration::from_secs(HOURS * 3600);
    let mut events = 0_u64;
    while let Some(Reverse((at, model, what))) = world.due.pop() {
        if at > end {
            break;
        }
        world.now = at;
        events += u64::from(world.happens(model, what));
    }
    let took = began.elapsed();
    let serving = NODES * CARDS - world.free;
    let memory = resident_kb().saturating_sub(before);

    let mut doors = Times::default();
    for model in world.models.iter().cycle().take(100_000) {
        let picked = doors.of(|| least_busy(model.gates.iter().map(Gate::look), 0));
        if let Some(gate) = picked.and_then(|one| model.gates.get(one))
            && !gate.acquire(LeaseAsker::Newcomer)
        {
            for _ in 0..4 {
                gate.release();
            }
        }
    }
    let mut polls = Times::default();
    let watched = WatchedJob { stage: JobStage::Serving, unchanged: Duration::from_secs(100) };
    for _ in 0..1000 {
        polls.of(|| next_look(std::iter::repeat_n(watched, NODES * CARDS), LastPoll::default(), false));
    }
    let (all, ask) =
        (nodes(), SlurmRequest { gres: Some("gpu:v100:1".to_owned()), ..SlurmRequest::default() });
    let mut views = Times::default();
    for _ in 0..1000 {
        views.of(|| outlook(&ask, &all));
    }

    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    let (rate, each) = (events as f64 / took.as_secs_f64(), memory as f64 / serving.max(1) as f64);
    println!(
        "{HOURS} hours, {MODELS} models, seed {seed}: {events} events in {:.2} s: {rate:.0} events a second",
        took.as_secs_f64()
    );
    println!(
        "replicas: {serving} at the end, {} at the most; {} begun, {} retired before their time limit, {} cut off by it",
        world.most, world.begun, world.retired, world.cut_off
    );
    println!("memory: {memory} KiB, {each:.1} KiB a replica (with the times below, 8 bytes each)\n");
    println!("| decision | taken | median | 99 % | longest |\n|---|---|---|---|---|");
    world.fronts.print("how many replicas a model has, of 64 seats");
    doors.print("which of 64 doors a request takes");
    polls.print("when Slurm is asked next, for 10,000 jobs");
    views.print("what `explain` says of 1,000 nodes");
}
