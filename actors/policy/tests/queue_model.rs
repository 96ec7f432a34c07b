//! Every state that the Scheduler and two models on one device can get into.
//!
//! The models are `lifecycle::step` with their effects carried out at once (what may happen in between is
//! `lifecycle_model`'s business); between them and the queue go messages, in order, that may take any time.
//! Whoever answers, loads or stops is done within a tick or two; requests come and leave whenever they like,
//! so that a model's traffic may be as steady as it can be. Two tests read it: stateright looks for a state
//! that breaks a promise (a refusal for want of time is one: waiting is bounded), and a search of our own shows
//! that without further requests all comes to rest, with nobody waiting.

#![expect(clippy::unwrap_used, reason = "a test may")]

#[path = "support/explore.rs"]
mod explore;

use Action::*;
use explore::explore;
use llm_manager_policy::devices::{Device, DeviceSnapshot, Requirement};
use llm_manager_policy::lifecycle::{self, Effect, Ending, Limits, Moment, Phase, StopCause, View};
use llm_manager_policy::placement::{
    DemandPriority, HoldTime, Need, PlacementSettings, ResidentState, UserClasses, Variant,
};
use llm_manager_policy::queue::{self, ObservedModel, Stage};
use llm_manager_policy::spec::Class;
use stateright::{Checker, HasDiscoveries, Model, Property};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

const NOW: Moment = Duration::from_secs(100_000);
const TICK: Duration = Duration::from_secs(1);
/// The present life of each model; earlier ones count down from here.
const THIS: u64 = 10;
const TOTAL: u64 = 10;
const LIMITS: Limits = Limits {
    start_timeout: Duration::from_secs(1000),
    stop_timeout: Duration::from_secs(1000),
    gone_timeout: Duration::from_secs(1000),
    drain_timeout: Duration::from_secs(1000),
    alive_time: None,
    queue_timeout: Duration::from_secs(1000),
    park_timeout: Duration::from_secs(1000),
    wake_timeout: Duration::from_secs(1000),
    keep_parked: None,
};

/// What each model wants of the device, variant by variant.
#[derive(Clone)]
struct Setup {
    wants: [Vec<u64>; 2],
    settings: PlacementSettings,
    /// Of the requests to each.
    classes: [Class; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum ToModel {
    Grant { epoch: u64, mib: u64 },
    Deny { epoch: u64 },
    Evict { epoch: u64 },
    Yield { epoch: u64 },
    Stay { epoch: u64 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum ToQueue {
    Demand { epoch: u64 },
    Returned { epoch: u64, ran: bool },
    Refused { epoch: u64 },
    Changed,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct One {
    life: lifecycle::State,
    open: bool,
    leased: bool,
    waits: bool,
    /// Memory of its process; none: no process.
    process: Option<u64>,
    mib: u64,
    ending: bool,
    /// When its last answer ended, in this life.
    left: Option<Moment>,
    /// What is under way takes longer than a tick already.
    late: bool,
    from_queue: Vec<ToModel>,
    to_queue: Vec<ToQueue>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    queue: queue::State,
    timer: Option<Moment>,
    models: [One; 2],
    violation: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Action {
    Comes(usize),
    Leaves(usize),
    Answered(usize),
    Loaded(usize),
    Exits(usize),
    ModelHears(usize),
    QueueHears(usize),
    TimerFires,
    TimePasses,
}

impl One {
    fn new() -> Self {
        Self {
            life: lifecycle::State { epoch: THIS, ..lifecycle::State::new() },
            open: false,
            leased: false,
            waits: false,
            process: None,
            mib: 0,
            ending: false,
            left: None,
            late: false,
            from_queue: Vec::new(),
            to_queue: Vec::new(),
        }
    }

    fn handle(&mut self, event: lifecycle::Event) {
        let view = View {
            now: NOW,
            waiting: usize::from(self.waits),
            leases: u32::from(self.leased),
            unused_since: NOW,
            may_park: false,
        };
        let step = lifecycle::step(&self.life, event, &view, &LIMITS);
        self.life = step.state;
        let mut then = Vec::new();
        for effect in step.effects {
            let epoch = self.life.epoch;
            match effect {
                Effect::ReserveAwake | Effect::ReturnAwake | Effect::Park | Effect::Wake => unreachable!(),
                Effect::Reserve => self.to_queue.push(ToQueue::Demand { epoch }),
                Effect::ReturnReservation => {
                    // It is the former life's when a new one has begun with it.
                    let renewed = matches!(self.life.phase, Phase::Queued { .. });
                    let ran = event == lifecycle::Event::Gone { epoch: epoch - u64::from(renewed) };
                    self.to_queue.push(ToQueue::Returned { epoch: epoch - u64::from(renewed), ran });
                }
                Effect::Launch => {
                    self.process = Some(self.mib);
                    then.push(lifecycle::Event::Launched { epoch });
                }
                Effect::OpenGate => {
                    self.open = true;
                    self.to_queue.push(ToQueue::Changed);
                }
                Effect::ReopenGate => self.open = true,
                Effect::CloseGate => {
                    self.open = false;
                    then.extend((!self.leased).then_some(lifecycle::Event::LeaseFreed));
                }
                Effect::CloseIfUnused(cause) => {
                    self.open = false;
                    then.push(lifecycle::Event::Closed(cause));
                }
                Effect::GrantWaiters => {
                    self.leased |= self.waits;
                    self.waits = false;
                }
                Effect::RefuseWaiters(_) => self.waits = false,
                Effect::RefuseEviction => self.to_queue.push(ToQueue::Refused { epoch }),
                Effect::Terminate | Effect::Kill => self.ending = true,
                Effect::Probe
                | Effect::Check
                | Effect::ReportStuck
                | Effect::BreakLeases
                | Effect::ArmTimer(_)
                | Effect::DisarmTimer => {}
            }
        }
        then.into_iter().for_each(|event| self.handle(event));
    }

    fn hear(&mut self, message: ToModel) {
        match message {
            ToModel::Grant { epoch, mib } => {
                if epoch == self.life.epoch {
                    self.mib = mib;
                }
                self.handle(lifecycle::Event::Reserved { epoch });
            }
            ToModel::Deny { epoch } => self.handle(lifecycle::Event::Denied { epoch }),
            ToModel::Evict { epoch } | ToModel::Yield { epoch } | ToModel::Stay { epoch }
                if epoch != self.life.epoch => {}
            ToModel::Evict { .. } => self.handle(lifecycle::Event::Evict),
            ToModel::Stay { .. } => self.handle(lifecycle::Event::Stay),
            ToModel::Yield { .. } => self.handle(lifecycle::Event::Yield),
        }
    }

    /// Something that ends by itself within two ticks is under way.
    fn duty(&self) -> bool {
        matches!(self.life.phase, Phase::Starting { .. } | Phase::Stopping { .. } | Phase::Draining { .. })
    }

    fn quiet(&self) -> bool {
        self.from_queue.is_empty() && self.to_queue.is_empty()
    }

    fn rests(&self) -> bool {
        let settled = matches!(self.life.phase, Phase::Stopped | Phase::Ready { .. });
        self.quiet() && settled && !self.waits && !self.leased
    }
}

impl Setup {
    fn name(at: usize) -> Arc<str> {
        ["a", "b"][at].into()
    }

    fn variants(&self, at: usize) -> Arc<[Variant]> {
        let need = |mib: u64| vec![Need { requirement: Requirement::parse("gpu").unwrap(), mib }];
        self.wants[at].iter().map(|mib| Variant { name: mib.to_string().into(), needs: need(*mib) }).collect()
    }

    fn step(&self, world: &mut World, event: queue::Event) {
        let loaded = |one: &One| {
            if matches!(one.life.phase, Phase::Starting { .. }) { 0 } else { one.process.unwrap_or(0) }
        };
        let device = Device {
            total_mib: Some(TOTAL),
            used_mib: Some(world.models.iter().map(loaded).sum()),
            ..Device::new("0", "gpu", "fake")
        };
        let snapshot = DeviceSnapshot { devices: vec![device], taken_at: Some(NOW) };
        let view = |(at, one): (usize, &One)| {
            let standing = match one.life.phase {
                Phase::Starting { .. } => ResidentState::Starting { wanted: one.waits, since: NOW },
                Phase::Ready { since } => {
                    ResidentState::Ready { since, busy: one.leased || one.waits, idle_since: NOW }
                }
                Phase::Draining { .. } | Phase::Stopping { .. } => ResidentState::Leaving { ready: None },
                Phase::Stopped | Phase::Queued { .. } | Phase::Failed { .. } => return None,
                // Nothing sleeps here: the simulated house has that.
                Phase::Parking { .. } | Phase::Parked { .. } | Phase::Waking { .. } => unreachable!(),
            };
            let (model, epoch) = (Self::name(at), one.life.epoch);
            let (class, reload, actual) = (self.classes[at], Some(TICK), Vec::new());
            let (pinned, warm, sleep) = (false, None, None);
            let mut users =
                UserClasses { now: (one.leased || one.waits).then_some(class), ..UserClasses::default() };
            users.left[class as usize] = one.left;
            Some(ObservedModel { model, epoch, standing, pinned, warm, reload, users, sleep, actual })
        };
        let models: Vec<ObservedModel> = world.models.iter().enumerate().filter_map(view).collect();
        let view = queue::View { now: NOW, snapshot: &snapshot, models: &models, settings: &self.settings };
        let step = queue::step(&world.queue, event, &view);
        world.queue = step.state;
        for effect in step.effects {
            let mut tell = |model: Arc<str>, message| {
                world.models[usize::from(&*model == "b")].from_queue.push(message);
            };
            match effect {
                queue::Effect::Grant { model, epoch, assignment, .. } => {
                    tell(model, ToModel::Grant { epoch, mib: assignment[0].mib });
                }
                queue::Effect::Deny { model, epoch, .. } => {
                    tell(model, ToModel::Deny { epoch });
                    world.violation = Some("a demand that could be met was refused");
                }
                queue::Effect::AskEvict { model, epoch, .. } => {
                    tell(model.clone(), ToModel::Evict { epoch });
                    let one = &world.models[usize::from(&*model == "b")];
                    if one.leased || one.waits {
                        world.violation = Some("a victim is busy");
                    }
                }
                queue::Effect::AskYield { model, epoch, .. } => tell(model, ToModel::Yield { epoch }),
                queue::Effect::GrantWake { .. } | queue::Effect::LetPark { .. } => unreachable!(),
                queue::Effect::WithdrawYield { model, epoch } => tell(model, ToModel::Stay { epoch }),
                queue::Effect::AskSnapshot(_) => {}
                queue::Effect::ArmTimer(at) => world.timer = Some(at),
                queue::Effect::DisarmTimer => world.timer = None,
            }
        }
        let kept = world.queue.holds.iter().filter(|hold| !matches!(hold.stage, Stage::Gone { .. }));
        if kept.flat_map(|hold| &hold.parts).map(|part| part.mib).sum::<u64>() > TOTAL {
            world.violation = Some("more is reserved than there is");
        }
        if !world.queue.waiting.is_empty() && world.timer.is_none() {
            world.violation = Some("somebody waits and no timer is armed");
        }
    }

    /// Moments move into the past, as far as they matter; epochs count from the present life.
    fn normalised(&self, mut world: World, passed: Duration) -> World {
        let past = |at: &mut Moment, most: u64| {
            *at = at.saturating_sub(passed).max(NOW - Duration::from_secs(most));
        };
        let shifts: Vec<u64> = world.models.iter().map(|one| one.life.epoch - THIS).collect();
        let shift = |model: &str| shifts[usize::from(model == "b")];
        for waiting in &mut world.queue.waiting {
            past(&mut waiting.since, 1000);
            waiting.blocked_since.iter_mut().for_each(|at| past(at, 10));
            waiting.epoch -= shift(&waiting.model);
            // Only told of, never decided by.
            (waiting.victims_asked, waiting.victims_gone) = (None, None);
        }
        let paced = self.settings.min_hold == HoldTime::Auto;
        let mixed = self.classes[0] != self.classes[1];
        world.queue.accounts.retain(|_| paced);
        for account in &mut world.queue.accounts {
            account.left = (account.left + passed + (NOW - account.since)).min(TICK);
            account.since = NOW;
        }
        for hold in &mut world.queue.holds {
            hold.epoch -= shift(&hold.model);
            hold.granted = hold.granted.filter(|_| paced && hold.ready.is_none());
            hold.granted.iter_mut().for_each(|at| past(at, 10));
            hold.ready = hold.ready.filter(|_| paced);
            hold.ready.iter_mut().for_each(|at| past(at, 10));
            if !paced {
                (hold.load, hold.rivals, hold.credit) = (TICK, false, Duration::ZERO);
                world.queue.waiting.iter_mut().for_each(|waiting| waiting.rivals = false);
            }
            match &mut hold.stage {
                Stage::Asked { at, .. } => past(at, 10),
                Stage::Gone { since, .. } => past(since, 10),
                Stage::Refused { until } => {
                    past(until, 10);
                    if *until <= NOW {
                        hold.stage = Stage::Kept;
                    }
                }
                Stage::Kept | Stage::Yielding { .. } => {}
            }
        }
        world.timer.iter_mut().for_each(|at| past(at, 0));
        for (one, shift) in world.models.iter_mut().zip(shifts) {
            one.life.epoch -= shift;
            match &mut one.life.phase {
                Phase::Queued { deadline } | Phase::Starting { deadline } => {
                    *deadline = NOW + Duration::from_secs(1000);
                }
                Phase::Draining { deadline, cause } => (*deadline, *cause) = (None, StopCause::Evicted),
                Phase::Stopping { ending, cause } => {
                    (*ending, *cause) = (Ending::Asked(NOW), StopCause::Evicted);
                }
                Phase::Ready { since } => past(since, 10),
                Phase::Stopped | Phase::Failed { .. } => {}
                Phase::Parking { .. } | Phase::Parked { .. } | Phase::Waking { .. } => unreachable!(),
            }
            one.mib = if one.life.phase == Phase::Stopped { 0 } else { one.mib };
            one.late &= one.duty() || one.leased;
            // One class has no use for it, nor has a life that is over.
            one.left = one.left.filter(|_| mixed && matches!(one.life.phase, Phase::Ready { .. }));
            one.left.iter_mut().for_each(|at| past(at, 10));
            for message in &mut one.from_queue {
                let (ToModel::Grant { epoch, .. }
                | ToModel::Deny { epoch }
                | ToModel::Evict { epoch }
                | ToModel::Yield { epoch }
                | ToModel::Stay { epoch }) = message;
                *epoch -= shift;
            }
            for message in &mut one.to_queue {
                if let ToQueue::Demand { epoch }
                | ToQueue::Returned { epoch, .. }
                | ToQueue::Refused { epoch } = message
                {
                    *epoch -= shift;
                }
            }
        }
        if world.models.iter().filter_map(|one| one.process).sum::<u64>() > TOTAL {
            world.violation = Some("the processes use more than there is");
        }
        world
    }

    /// What happens without anybody's wanting it.
    fn forced(world: &World, actions: &mut Vec<Action>) {
        for (at, one) in world.models.iter().enumerate() {
            let mut may = |possible: bool, action| actions.extend(possible.then_some(action));
            may(!one.from_queue.is_empty(), ModelHears(at));
            may(!one.to_queue.is_empty(), QueueHears(at));
            may(one.leased, Answered(at));
            may(matches!(one.life.phase, Phase::Starting { .. }), Loaded(at));
            may(one.ending && one.process.is_some(), Exits(at));
        }
        let due = world.timer.is_some_and(|at| at <= NOW);
        actions.extend(due.then_some(TimerFires));
        // Messages don't take a tick, and nothing is late for ever.
        let still = world.models.iter().all(|one| one.quiet() && !one.late);
        actions.extend((still && !due && world.timer.is_some()).then_some(TimePasses));
    }
}

impl Model for Setup {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let queue = queue::State::default();
        vec![World { queue, timer: None, models: [One::new(), One::new()], violation: None }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        Self::forced(world, actions);
        for (at, one) in world.models.iter().enumerate() {
            let full = one.waits || (one.open && one.leased);
            actions.extend((!full).then_some(Comes(at)));
            actions.extend(one.waits.then_some(Leaves(at)));
        }
        if world.timer.is_none() && world.models.iter().all(|one| one.quiet() && !one.late) {
            actions.push(TimePasses);
        }
    }

    fn next_state(&self, before: &World, action: Action) -> Option<World> {
        let mut world = before.clone();
        let mut passed = Duration::ZERO;
        match action {
            Comes(at) => {
                let one = &mut world.models[at];
                if one.open {
                    one.leased = true;
                } else {
                    one.waits = true;
                    one.handle(lifecycle::Event::Acquire);
                }
            }
            Leaves(at) => world.models[at].waits = false,
            Answered(at) => {
                let one = &mut world.models[at];
                (one.leased, one.late, one.left) = (false, false, Some(NOW));
                if matches!(one.life.phase, Phase::Draining { .. }) {
                    one.handle(lifecycle::Event::LeaseFreed);
                }
            }
            Loaded(at) => {
                let one = &mut world.models[at];
                one.late = false;
                let epoch = one.life.epoch;
                one.handle(lifecycle::Event::ProbeSucceeded { epoch });
            }
            Exits(at) => {
                let one = &mut world.models[at];
                (one.process, one.ending, one.late) = (None, false, false);
                let epoch = one.life.epoch;
                one.handle(lifecycle::Event::Gone { epoch });
            }
            ModelHears(at) => {
                let message = world.models[at].from_queue.remove(0);
                world.models[at].hear(message);
            }
            QueueHears(at) => {
                let model = Self::name(at);
                let event = match world.models[at].to_queue.remove(0) {
                    ToQueue::Demand { epoch } => {
                        let (variants, load) = (self.variants(at), Some(TICK));
                        let (urgency, overlap) = (DemandPriority::Wanted(self.classes[at]), false);
                        queue::Event::Demand { model, epoch, variants, load, urgency, overlap }
                    }
                    ToQueue::Returned { epoch, ran } => queue::Event::Returned { model, epoch, ran },
                    ToQueue::Refused { epoch } => queue::Event::EvictRefused { model, epoch },
                    ToQueue::Changed => queue::Event::Changed,
                };
                self.step(&mut world, event);
            }
            TimerFires => {
                world.timer = None;
                self.step(&mut world, queue::Event::Timer);
            }
            TimePasses => {
                passed = TICK;
                world.models.iter_mut().for_each(|one| one.late = one.duty() || one.leased);
            }
        }
        Some(self.normalised(world, passed)).filter(|after| after != before)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let both = self.wants.iter().filter_map(|wants| wants.iter().min()).sum::<u64>() <= TOTAL;
        let mut properties = vec![
            Property::always("no promise is broken", |_, world: &World| world.violation.is_none()),
            Property::sometimes("a request is served", |_, world: &World| world.models[1].leased),
            Property::sometimes("a model yields", |_, world: &World| {
                let draining = |one: &One| matches!(one.life.phase, Phase::Draining { .. }) && one.leased;
                world.models.iter().any(draining)
            }),
            Property::sometimes("a victim refuses", |_, world: &World| {
                world.queue.holds.iter().any(|hold| matches!(hold.stage, Stage::Refused { .. }))
            }),
            Property::sometimes("an abandoned start is stopped", |_, world: &World| {
                world.models.iter().any(|one| {
                    one.from_queue.iter().any(|message| {
                        matches!(message, ToModel::Evict { .. })
                            && matches!(one.life.phase, Phase::Starting { .. })
                    })
                })
            }),
        ];
        if both {
            properties.retain(|property| {
                property.name.starts_with("no promise") || property.name.starts_with("a request")
            });
        }
        properties
    }
}

fn setups() -> [(&'static str, Setup); 6] {
    let settings = PlacementSettings {
        min_hold: HoldTime::Fixed(TICK),
        max_hold: HoldTime::Fixed(2 * TICK),
        settle: TICK,
        // All that can delay somebody: the other's start, hold, last answer and end, and the settling.
        queue_timeout: 14 * TICK,
        ..PlacementSettings::default()
    };
    let auto = PlacementSettings { min_hold: HoldTime::Auto, max_hold: HoldTime::Auto, ..settings.clone() };
    let normal = [Class::Normal; 2];
    let setup = |a: &[u64], b: &[u64]| Setup {
        wants: [a.to_vec(), b.to_vec()],
        settings: settings.clone(),
        classes: normal,
    };
    // A demand may be passed for half of this, and then has to wait as above.
    let aged =
        |settings: &PlacementSettings| PlacementSettings { queue_timeout: 28 * TICK, ..settings.clone() };
    let classes = [Class::Interactive, Class::Batch];
    let mixed =
        |settings: &PlacementSettings| Setup { settings: aged(settings), classes, ..setup(&[6], &[7]) };
    [
        ("room for one", setup(&[6], &[7])),
        ("room for both", setup(&[6], &[4])),
        ("room for both in small", setup(&[7, 5], &[8, 3])),
        ("a person and an agent", mixed(&settings)),
        ("a person and an agent, auto", mixed(&auto)),
        ("room for one, auto", Setup { settings: auto, ..setup(&[6], &[7]) }),
    ]
}

#[test]
fn no_reachable_state_breaks_a_promise() {
    for (name, setup) in setups() {
        let began = std::time::Instant::now();
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let checker =
            setup.checker().threads(threads).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
        println!("{name}: {} unique states, {:.1?}", checker.unique_state_count(), began.elapsed());
        if let Some(path) = checker.discovery("no promise is broken") {
            let last = path.last_state().clone();
            panic!("{name}: {:?}\n{last:#?}\nafter {:#?}", last.violation, path.into_actions());
        }
        checker.assert_properties();
    }
}

/// When nobody comes any more, everything comes to an end, and only where nobody is left waiting.
#[test]
fn the_house_always_comes_to_rest() {
    for (name, setup) in setups() {
        let (worlds, moves) = explore(&setup);
        let mut left: Vec<usize> = moves.iter().map(Vec::len).collect();
        let mut before = vec![Vec::new(); worlds.len()];
        for (from, nexts) in moves.iter().enumerate() {
            nexts.iter().for_each(|to| before[*to].push(from));
        }
        let rests = |world: &World| world.queue.waiting.is_empty() && world.models.iter().all(One::rests);
        let mut comes_to_rest: Vec<bool> = worlds.iter().map(rests).collect();
        let mut peeled: VecDeque<usize> = (0..worlds.len()).filter(|at| comes_to_rest[*at]).collect();
        while let Some(at) = peeled.pop_front() {
            for from in &before[at] {
                left[*from] -= 1;
                if left[*from] == 0 && !comes_to_rest[*from] {
                    comes_to_rest[*from] = true;
                    peeled.push_back(*from);
                }
            }
        }
        println!("{name}: {} states", worlds.len());
        let example = comes_to_rest.iter().position(|rests| !*rests).map(|at| &worlds[at]);
        assert!(example.is_none(), "{name}: may never come to rest: {example:#?}");
    }
}
