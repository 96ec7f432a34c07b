//! A house full of simulated models and devices, in virtual time: what the queue is tried in.
//!
//! Models load, answer, drain and stop; devices show memory late; messages to models take a while. After every
//! event the house checks what the manager promises: no device holds more than it has, nobody busy is stopped.

#[path = "residents.rs"]
pub(crate) mod residents;

pub(crate) use residents::{Report, Request, Resident};

use llm_manager_policy::devices::{Device, DeviceSnapshot};
use llm_manager_policy::lifecycle::Moment;
use llm_manager_policy::placement::{
    DemandPriority, HoldTime, ModelName, ParkedMemory, PlacementSettings, ResidentState, UserClasses,
};
use llm_manager_policy::queue::pace::LEAST_BUSY;
use llm_manager_policy::queue::{Effect, Event, ObservedModel, View};
use llm_manager_policy::spec::Class;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Who decides.
pub(crate) trait Policy {
    /// As `queue::step`.
    fn step(&mut self, event: Event, view: &View<'_>) -> Vec<Effect>;
}

#[derive(Clone, Debug, PartialEq)]
enum Phase {
    Off,
    Queued { since: Moment },
    Starting { since: Moment },
    Ready { since: Moment },
    Draining { ready: Moment },
    Stopping { ready: Option<Moment> },
    Parking { ready: Moment },
    Parked { since: Moment },
    Waking { since: Moment, granted: bool },
}

struct Life {
    phase: Phase,
    epoch: u64,
    leases: usize,
    idle_since: Moment,
    waiting: VecDeque<Request>,
    /// Of those that are answered, by class.
    answers: [usize; 3],
    left: [Option<Moment>; 3],
    /// Device, reserved.
    parts: Vec<(usize, u64)>,
    /// The same, of one that sleeps, when it is awake.
    awake: Vec<(usize, u64)>,
    /// It may sleep when it has been asked to go.
    park: bool,
}

impl Life {
    /// The highest class of those who wait.
    fn class(&self) -> Class {
        self.waiting.iter().map(|request| request.class).max().unwrap_or(Class::Batch)
    }

    fn users(&self) -> UserClasses {
        let answered = Class::ALL.into_iter().filter(|class| self.answers[*class as usize] > 0).max();
        let waiting = self.waiting.iter().map(|request| request.class).max();
        UserClasses { now: answered.max(waiting), left: self.left }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum News {
    Arrives(Request),
    Loaded(usize, u64),
    Answered(usize, u64, Class),
    Ended(usize, u64),
    Granted(usize, u64, Vec<(usize, u64)>),
    Evict(usize, u64, bool),
    Yield(usize, u64, bool),
    LetPark(usize, u64, bool),
    Asleep(usize, u64),
    GrantWake(usize, u64),
    Woken(usize, u64),
    Stay(usize, u64),
    Sample,
    Timer(u64),
    /// A device shows that memory is free: device, MiB.
    Shown(usize, u64),
}

pub(crate) struct House<P> {
    pub(crate) policy: P,
    settings: PlacementSettings,
    residents: Vec<Resident>,
    lives: Vec<Life>,
    devices: Vec<Device>,
    /// Memory of ended processes that a device still shows.
    ghosts: Vec<u64>,
    snapshot: DeviceSnapshot,
    /// Model, life, device and memory, as the snapshot's processes show.
    sampled: Vec<(usize, u64, usize, u64)>,
    agenda: BinaryHeap<Reverse<(Moment, u64, News)>>,
    written: u64,
    timer: u64,
    now: Moment,
    /// From an effect to its arrival.
    delay: Duration,
    /// From a process's end to the device's showing it.
    lag: Duration,
    report: Report,
    numbers: BTreeMap<ModelName, usize>,
}

impl<P: Policy> House<P> {
    pub(crate) fn new(
        policy: P,
        settings: PlacementSettings,
        devices: Vec<Device>,
        residents: Vec<Resident>,
        delay: Duration,
        lag: Duration,
    ) -> Self {
        let lives = residents.iter().map(|_| Life {
            phase: Phase::Off,
            epoch: 0,
            leases: 0,
            idle_since: Duration::ZERO,
            waiting: VecDeque::new(),
            answers: [0; 3],
            left: [None; 3],
            parts: Vec::new(),
            awake: Vec::new(),
            park: false,
        });
        Self {
            policy,
            settings,
            lives: lives.collect(),
            numbers: residents.iter().enumerate().map(|(at, one)| (one.name.clone(), at)).collect(),
            residents,
            ghosts: vec![0; devices.len()],
            snapshot: DeviceSnapshot { devices: devices.clone(), taken_at: Some(Duration::ZERO) },
            devices,
            sampled: Vec::new(),
            agenda: BinaryHeap::new(),
            written: 0,
            timer: 0,
            now: Duration::ZERO,
            delay,
            lag,
            report: Report::default(),
        }
    }

    /// Lets all requests come, and time pass until nothing is left to happen.
    pub(crate) fn run(mut self, requests: &[Request]) -> Report {
        requests.iter().for_each(|request| self.write(request.at, News::Arrives(*request)));
        while let Some(Reverse((at, _, news))) = self.agenda.pop() {
            self.now = at;
            self.happen(news);
            self.check();
        }
        for (resident, life) in self.residents.iter().zip(&self.lives) {
            assert!(life.waiting.is_empty(), "{} is waited for and nothing happens any more", resident.name);
            assert_eq!(life.leases, 0);
        }
        self.report.last = self.now;
        self.report
    }

    fn write(&mut self, at: Moment, news: News) {
        self.written += 1;
        self.agenda.push(Reverse((at, self.written, news)));
    }

    fn later(&mut self, after: Duration, news: News) {
        self.write(self.now + after, news);
    }

    fn happen(&mut self, news: News) {
        match news {
            News::Arrives(request) => {
                let life = &mut self.lives[request.model];
                let before = life.class();
                life.waiting.push_back(request);
                match life.phase {
                    Phase::Off => self.ask_for_memory(request.model),
                    Phase::Queued { .. } if life.class() > before => self.demand(request.model),
                    Phase::Ready { .. } => self.serve(request.model),
                    Phase::Parked { .. } => self.ask_to_wake(request.model),
                    _ => {}
                }
            }
            News::Granted(at, epoch, parts) if self.lives[at].epoch == epoch => {
                let life = &mut self.lives[at];
                assert!(matches!(life.phase, Phase::Queued { .. }), "a grant without a demand");
                life.phase = Phase::Starting { since: self.now };
                life.parts = parts;
                self.report.cold_starts += 1;
                self.later(self.residents[at].load, News::Loaded(at, epoch));
            }
            News::Loaded(at, epoch) if self.lives[at].epoch == epoch => {
                if let Phase::Starting { since } = self.lives[at].phase {
                    self.report.loads.push((since, self.now));
                    self.lives[at].phase = Phase::Ready { since: self.now };
                    self.lives[at].idle_since = self.now;
                    self.serve(at);
                    self.tell(Event::Changed);
                }
            }
            News::Answered(at, _, class) => {
                let life = &mut self.lives[at];
                life.leases -= 1;
                life.answers[class as usize] -= 1;
                life.left[class as usize] = Some(self.now);
                life.idle_since = self.now;
                if life.leases == 0 && matches!(life.phase, Phase::Draining { .. }) {
                    self.leave(at);
                }
            }
            News::Evict(at, epoch, park) if self.lives[at].epoch == epoch => {
                self.lives[at].park = park;
                let life = &self.lives[at];
                let unused = life.leases == 0 && life.waiting.is_empty();
                if unused && matches!(life.phase, Phase::Ready { .. } | Phase::Starting { .. }) {
                    self.report.evictions += 1;
                    self.leave(at);
                } else if matches!(life.phase, Phase::Parked { .. } | Phase::Waking { granted: false, .. }) {
                    self.report.evictions += 1;
                    self.stop(at);
                } else if matches!(life.phase, Phase::Ready { .. } | Phase::Starting { .. }) {
                    self.tell(Event::EvictRefused { model: self.residents[at].name.clone(), epoch });
                }
            }
            News::Yield(at, epoch, park) if self.lives[at].epoch == epoch => {
                self.lives[at].park = park;
                if let Phase::Ready { since } = self.lives[at].phase {
                    self.report.yields += 1;
                    self.lives[at].phase = Phase::Draining { ready: since };
                    if self.lives[at].leases == 0 {
                        self.leave(at);
                    }
                }
            }
            News::Stay(at, epoch) if self.lives[at].epoch == epoch => {
                if let Phase::Draining { ready } = self.lives[at].phase {
                    self.lives[at].phase = Phase::Ready { since: ready };
                    self.serve(at);
                }
            }
            News::Ended(at, epoch) => {
                assert_eq!(self.lives[at].epoch, epoch);
                for (device, mib) in std::mem::take(&mut self.lives[at].parts) {
                    let real = mib * self.residents[at].uses / 100;
                    self.ghosts[device] += real;
                    self.later(self.lag, News::Shown(device, real));
                }
                self.lives[at].awake.clear();
                self.lives[at].phase = Phase::Off;
                self.tell(Event::Returned { model: self.residents[at].name.clone(), epoch, ran: true });
                if !self.lives[at].waiting.is_empty() {
                    self.ask_for_memory(at);
                }
            }
            News::LetPark(at, epoch, go) if self.lives[at].epoch == epoch => {
                let Some(sleeper) = self.residents[at].sleeps.filter(|_| go) else { return self.stop(at) };
                self.later(sleeper.falls_asleep, News::Asleep(at, epoch));
            }
            News::Asleep(at, epoch) if self.lives[at].epoch == epoch => self.falls_asleep(at),
            News::GrantWake(at, epoch) if self.lives[at].epoch == epoch => {
                let since = self.now;
                if matches!(self.lives[at].phase, Phase::Waking { granted: false, .. }) {
                    self.lives[at].parts = std::mem::take(&mut self.lives[at].awake);
                    self.lives[at].phase = Phase::Waking { since, granted: true };
                    self.report.wakes += 1;
                    let wakes = self.residents[at].sleeps.map(|sleeper| sleeper.wakes);
                    self.later(wakes.unwrap(), News::Woken(at, epoch));
                }
            }
            News::Woken(at, epoch) if self.lives[at].epoch == epoch => {
                if let Phase::Waking { since, .. } = self.lives[at].phase {
                    self.report.loads.push((since, self.now));
                    self.lives[at].phase = Phase::Ready { since: self.now };
                    self.lives[at].idle_since = self.now;
                    self.serve(at);
                    self.tell(Event::Changed);
                }
            }
            News::Shown(device, mib) => self.ghosts[device] -= mib,
            News::Sample => {
                self.snapshot = self.sample();
                self.sampled = self.sample_processes();
                self.tell(Event::SnapshotTaken);
            }
            News::Timer(number) if number == self.timer => self.tell(Event::Timer),
            News::Granted(..)
            | News::Loaded(..)
            | News::Evict(..)
            | News::Yield(..)
            | News::Stay(..)
            | News::LetPark(..)
            | News::Asleep(..)
            | News::GrantWake(..)
            | News::Woken(..)
            | News::Timer(_) => {}
        }
    }

    fn serve(&mut self, at: usize) {
        while let Some(Request { at: came, takes, class, .. }) = self.lives[at].waiting.pop_front() {
            self.report.served += 1;
            self.report.waits.push(self.now - came);
            self.report.waits_of.push((class, self.now - came));
            self.lives[at].leases += 1;
            self.lives[at].answers[class as usize] += 1;
            let epoch = self.lives[at].epoch;
            self.later(takes, News::Answered(at, epoch, class));
        }
    }

    fn stop(&mut self, at: usize) {
        assert_eq!(self.lives[at].leases, 0, "stopped while it answers");
        let ready = match self.lives[at].phase {
            Phase::Ready { since } | Phase::Draining { ready: since } => Some(since),
            _ => None,
        };
        self.lives[at].phase = Phase::Stopping { ready };
        let epoch = self.lives[at].epoch;
        self.later(self.residents[at].stop, News::Ended(at, epoch));
    }

    /// Goes to sleep if it may, and ends otherwise.
    fn leave(&mut self, at: usize) {
        let (Phase::Ready { since: ready } | Phase::Draining { ready }) = self.lives[at].phase else {
            return self.stop(at);
        };
        if !self.lives[at].park {
            return self.stop(at);
        }
        assert_eq!(self.lives[at].leases, 0, "parked while it answers");
        self.lives[at].phase = Phase::Parking { ready };
        let (model, epoch) = (self.residents[at].name.clone(), self.lives[at].epoch);
        self.tell(Event::Parking { model, epoch });
    }

    fn falls_asleep(&mut self, at: usize) {
        self.report.parks += 1;
        let sleeper = self.residents[at].sleeps.unwrap();
        let awake = std::mem::take(&mut self.lives[at].parts);
        let uses = self.residents[at].uses;
        for (device, mib) in &awake {
            let real = (mib * uses / 100).saturating_sub(sleeper.keeps * uses / 100);
            self.ghosts[*device] += real;
            self.later(self.lag, News::Shown(*device, real));
        }
        let ram = self.devices.iter().position(|device| device.plugin == "cpu");
        let on_cards = awake.iter().map(|(device, _)| (*device, sleeper.keeps));
        self.lives[at].parts = on_cards.chain(ram.map(|ram| (ram, sleeper.ram))).collect();
        self.lives[at].awake = awake;
        self.lives[at].phase = Phase::Parked { since: self.now };
        let (model, epoch) = (self.residents[at].name.clone(), self.lives[at].epoch);
        self.tell(Event::Asleep { model, epoch });
        if !self.lives[at].waiting.is_empty() {
            self.ask_to_wake(at);
        }
    }

    fn ask_to_wake(&mut self, at: usize) {
        self.lives[at].phase = Phase::Waking { since: self.now, granted: false };
        let (model, epoch) = (self.residents[at].name.clone(), self.lives[at].epoch);
        self.tell(Event::Wake { model, epoch, urgency: DemandPriority::default() });
    }

    fn ask_for_memory(&mut self, at: usize) {
        self.lives[at].epoch += 1;
        self.lives[at].park = false;
        self.lives[at].phase = Phase::Queued { since: self.now };
        self.lives[at].left = [None; 3];
        self.demand(at);
    }

    fn demand(&mut self, at: usize) {
        let (model, variants) = (self.residents[at].name.clone(), Arc::clone(&self.residents[at].variants));
        let (load, urgency, overlap) =
            (Some(self.residents[at].load), DemandPriority::Wanted(self.lives[at].class()), false);
        self.tell(Event::Demand { model, epoch: self.lives[at].epoch, variants, load, urgency, overlap });
    }

    fn real(&self, at: usize, device: usize) -> u64 {
        let parts = self.lives[at].parts.iter().filter(|(on, _)| *on == device);
        let share = match self.lives[at].phase {
            Phase::Off | Phase::Queued { .. } => 0,
            // Half of it comes with the process, the rest when it is loaded.
            Phase::Starting { since } if self.now - since < self.residents[at].load / 2 => 0,
            Phase::Starting { .. } => self.residents[at].uses / 2,
            _ => self.residents[at].uses,
        };
        parts.map(|(_, mib)| mib * share / 100).sum()
    }

    fn sample(&self) -> DeviceSnapshot {
        let mut devices = self.devices.clone();
        for (number, device) in devices.iter_mut().enumerate() {
            let ours: u64 = (0..self.lives.len()).map(|at| self.real(at, number)).sum();
            device.used_mib = device.used_mib.map(|strangers| strangers + ours + self.ghosts[number]);
        }
        DeviceSnapshot { devices, taken_at: Some(self.now) }
    }

    fn sample_processes(&self) -> Vec<(usize, u64, usize, u64)> {
        let seen = (0..self.lives.len()).filter(|at| self.residents[*at].seen);
        let on = |at: usize| {
            let epoch = self.lives[at].epoch;
            self.lives[at].parts.iter().map(move |(device, _)| (at, epoch, *device, self.real(at, *device)))
        };
        seen.flat_map(on).collect()
    }

    fn view_of(&self, at: usize) -> Option<ObservedModel> {
        let (life, resident) = (&self.lives[at], &self.residents[at]);
        let busy = life.leases > 0 || !life.waiting.is_empty();
        let standing = match life.phase {
            Phase::Off | Phase::Queued { .. } => return None,
            Phase::Starting { since } => ResidentState::Starting { wanted: !life.waiting.is_empty(), since },
            Phase::Ready { since } => ResidentState::Ready { since, busy, idle_since: life.idle_since },
            Phase::Draining { ready } => ResidentState::Leaving { ready: Some(ready) },
            Phase::Stopping { ready } => ResidentState::Leaving { ready },
            Phase::Parking { ready } => ResidentState::Leaving { ready: Some(ready) },
            Phase::Parked { since } => {
                ResidentState::Parked { since, wanted: !life.waiting.is_empty(), idle_since: life.idle_since }
            }
            Phase::Waking { since, .. } => ResidentState::Starting { wanted: true, since },
        };
        let on = self.sampled.iter().filter(|(model, epoch, ..)| *model == at && *epoch == life.epoch);
        let on = on.map(|(_, _, device, mib)| (self.devices[*device].id.clone(), *mib)).collect();
        let (model, reload) = (resident.name.clone(), Some(resident.load));
        let sleep = self.sleep_of(at);
        Some(ObservedModel {
            model,
            epoch: life.epoch,
            standing,
            pinned: resident.pinned,
            warm: None,
            reload,
            users: life.users(),
            sleep,
            actual: on,
        })
    }

    fn sleep_of(&self, at: usize) -> Option<ParkedMemory> {
        let (life, sleeper) = (&self.lives[at], self.residents[at].sleeps?);
        if matches!(life.phase, Phase::Starting { .. } | Phase::Stopping { .. }) {
            return None;
        }
        let parts = if life.awake.is_empty() { &life.parts } else { &life.awake };
        let on_cards = parts.iter().map(|(device, _)| (self.devices[*device].id.clone(), sleeper.keeps));
        let ram = self.devices.iter().find(|device| device.plugin == "cpu");
        let holds = on_cards.chain(ram.map(|ram| (ram.id.clone(), sleeper.ram))).collect();
        Some(ParkedMemory { wake: sleeper.wakes, holds })
    }

    fn tell(&mut self, event: Event) {
        self.report.steps += 1;
        let models: Vec<ObservedModel> = (0..self.lives.len()).filter_map(|at| self.view_of(at)).collect();
        let view =
            View { now: self.now, snapshot: &self.snapshot, models: &models, settings: &self.settings };
        for effect in self.policy.step(event, &view) {
            self.carry_out(effect);
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Grant { model, epoch, assignment, .. } => {
                let at = self.numbers[&model];
                self.answered(at, epoch);
                let number = |id| self.devices.iter().position(|device| device.id == id);
                let parts = assignment.into_iter();
                let parts = parts.map(|part| (number(part.device).unwrap(), part.mib)).collect();
                self.later(self.delay, News::Granted(at, epoch, parts));
            }
            Effect::Deny { model, epoch, explanation, .. } => {
                self.report.denials.push(explanation.to_string());
                let at = self.numbers[&model];
                if matches!(self.lives[at].phase, Phase::Waking { .. }) {
                    // A cold start may find memory elsewhere.
                    return self.stop(at);
                }
                if matches!(self.lives[at].phase, Phase::Stopping { .. }) {
                    // It wanted to wake, and had to end meanwhile.
                    return;
                }
                self.answered(at, epoch);
                assert!(!explanation.to_string().is_empty());
                self.report.denied += self.lives[at].waiting.len();
                self.lives[at].waiting.clear();
                self.lives[at].phase = Phase::Off;
            }
            Effect::GrantWake { model, epoch } => {
                self.later(self.delay, News::GrantWake(self.numbers[&model], epoch));
            }
            Effect::LetPark { model, epoch, go } => {
                self.later(self.delay, News::LetPark(self.numbers[&model], epoch, go));
            }
            Effect::AskEvict { model, epoch, park, .. } => {
                let at = self.numbers[&model];
                let life = &self.lives[at];
                assert!(!self.residents[at].pinned, "{model} is pinned");
                // One that sleeps in the way of somebody who came first ends, even if it is wanted; one that was told in the
                // same breath that it can't wake has begun to.
                let sleeps = matches!(
                    life.phase,
                    Phase::Parked { .. }
                        | Phase::Waking { granted: false, .. }
                        | Phase::Stopping { ready: None }
                );
                assert!(life.leases == 0 && (life.waiting.is_empty() || sleeps), "{model} is busy");
                if let (Phase::Ready { since }, HoldTime::Fixed(time)) = (&life.phase, self.settings.min_hold)
                {
                    assert!(self.now >= *since + time, "{model} has just become ready");
                }
                self.later(self.delay, News::Evict(at, epoch, park));
            }
            Effect::AskYield { model, epoch, park, .. } => {
                let at = self.numbers[&model];
                assert!(!self.residents[at].pinned, "{model} is pinned");
                let Phase::Ready { since } = self.lives[at].phase else { unreachable!("it isn't ready") };
                let least = match self.settings.max_hold {
                    HoldTime::Fixed(time) => time,
                    HoldTime::Auto => LEAST_BUSY,
                };
                assert!(self.now >= since + least, "{model} has not had its time");
                self.later(self.delay, News::Yield(at, epoch, park));
            }
            Effect::WithdrawYield { model, epoch } => {
                let at = self.numbers[&model];
                self.later(self.delay, News::Stay(at, epoch));
            }
            Effect::AskSnapshot(_) => self.later(self.delay, News::Sample),
            Effect::ArmTimer(at) => {
                self.timer += 1;
                self.write(at.max(self.now), News::Timer(self.timer));
            }
            Effect::DisarmTimer => self.timer += 1,
        }
    }

    fn answered(&mut self, at: usize, epoch: u64) {
        assert_eq!(self.lives[at].epoch, epoch, "an answer to a former life");
        let Phase::Queued { since } = self.lives[at].phase else { unreachable!("nobody asked") };
        self.report.longest_demand = self.report.longest_demand.max(self.now - since);
    }

    fn check(&self) {
        for (number, device) in self.devices.iter().enumerate() {
            let full = |at: usize| {
                let parts = self.lives[at].parts.iter().filter(|(on, _)| *on == number);
                parts.map(|(_, mib)| mib * self.residents[at].uses.max(100) / 100).sum::<u64>()
            };
            let ours: u64 = (0..self.lives.len()).map(full).sum();
            let (total, strangers) = (device.total_mib.unwrap(), device.used_mib.unwrap());
            assert!(ours + strangers <= total, "{} holds {ours} + {strangers} of {total}", device.name);
        }
    }
}

impl<P: Policy + ?Sized> Policy for Box<P> {
    fn step(&mut self, event: Event, view: &View<'_>) -> Vec<Effect> {
        (**self).step(event, view)
    }
}
