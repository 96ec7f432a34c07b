//! The line of those who wait: higher classes first, keys in turns, and nobody starves.

use llm_manager_policy::fair_queue::{FairQueue, PASSES, PATIENCE, QueueTicket, REST, class_of};
use llm_manager_policy::spec::Class::{self, Batch, Interactive, Normal};
use proptest::prelude::*;
use std::collections::HashMap;
use std::time::Duration;

#[test]
fn a_client_may_always_ask_for_less_and_for_more_as_far_as_its_key_goes() {
    for (key, model, most, asked, wanted) in [
        (None, None, None, None, Normal),
        (None, Some(Batch), None, None, Batch),
        (Some(Interactive), Some(Batch), None, None, Interactive),
        (Some(Batch), Some(Interactive), None, None, Batch),
        (Some(Interactive), None, None, Some(Batch), Batch),
        (Some(Batch), None, None, Some(Interactive), Batch),
        (Some(Batch), None, Some(Normal), Some(Interactive), Normal),
        (Some(Batch), None, Some(Interactive), Some(Interactive), Interactive),
        (Some(Batch), None, Some(Interactive), None, Batch),
        (None, None, Some(Batch), Some(Interactive), Normal),
    ] {
        assert_eq!(class_of(key, model, most, asked), wanted, "{key:?} {model:?} {most:?} {asked:?}");
    }
}

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn ticket(class: Class, key: &str, cost: u64) -> QueueTicket {
    QueueTicket { class, key: key.into(), cost }
}

#[test]
fn the_class_of_the_next_is_known() {
    let mut line = FairQueue::default();
    assert_eq!(line.next_class(at(0)), None);
    line.push(ticket(Batch, "a", 1), at(0), 0);
    assert_eq!(line.next_class(at(0)), Some(Batch));
    line.push(ticket(Interactive, "a", 1), at(0), 1);
    assert_eq!(line.next_class(at(0)), Some(Interactive));
    line.pop(at(0));
    assert_eq!(line.next_class(at(0)), Some(Batch));
}

fn served(line: &mut FairQueue<usize>, now: u64) -> Vec<usize> {
    let expected: Vec<usize> = line.in_order(at(now)).into_iter().copied().collect();
    let served: Vec<usize> = std::iter::from_fn(|| line.pop(at(now))).collect();
    assert_eq!(expected, served, "what is shown is what happens");
    served
}

#[test]
fn higher_classes_go_first_and_a_key_keeps_its_order() {
    let mut line = FairQueue::default();
    for (number, class) in [Batch, Normal, Interactive, Batch, Interactive, Normal].into_iter().enumerate() {
        line.push(ticket(class, "", 1), at(0), number);
    }
    assert_eq!((line.len(), line.class()), (6, Some(Interactive)));
    assert_eq!(served(&mut line, 1), [2, 4, 1, 5, 0, 3]);
    assert!(line.is_empty() && line.class().is_none());
}

#[test]
fn keys_take_turns_by_what_they_cost() {
    let mut line = FairQueue::default();
    // A flood of one key, then a key with small requests and one with large ones.
    (0..6).for_each(|number| line.push(ticket(Normal, "flood", 100), at(0), number));
    (10..14).for_each(|number| line.push(ticket(Normal, "small", 50), at(1), number));
    (20..22).for_each(|number| line.push(ticket(Normal, "large", 200), at(2), number));
    assert_eq!(served(&mut line, 3), [0, 10, 20, 11, 1, 12, 13, 2, 21, 3, 4, 5]);
}

#[test]
fn an_absence_is_no_credit_and_is_forgotten_after_a_rest() {
    let mut line = FairQueue::default();
    (0..4).for_each(|number| line.push(ticket(Normal, "busy", 100), at(0), number));
    assert_eq!([line.pop(at(1)), line.pop(at(2)), line.pop(at(3))], [Some(0), Some(1), Some(2)]);
    // Who comes now begins where the others are, and can't claim three turns.
    (10..13).for_each(|number| line.push(ticket(Normal, "late", 100), at(3), number));
    assert_eq!(served(&mut line, 3), [10, 3, 11, 12]);
    // "late" is ahead by what it had last; after a rest nobody is.
    let mut soon = line.clone();
    for (line, now) in [(&mut soon, 4), (&mut line, 3 + REST.as_secs())] {
        line.push(ticket(Normal, "late", 100), at(now), 20);
        line.push(ticket(Normal, "new", 100), at(now), 21);
        line.push(ticket(Normal, "busy", 100), at(now), 22);
    }
    assert_eq!(served(&mut soon, 4), [21, 22, 20]);
    assert_eq!(served(&mut line, 3 + REST.as_secs()), [20, 21, 22]);
}

#[test]
fn those_who_leave_cost_their_key_nothing() {
    let mut line = FairQueue::default();
    (0..4).for_each(|number| line.push(ticket(Normal, "a", 100), at(0), number));
    (10..12).for_each(|number| line.push(ticket(Normal, "b", 100), at(0), number));
    assert_eq!(line.take(|number| *number == 1), [1]);
    line.trim(|number| *number == 0);
    assert_eq!(served(&mut line, 1), [2, 10, 3, 11]);
}

#[test]
fn a_class_that_has_waited_long_gets_its_turns() {
    let mut line = FairQueue::default();
    line.push(ticket(Batch, "", 1), at(0), 0);
    line.push(ticket(Batch, "", 1), at(0), 1);
    (10..30).for_each(|number| line.push(ticket(Interactive, "", 1), at(1), number));
    let early: Vec<_> = (0..8).filter_map(|_| line.pop(at(29))).collect();
    assert!(early.iter().all(|number| *number >= 10), "{early:?}");
    let late = served(&mut line, PATIENCE.as_secs());
    assert_eq!((late[0], late[PASSES as usize + 1]), (0, 1), "{late:?}");
}

#[derive(Clone, Debug)]
enum Happens {
    Comes { class: usize, key: usize, cost: u64 },
    Served,
    Passes(u64),
}

fn happenings() -> impl Strategy<Value = Vec<Happens>> {
    let comes = (0..3_usize, 0..4_usize, 1..500_u64);
    let one = prop_oneof![
        3 => comes.prop_map(|(class, key, cost)| Happens::Comes { class, key, cost }),
        2 => Just(Happens::Served),
        1 => (1..20_u64).prop_map(Happens::Passes),
    ];
    prop::collection::vec(one, 1..300)
}

proptest! {
    #[test]
    fn no_class_is_passed_more_than_four_times_once_it_has_waited_long(all in happenings()) {
        let mut line = FairQueue::default();
        let mut now = 0;
        // Class and arrival of each that waits; turns of others while a class had somebody who had waited long.
        let mut waiting: HashMap<usize, (usize, u64)> = HashMap::new();
        let mut passed = [0_u32; 3];
        for (number, happens) in all.into_iter().enumerate() {
            match happens {
                Happens::Comes { class, key, cost } => {
                    line.push(ticket(Class::ALL[class], &key.to_string(), cost), at(now), number);
                    waiting.insert(number, (class, now));
                }
                Happens::Passes(seconds) => now += seconds,
                Happens::Served => {
                    let shown = line.in_order(at(now)).first().copied().copied();
                    let next = line.pop(at(now));
                    prop_assert_eq!(shown, next);
                    prop_assert_eq!(next.is_some(), !waiting.is_empty());
                    let Some(next) = next else { continue };
                    let (class, came) = waiting.remove(&next).unwrap();
                    let earlier = waiting.values().filter(|(other, at)| *other > class && *at <= now).count();
                    if earlier > 0 {
                        let oldest = waiting.values().filter(|(other, _)| *other == class).map(|one| one.1);
                        let oldest = oldest.chain([came]).min().unwrap();
                        prop_assert!(now - oldest >= PATIENCE.as_secs(), "a lower class went first");
                    }
                    for (other, turns) in passed.iter_mut().enumerate() {
                        let old = waiting.values().any(|(of, at)| *of == other && now - at >= PATIENCE.as_secs());
                        *turns = if other == class || !old { 0 } else { *turns + 1 };
                        prop_assert!(*turns <= PASSES + 1, "class {} was passed {} times", other, turns);
                    }
                }
            }
        }
        prop_assert_eq!(line.len(), waiting.len());
    }

    #[test]
    fn two_keys_that_wait_differ_by_one_request_of_each_at_most(
        costs in prop::collection::vec(prop::collection::vec(1..1000_u64, 30..60), 2..5),
        steps in 1..200_usize,
    ) {
        let mut line = FairQueue::default();
        for (key, costs) in costs.iter().enumerate() {
            costs.iter().for_each(|cost| line.push(ticket(Batch, &key.to_string(), *cost), at(0), (key, *cost)));
        }
        let largest: Vec<u64> = costs.iter().map(|costs| *costs.iter().max().unwrap()).collect();
        let mut had = vec![0_u64; costs.len()];
        let mut left: Vec<usize> = costs.iter().map(Vec::len).collect();
        for _ in 0..steps {
            let (key, cost) = line.pop(at(1)).unwrap();
            had[key] += cost;
            left[key] -= 1;
            if left.contains(&0) {
                break;
            }
            for one in 0..had.len() {
                for other in 0..had.len() {
                    let ahead = had[one].saturating_sub(had[other]);
                    prop_assert!(ahead <= largest[one] + largest[other], "{:?}", had);
                }
            }
        }
    }
}

/// A key is known from before, but has nobody in the line.
#[test]
fn of_two_keys_whose_turn_it_is_the_one_that_came_first_is_served() {
    let mut line = FairQueue::default();
    line.push(ticket(Normal, "a", 1), at(0), 1);
    assert_eq!(line.take(|_| true), [1]);
    assert!(line.is_empty() && line.oldest().is_none());
    line.push(ticket(Normal, "b", 1), at(1), 2);
    line.push(ticket(Normal, "a", 1), at(2), 3);
    line.push(ticket(Batch, "a", 1), at(3), 4);
    assert_eq!((line.oldest(), line.is_empty(), line.len()), (Some(at(1)), false, 3));
    assert_eq!(served(&mut line, 3), [2, 3, 4]);
}
