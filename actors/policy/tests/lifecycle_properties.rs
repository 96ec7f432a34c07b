//! The lifecycle under random orders of events, with real times and epochs.
//!
//! First `step` alone, with any event in any state at any time: it never panics, and its effects make sense.
//! Then a small shell around it, as in `lifecycle_model`, but with a clock, counted epochs, late news of former
//! lives and odd limits; after every move the promises hold, and in the end it comes to rest.

#[path = "support/strategies.rs"]
mod strategies;

use llm_manager_policy::gate::{LeaseAsker, Word};
use llm_manager_policy::lifecycle::{
    Effect, Ending, Event, GONE_HERE, Limits, Moment, Phase, State, StopCause, StopUrgency, View, step,
};
use proptest::prelude::*;
use std::time::Duration;
use strategies::*;

type Times =
    (Duration, Duration, Duration, Option<Duration>, Duration, (Duration, Duration, Option<Duration>));

fn as_limits(
    (start_timeout, stop_timeout, drain_timeout, alive_time, queue_timeout, sleep): Times,
) -> Limits {
    let (park_timeout, wake_timeout, keep_parked) = sleep;
    Limits {
        start_timeout,
        stop_timeout,
        gone_timeout: Duration::from_secs(5),
        drain_timeout,
        alive_time,
        queue_timeout,
        park_timeout,
        wake_timeout,
        keep_parked,
    }
}

fn due(phase: &Phase) -> Option<Moment> {
    match phase {
        Phase::Queued { deadline } | Phase::Starting { deadline } => Some(*deadline),
        Phase::Draining { deadline, .. } => *deadline,
        Phase::Stopping { ending: Ending::Asked(at) | Ending::Killed(at), .. } => Some(*at),
        Phase::Stopping { ending: Ending::Stuck, .. } => None,
        Phase::Parking { deadline, .. } | Phase::Waking { deadline, .. } => Some(*deadline),
        Phase::Parked { until } => *until,
        Phase::Stopped | Phase::Ready { .. } | Phase::Failed { .. } => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_event_in_any_state_makes_sense(
        state in state(), event in event(), view in view(), limits in limits(),
    ) {
        let step = step(&state, event, &view, &limits);
        let has = |effect: Effect| step.effects.contains(&effect);
        let (before, after) = (&state.phase, &step.state.phase);
        let moved = std::mem::discriminant(before) != std::mem::discriminant(after);

        prop_assert_eq!(has(Effect::OpenGate), matches!(before, Phase::Starting { .. }) && matches!(after, Phase::Ready { .. }));
        prop_assert_eq!(has(Effect::Launch), matches!(before, Phase::Queued { .. }) && matches!(after, Phase::Starting { .. }));
        prop_assert_eq!(has(Effect::Reserve), step.state.epoch != state.epoch);
        let demands_anew = moved || (event == Event::Renew && view.waiting > 0);
        prop_assert_eq!(has(Effect::Reserve), demands_anew && matches!(after, Phase::Queued { .. }));
        let refused = has(Effect::RefuseEviction);
        let serves = matches!(after, Phase::Starting { .. } | Phase::Ready { .. } | Phase::Waking { .. });
        prop_assert!(!refused || serves, "what refuses to go stays");
        let asked = matches!(event, Event::Evict | Event::Yield);
        let looks = step.effects.iter().any(|effect| matches!(effect, Effect::CloseIfUnused(_)));
        prop_assert!(!(asked && serves) || refused || looks, "who asks one that stays is refused");
        if has(Effect::ReturnReservation) {
            let no_process = matches!(before, Phase::Queued { .. })
                || matches!(event, Event::Gone { .. } | Event::OutOfMemory { .. } | Event::Unreachable { .. });
            prop_assert!(no_process, "memory given back before the process is gone");
        }
        if moved && matches!(before, Phase::Ready { .. }) && !matches!(event, Event::Closed(_)) {
            prop_assert!(step.effects.iter().take(2).any(|effect| *effect == Effect::CloseGate));
        }
        if moved && let Some(due) = due(after) {
            prop_assert!(has(Effect::ArmTimer(due)), "a phase that ends by itself has a timer");
        }
        if moved && matches!(after, Phase::Stopped | Phase::Failed { .. }) && view.waiting > 0 {
            let refused = step.effects.iter().any(|effect| matches!(effect, Effect::RefuseWaiters(_)));
            let retried = step.effects.iter().any(|effect| matches!(effect, Effect::ArmTimer(_)));
            prop_assert!(refused != retried, "who waits is refused or told to wait for the retry");
        }
        if moved && matches!(after, Phase::Stopping { .. }) {
            // Who has died needs no asking.
            let asked = has(Effect::Terminate) || matches!(event, Event::Broken { .. });
            prop_assert!(asked != has(Effect::Kill));
        }
        let timers = step.effects.iter().filter(|effect| matches!(effect, Effect::ArmTimer(_) | Effect::DisarmTimer));
        prop_assert!(timers.count() <= 1);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Launching,
    Loading,
    Serving,
    GoingDown,
    Down,
    GoingUp,
}

#[derive(Clone, Copy, Debug)]
struct Process {
    epoch: u64,
    stage: Stage,
    probed: bool,
    asked: bool,
    killed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Memory {
    Free,
    Wanted,
    Held,
    Little,
    RestWanted,
}

struct Shell {
    limits: Limits,
    limit: u32,
    parks: bool,
    now: Moment,
    life: State,
    gate: Word,
    timer: Option<Moment>,
    unused_since: Moment,
    memory: Memory,
    process: Option<Process>,
    news: Vec<Event>,
    waiting: usize,
    operators: usize,
    leased: u32,
    broken: u32,
}

type Checked = Result<(), TestCaseError>;

impl Shell {
    fn new(limits: Limits, limit: u32, parks: bool) -> Self {
        Shell {
            limits,
            limit,
            parks,
            now: Duration::from_secs(5),
            life: State::new(),
            gate: Word::CLOSED,
            timer: None,
            unused_since: Duration::ZERO,
            memory: Memory::Free,
            process: None,
            news: Vec::new(),
            waiting: 0,
            operators: 0,
            leased: 0,
            broken: 0,
        }
    }

    /// Lets the actor read an event; `gaps` says what requests do after each of its effects.
    fn handle(&mut self, event: Event, mut gaps: u8) -> Checked {
        let mut next = Some(event);
        while let Some(event) = next.take() {
            let waiting = self.waiting + self.operators;
            let leases = self.gate.leases();
            let (unused_since, may_park) = (self.unused_since, self.parks);
            let view = View { now: self.now, waiting, leases, unused_since, may_park };
            let seen = self.gate;
            let step = step(&self.life, event, &view, &self.limits);
            self.life = step.state;
            self.requests(&mut gaps);
            for effect in step.effects {
                next = self.carry_out(effect, seen)?;
                self.requests(&mut gaps);
            }
        }
        self.check()
    }

    fn requests(&mut self, gaps: &mut u8) {
        match *gaps & 3 {
            1 => self.fast_path(),
            2 if self.leased > 0 => self.release(),
            3 => self.waiting = self.waiting.saturating_sub(1),
            _ => {}
        }
        *gaps >>= 2;
    }

    fn fast_path(&mut self) {
        if let Some(gate) = self.gate.acquire(LeaseAsker::Newcomer, self.limit) {
            self.gate = gate;
            self.leased += 1;
        }
    }

    fn release(&mut self) {
        self.leased -= 1;
        self.release_word();
    }

    fn release_word(&mut self) {
        self.gate = self.gate.release();
        self.unused_since = self.now;
        if self.gate.is_watched() {
            self.lease_freed();
        }
    }

    fn lease_freed(&mut self) {
        if !self.news.contains(&Event::LeaseFreed) {
            self.news.push(Event::LeaseFreed);
        }
    }

    fn carry_out(&mut self, effect: Effect, seen: Word) -> Result<Option<Event>, TestCaseError> {
        match effect {
            Effect::Reserve => {
                prop_assert_eq!(self.memory, Memory::Free);
                self.memory = Memory::Wanted;
            }
            Effect::ReturnReservation => {
                prop_assert!(self.process.is_none(), "memory given back under a live process");
                self.memory = Memory::Free;
            }
            Effect::ReserveAwake => {
                prop_assert_eq!(self.memory, Memory::Little);
                self.memory = Memory::RestWanted;
                // The actor counts its demands, and knows answers to former ones.
                self.news.retain(|event| !matches!(event, Event::Reserved { .. } | Event::Denied { .. }));
            }
            Effect::ReturnAwake => {
                let asleep = self.process.is_none_or(|process| process.stage == Stage::Down);
                prop_assert!(asleep, "memory of one that is awake is given back");
                self.memory = Memory::Little;
            }
            Effect::Park => {
                prop_assert_eq!(self.leased, 0, "parked with an answer that runs");
                self.sleeps(Stage::Serving, Stage::GoingDown)?;
            }
            Effect::Wake => {
                prop_assert_eq!(self.memory, Memory::Held);
                self.sleeps(Stage::Down, Stage::GoingUp)?;
            }
            Effect::Launch => {
                prop_assert!(self.process.is_none(), "two processes at once");
                prop_assert_eq!(self.memory, Memory::Held);
                let epoch = self.life.epoch;
                let process =
                    Process { epoch, stage: Stage::Launching, probed: false, asked: false, killed: false };
                self.process = Some(process);
            }
            Effect::Probe => self.process.iter_mut().for_each(|process| process.probed = true),
            Effect::Check => prop_assert!(self.process.is_some() || self.gone_is_on_its_way()),
            Effect::ReportStuck => prop_assert!(self.process.is_none_or(|process| process.killed)),
            Effect::OpenGate => {
                let serves = self.process.is_some_and(|process| process.stage == Stage::Serving);
                prop_assert!(serves || self.gone_is_on_its_way());
                self.gate = self.gate.opened();
                self.unused_since = self.now;
            }
            Effect::ReopenGate => {
                prop_assert!(self.process.is_some() || self.gone_is_on_its_way());
                self.gate = self.gate.opened();
            }
            Effect::CloseGate => {
                self.gate = self.gate.closed();
                if self.gate.leases() == 0 {
                    self.lease_freed();
                }
            }
            Effect::CloseIfUnused(cause) => {
                let Some(closed) = self.gate.closed_if_unused_since(seen) else {
                    return Ok(Some(Event::InUse(cause)));
                };
                prop_assert_eq!(self.leased, 0, "closed as unused");
                self.gate = closed;
                return Ok(Some(Event::Closed(cause)));
            }
            Effect::BreakLeases => {
                prop_assert!(!self.gate.is_open());
                self.broken += std::mem::take(&mut self.leased);
            }
            Effect::GrantWaiters => self.grant(),
            Effect::RefuseWaiters(_) => {
                self.waiting = 0;
                self.operators = 0;
            }
            Effect::RefuseEviction => {
                prop_assert!(self.process.is_some() || self.gone_is_on_its_way());
            }
            Effect::Terminate => self.process.iter_mut().for_each(|process| process.asked = true),
            Effect::Kill => self.process.iter_mut().for_each(|process| process.killed = true),
            Effect::ArmTimer(at) => self.timer = Some(at),
            Effect::DisarmTimer => self.timer = None,
        }
        Ok(None)
    }

    fn sleeps(&mut self, from: Stage, to: Stage) -> Checked {
        if let Some(process) = &mut self.process {
            prop_assert_eq!(process.stage, from);
            process.stage = to;
        }
        Ok(())
    }

    fn grant(&mut self) {
        self.operators = 0;
        self.gate = self.gate.watched(self.waiting > 0);
        while self.waiting > 0
            && let Some(gate) = self.gate.acquire(LeaseAsker::Queue, self.limit)
        {
            self.gate = gate;
            self.leased += 1;
            self.waiting -= 1;
        }
        self.gate = self.gate.watched(self.waiting > 0);
    }

    fn gone_is_on_its_way(&self) -> bool {
        self.news.contains(&Event::Gone { epoch: self.life.epoch })
    }

    fn exits(&mut self) {
        if let Some(process) = self.process.take() {
            self.news.push(Event::Gone { epoch: process.epoch });
        }
    }

    fn fires(&mut self, gaps: u8) -> Checked {
        match self.timer.take_if(|at| *at <= self.now) {
            Some(_) => self.handle(Event::Deadline, gaps),
            None => Ok(()),
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now.saturating_add(time);
    }

    fn hear(&mut self, pick: u8, gaps: u8) -> Checked {
        if self.news.is_empty() {
            return Ok(());
        }
        let event = self.news.swap_remove(usize::from(pick) % self.news.len());
        self.handle(event, gaps)
    }

    /// One random move of the world.
    fn moves(&mut self, kind: u8, pick: u8, gaps: u8) -> Checked {
        let epoch = self.life.epoch;
        match kind {
            0..=2 => {
                self.waiting += 1;
                self.handle(Event::Acquire, gaps)?;
            }
            3 | 4 => self.fast_path(),
            5 | 6 if self.leased > 0 => self.release(),
            7 if self.broken > 0 => {
                self.broken -= 1;
                self.release_word();
            }
            8 => self.waiting = self.waiting.saturating_sub(1),
            9 => {
                let urgency =
                    [StopUrgency::Drain, StopUrgency::Now, StopUrgency::Kill][usize::from(pick) % 3];
                self.handle(Event::Stop(urgency), gaps)?;
            }
            10 => {
                self.operators += usize::from(pick % 2);
                self.handle(if pick < 128 { Event::Start } else { Event::Restart }, gaps)?;
            }
            11 => self.handle(Event::Evict, gaps)?,
            12 | 13 if matches!(self.memory, Memory::Wanted | Memory::RestWanted) && pick < 220 => {
                self.memory = Memory::Held;
                self.news.push(Event::Reserved { epoch });
            }
            12 if matches!(self.memory, Memory::Wanted | Memory::RestWanted) => {
                let awake = self.memory == Memory::RestWanted;
                self.memory = if awake { Memory::Little } else { Memory::Free };
                self.news.push(Event::Denied { epoch });
            }
            14..=17 => self.process_moves(pick),
            18 => self.exits(),
            26 => {
                let signs = [
                    Event::Hung { epoch },
                    Event::Doubted { epoch },
                    Event::CheckFailed { epoch },
                    Event::Broken { epoch },
                ];
                self.handle(signs[usize::from(pick) % signs.len()], gaps)?;
            }
            27 if pick < 100 => self.handle(Event::Park, gaps)?,
            27 => self.handle(Event::Abandoned, gaps)?,
            19 if self.process.is_some_and(|process| process.asked || process.killed) => self.exits(),
            20 => self.pass(Duration::from_millis(u64::from(pick) * 20)),
            21 => self.pass(Duration::from_secs(u64::from(pick))),
            22 => self.pass(if pick == 0 { Duration::MAX } else { Duration::ZERO }),
            23 | 24 => self.fires(gaps)?,
            25 => self.handle([Event::Deadline, Event::LeaseFreed][usize::from(pick % 2)], gaps)?,
            _ => self.hear(pick, gaps)?,
        }
        Ok(())
    }

    fn process_moves(&mut self, pick: u8) {
        let Some(process) = self.process.as_mut() else { return };
        let epoch = process.epoch;
        match process.stage {
            Stage::Launching => {
                process.stage = Stage::Loading;
                self.news.push(Event::Launched { epoch });
            }
            Stage::Loading if process.probed && pick < 200 => {
                process.stage = Stage::Serving;
                self.news.push(Event::ProbeSucceeded { epoch });
            }
            Stage::Loading if process.probed => {
                process.probed = false;
                self.news.push(Event::ProbeRefused { epoch });
            }
            Stage::GoingDown if pick < 180 => {
                process.stage = Stage::Down;
                self.news.push(Event::Parked { epoch });
            }
            Stage::GoingDown => {
                process.stage = Stage::Serving;
                let refused = pick < 220;
                let event = if refused { Event::ParkRefused { epoch } } else { Event::ParkFailed { epoch } };
                self.news.push(event);
            }
            Stage::GoingUp if pick < 200 => {
                process.stage = Stage::Serving;
                self.news.push(Event::Woken { epoch });
            }
            Stage::GoingUp => {
                process.stage = Stage::Down;
                self.news.push(Event::WakeFailed { epoch });
            }
            Stage::Loading | Stage::Serving | Stage::Down => {}
        }
    }

    /// What holds whenever the actor has nothing left to carry out.
    fn check(&self) -> Checked {
        let phase = &self.life.phase;
        let ready = matches!(phase, Phase::Ready { .. });
        let waits = self.waiting + self.operators > 0;
        prop_assert_eq!(self.gate.leases(), self.leased + self.broken, "granted - returned = in flight");
        prop_assert!(self.gate.leases() <= self.limit);
        prop_assert_eq!(self.gate.is_open(), ready, "the gate is open exactly while it is ready");
        let alive = self.process.is_some() || self.gone_is_on_its_way();
        if let Some(process) = self.process {
            prop_assert_eq!(process.epoch, self.life.epoch, "a process of a former life");
        }
        match phase {
            Phase::Stopped | Phase::Failed { .. } => {
                prop_assert!(!alive && self.memory == Memory::Free && self.leased == 0);
                let retried = *phase != Phase::Stopped && self.timer.is_some();
                prop_assert!(!waits || retried);
            }
            Phase::Queued { .. } => prop_assert!(!alive),
            Phase::Parked { .. } => prop_assert!(alive && self.memory == Memory::Little && !waits),
            Phase::Waking { granted: false, .. } => prop_assert!(alive),
            Phase::Stopping { .. } => {
                prop_assert!(alive && matches!(self.memory, Memory::Held | Memory::Little));
            }
            _ => prop_assert!(alive && self.memory == Memory::Held),
        }
        if let Some(due) = due(phase) {
            prop_assert_eq!(self.timer, Some(due));
        }
        if ready {
            prop_assert_eq!(self.timer.is_some(), self.limits.alive_time.is_some());
            let told = self.gate.is_watched() && self.gate.leases() > 0;
            prop_assert!(self.waiting == 0 || told || self.news.contains(&Event::LeaseFreed));
        }
        if matches!(phase, Phase::Draining { .. }) {
            prop_assert!(self.gate.leases() > 0 || self.news.contains(&Event::LeaseFreed));
        }
        if let Phase::Stopping { ending: Ending::Killed(_) | Ending::Stuck, .. } = phase {
            prop_assert!(self.gone_is_on_its_way() || self.process.is_some_and(|process| process.killed));
        }
        if let Phase::Stopping { cause: StopCause::Idle | StopCause::Evicted, .. } = phase {
            prop_assert_eq!(self.leased, 0);
        }
        Ok(())
    }

    fn rests_for_ever(&self) -> bool {
        match self.life.phase {
            Phase::Ready { .. } => self.limits.alive_time.is_none(),
            Phase::Parked { until } => until.is_none(),
            _ => false,
        }
    }

    /// The world does nothing more but what it must: it comes to rest, and nobody is left waiting.
    fn settle(&mut self) -> Checked {
        for _ in 0..200 {
            while !self.news.is_empty() {
                self.hear(0, 0)?;
            }
            if self.broken > 0 {
                self.broken -= 1;
                self.release_word();
            } else if self.leased > 0 {
                self.release();
            } else if self.process.is_some_and(|process| process.killed) {
                self.exits();
            } else if self.rests_for_ever() {
                break;
            } else if let Some(at) = self.timer {
                self.now = self.now.max(at);
                self.fires(0)?;
            } else {
                break;
            }
        }
        let rests = matches!(self.life.phase, Phase::Stopped | Phase::Failed { .. });
        prop_assert!(rests || self.rests_for_ever(), "not at rest: {:?}", self.life);
        prop_assert_eq!((self.waiting, self.operators, self.gate.leases()), (0, 0, 0));
        Ok(())
    }
}

/// Limits as people set them, and odd ones.
fn usual_limits() -> impl Strategy<Value = Limits> {
    let time = || {
        prop_oneof![
            (0..120_u64).prop_map(Duration::from_secs),
            Just(Duration::ZERO),
            Just(Duration::from_millis(1)),
            Just(Duration::MAX),
        ]
    };
    let sleep = (time(), time(), prop::option::of(time()));
    (time(), time(), time(), prop::option::of(time()), time(), sleep).prop_map(as_limits)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn promises_hold_in_any_order_of_events(
        limits in usual_limits(),
        limit in prop_oneof![1..4_u32, Just(u32::MAX)],
        parks in any::<bool>(),
        moves in prop::collection::vec((0..32_u8, any::<u8>(), any::<u8>()), 0..250),
    ) {
        let mut shell = Shell::new(limits, limit, parks);
        for (kind, pick, gaps) in moves {
            shell.moves(kind, pick, gaps)?;
            shell.check()?;
        }
        shell.settle()?;
    }
}

/// A cluster's node may take a minute to say that something is gone; whoever waits for one that failed isn't kept that long.
#[test]
fn one_that_failed_is_waited_for_no_longer_than_on_this_machine() {
    let (now, minute) = (Duration::from_secs(100), Duration::from_secs(60));
    let times = (minute, minute, minute, None, minute, (minute, minute, None));
    let limits = Limits { gone_timeout: minute, ..as_limits(times) };
    let view = View { now, waiting: 1, leases: 0, unused_since: now, may_park: false };
    for (cause, patience) in
        [(StopCause::Operator, minute), (StopCause::Taken, minute), (StopCause::ProbeRefused, GONE_HERE)]
    {
        let phase = Phase::Stopping { ending: Ending::Asked(now), cause };
        let next = step(&State { phase, ..State::new() }, Event::Deadline, &view, &limits).state.phase;
        assert_eq!(next, Phase::Stopping { ending: Ending::Killed(now + patience), cause });
    }
}
