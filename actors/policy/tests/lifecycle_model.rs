//! Every state that one model, its process, the scheduler, an operator and a few requests can get into.
//!
//! `World` is a small shell around `lifecycle::step` and `gate::Word`: the reference for what the Model actor
//! does with each effect. Effects are carried out one at a time, and everything else may happen in between:
//! requests take and return leases at the gate, those who wait leave, the process dies, the scheduler
//! answers. Nothing is bounded by a budget; the world is finite because it is normalised (see `normalised`).
//!
//! Two tests read it: stateright looks for a state that breaks a promise, and a search of our own shows that
//! the program by itself always comes to rest, with nobody waiting and nothing in limbo.

#![expect(clippy::unwrap_used, reason = "a test may")]

#[path = "support/explore.rs"]
mod explore;
#[path = "support/model_world.rs"]
mod model_world;

use Action::*;
use explore::explore;
use llm_manager_policy::gate::{LeaseAsker, Word};
use llm_manager_policy::lifecycle::{
    Effect, Ending, Event, Limits, Moment, Phase, Refusal, State, StopCause, StopUrgency, View, step,
};
use llm_manager_policy::restart::STABLE_RUN;
use stateright::{Checker, HasDiscoveries, Model, Property};
use std::collections::VecDeque;
use std::time::Duration;

/// It is always now; when time passes, the moments move into the past instead.
const NOW: Moment = Duration::from_secs(1000);
const TICK: Duration = Duration::from_secs(1);
/// The present life. Only "this one" and "a former one" can be told apart.
const THIS: u64 = 1;
const FORMER: u64 = 0;
/// From here on the next try is too far away to wait for, and stays so for a failure more.
const MANY_FAILURES: u32 = 3;

/// The world to explore.
#[derive(Clone)]
struct Setup {
    requests: u8,
    max_concurrency: u32,
    alive_time: Option<Duration>,
    /// Its configuration may change.
    renews: bool,
    /// It may sleep instead of ending; for how long.
    parks: Option<Option<Duration>>,
}

impl Setup {
    fn limits(&self) -> Limits {
        Limits {
            start_timeout: TICK,
            stop_timeout: TICK,
            gone_timeout: TICK,
            drain_timeout: TICK,
            alive_time: self.alive_time,
            queue_timeout: TICK,
            park_timeout: TICK,
            wake_timeout: TICK,
            keep_parked: self.parks.flatten(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Memory {
    Free,
    Wanted,
    Held,
    /// What it needs asleep.
    Little,
    /// The same, and the rest is wanted.
    RestWanted,
}

/// Whether a backend that serves sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Sleep {
    Awake,
    GoingDown,
    Down,
    GoingUp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Process {
    None,
    Launching,
    Loading,
    Serving,
    Hopeless,
}

/// News on the way to the actor, all of this life; it may arrive in any order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct News {
    reserved: bool,
    denied: bool,
    launched: bool,
    probe_succeeded: bool,
    probe_refused: bool,
    broken: bool,
    gone: bool,
    lease_freed: bool,
    parked: bool,
    park_refused: bool,
    park_failed: bool,
    woken: bool,
    wake_failed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Op {
    Do(Effect),
    /// The rest of `GrantWaiters`: one lease at a time.
    GrantNext,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    life: State,
    /// Effects still to be carried out; meanwhile the actor reads no other event.
    ops: Vec<Op>,
    /// The gate as the view showed it, while `CloseIfUnused` is still to be done.
    seen: Option<Word>,
    /// The effects are those of a stop that lets running answers end.
    gentle: bool,
    gate: Word,
    timer: Option<Moment>,
    unused_since: Moment,
    memory: Memory,
    process: Process,
    sleep: Sleep,
    probing: bool,
    asked_to_end: bool,
    killed: bool,
    news: News,
    /// Requests in the actor's queue.
    waiting: u8,
    /// An operator waits for it to be ready.
    operator_waits: bool,
    /// Leases of this life.
    leased: u8,
    /// Those of them whose client takes no byte any more.
    stalled: u8,
    /// Leases whose answer was broken off and that have not come back yet.
    broken: u8,
    violation: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Action {
    /// The actor carries out its next effect.
    Carry,
    /// News arrive: of this life, or late ones of a former.
    Hear(Event),
    TimerFires,
    TimePasses,
    StableTimePasses,
    /// A request takes a lease at the gate without a word to the actor.
    FastPath,
    /// A request that found the gate closed a while ago is put into the queue.
    Ask,
    /// The same, but it has left again.
    AskAndLeave,
    Leave,
    Release,
    /// A client stops reading, and stays.
    Stalls,
    /// One that takes no byte for its time is cut off.
    CutOff,
    ReleaseBroken,
    Operate(Event, bool),
    OperatorLeaves,
    Evict,
    Grant,
    Deny,
    LaunchSucceeds,
    Serves,
    IsHopeless,
    FallsAsleep,
    IsBusy,
    WontSleep,
    Wakes,
    WontWake,
    /// Its first process dies, and something is left.
    Breaks,
    Exits,
}

impl Setup {
    /// What the program does by itself, whatever the world does or doesn't: the actor acts, what was sent
    /// arrives, time passes up to the timer, a killed process dies, a broken answer gives its lease back, a client that
    /// takes no byte is cut off.
    fn forced(world: &World, actions: &mut Vec<Action>) {
        if !world.ops.is_empty() {
            actions.push(Carry);
        } else {
            let news = &world.news;
            let heard = [
                (news.reserved, Event::Reserved { epoch: THIS }),
                (news.denied, Event::Denied { epoch: THIS }),
                (news.launched, Event::Launched { epoch: THIS }),
                (news.probe_succeeded, Event::ProbeSucceeded { epoch: THIS }),
                (news.probe_refused, Event::ProbeRefused { epoch: THIS }),
                (news.broken, Event::Broken { epoch: THIS }),
                (news.gone, Event::Gone { epoch: THIS }),
                (news.gone, Event::OutOfMemory { epoch: THIS }),
                (news.gone, Event::Unreachable { epoch: THIS }),
                (news.lease_freed, Event::LeaseFreed),
                (news.parked, Event::Parked { epoch: THIS }),
                (news.park_refused, Event::ParkRefused { epoch: THIS }),
                (news.park_failed, Event::ParkFailed { epoch: THIS }),
                (news.woken, Event::Woken { epoch: THIS }),
                (news.wake_failed, Event::WakeFailed { epoch: THIS }),
            ];
            actions.extend(heard.into_iter().filter(|(sent, _)| *sent).map(|(_, event)| Hear(event)));
            match world.timer {
                Some(at) if at <= NOW => actions.push(TimerFires),
                // What was sent arrives in the end, and a client's time is over: not every timer goes before them for ever.
                Some(_) if *news == News::default() && world.stalled == 0 => actions.push(TimePasses),
                _ => {}
            }
        }
        if world.killed {
            actions.push(Exits);
        }
        if world.broken > 0 {
            actions.push(ReleaseBroken);
        }
        if world.stalled > 0 {
            actions.push(CutOff);
        }
    }
}

impl Model for Setup {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::new()]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        Setup::forced(world, actions);
        let requests = world.waiting + world.leased + world.broken;
        let room = requests < self.requests;
        let mut may = |possible: bool, action: Action| {
            if possible {
                actions.push(action);
            }
        };
        may(room && world.gate.acquire(LeaseAsker::Newcomer, self.max_concurrency).is_some(), FastPath);
        may(world.waiting > 0, Leave);
        may(world.operator_waits, OperatorLeaves);
        may(world.leased > world.stalled, Release);
        may(world.leased > world.stalled, Stalls);
        may(matches!(world.memory, Memory::Wanted | Memory::RestWanted), Grant);
        may(matches!(world.memory, Memory::Wanted | Memory::RestWanted), Deny);
        may(world.process == Process::Launching, LaunchSucceeds);
        may(world.process == Process::Loading && world.probing, Serves);
        may(world.process == Process::Loading && world.probing, IsHopeless);
        for action in [FallsAsleep, IsBusy, WontSleep] {
            may(world.sleep == Sleep::GoingDown, action);
        }
        may(world.sleep == Sleep::GoingUp, Wakes);
        may(world.sleep == Sleep::GoingUp, WontWake);
        may(world.process != Process::None && !world.killed, Exits);
        may(matches!(world.process, Process::Serving | Process::Loading) && !world.news.broken, Breaks);
        if !world.ops.is_empty() {
            return;
        }
        may(room, Ask);
        may(true, AskAndLeave);
        may(true, Evict);
        may(true, Hear(Event::Yield));
        may(true, Hear(Event::Stay));
        may(self.renews, Hear(Event::Retire));
        may(self.renews, Hear(Event::Renew));
        may(self.parks.is_some(), Hear(Event::Park));
        may(self.parks.is_some(), Hear(Event::Abandoned));
        for urgency in [StopUrgency::Drain, StopUrgency::Now, StopUrgency::Kill] {
            may(true, Operate(Event::Stop(urgency), false));
        }
        for order in [Event::Start, Event::Restart] {
            may(true, Operate(order, true));
            may(true, Operate(order, false));
        }
        may(!world.news.lease_freed, Hear(Event::LeaseFreed));
        may(true, Hear(Event::Deadline));
        let epoch = FORMER;
        may(true, Hear(Event::Reserved { epoch }));
        may(true, Hear(Event::Denied { epoch }));
        may(true, Hear(Event::Launched { epoch }));
        may(true, Hear(Event::ProbeSucceeded { epoch }));
        may(true, Hear(Event::ProbeRefused { epoch }));
        may(true, Hear(Event::Broken { epoch }));
        may(true, Hear(Event::Hung { epoch }));
        may(true, Hear(Event::Taken { epoch }));
        may(true, Hear(Event::Gone { epoch }));
        may(true, Hear(Event::OutOfMemory { epoch }));
        may(true, Hear(Event::Unreachable { epoch }));
        if self.parks.is_some() {
            may(true, Hear(Event::Parked { epoch }));
            may(true, Hear(Event::Woken { epoch }));
            may(true, Hear(Event::WakeFailed { epoch }));
        }
        if self.renews && matches!(world.process, Process::Loading | Process::Serving) {
            may(true, Hear(Event::Taken { epoch: THIS }));
        }
        if world.process == Process::Serving {
            may(true, Hear(Event::Hung { epoch: THIS }));
            may(true, Hear(Event::Doubted { epoch: THIS }));
            may(true, Hear(Event::CheckFailed { epoch: THIS }));
        }
        let timer_alone = world.timer.is_some_and(|at| at > NOW) && world.news == News::default();
        may(!timer_alone, TimePasses);
        may(matches!(world.life.phase, Phase::Ready { .. }), StableTimePasses);
    }

    fn next_state(&self, before: &World, action: Action) -> Option<World> {
        let mut world = before.clone();
        let mut passed = Duration::ZERO;
        match action {
            Carry => world.carry(self),
            Hear(event) => {
                world.hear(event);
                world.handle(event, self);
            }
            TimerFires => {
                world.timer = None;
                world.handle(Event::Deadline, self);
            }
            TimePasses => passed = TICK,
            StableTimePasses => passed = STABLE_RUN,
            FastPath => {
                world.gate = world.gate.acquire(LeaseAsker::Newcomer, self.max_concurrency)?;
                world.leased += 1;
            }
            Ask => {
                world.waiting += 1;
                world.handle(Event::Acquire, self);
            }
            AskAndLeave => world.handle(Event::Acquire, self),
            Leave => world.waiting -= 1,
            Release => {
                world.leased -= 1;
                world.release();
            }
            Stalls => world.stalled += 1,
            CutOff => {
                world.stalled -= 1;
                world.leased -= 1;
                world.release();
            }
            ReleaseBroken => {
                world.broken -= 1;
                world.release();
            }
            Operate(order, waits) => {
                world.operator_waits |= waits;
                world.handle(order, self);
            }
            OperatorLeaves => world.operator_waits = false,
            Evict => world.handle(Event::Evict, self),
            Grant => {
                world.memory = Memory::Held;
                world.news.reserved = true;
            }
            Deny => {
                let awake = world.memory == Memory::RestWanted;
                world.memory = if awake { Memory::Little } else { Memory::Free };
                world.news.denied = true;
            }
            LaunchSucceeds => {
                world.process = Process::Loading;
                world.news.launched = true;
            }
            Serves => {
                world.process = Process::Serving;
                world.probing = false;
                world.news.probe_succeeded = true;
            }
            IsHopeless => {
                world.process = Process::Hopeless;
                world.probing = false;
                world.news.probe_refused = true;
            }
            FallsAsleep => {
                world.sleep = Sleep::Down;
                world.news.parked = true;
            }
            IsBusy => {
                world.sleep = Sleep::Awake;
                world.news.park_refused = true;
            }
            WontSleep => {
                world.sleep = Sleep::Awake;
                world.news.park_failed = true;
            }
            Wakes => {
                world.sleep = Sleep::Awake;
                world.news.woken = true;
            }
            WontWake => {
                world.sleep = Sleep::Down;
                world.news.wake_failed = true;
            }
            Breaks => {
                world.news.broken = true;
                // Whoever notices it asks the rest to end.
                world.asked_to_end = true;
            }
            Exits => world.exits(),
        }
        let held = u32::from(world.leased + world.broken);
        world.demand(world.gate.leases() == held, "leases granted - returned = requests in flight");
        world.demand(held <= self.max_concurrency, "more leases than max_concurrency");
        Some(world.normalised(passed, self)).filter(|after| after != before)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no promise is broken", |_, world: &World| world.violation.is_none()),
            Property::sometimes("a request is served", |_, world: &World| world.leased > 0),
            Property::sometimes("a newcomer overtakes an idle close", |_, world: &World| {
                world.seen.is_some_and(|seen| seen != world.gate)
            }),
            Property::sometimes("someone waits for a retry", |_, world: &World| {
                matches!(world.life.phase, Phase::Failed { .. }) && world.waiting > 0
            }),
            Property::sometimes("a drain with someone inside", |_, world: &World| {
                matches!(world.life.phase, Phase::Draining { .. }) && world.leased > 0
            }),
            Property::sometimes("it sleeps", |setup: &Setup, world: &World| {
                setup.parks.is_none() || matches!(world.life.phase, Phase::Parked { .. })
            }),
            Property::sometimes(
                "someone waits for one that is on its way to sleep",
                |setup: &Setup, world: &World| {
                    setup.parks.is_none()
                        || (matches!(world.life.phase, Phase::Parking { .. }) && world.waiting > 0)
                },
            ),
            Property::sometimes("several wait for one wake", |setup: &Setup, world: &World| {
                setup.parks.is_none() || (world.sleep == Sleep::GoingUp && world.waiting > 1)
            }),
            Property::sometimes("a process that has to be killed", |_, world: &World| world.killed),
            Property::sometimes("a process that can't be killed", |_, world: &World| {
                matches!(world.life.phase, Phase::Stopping { ending: Ending::Stuck, .. })
            }),
            Property::sometimes("a hung backend with someone inside", |_, world: &World| {
                matches!(world.life.phase, Phase::Draining { cause: StopCause::Hung, .. }) && world.leased > 0
            }),
            Property::sometimes("memory granted after the demand was taken back", |_, world: &World| {
                world.news.reserved && world.life.phase == Phase::Stopped
            }),
        ]
    }
}

/// Whether its backend sleeps, or is on its way there or back.
fn is_about_sleep(phase: &Phase) -> bool {
    matches!(phase, Phase::Parking { .. } | Phase::Parked { .. } | Phase::Waking { .. })
}

fn setups() -> [(&'static str, Setup); 7] {
    let setup = |requests, max_concurrency, alive_time| Setup {
        requests,
        max_concurrency,
        alive_time,
        renews: false,
        parks: None,
    };
    [
        ("3 requests, one at a time, stopped when idle", setup(3, 1, Some(TICK))),
        ("3 requests, no limit, stopped when idle", setup(3, u32::MAX, Some(TICK))),
        ("3 requests, two at a time, stopped when idle", setup(3, 2, Some(TICK))),
        ("3 requests, one at a time, never idle", setup(3, 1, None)),
        ("2 requests, its launch changes", Setup { renews: true, ..setup(2, 1, Some(TICK)) }),
        ("2 requests, parked for a while", Setup { parks: Some(Some(TICK)), ..setup(2, 2, Some(TICK)) }),
        (
            "2 requests, parked for ever, its launch changes",
            Setup { parks: Some(None), renews: true, ..setup(2, 1, Some(TICK)) },
        ),
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

/// From every reachable state the program's own moves come to an end, and only where nobody is left waiting.
#[test]
fn the_program_always_comes_to_rest() {
    for (name, setup) in setups() {
        let (worlds, moves) = explore(&setup);
        let mut left: Vec<usize> = moves.iter().map(Vec::len).collect();
        let mut before = vec![Vec::new(); worlds.len()];
        for (from, nexts) in moves.iter().enumerate() {
            nexts.iter().for_each(|to| before[*to].push(from));
        }
        // Peel off what rests, then whatever can only move to what has been peeled off.
        let mut comes_to_rest: Vec<bool> = worlds.iter().map(World::rests).collect();
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
        let stuck = comes_to_rest.iter().filter(|rests| !**rests).count();
        println!(
            "{name}: {} states, {} of the program's own moves",
            worlds.len(),
            moves.iter().map(Vec::len).sum::<usize>()
        );
        let example = comes_to_rest.iter().position(|rests| !*rests).map(|at| &worlds[at]);
        assert_eq!(stuck, 0, "{name}: may never come to rest: {example:#?}");
    }
}
