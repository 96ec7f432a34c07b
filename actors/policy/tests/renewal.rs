//! Renewal: successors of replicas whose place will be over soon; single decisions, and long random histories in which places are
//! over, starts fail, memory lacks and requests come.

use llm_manager_policy::lifecycle::Moment;
use llm_manager_policy::replicas::{
    Effect, Event, LAST_CALL, PAUSE, RELOOK, ReplicaState, Replicas, ScaleReason, State, Step, Term, View,
    step,
};
use proptest::prelude::*;
use std::time::Duration;

use ReplicaState::{Down, Failed, Leaving, Ready, Rising};

fn at(seconds: u64) -> Moment {
    Duration::from_secs(seconds)
}

fn rules(min: u32, max: u32) -> Replicas {
    Replicas { min, max, scale_up_after: at(5), spare: max }
}

/// Ready since 0, over at `ends`, with a successor 100 s before.
fn term(ends: u64) -> Option<Term> {
    Some(Term::new(at(0), at(ends), at(100), true))
}

fn look(state: &State, now: u64, stands: &[ReplicaState], terms: &[Option<Term>], rules: Replicas) -> Step {
    step(state, Event::Look, &View { now: at(now), waits_since: None, stands, terms }, &rules)
}

const SUCCESSOR: Effect = Effect::More { replica: 1, why: ScaleReason::Succeeds(0) };

#[test]
fn a_term_leaves_time_for_a_successor_and_a_last_call() {
    let term = |ready, ends, before| {
        let term = Term::new(at(ready), at(ends), at(before), true);
        (term.renew_at.as_secs_f64(), term.last_call.as_secs_f64())
    };
    assert_eq!(term(10, 28_810, 600), (28_210.0, 28_810.0 - LAST_CALL.as_secs_f64()));
    assert_eq!(term(10, 110, 50), (60.0, 105.0));
    // Longer before the end than the place is there: a quarter of it is used all the same.
    assert_eq!(term(100, 200, 3600), (125.0, 192.5));
    assert_eq!(term(100, 50, 10), (100.0, 100.0), "it was over before");
}

#[test]
fn a_successor_comes_before_the_place_is_over_and_then_the_old_one_retires() {
    let rules = rules(0, 1);
    let calm = look(&State::default(), 500, &[Ready, Down], &[term(1000)], rules);
    assert_eq!(calm.effects, [Effect::LookAt(at(900))]);
    let begins = look(&calm.state, 900, &[Ready, Down], &[term(1000)], rules);
    assert_eq!(begins.effects, [SUCCESSOR, Effect::LookAt(at(990))]);
    let rises = look(&begins.state, 901, &[Ready, Rising], &[term(1000)], rules);
    assert_eq!(rises.effects, [Effect::LookAt(at(990))]);
    let retires = look(&rises.state, 950, &[Ready, Ready], &[term(1000), term(2000)], rules);
    assert_eq!(retires.effects, [Effect::Retire(0), Effect::LookAt(at(1900))]);
    let alone = look(&retires.state, 951, &[Leaving, Ready], &[None, term(2000)], rules);
    assert_eq!(alone.effects, [Effect::LookAt(at(1900))]);
    // The next one is the first again.
    let next = look(&alone.state, 1900, &[Down, Ready], &[None, term(2000)], rules);
    assert_eq!(next.effects[0], Effect::More { replica: 0, why: ScaleReason::Succeeds(1) });
}

#[test]
fn without_a_successor_it_serves_until_the_last_call() {
    let rules = rules(0, 1);
    let begins = look(&State::default(), 900, &[Ready, Down], &[term(1000)], rules);
    let waits = look(&begins.state, 989, &[Ready, Rising], &[term(1000)], rules);
    assert_eq!(waits.effects, [Effect::LookAt(at(990))]);
    let last = look(&waits.state, 990, &[Ready, Rising], &[term(1000)], rules);
    assert_eq!(last.effects, [Effect::Retire(0)]);
}

#[test]
fn a_start_that_was_refused_or_failed_is_tried_again_in_its_time() {
    let rules = rules(0, 1);
    let begins = look(&State::default(), 900, &[Ready, Down], &[term(1000)], rules);
    let view = View { now: at(901), waits_since: None, stands: &[Ready, Down], terms: &[term(1000)] };
    let refused = Event::Refused { replica: 1, retry_after: at(1) };
    let refused = step(&begins.state, refused, &view, &rules);
    assert_eq!(refused.effects, [Effect::LookAt(at(901) + PAUSE)]);
    let again = look(&refused.state, 911, &[Ready, Down], &[term(1000)], rules);
    assert_eq!(again.effects[0], SUCCESSOR);
    let failed = look(&begins.state, 910, &[Ready, Failed { retry_at: at(920) }], &[term(1000)], rules);
    assert_eq!(failed.effects, [Effect::LookAt(at(920))]);
}

#[test]
fn nobody_is_replaced_whom_nobody_has_used() {
    let rules = rules(0, 1);
    let unused = Some(Term::new(at(0), at(1000), at(100), false));
    let calm = look(&State::default(), 900, &[Ready, Down], &[unused], rules);
    assert_eq!(calm.effects, [Effect::LookAt(at(900) + RELOOK)]);
    let used = look(&calm.state, 910, &[Ready, Down], &[term(1000)], rules);
    assert_eq!(used.effects[0], SUCCESSOR);
    let over = look(&calm.state, 990, &[Ready, Down], &[unused], rules);
    assert_eq!(over.effects, [Effect::Retire(0)]);
    let stopped = View { now: at(910), waits_since: None, stands: &[Ready, Down], terms: &[term(1000)] };
    let stopped = step(&State::default(), Event::Stopped, &stopped, &rules);
    assert_eq!(stopped.effects, [Effect::LookAt(at(990))], "an operator has stopped it");
}

#[test]
fn one_that_rises_anyway_is_the_successor() {
    let rules = rules(0, 2);
    let step = look(&State::default(), 900, &[Ready, Rising, Down, Down], &[term(1000)], rules);
    assert_eq!(step.effects, [Effect::LookAt(at(990))]);
    let up = look(&step.state, 910, &[Ready, Ready, Down, Down], &[term(1000), None], rules);
    assert_eq!(up.effects, [Effect::Retire(0)]);
}

#[test]
fn of_a_pair_that_an_earlier_manager_left_the_one_goes_that_is_over_first() {
    let rules = rules(0, 1);
    let rises = look(&State::default(), 10, &[Ready, Rising], &[term(1000)], rules);
    assert_eq!(rises.effects, [Effect::LookAt(at(900))]);
    let both = look(&rises.state, 10, &[Ready, Ready], &[term(1000), term(2000)], rules);
    assert_eq!(both.effects[0], Effect::Release(0));
    let both = look(&rises.state, 10, &[Ready, Ready], &[term(2000), term(1000)], rules);
    assert_eq!(both.effects[0], Effect::Release(1));
}

const SEATS: usize = 4;
const TICK: Duration = Duration::from_secs(1);
const BEFORE: Duration = Duration::from_secs(30);
const LOAD: Duration = Duration::from_secs(4);

/// What may happen in a long history.
#[derive(Clone, Copy, Debug)]
enum Luck {
    Comes,
    Dies(usize),
    Full(bool),
    Broken(bool),
    Nothing,
}

fn luck() -> impl Strategy<Value = Luck> {
    prop_oneof![
        3 => Just(Luck::Comes),
        1 => (0..SEATS).prop_map(Luck::Dies),
        1 => any::<bool>().prop_map(Luck::Full),
        1 => any::<bool>().prop_map(Luck::Broken),
        10 => Just(Luck::Nothing),
    ]
}

/// Two backends that may be there, each in a place that lasts for `place`, and seats for their successors.
struct House {
    rules: Replicas,
    place: Duration,
    state: State,
    now: Moment,
    stands: [ReplicaState; SEATS],
    since: [Moment; SEATS],
    ready: [Moment; SEATS],
    waits_since: Option<Moment>,
    full: bool,
    broken: bool,
    /// Places that were over while their backend still let people in.
    cut_off: u32,
    begun: u32,
}

impl House {
    fn new(place: u64) -> Self {
        Self {
            rules: rules(1, 2),
            place: at(place),
            state: State::default(),
            now: at(1000),
            stands: [Down; SEATS],
            since: [Moment::ZERO; SEATS],
            ready: [Moment::ZERO; SEATS],
            waits_since: None,
            full: false,
            broken: false,
            cut_off: 0,
            begun: 0,
        }
    }

    fn set(&mut self, one: usize, stand: ReplicaState) {
        (self.stands[one], self.since[one]) = (stand, self.now);
    }

    fn term(&self, one: usize) -> Option<Term> {
        let ends = self.ready[one] + self.place;
        (self.stands[one] == Ready).then(|| Term::new(self.ready[one], ends, BEFORE, true))
    }

    fn happens(&mut self, event: Event) -> Result<(), String> {
        if self.stands.contains(&Ready) {
            self.waits_since = None;
        }
        let terms: [Option<Term>; SEATS] = std::array::from_fn(|one| self.term(one));
        let view = View { now: self.now, waits_since: self.waits_since, stands: &self.stands, terms: &terms };
        let step = step(&self.state, event, &view, &self.rules);
        let more = step.effects.iter().filter(|effect| matches!(effect, Effect::More { .. })).count();
        if more > 2 {
            return Err(format!("{more} at once"));
        }
        for effect in &step.effects {
            match *effect {
                Effect::First if self.stands[0] == Down => self.set(0, Rising),
                Effect::More { replica, .. } => {
                    let may = match self.stands[replica] {
                        Down => true,
                        Failed { retry_at } => retry_at <= self.now,
                        _ => false,
                    };
                    if !may {
                        return Err(format!("{replica} is started, and is {:?}", self.stands[replica]));
                    }
                    self.begun += 1;
                    self.set(replica, Rising);
                }
                Effect::Retire(one) => {
                    let term = terms[one].ok_or("retires without a term")?;
                    let others = self.stands.iter().filter(|stand| **stand == Ready).count();
                    if others < 2 && term.last_call > self.now {
                        return Err("the only one retires too early".to_owned());
                    }
                    if term.renew_at > self.now {
                        return Err("it retires although its place is there for long".to_owned());
                    }
                    self.set(one, Leaving);
                }
                Effect::Release(one) => self.set(one, Leaving),
                Effect::LookAt(then) if then <= self.now => return Err("it looks all the time".to_owned()),
                Effect::First | Effect::LookAt(_) => {}
            }
        }
        self.state = step.state;
        let alive = self.stands.iter().filter(|stand| stand.is_alive()).count();
        if alive > 2 * self.rules.max as usize {
            return Err(format!("{alive} are there"));
        }
        Ok(())
    }

    fn tick(&mut self) -> Result<(), String> {
        self.now += TICK;
        for one in 0..SEATS {
            let lasted = self.now - self.since[one];
            match self.stands[one] {
                Rising if lasted >= LOAD && self.full => {
                    self.set(one, Down);
                    self.happens(Event::Refused { replica: one, retry_after: Duration::ZERO })?;
                }
                Rising if lasted >= LOAD && self.broken => {
                    self.set(one, Failed { retry_at: self.now + at(2) });
                }
                Rising if lasted >= LOAD => {
                    self.set(one, Ready);
                    self.ready[one] = self.now;
                }
                Ready if self.now >= self.ready[one] + self.place => {
                    self.cut_off += 1;
                    self.set(one, Down);
                }
                Leaving if lasted >= at(3) => self.set(one, Down),
                Failed { retry_at } if retry_at <= self.now && self.waits_since.is_some() => {
                    self.set(one, Down);
                }
                _ => {}
            }
            self.happens(Event::Look)?;
        }
        Ok(())
    }

    fn strikes(&mut self, luck: Luck) -> Result<(), String> {
        match luck {
            Luck::Comes => {
                self.waits_since.get_or_insert(self.now);
            }
            Luck::Dies(one) if self.stands[one].is_alive() => {
                self.set(one, Failed { retry_at: self.now + TICK });
            }
            Luck::Full(full) => self.full = full,
            Luck::Broken(broken) => self.broken = broken,
            Luck::Dies(_) | Luck::Nothing => {}
        }
        self.happens(Event::Look)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// Whatever happens, nobody is let in by a backend whose place is over. Once nothing goes wrong any more and requests come, somebody
    /// serves all the time, for as long as one likes, and no more are begun than places are over.
    #[test]
    fn somebody_serves_all_the_time(place in 20_u64..400, story in prop::collection::vec(luck(), 0..150)) {
        let mut house = House::new(place);
        house.waits_since = Some(house.now);
        for luck in story {
            house.strikes(luck).map_err(TestCaseError::fail)?;
            house.tick().map_err(TestCaseError::fail)?;
        }
        prop_assert_eq!(house.cut_off, 0);
        (house.full, house.broken) = (false, false);
        for _ in 0..120 {
            // The last one may have left while its successor's next try was still to come.
            house.waits_since.get_or_insert(house.now);
            house.tick().map_err(TestCaseError::fail)?;
        }
        house.begun = 0;
        let seconds = 2000_u32;
        for _ in 0..seconds {
            house.tick().map_err(TestCaseError::fail)?;
            prop_assert!(house.stands.contains(&Ready), "nobody serves: {:?}", house.stands);
        }
        prop_assert_eq!(house.cut_off, 0);
        // Two at most are there; each serves for a quarter of its place at least.
        let most = 2 * (u64::from(seconds) / (place / 4).max(1) + 1);
        prop_assert!(u64::from(house.begun) <= most, "{} were begun", house.begun);
    }
}
