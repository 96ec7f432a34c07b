//! Classes in the queue for memory: who goes first, against whom a model keeps what it has, and age.

use super::desk::*;
use llm_manager_policy::placement::{DemandPriority, ResidentState};
use llm_manager_policy::queue::*;
use llm_manager_policy::spec::Class;
use std::time::Duration;

/// A model that is idle, and that a request of this class has just left.
fn used(desk: &mut Desk, model: &str, epoch: u64, class: Class) {
    let one = desk.models.iter_mut().find(|one| *one.model == *model && one.epoch == epoch).unwrap();
    one.users.left[class as usize] = Some(desk.now);
}

fn of_class(model: &str, epoch: u64, class: Class) -> Event {
    let (variants, urgency) = (wants(&[6000]), DemandPriority::Wanted(class));
    Event::Demand { model: model.into(), epoch, variants, load: Some(LOAD), urgency, overlap: false }
}

/// `a` is ready on the card, and busy with a request of this class.
fn busy_with(class: Class) -> Desk {
    let mut desk = Desk::auto();
    desk.step(of_class("a", 1, class));
    desk.loads("a", 1, 6000, LOAD);
    let now = desk.now;
    desk.models[0].standing = ResidentState::Ready { since: now, busy: true, idle_since: now };
    desk.models[0].users.now = Some(class);
    desk
}

#[test]
fn the_highest_class_gets_the_memory_first_and_a_demand_rises_with_its_requests() {
    for rises in [false, true] {
        let mut desk = busy_with(Class::Normal);
        assert_eq!(desk.step(of_class("b", 1, Class::Batch)), [] as [&str; 0]);
        assert_eq!(desk.step(of_class("c", 1, Class::Normal)), [] as [&str; 0]);
        if rises {
            desk.step(of_class("b", 1, Class::Interactive));
        }
        desk.models[0].users.now = None;
        desk.ready("a", 1, false);
        desk.now += LOAD * 2;
        assert_eq!(desk.sampled(6000), ["evict a1"]);
        desk.returned("a", 1, true);
        desk.now += seconds(1);
        let winner = if rises { "grant b1 6000" } else { "grant c1 6000" };
        assert_eq!(desk.sampled(0), [winner], "rises: {rises}");
    }
}

#[test]
fn a_lower_class_waits_until_the_higher_one_has_been_away_for_its_hold() {
    for (class, between) in [(Class::Normal, 1), (Class::Batch, 2)] {
        let mut desk = busy_with(Class::Interactive);
        desk.sampled(6000);
        desk.step(of_class("b", 1, class));
        // However long it takes: they are there.
        assert!(!desk.after(LOAD * 4).contains(&"yield a1".to_owned()));
        desk.models[0].users.now = None;
        let ready = desk.now - LOAD * 5;
        desk.models[0].standing = ResidentState::Ready { since: ready, busy: false, idle_since: desk.now };
        used(&mut desk, "a", 1, Class::Interactive);
        let hold = LOAD * 2 * 9 / 8 * between;
        desk.sampled(6000);
        assert_eq!(desk.after(hold - seconds(1)), [] as [&str; 0], "{class:?}");
        assert_eq!(desk.after(seconds(1)), ["evict a1"], "{class:?}");
    }
}

#[test]
fn a_higher_class_does_not_wait_for_the_stay_of_a_lower_one() {
    // Idle: at once. Busy: after a second. The same class waits for 9/16, or 3/4, of two loads.
    for (class, idle, busy) in [
        (Class::Interactive, seconds(0), pace::LEAST_BUSY),
        (Class::Batch, LOAD * 2 * 9 / 16, LOAD * 2 * 3 / 4),
    ] {
        for is_busy in [false, true] {
            let mut desk = busy_with(Class::Batch);
            if !is_busy {
                desk.ready("a", 1, false);
                used(&mut desk, "a", 1, Class::Batch);
                // Somebody else wants it, too: they compete.
                desk.state.holds[0].rivals = true;
                desk.state.holds[0].credit = Duration::ZERO;
            }
            let (wait, wanted) = if is_busy { (busy, "yield a1") } else { (idle, "evict a1") };
            desk.sampled(6000);
            let mut told = desk.step(of_class("b", 1, class));
            if wait > seconds(0) {
                assert!(!told.contains(&wanted.to_owned()), "{class:?} {is_busy}: {told:?}");
                let early = desk.after(wait - Duration::from_millis(10));
                assert_eq!(early, [] as [&str; 0], "{class:?} {is_busy}");
                told = desk.after(Duration::from_millis(10));
            }
            assert!(told.contains(&wanted.to_owned()), "{class:?} {is_busy}: {told:?}");
        }
    }
}

#[test]
fn who_has_waited_long_is_passed_by_nobody_and_turns_out_anybody() {
    let mut desk = busy_with(Class::Interactive);
    desk.sampled(6000);
    desk.step(of_class("b", 1, Class::Batch));
    assert_eq!(desk.after(classes::AGE - seconds(1)), [] as [&str; 0]);
    desk.step(of_class("c", 1, Class::Interactive));
    assert_eq!(desk.after(seconds(1)), ["yield a1"]);
    desk.returned("a", 1, true);
    desk.now += seconds(1);
    assert_eq!(desk.sampled(0), ["grant b1 6000"]);
    // It asks again, before it has heard of that: it has what it wants.
    assert_eq!(desk.step(of_class("b", 1, Class::Interactive)), [] as [&str; 0]);
    assert!(desk.state.waiting.iter().all(|one| *one.model != *"b"), "{:?}", desk.state.waiting);
    // With a short queue_timeout it comes of age sooner: it must not be refused for being passed.
    desk.settings.queue_timeout = seconds(20);
    assert_eq!(classes::age(&desk.settings), seconds(10));
}

#[test]
fn what_is_kept_warm_goes_for_a_higher_class_than_its_own_only() {
    use Class::{Batch, Interactive, Normal};
    for own in Class::ALL {
        for class in Class::ALL {
            for is_busy in [false, true] {
                let mut desk = busy_with(Batch);
                if !is_busy {
                    desk.ready("a", 1, false);
                }
                desk.models[0].warm = Some(own);
                // However long it waits: age makes no class higher.
                let mut told = desk.step(of_class("b", 1, class));
                for _ in 0..4 {
                    told.extend(desk.sampled(6000));
                    told.extend(desk.after(classes::AGE / 2));
                }
                let goes = told.iter().any(|one| one == if is_busy { "yield a1" } else { "evict a1" });
                let denied = told.iter().any(|one| one.starts_with("deny b1"));
                let higher = matches!((own, class), (Batch, Normal | Interactive) | (Normal, Interactive));
                assert_eq!(goes, higher, "{class:?} asks, {own:?} is warm, busy: {is_busy}: {told:?}");
                assert!(denied || higher, "it hopes for nothing: {told:?}");
            }
        }
    }
}

#[test]
fn a_higher_class_that_has_just_left_protects_until_its_stay_is_over() {
    let mut desk = busy_with(Class::Batch);
    desk.state.holds[0].credit = Duration::ZERO;
    desk.sampled(6000);
    used(&mut desk, "a", 1, Class::Interactive);
    assert_eq!(desk.step(of_class("b", 1, Class::Interactive)), [] as [&str; 0]);
    // From then on there are only those below it: they finish after a second, not after three quarters of a swap.
    let stay = pace::dwell(LOAD, LOAD);
    assert_eq!(desk.after(stay - Duration::from_millis(10)), [] as [&str; 0]);
    assert_eq!(desk.after(Duration::from_millis(10)), ["yield a1"]);
}

#[test]
fn a_successor_inherits_what_was_stayed_beyond_the_guard() {
    let mut desk = busy_with(Class::Interactive);
    desk.ready("a", 1, false);
    used(&mut desk, "a", 1, Class::Interactive);
    desk.sampled(6000);
    desk.state.holds[0].credit = Duration::ZERO;
    desk.step(of_class("b", 1, Class::Normal));
    let guard = LOAD * 2 * 9 / 8;
    desk.after(guard - seconds(1));
    desk.sampled(6000);
    assert_eq!(desk.after(seconds(1)), ["evict a1"]);
    assert_eq!(desk.state.accounts[0].left, Duration::ZERO, "it had to stay for all of that");
    // Ten seconds more are left to whoever comes next.
    let mut desk = busy_with(Class::Interactive);
    desk.ready("a", 1, false);
    used(&mut desk, "a", 1, Class::Interactive);
    desk.sampled(6000);
    desk.state.holds[0].credit = Duration::ZERO;
    desk.now += guard + seconds(10);
    desk.sampled(6000);
    assert_eq!(desk.step(of_class("b", 1, Class::Normal)), ["evict a1"]);
    assert_eq!(desk.state.accounts[0].left, seconds(10));
}

#[test]
fn those_ahead_are_told_with_what_they_wait_for() {
    let mut desk = busy_with(Class::Interactive);
    desk.sampled(6000);
    desk.step(of_class("b", 1, Class::Batch));
    desk.now += seconds(1);
    desk.step(of_class("c", 1, Class::Normal));
    desk.now += seconds(2);
    let told = |desk: &Desk, model: &str| {
        let view =
            View { now: desk.now, snapshot: &desk.snapshot, models: &desk.models, settings: &desk.settings };
        let all = ahead(&desk.state, &view, &model.into()).into_iter();
        all.map(|one| (one.model.to_string(), one.urgency, one.waited)).collect::<Vec<_>>()
    };
    let c = ("c".to_owned(), DemandPriority::Wanted(Class::Normal), seconds(2));
    let b = ("b".to_owned(), DemandPriority::Wanted(Class::Batch), seconds(3));
    assert_eq!(told(&desk, "c"), []);
    assert_eq!(told(&desk, "b"), std::slice::from_ref(&c));
    // One that doesn't wait would come last of its class, which is the usual one.
    assert_eq!(told(&desk, "d"), std::slice::from_ref(&c));
    desk.settings.queue_timeout = seconds(4);
    assert_eq!(told(&desk, "d"), [b, c], "both are of age");
}

#[test]
fn an_explanation_leaves_to_those_ahead_what_they_wait_for() {
    let mut desk = Desk::auto();
    desk.step(of_class("a", 1, Class::Normal));
    desk.loads("a", 1, 6000, LOAD);
    desk.models[0].standing = ResidentState::Ready { since: desk.now, busy: true, idle_since: desk.now };
    desk.step(of_class("b", 1, Class::Normal));
    let told = |model: &str| {
        let view =
            View { now: desk.now, snapshot: &desk.snapshot, models: &desk.models, settings: &desk.settings };
        explain(&desk.state, &view, &model.into(), &wants(&[4000]), Some(LOAD)).to_string()
    };
    let (first, second) = (told("b"), told("c"));
    assert!(!first.contains("came first") && first.contains("a which is busy"), "{first}");
    assert!(second.contains("b which came first"), "{second}");
}
