//! Replicas: a table of single decisions, and what must hold of each step in every short history and in long random ones.

#[path = "replicas/histories.rs"]
mod histories;
#[path = "replicas/house.rs"]
mod house;

use llm_manager_policy::gate::{Gate, LeaseAsker};
use llm_manager_policy::lifecycle::Moment;
use llm_manager_policy::replicas::{
    Effect, Event, PAUSE, ReplicaState, Replicas, ScaleReason, State, Step, View, least_busy, name, step,
};
use proptest::prelude::*;
use std::time::Duration;

const AFTER: Duration = Duration::from_secs(5);

fn at(seconds: u64) -> Moment {
    Duration::from_secs(seconds)
}

fn rules(min: u32, max: u32) -> Replicas {
    Replicas { min, max, scale_up_after: AFTER, spare: 0 }
}

fn look(state: &State, now: u64, waits_since: Option<u64>, stands: &[ReplicaState], rules: Replicas) -> Step {
    let view = View { now: at(now), waits_since: waits_since.map(at), stands, terms: &[] };
    step(state, Event::Look, &view, &rules)
}

use ReplicaState::{Down, Failed, Leaving, Ready, Rising};

#[test]
fn the_first_is_started_as_the_only_one_would_be() {
    let state = State::default();
    let wants = |stands: &[ReplicaState]| look(&state, 10, Some(10), stands, rules(0, 3)).effects;
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
    assert_eq!(more.effects, [Effect::More { replica: 1, why: ScaleReason::Waited(AFTER) }]);
    let on_its_way = look(&more.state, 300, Some(100), &[Ready, Rising, Down], rules);
    assert_eq!(on_its_way.effects, [], "one at a time");
    let up = look(&on_its_way.state, 310, Some(100), &[Ready, Ready, Down], rules);
    assert_eq!(up.effects, [Effect::LookAt(at(315))], "what it changes is seen first");
    let next = look(&up.state, 315, Some(100), &[Ready, Ready, Down], rules);
    assert_eq!(next.effects, [Effect::More { replica: 2, why: ScaleReason::Waited(at(215)) }]);
    let full = look(&next.state, 400, Some(100), &[Ready, Ready, Ready], rules);
    assert_eq!(full.effects, [], "there are as many as there may be");
}

#[test]
fn as_many_as_min_follow_the_first_one_and_the_first_of_them_stay() {
    let rules = rules(2, 3);
    assert_eq!(look(&State::default(), 1, None, &[Rising, Down, Down], rules).effects, []);
    let second = look(&State::default(), 2, None, &[Ready, Down, Down], rules);
    assert_eq!(second.effects, [Effect::More { replica: 1, why: ScaleReason::Few }]);
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
    assert_eq!(again.effects, [Effect::More { replica: 1, why: ScaleReason::Few }]);
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
    assert_eq!(wanted.effects, [Effect::More { replica: 1, why: ScaleReason::Few }]);
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
            (0..*leases).for_each(|_| assert!(gate.acquire(LeaseAsker::Newcomer)));
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
    before: &[ReplicaState],
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
                    ScaleReason::Succeeds(_) => return Err("nothing is over here".to_owned()),
                    ScaleReason::Waited(waited) if waited < rules.scale_up_after => {
                        return Err("too early".to_owned());
                    }
                    ScaleReason::Waited(_) => {}
                    ScaleReason::Few if alive >= rules.min as usize => {
                        return Err("enough were there".to_owned());
                    }
                    ScaleReason::Few => {}
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
