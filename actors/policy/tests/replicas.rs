//! Replicas: a table of single decisions, every short history of three of them, and long random ones in which requests come,
//! backends fail, memory lacks and operators stop the model.

use llm_manager_policy::gate::{Asker, Gate};
use llm_manager_policy::lifecycle::Moment;
use llm_manager_policy::replicas::{
    Effect, Event, PAUSE, Replicas, Stand, State, Step, View, Why, least_busy, name, step,
};
use proptest::prelude::*;
use stateright::{Checker, Model, Property};
use std::time::Duration;

const AFTER: Duration = Duration::from_secs(5);

fn at(seconds: u64) -> Moment {
    Duration::from_secs(seconds)
}

fn rules(min: u32, max: u32) -> Replicas {
    Replicas { min, max, scale_up_after: AFTER, spare: 0 }
}

fn look(state: &State, now: u64, waits_since: Option<u64>, stands: &[Stand], rules: Replicas) -> Step {
    let view = View { now: at(now), waits_since: waits_since.map(at), stands, terms: &[] };
    step(state, Event::Look, &view, &rules)
}

use Stand::{Down, Failed, Leaving, Ready, Rising};

#[test]
fn the_first_is_started_as_the_only_one_would_be() {
    let state = State::default();
    let wants = |stands: &[Stand]| look(&state, 10, Some(10), stands, rules(0, 3)).effects;
    assert_eq!(wants(&[Down, Down, Down]), [Effect::First]);
    assert_eq!(wants(&[Failed { retry_at: at(99) }, Down, Down]), [Effect::First], "its backoff is its own");
    assert_eq!(wants(&[Leaving, Down, Down]), [Effect::First]);
    assert_eq!(wants(&[Rising, Down, Down]), []);
    assert_eq!(wants(&[Down, Rising, Down]), [], "another one is about to serve");
    assert_eq!(look(&state, 10, None, &[Down, Down, Down], rules(2, 3)).effects, [], "nobody wants it");
}

#[test]
fn one_more_comes_after_a_wait_and_another_after_the_next() {
    let rules = rules(0, 3);
    let first = look(&State::default(), 100, Some(100), &[Ready, Down, Down], rules);
    assert_eq!(first.effects, [Effect::LookAt(at(105))]);
    let more = look(&first.state, 105, Some(100), &[Ready, Down, Down], rules);
    assert_eq!(more.effects, [Effect::More { replica: 1, why: Why::Waited(AFTER) }]);
    let on_its_way = look(&more.state, 300, Some(100), &[Ready, Rising, Down], rules);
    assert_eq!(on_its_way.effects, [], "one at a time");
    let up = look(&on_its_way.state, 310, Some(100), &[Ready, Ready, Down], rules);
    assert_eq!(up.effects, [Effect::LookAt(at(315))], "what it changes is seen first");
    let next = look(&up.state, 315, Some(100), &[Ready, Ready, Down], rules);
    assert_eq!(next.effects, [Effect::More { replica: 2, why: Why::Waited(at(215)) }]);
    let full = look(&next.state, 400, Some(100), &[Ready, Ready, Ready], rules);
    assert_eq!(full.effects, [], "there are as many as there may be");
}

#[test]
fn as_many_as_min_follow_the_first_one_and_the_first_of_them_stay() {
    let rules = rules(2, 3);
    assert_eq!(look(&State::default(), 1, None, &[Rising, Down, Down], rules).effects, []);
    let second = look(&State::default(), 2, None, &[Ready, Down, Down], rules);
    assert_eq!(second.effects, [Effect::More { replica: 1, why: Why::Few }]);
    assert_eq!(second.kept, [true, false, false]);
    let all = look(&second.state, 3, None, &[Ready, Ready, Ready], rules);
    assert_eq!((all.effects, all.kept), (vec![], vec![true, true, false]));
    let without_first = look(&second.state, 3, None, &[Failed { retry_at: at(9) }, Ready, Ready], rules);
    assert_eq!((without_first.effects, without_first.kept), (vec![], vec![false, true, true]));
}

#[test]
fn what_was_refused_or_has_failed_waits_for_its_time() {
    let rules = rules(2, 2);
    let stands = [Ready, Down];
    let view = View { now: at(50), waits_since: None, stands: &stands, terms: &[] };
    let refused = Event::Refused { replica: 1, retry_after: at(1) };
    let step = step(&State::default(), refused, &view, &rules);
    assert_eq!(step.effects, [Effect::LookAt(at(50) + PAUSE)]);
    let again = look(&step.state, 50 + PAUSE.as_secs(), None, &stands, rules);
    assert_eq!(again.effects, [Effect::More { replica: 1, why: Why::Few }]);
    let mut state = again.state;
    for pause in [20, 40, 60, 60] {
        let step = llm_manager_policy::replicas::step(&state, refused, &view, &rules);
        assert_eq!(step.effects, [Effect::LookAt(at(50 + pause))], "each time a longer one");
        state = step.state;
    }
    let ready = look(&state, 60, None, &[Ready, Ready], rules);
    let view = View { now: at(70), waits_since: None, stands: &stands, terms: &[] };
    let step = llm_manager_policy::replicas::step(&ready.state, refused, &view, &rules);
    assert_eq!(step.effects, [Effect::LookAt(at(70) + PAUSE)], "that is forgotten");
    let failed = look(&State::default(), 50, None, &[Ready, Failed { retry_at: at(80) }], rules);
    assert_eq!(failed.effects, [Effect::LookAt(at(80))]);
}

#[test]
fn a_stop_lasts_until_somebody_wants_it_again() {
    let rules = rules(2, 2);
    let stands = [Ready, Down];
    let view = View { now: at(50), waits_since: None, stands: &stands, terms: &[] };
    let stopped = step(&State::default(), Event::Stopped, &view, &rules);
    assert_eq!(stopped.effects, []);
    assert_eq!(look(&stopped.state, 60, None, &stands, rules).effects, [], "the others are on their way out");
    let wanted = step(&stopped.state, Event::Wanted, &view, &rules);
    assert_eq!(wanted.effects, [Effect::More { replica: 1, why: Why::Few }]);
    assert_eq!(look(&stopped.state, 60, Some(60), &[Down, Down], rules).effects, [Effect::First]);
}

#[test]
fn a_smaller_max_ends_those_that_are_too_many_once() {
    let step = look(&State::default(), 5, None, &[Ready, Ready, Rising], rules(0, 1));
    assert_eq!(step.effects, [Effect::Release(1), Effect::Release(2)]);
    assert_eq!(look(&step.state, 6, None, &[Ready, Ready, Leaving], rules(0, 1)).effects, []);
    let down = look(&step.state, 7, None, &[Ready, Down, Down], rules(0, 1));
    assert_eq!(look(&down.state, 8, None, &[Ready, Ready, Down], rules(0, 1)).effects, [Effect::Release(1)]);
}

#[test]
fn names_count_from_two() {
    assert_eq!((name("m", 1), name("m", 2)), ("m".to_owned(), "m#2".to_owned()));
}

proptest! {
    /// The fewest inside, the first of equals, never one that is closed or has refused.
    #[test]
    fn the_least_busy_is_next(
        inside in prop::collection::vec((any::<bool>(), 0_u32..4), 1..6),
        refused in 0_u64..64,
    ) {
        let words: Vec<_> = inside.iter().map(|(open, leases)| {
            let gate = Gate::new(u32::MAX);
            gate.open();
            (0..*leases).for_each(|_| assert!(gate.acquire(Asker::Newcomer)));
            if !open {
                gate.close();
            }
            gate.look()
        }).collect();
        let may = |one: usize| inside[one].0 && refused & (1 << one) == 0;
        let mut best: Option<usize> = None;
        for one in (0..inside.len()).filter(|one| may(*one)) {
            if best.is_none_or(|best| inside[one].1 < inside[best].1) {
                best = Some(one);
            }
        }
        prop_assert_eq!(least_busy(words, refused), best);
    }
}

/// What must hold of each single step, whatever came before.
fn check(
    before: &[Stand],
    waits_since: Option<Moment>,
    now: Moment,
    step: &Step,
    rules: &Replicas,
) -> Result<(), String> {
    let alive = before.iter().filter(|stand| stand.is_alive()).count();
    let ready = before.iter().filter(|stand| **stand == Ready).count();
    let rising = before.iter().filter(|stand| **stand == Rising).count();
    let more = step.effects.iter().filter(|effect| matches!(effect, Effect::More { .. })).count();
    if more > 1 {
        return Err("two at once".to_owned());
    }
    for effect in &step.effects {
        match *effect {
            Effect::First if alive > 0 || waits_since.is_none() => {
                return Err("first without need".to_owned());
            }
            Effect::More { .. } if ready == 0 || rising > 0 => {
                return Err("one more beside one on its way".to_owned());
            }
            Effect::More { replica, .. } if replica >= rules.max as usize => {
                return Err("more than max".to_owned());
            }
            Effect::More { replica, why } => {
                match before[replica] {
                    Down => {}
                    Failed { retry_at } if retry_at <= now => {}
                    stand => return Err(format!("started while {stand:?}")),
                }
                match why {
                    Why::Succeeds(_) => return Err("nothing is over here".to_owned()),
                    Why::Waited(waited) if waited < rules.scale_up_after => {
                        return Err("too early".to_owned());
                    }
                    Why::Waited(_) => {}
                    Why::Few if alive >= rules.min as usize => return Err("enough were there".to_owned()),
                    Why::Few => {}
                }
            }
            Effect::LookAt(then) if then <= now => return Err("it looks all the time".to_owned()),
            Effect::Release(replica) if replica < rules.max as usize => {
                return Err("one that may stay".to_owned());
            }
            _ => {}
        }
    }
    let kept = step.kept.iter().filter(|kept| **kept).count();
    if kept != alive.min(rules.min as usize) {
        return Err(format!("{kept} kept of {alive}"));
    }
    Ok(())
}

/// Every history of three replicas, a few seconds long.
#[derive(Clone)]
struct Histories(Replicas);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    state: State,
    stands: [Stand; 3],
    now: u64,
    waits_since: Option<u64>,
    stopped: bool,
    wrong: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Pass(u64),
    Comes,
    Served,
    Stop,
    Wanted,
    NoRoom(usize),
    Becomes(usize, Stand),
}

impl Model for Histories {
    type State = World;
    type Action = Act;

    fn init_states(&self) -> Vec<World> {
        let stands = [Down; 3];
        vec![World {
            state: State::default(),
            stands,
            now: 0,
            waits_since: None,
            stopped: false,
            wrong: None,
        }]
    }

    fn actions(&self, world: &World, acts: &mut Vec<Act>) {
        if world.now >= 15 {
            return;
        }
        acts.extend([Act::Pass(AFTER.as_secs()), Act::Pass(PAUSE.as_secs()), Act::Stop, Act::Wanted]);
        acts.push(if world.waits_since.is_some() { Act::Served } else { Act::Comes });
        for (one, stand) in world.stands.iter().enumerate() {
            match stand {
                Rising => acts.extend([
                    Act::Becomes(one, Ready),
                    Act::NoRoom(one),
                    Act::Becomes(one, Failed { retry_at: at(world.now + 2) }),
                ]),
                Ready => acts.push(Act::Becomes(one, Leaving)),
                Leaving => acts.push(Act::Becomes(one, Down)),
                Down | Failed { .. } => {}
            }
        }
    }

    fn next_state(&self, world: &World, act: Act) -> Option<World> {
        let mut next = world.clone();
        let mut event = Event::Look;
        match act {
            Act::Pass(seconds) => next.now += seconds,
            Act::Comes => next.waits_since = Some(next.now),
            Act::Served => next.waits_since = None,
            Act::Stop => {
                // Whoever waits is refused, and all that run are told to go.
                (event, next.waits_since) = (Event::Stopped, None);
            }
            Act::Wanted => event = Event::Wanted,
            Act::NoRoom(replica) => {
                next.stands[replica] = Down;
                event = Event::Refused { replica, retry_after: Duration::ZERO };
            }
            Act::Becomes(replica, stand) => next.stands[replica] = stand,
        }
        next.stopped = match act {
            Act::Stop => true,
            Act::Comes | Act::Wanted => false,
            _ => next.stopped && next.waits_since.is_none(),
        };
        let (now, waits_since) = (at(next.now), next.waits_since.map(at));
        let view = View { now, waits_since, stands: &next.stands, terms: &[] };
        let step = step(&next.state, event, &view, &self.0);
        next.wrong = check(&next.stands, waits_since, now, &step, &self.0).err();
        let starts = step.effects.iter().any(|one| matches!(one, Effect::First | Effect::More { .. }));
        if next.stopped && starts {
            next.wrong = Some("started after a stop".to_owned());
        }
        for effect in &step.effects {
            match *effect {
                Effect::First if next.stands[0] == Down => next.stands[0] = Rising,
                Effect::More { replica, .. } => next.stands[replica] = Rising,
                Effect::Release(replica) => next.stands[replica] = Leaving,
                _ => {}
            }
        }
        if act == Act::Stop {
            for stand in next.stands.iter_mut().filter(|stand| stand.is_alive()) {
                *stand = Leaving;
            }
        }
        next.state = step.state;
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always("every step is right", |_, world: &World| world.wrong.is_none())]
    }
}

#[test]
fn every_short_history_is_right() {
    for (min, max) in [(0, 1), (0, 3), (1, 2), (2, 3), (3, 3)] {
        let checker = Histories(rules(min, max)).checker().spawn_bfs().join();
        checker.assert_properties();
        assert!(checker.unique_state_count() > 100, "{} states", checker.unique_state_count());
    }
}

/// What may happen in a long history.
#[derive(Clone, Copy, Debug)]
enum Luck {
    Comes,
    Ends,
    Dies(usize),
    /// From now on there is no memory for one more.
    Full(bool),
    /// From now on starts fail.
    Broken(bool),
    Evicted(usize),
    Stop,
    Rules(u32, u32),
    Nothing,
}

fn luck() -> impl Strategy<Value = Luck> {
    prop_oneof![
        6 => Just(Luck::Comes),
        4 => Just(Luck::Ends),
        1 => (0_usize..4).prop_map(Luck::Dies),
        1 => any::<bool>().prop_map(Luck::Full),
        1 => any::<bool>().prop_map(Luck::Broken),
        1 => (0_usize..4).prop_map(Luck::Evicted),
        1 => Just(Luck::Stop),
        1 => (0_u32..4, 1_u32..5).prop_map(|(min, max)| Luck::Rules(min.min(max), max)),
        8 => Just(Luck::Nothing),
    ]
}

const TICK: Duration = Duration::from_millis(500);
const ALIVE: Duration = Duration::from_secs(8);
const LOAD: Duration = Duration::from_secs(2);

/// Four places for backends, each of which serves one request at a time.
struct House {
    rules: Replicas,
    state: State,
    now: Moment,
    stands: [Stand; 4],
    since: [Moment; 4],
    inside: [bool; 4],
    kept: [bool; 4],
    line: Vec<Moment>,
    full: bool,
    broken: bool,
}

impl House {
    fn new() -> Self {
        Self {
            rules: rules(1, 3),
            state: State::default(),
            now: at(1000),
            stands: [Down; 4],
            since: [Moment::ZERO; 4],
            inside: [false; 4],
            kept: [false; 4],
            line: Vec::new(),
            full: false,
            broken: false,
        }
    }

    fn set(&mut self, one: usize, stand: Stand) {
        (self.stands[one], self.since[one]) = (stand, self.now);
        if stand != Ready && stand != Leaving {
            self.inside[one] = false;
        }
    }

    fn serve(&mut self) {
        for one in 0..4 {
            if self.stands[one] == Ready && !self.inside[one] && !self.line.is_empty() {
                self.line.remove(0);
                self.inside[one] = true;
            }
        }
    }

    fn happens(&mut self, event: Event) -> Result<Vec<Effect>, String> {
        self.serve();
        let waits_since = self.line.first().copied();
        let view = View { now: self.now, waits_since, stands: &self.stands, terms: &[] };
        let step = step(&self.state, event, &view, &self.rules);
        check(&self.stands, waits_since, self.now, &step, &self.rules)?;
        self.state = step.state.clone();
        for effect in &step.effects {
            match *effect {
                Effect::First => {
                    let may = match self.stands[0] {
                        Down => true,
                        Failed { retry_at } => retry_at <= self.now,
                        _ => false,
                    };
                    if may {
                        self.set(0, Rising);
                    } else if self.stands[0] != Leaving {
                        self.line.clear();
                    }
                }
                Effect::More { replica, .. } => self.set(replica, Rising),
                Effect::Release(replica) => self.set(replica, Leaving),
                Effect::LookAt(_) | Effect::Retire(_) => {}
            }
        }
        self.kept.copy_from_slice(&step.kept);
        Ok(step.effects)
    }

    /// Half a second passes: backends load, idle ones go, and the front looks.
    fn tick(&mut self) -> Result<(), String> {
        self.now += TICK;
        for one in 0..4 {
            let lasted = self.now - self.since[one];
            match self.stands[one] {
                Rising if lasted >= LOAD && one > 0 && self.full => {
                    self.set(one, Down);
                    self.happens(Event::Refused { replica: one, retry_after: Duration::ZERO })?;
                }
                Rising if lasted >= LOAD && self.broken => {
                    let retry_at = self.now + Duration::from_secs(1);
                    self.set(one, Failed { retry_at });
                }
                Rising if lasted >= LOAD => self.set(one, Ready),
                Ready if !self.inside[one] && lasted >= ALIVE && !self.kept[one] => {
                    let alive = self.stands.iter().filter(|stand| stand.is_alive()).count();
                    if alive <= self.rules.min as usize {
                        return Err(format!("below min for being idle: {:?}", self.stands));
                    }
                    self.set(one, Leaving);
                }
                Leaving if !self.inside[one] => self.set(one, Down),
                _ => {}
            }
            self.happens(Event::Look)?;
        }
        Ok(())
    }

    fn strikes(&mut self, luck: Luck) -> Result<(), String> {
        match luck {
            Luck::Comes => self.line.push(self.now),
            Luck::Ends => {
                if let Some(one) = self.inside.iter().position(|inside| *inside) {
                    self.inside[one] = false;
                    self.since[one] = self.now;
                }
            }
            Luck::Dies(one) if self.stands[one].is_alive() => {
                let retry_at = self.now + Duration::from_secs(1);
                self.set(one, Failed { retry_at });
            }
            Luck::Evicted(one) if self.stands[one] == Ready => self.set(one, Leaving),
            Luck::Full(full) => self.full = full,
            Luck::Broken(broken) => self.broken = broken,
            Luck::Stop => {
                self.line.clear();
                self.happens(Event::Stopped)?;
                for one in 0..4 {
                    if self.stands[one].is_alive() {
                        self.set(one, Leaving);
                        self.inside[one] = false;
                    }
                }
                return Ok(());
            }
            Luck::Rules(min, max) => (self.rules.min, self.rules.max) = (min, max),
            Luck::Dies(_) | Luck::Evicted(_) | Luck::Nothing => {}
        }
        self.happens(Event::Look).map(drop)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// Whatever happens each step is right; and once it is over, a line that doesn't end has all replicas that there may be, and
    /// without one those that `min` wants are left.
    #[test]
    fn it_grows_while_somebody_waits_and_shrinks_to_min(story in prop::collection::vec(luck(), 0..120)) {
        let mut house = House::new();
        for luck in story {
            house.strikes(luck).map_err(TestCaseError::fail)?;
            house.tick().map_err(TestCaseError::fail)?;
        }
        (house.full, house.broken) = (false, false);
        let most = house.rules.max as usize;
        for _ in 0..400 {
            // More than all of them can serve, without an end.
            while house.line.len() < 8 {
                house.line.push(house.now);
            }
            for one in (0..4).filter(|one| house.stands[*one] == Leaving).collect::<Vec<_>>() {
                house.inside[one] = false;
            }
            house.tick().map_err(TestCaseError::fail)?;
        }
        let ready = house.stands.iter().filter(|stand| **stand == Ready).count();
        prop_assert_eq!(ready, most, "{:?}", house.stands);
        house.line.clear();
        house.inside = [false; 4];
        for _ in 0..100 {
            house.tick().map_err(TestCaseError::fail)?;
        }
        let alive = house.stands.iter().filter(|stand| stand.is_alive()).count();
        prop_assert_eq!(alive, house.rules.min as usize, "{:?}", house.stands);
    }
}
