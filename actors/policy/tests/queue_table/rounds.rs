//! Several demands in one round: who is whose rival, whose place it is, and whose room is counted how often.

use super::desk::*;
use llm_manager_policy::devices::{Device, Requirement};
use llm_manager_policy::placement::{DemandPriority, Need, Variant};
use llm_manager_policy::queue::*;
use llm_manager_policy::spec::Class;
use std::time::Duration;

/// A second card, and who wants memory of it.
fn with_second(desk: &mut Desk) -> impl Fn(&str, u64) -> Event + use<> {
    let second = Device { id: "1".into(), name: "other".into(), ..desk.snapshot.devices[0].clone() };
    desk.snapshot.devices.push(second);
    |model, mib| {
        let need = Need { requirement: Requirement::parse("other").unwrap(), mib };
        demand_of(model, 1, [Variant { name: "only".into(), needs: vec![need] }].into())
    }
}

/// Whether b, for which a goes, has had a rival meanwhile.
fn has_rivals(more: impl Fn(&mut Desk)) -> bool {
    let mut desk = Desk::auto();
    desk.demand("a", 1, &[6000]);
    desk.loads("a", 1, 6000, LOAD);
    assert_eq!(desk.step(demand_of_first("b", DemandPriority::default())), ["evict a1"]);
    more(&mut desk);
    desk.returned("a", 1, true);
    desk.now += Duration::from_millis(1);
    desk.sampled(0);
    desk.state.holds.iter().find(|hold| &*hold.model == "b").unwrap().rivals
}

/// Of the first card, whose name the second one doesn't have.
fn demand_of_first(model: &str, urgency: DemandPriority) -> Event {
    let (variants, overlap) = (wants(&[6000]), false);
    Event::Demand { model: model.into(), epoch: 1, variants, load: None, urgency, overlap }
}

#[test]
fn rivals_are_those_who_want_the_same_memory_for_somebody() {
    assert!(!has_rivals(|_| {}), "nobody is its own rival");
    assert!(has_rivals(|desk| {
        desk.step(demand_of_first("c", DemandPriority::default()));
    }));
    assert!(
        !has_rivals(|desk| {
            desk.state.waiting.push(Waiting {
                model: "c".into(),
                urgency: DemandPriority::Boot,
                ..desk.state.waiting[0].clone()
            });
        }),
        "`auto_start` is nobody's rival"
    );
}

/// One waits for the first card, one for the second.
#[test]
fn who_wants_memory_of_another_device_is_no_rival() {
    for first in [true, false] {
        let mut desk = Desk::auto();
        let on_second = with_second(&mut desk);
        desk.demand("a", 1, &[6000]);
        desk.step(on_second("x", 6000));
        desk.now += LOAD;
        desk.ready("a", 1, false);
        desk.ready("x", 1, false);
        desk.snapshot.devices[1].used_mib = Some(6000);
        desk.sampled(6000);
        let (one, other) = (demand_of_first("b", DemandPriority::default()), on_second("c", 6000));
        let events = if first { [one, other] } else { [other, one] };
        events.into_iter().for_each(|event| {
            desk.step(event);
        });
        let rivals: Vec<_> = desk.state.waiting.iter().map(|one| (&*one.model, one.rivals)).collect();
        let expected = if first { [("b", false), ("c", false)] } else { [("c", false), ("b", false)] };
        assert_eq!(rivals, expected);
    }
}

#[test]
fn two_who_wait_have_each_a_model_of_their_own_go() {
    let mut desk = Desk::new();
    desk.demand("a", 1, &[6000]);
    desk.ready("a", 1, false);
    desk.demand("x", 2, &[3000]);
    desk.ready("x", 2, false);
    desk.now += seconds(20);
    assert_eq!(desk.demand("b", 1, &[7000]), ["look"]);
    assert_eq!(desk.demand("c", 1, &[3000]), ["look"]);
    assert_eq!(desk.sampled(9000), ["evict a1", "evict x2"]);
}

/// 2000 MiB in use may be what the start has come to use meanwhile, as far as an old look tells: nobody goes for that.
#[test]
fn an_old_look_at_a_start_sends_nobody_away() {
    let mut desk = Desk::new();
    desk.sampled(2000);
    desk.demand("a", 1, &[2000]);
    desk.ready("a", 1, false);
    desk.now += seconds(20);
    desk.sampled(4000);
    assert_eq!(desk.demand("starts", 1, &[3000]), ["grant starts1 3000"]);
    desk.now += Duration::from_millis(900);
    assert_eq!(desk.demand("b", 1, &[4000]), ["look"]);
    assert_eq!(desk.sampled(4000), ["evict a1"], "it has used nothing yet, so the 2000 are of others");
}

/// A fixed `min_hold` counts from the last use for those below, and from the load for all others.
#[test]
fn a_use_by_the_same_class_guards_nobody() {
    let mut desk = Desk::new();
    desk.demand("a", 1, &[6000]);
    desk.ready("a", 1, false);
    desk.now += seconds(20);
    desk.models[0].users.left[Class::Normal as usize] = Some(desk.now);
    desk.sampled(6000);
    assert_eq!(desk.demand("b", 1, &[5000]), ["evict a1"]);
}

/// Its first variant is elsewhere, and silent; of how long the second one loads its size there says nothing.
#[test]
fn one_whose_best_variant_needs_no_memory_is_taken_to_load_as_long_as_the_resident() {
    let mut desk = Desk::auto();
    let far = Variant { name: "far".into(), needs: Vec::new() };
    let both = || [far.clone(), wants(&[5000])[0].clone()].into();
    desk.step(demand_of("b", 1, both()));
    desk.step(Event::Unreachable { model: "b".into(), epoch: 1, why: "no connection".into() });
    desk.returned("b", 1, false);
    desk.demand("a", 1, &[6000]);
    let load = seconds(2);
    desk.loads("a", 1, 6000, load);
    (desk.state.holds[0].rivals, desk.state.holds[0].credit) = (true, Duration::ZERO);
    assert_eq!(desk.step(demand_of("b", 2, both())), [""; 0]);
    let dwell = pace::dwell(load, load);
    assert_eq!(desk.after(dwell - Duration::from_millis(10)), [""; 0]);
    assert_eq!(desk.after(Duration::from_millis(10)), ["evict a1"]);
}

/// One that loads is wanted, one that is ready may be idle.
#[test]
fn a_load_that_is_under_way_is_a_rival() {
    for loads in [true, false] {
        let mut desk = Desk::auto();
        desk.demand("a", 1, &[4000]);
        if !loads {
            desk.loads("a", 1, 4000, LOAD);
        }
        assert_eq!(desk.demand("b", 1, &[4000]), ["grant b1 4000"]);
        assert_eq!(desk.state.holds[1].rivals, loads);
    }
}

#[test]
fn who_asks_again_keeps_its_place() {
    let mut desk = Desk::new();
    desk.demand("a", 1, &[6000]);
    desk.demand("b", 1, &[5000]);
    let since = desk.now;
    desk.now += seconds(2);
    desk.demand("b", 1, &[5000]);
    assert_eq!(desk.state.waiting[0].since, since);
    desk.demand("b", 2, &[5000]);
    assert_eq!(desk.state.waiting[0].since, desk.now, "another life is another demand");
}

#[test]
fn each_hold_is_seen_by_its_own_model() {
    let mut desk = Desk::new();
    desk.demand("a", 1, &[4000]);
    desk.demand("b", 1, &[4000]);
    desk.ready("a", 1, false);
    desk.step(Event::Changed);
    let ready: Vec<_> = desk.state.holds.iter().map(|hold| hold.ready).collect();
    assert_eq!(ready, [Some(desk.now), None]);
}
