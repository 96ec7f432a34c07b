//! The queue, event by event.

#![expect(clippy::unwrap_used, reason = "a test may")]

#[path = "queue_table/classes.rs"]
mod classes_of_requests;
#[path = "queue_table/desk.rs"]
mod desk;
#[path = "queue_table/rounds.rs"]
mod rounds;
#[path = "queue_table/sharing.rs"]
mod sharing;

use desk::*;
use llm_manager_policy::devices::{Device, Requirement};
use llm_manager_policy::placement::{
    DemandPriority, DeviceAllocation, Need, Never, RETRY_ADDRESS, ResidentState, Variant,
};
use llm_manager_policy::queue::*;
use std::sync::Arc;
use std::time::Duration;

#[test]
fn a_victim_goes_and_its_memory_is_believed_when_it_shows() {
    let mut desk = Desk::new();
    assert_eq!(desk.demand("a", 1, &[6000]), ["grant a1 6000"]);
    desk.ready("a", 1, false);
    desk.now += seconds(20);
    assert_eq!(desk.sampled(6000), [""; 0]);
    assert_eq!(desk.demand("b", 1, &[5000]), ["evict a1"]);
    assert_eq!(desk.after(POLL), [""; 0], "it has been asked already");
    assert_eq!(desk.returned("a", 1, true), ["look"]);
    desk.now += POLL;
    assert_eq!(desk.sampled(5900), [""; 0], "nothing to be seen yet");
    desk.now += POLL;
    assert_eq!(desk.sampled(1501), [""; 0], "less than three quarters of what it held");
    desk.now += POLL;
    assert_eq!(desk.sampled(1500), ["grant b1 5000"]);
}

#[test]
fn who_does_not_answer_is_asked_once_more() {
    let mut desk = Desk::new();
    desk.demand("a", 1, &[6000]);
    desk.ready("a", 1, false);
    desk.now += seconds(20);
    desk.sampled(6000);
    assert_eq!(desk.demand("b", 1, &[5000]), ["evict a1"]);
    assert_eq!(desk.after(ANSWER_TIME - POLL), [""; 0]);
    assert_eq!(desk.after(POLL), ["evict a1"]);
    // It has refused, for it was busy for a moment.
    assert_eq!(desk.step(Event::EvictRefused { model: "a".into(), epoch: 1 }), [""; 0]);
    assert_eq!(desk.after(POLL - Duration::from_millis(1)), [""; 0]);
    assert_eq!(desk.after(Duration::from_millis(1)), ["evict a1"]);
}

#[test]
fn what_reserves_nothing_of_a_device_leaves_at_once() {
    let mut desk = Desk::new();
    assert_eq!(desk.demand("none", 1, &[0]), ["grant none1 0"]);
    desk.ready("none", 1, false);
    assert_eq!(desk.returned("none", 1, true), [""; 0]);
    assert!(desk.state.holds.is_empty(), "{:?}", desk.state.holds);
}

#[test]
fn each_hold_remembers_what_was_in_use_on_its_own_device() {
    let mut desk = Desk::new();
    let second = Device { id: "1".into(), name: "other".into(), ..desk.snapshot.devices[0].clone() };
    desk.snapshot.devices.push(Device { used_mib: Some(7000), ..second });
    let on_second = |model: &str, mib| {
        let need = Need { requirement: Requirement::parse("other").unwrap(), mib };
        demand_of(model, 1, [Variant { name: "only".into(), needs: vec![need] }].into())
    };
    assert_eq!(desk.demand("a", 1, &[6000]), ["grant a1 6000"]);
    assert_eq!(desk.step(on_second("b", 3000)), ["grant b1 3000"]);
    desk.ready("a", 1, true);
    desk.ready("b", 1, false);
    desk.now += seconds(20);
    desk.snapshot.devices[1].used_mib = Some(9900);
    desk.sampled(6000);
    assert_eq!(desk.step(on_second("c", 2000)), ["evict b1"]);
    let used = desk.state.holds.iter().filter_map(|hold| match &hold.stage {
        Stage::Asked { used, .. } => Some((&*hold.model, used.clone())),
        _ => None,
    });
    assert_eq!(used.collect::<Vec<_>>(), [("b", vec![Some(9900)])]);
}

/// What is read of a process while it loads says nothing of what it came to use.
#[test]
fn a_reading_counts_from_the_moment_at_which_the_model_was_ready() {
    for (read_at, counts) in [(seconds(1007), false), (seconds(1008), true)] {
        let mut desk = Desk::new();
        desk.demand("a", 1, &[6000]);
        desk.loads("a", 1, 6000, LOAD);
        desk.models[0].actual = vec![("0".into(), 5000)];
        desk.step(Event::Changed);
        desk.snapshot.taken_at = Some(read_at);
        desk.returned("a", 1, true);
        assert_eq!(desk.state.holds[0].parts[0].actual, counts.then_some(5000), "{read_at:?}");
    }
}

#[test]
fn a_grant_says_when_its_victims_had_gone() {
    let mut desk = Desk::new();
    desk.demand("a", 1, &[6000]);
    desk.ready("a", 1, false);
    desk.now += seconds(20);
    desk.sampled(6000);
    assert_eq!(desk.demand("b", 1, &[5000]), ["evict a1"]);
    desk.now += seconds(1);
    desk.returned("a", 1, true);
    let victims_gone = desk.now;
    desk.now += POLL;
    (desk.snapshot.taken_at, desk.snapshot.devices[0].used_mib) = (Some(desk.now), Some(100));
    let effects = desk.effects(Event::SnapshotTaken);
    let told = effects.iter().find_map(|effect| match effect {
        Effect::Grant { made_room, .. } => made_room.as_ref(),
        _ => None,
    });
    assert_eq!(told, Some(&MadeRoom { victims_gone, memory_free: desk.now }));
}

#[test]
fn each_victim_is_asked_in_its_own_life() {
    let mut desk = Desk::new();
    desk.demand("a", 1, &[4000]);
    desk.ready("a", 1, true);
    desk.demand("b", 2, &[4000]);
    desk.ready("b", 2, false);
    desk.now += seconds(20);
    desk.sampled(8000);
    assert_eq!(desk.demand("c", 3, &[5000]), ["evict b2"]);
}

#[test]
fn what_others_say_they_hold_is_added_to_the_rest() {
    let mut desk = Desk::new();
    for (model, mib) in [("a", 6000), ("b", 3000)] {
        let variant = "only".into();
        let assignment = vec![DeviceAllocation { requirement: "gpu".into(), device: "0".into(), mib }];
        let holds = Event::Holds { model: model.into(), epoch: 1, variant, assignment };
        desk.step(holds.clone());
        // Said twice, it is held once.
        desk.step(holds);
    }
    assert_eq!(desk.demand("c", 1, &[1001]), [""; 0]);
    assert_eq!(desk.returned("c", 1, false), [""; 0]);
    assert_eq!(desk.demand("c", 1, &[1000]), ["grant c1 1000"]);
}

#[test]
fn a_variant_that_failed_is_left_out_for_its_own_model() {
    let mut desk = Desk::new();
    for model in ["a", "b"] {
        desk.demand(model, 1, &[4000, 1000]);
        let failed = Event::StartFailed { model: model.into(), epoch: 1, out_of_memory: true };
        assert_eq!(desk.step(failed), [""; 0]);
    }
    let failed: Vec<_> = desk.state.failed.iter().map(|one| (&*one.model, &*one.variant)).collect();
    assert_eq!(failed, [("a", "4000"), ("b", "4000")]);
    // Its other variant fails, too, and then the first one once more.
    for (epoch, variants) in [(2, vec![1000]), (3, vec![900])] {
        desk.demand("a", epoch, &variants);
        desk.step(Event::StartFailed { model: "a".into(), epoch, out_of_memory: true });
        desk.step(Event::StartFailed { model: "a".into(), epoch, out_of_memory: true });
    }
    let mut failed: Vec<_> = desk.state.failed.iter().map(|one| (&*one.model, &*one.variant)).collect();
    failed.sort_unstable();
    assert_eq!(failed, [("a", "1000"), ("a", "4000"), ("a", "900"), ("b", "4000")]);
}

#[test]
fn memory_that_never_shows_is_believed_after_a_while() {
    let mut desk = Desk::new();
    desk.demand("a", 1, &[6000]);
    assert_eq!(desk.demand("b", 1, &[5000]), [""; 0]);
    assert_eq!(desk.returned("a", 1, true), ["look"]);
    assert_eq!(desk.after(seconds(4)), ["look"]);
    assert_eq!(desk.after(seconds(1)), ["grant b1 5000"]);
    // A start that never was leaves nothing behind.
    assert_eq!(desk.demand("c", 1, &[6000]), ["look"]);
    assert_eq!(desk.sampled(0), [""; 0]);
    assert_eq!(desk.returned("b", 1, false), ["grant c1 6000"]);
}

#[test]
fn the_order_of_arrival_is_kept_where_it_matters() {
    let mut desk = Desk::new();
    desk.demand("a", 1, &[6000]);
    assert_eq!(desk.demand("big", 1, &[9000]), [""; 0]);
    assert_eq!(desk.demand("small", 1, &[2000]), [""; 0], "there is room, but it is claimed");
    assert_eq!(desk.demand("none", 1, &[0]), ["grant none1 0"], "it delays nobody");
    assert_eq!(desk.returned("big", 1, false), ["grant small1 2000"]);
    let mut desk = Desk::new();
    desk.demand("a", 1, &[6000]);
    desk.demand("big", 1, &[7000]);
    desk.demand("small", 1, &[2000]);
    assert_eq!(desk.returned("a", 1, false), ["grant big1 7000", "grant small1 2000"]);
}

#[test]
fn a_model_that_has_become_busy_is_left_alone_and_yields_in_time() {
    let mut desk = Desk::new();
    desk.demand("a", 1, &[6000]);
    desk.ready("a", 1, false);
    desk.now += seconds(20);
    desk.sampled(6000);
    assert_eq!(desk.demand("b", 1, &[5000]), ["evict a1"]);
    if let ResidentState::Ready { busy, .. } = &mut desk.models[0].standing {
        *busy = true;
    }
    assert_eq!(desk.step(Event::EvictRefused { model: "a".into(), epoch: 1 }), [""; 0]);
    let waited = desk.now;
    while desk.now < waited + seconds(60) - POLL {
        assert_eq!(desk.after(POLL), [""; 0]);
    }
    assert_eq!(desk.after(POLL), ["yield a1"]);
    assert_eq!(desk.after(POLL), [""; 0]);
    // Whoever comes again comes last.
    assert_eq!(desk.returned("a", 1, true), ["look"]);
    assert_eq!(desk.demand("a", 2, &[6000]), ["look"]);
    desk.now += POLL;
    assert_eq!(desk.sampled(0), ["grant b1 5000"]);
}

#[test]
fn a_young_model_keeps_its_room() {
    let mut desk = Desk::new();
    desk.demand("a", 1, &[6000]);
    desk.ready("a", 1, false);
    desk.sampled(6000);
    assert_eq!(desk.demand("b", 1, &[5000]), [""; 0]);
    assert_eq!(desk.after(seconds(9)), [""; 0]);
    let over = desk.now + seconds(1);
    desk.now = over - POLL / 2;
    assert!(desk.effects(Event::Timer).contains(&Effect::ArmTimer(over)), "it is looked at in time");
    desk.now = over;
    assert_eq!(desk.step(Event::Timer), ["evict a1"]);
}

#[test]
fn who_can_never_be_served_is_told_at_once_and_who_waits_too_long_in_time() {
    let mut desk = Desk::new();
    assert_eq!(
        desk.demand("huge", 1, &[10_001]),
        [format!("deny huge1 {:?}", Denial::Never(Never::NoMemory))]
    );
    desk.demand("a", 1, &[6000]);
    assert_eq!(desk.demand("b", 1, &[5000]), [""; 0]);
    assert_eq!(desk.after(seconds(299)), [""; 0]);
    assert_eq!(desk.after(seconds(1)), ["deny b1 Timeout"]);
    assert!(desk.state.waiting.is_empty());
}

#[test]
fn a_demand_wants_a_fresh_snapshot_but_not_for_ever() {
    let mut desk = Desk::new();
    desk.now += seconds(5);
    assert_eq!(desk.demand("a", 1, &[6000]), ["look"]);
    desk.now += Duration::from_millis(30);
    assert_eq!(desk.sampled(9000), ["deny a1 Never(NoMemory)"]);
    desk.now += seconds(5);
    assert_eq!(desk.demand("a", 2, &[1000]), ["look"]);
    assert_eq!(desk.after(seconds(1)), ["grant a2 1000"]);
}

#[test]
fn out_of_memory_means_the_next_variant_until_something_changes() {
    let mut desk = Desk::new();
    desk.demand("other", 1, &[1000]);
    desk.ready("other", 1, true);
    assert_eq!(desk.demand("a", 1, &[8000, 4000]), ["grant a1 8000"]);
    let failed = Event::StartFailed { model: "a".into(), epoch: 1, out_of_memory: true };
    assert_eq!(desk.step(failed), [""; 0]);
    desk.returned("a", 1, false);
    assert_eq!(desk.demand("a", 2, &[8000, 4000]), ["grant a2 4000"]);
    desk.returned("a", 2, false);
    assert_eq!(desk.demand("a", 3, &[8000]), ["deny a3 Never(OutOfMemory)"]);
    desk.returned("other", 1, false);
    assert_eq!(desk.demand("a", 4, &[8000, 4000]), ["grant a4 8000"]);
    // An ordinary failure excludes nothing.
    desk.step(Event::StartFailed { model: "a".into(), epoch: 4, out_of_memory: false });
    desk.returned("a", 4, false);
    assert_eq!(desk.demand("a", 5, &[8000, 4000]), ["grant a5 8000"]);
}

#[test]
fn a_silent_address_is_passed_over_for_some_seconds() {
    let mut desk = Desk::new();
    let far = || Variant { name: "far".into(), needs: Vec::new() };
    let both: Arc<[Variant]> = [far(), wants(&[4000])[0].clone()].into();
    assert_eq!(desk.step(demand_of("a", 1, Arc::clone(&both))), ["grant a1 0"]);
    let silent = Event::Unreachable { model: "a".into(), epoch: 1, why: "no connection".into() };
    assert_eq!(desk.step(silent), [""; 0]);
    desk.returned("a", 1, true);
    assert_eq!(desk.step(demand_of("a", 2, both)), ["grant a2 4000"]);
    desk.returned("a", 2, false);
    assert_eq!(desk.step(demand_of("a", 3, [far()].into())), ["deny a3 Never(Unreachable)"]);
    desk.now += RETRY_ADDRESS;
    assert_eq!(desk.step(demand_of("a", 4, [far()].into())), ["grant a4 0"]);
}

#[test]
fn a_restarted_scheduler_listens_first() {
    let mut desk = Desk::new();
    desk.demand("a", 1, &[6000]);
    let part = desk.state.holds[0].parts[0].clone();
    desk.ready("a", 1, true);
    desk.state = State::restarted(desk.now + seconds(2));
    assert_eq!(desk.demand("b", 1, &[6000]), [""; 0]);
    let requirement = "gpu".into();
    let assignment = vec![DeviceAllocation { requirement, device: part.device, mib: part.mib }];
    let holds = Event::Holds { model: "a".into(), epoch: 1, variant: "6000".into(), assignment };
    assert_eq!(desk.step(holds), [""; 0]);
    assert_eq!(desk.step(Event::AllAnnounced), [""; 0]);
    assert_eq!(desk.state.holds.len(), 1);
    assert_eq!(desk.returned("a", 1, false), ["grant b1 6000"]);
}

#[test]
fn a_model_that_begins_anew_has_ended_before() {
    let mut desk = Desk::new();
    desk.demand("a", 1, &[6000]);
    assert_eq!(desk.demand("a", 2, &[6000]), ["look"], "what it held has to show as free first");
    assert_eq!(desk.after(seconds(5)), ["grant a2 6000"]);
    assert_eq!(desk.returned("a", 1, true), [""; 0], "late news of the former life");
    assert_eq!(desk.state.holds.len(), 1);
    desk.sampled(0);
    assert_eq!(desk.demand("b", 5, &[9000]), [""; 0]);
    desk.returned("b", 4, true);
    assert_eq!(desk.state.waiting.len(), 1, "not the life that waits");
}

#[test]
fn memory_that_is_about_to_show_is_worth_waiting_for() {
    let mut desk = Desk::new();
    desk.demand("a", 1, &[6000]);
    assert_eq!(desk.returned("a", 1, true), [""; 0]);
    assert_eq!(desk.demand("b", 1, &[8000, 1000]), ["look"]);
    assert_eq!(desk.after(seconds(5)), ["grant b1 8000"]);
}

#[test]
fn who_waits_may_still_get_the_best_of_its_variants() {
    let mut desk = Desk::new();
    let second = Device { id: "1".into(), ..desk.snapshot.devices[0].clone() };
    desk.snapshot.devices.push(second);
    desk.demand("a", 1, &[9000]);
    let need = |mib| vec![Need { requirement: Requirement::parse("2x gpu").unwrap(), mib }];
    let variant = |mib: u64| Variant { name: mib.to_string().into(), needs: need(mib) };
    let variants = [variant(8000), variant(3000)].into();
    assert_eq!(desk.step(demand_of("big", 1, variants)), [""; 0]);
    assert_eq!(desk.demand("small", 1, &[5000]), [""; 0], "beside 3000 there would be room");
    assert_eq!(desk.demand("tiny", 1, &[2000]), [""; 0], "small came first");
    assert_eq!(desk.returned("small", 1, false), ["grant tiny1 2000"]);
}

#[test]
fn an_idle_model_goes_at_once_while_only_one_other_is_wanted() {
    let mut desk = Desk::auto();
    assert_eq!(desk.demand("a", 1, &[6000]), ["grant a1 6000"]);
    desk.loads("a", 1, 6000, LOAD);
    for turn in 1..5 {
        // One person goes to and fro between two models, and waits for nothing but their loads.
        let (next, resident) = if turn % 2 == 1 { ("b", "a") } else { ("a", "b") };
        desk.now += Duration::from_millis(1);
        let asked = desk.demand(next, turn + 1, &[6000]);
        assert!(asked[0].starts_with(&format!("evict {resident}")), "{turn}: {asked:?}");
        let epoch = desk.state.holds[0].epoch;
        desk.returned(resident, epoch, true);
        assert_eq!(desk.sampled(0), [""; 0], "a snapshot of the same moment may be older than the end");
        desk.now += Duration::from_millis(1);
        assert_eq!(desk.sampled(0), [format!("grant {next}{} 6000", turn + 1)]);
        desk.loads(next, turn + 1, 6000, LOAD);
    }
}

#[test]
fn models_that_compete_stay_for_nine_eighths_of_a_load() {
    let mut desk = Desk::auto();
    desk.demand("a", 1, &[6000]);
    desk.loads("a", 1, 6000, LOAD);
    // Long resident: its surplus is its successor's.
    desk.now += seconds(100);
    desk.sampled(6000);
    assert_eq!(desk.demand("b", 1, &[6000]), ["evict a1"]);
    desk.returned("a", 1, true);
    desk.now += Duration::from_millis(1);
    assert_eq!(desk.sampled(0), ["grant b1 6000"]);
    // Requests for a come while b loads.
    assert_eq!(desk.demand("a", 2, &[6000]), [""; 0]);
    desk.now += LOAD;
    desk.ready("b", 1, false);
    assert_eq!(desk.sampled(6000), ["evict b1"], "the first swap back is immediate");
    desk.returned("b", 1, true);
    desk.now += Duration::from_millis(1);
    assert_eq!(desk.sampled(0), ["grant a2 6000"]);
    // From now on loads are paid for.
    assert_eq!(desk.demand("b", 2, &[6000]), [""; 0]);
    desk.now += LOAD;
    desk.ready("a", 2, false);
    assert_eq!(desk.sampled(6000), [""; 0]);
    let dwell = pace::dwell(LOAD, LOAD);
    assert_eq!(dwell, seconds(9));
    assert_eq!(desk.after(dwell - Duration::from_millis(10)), [""; 0]);
    assert_eq!(desk.after(Duration::from_millis(10)), ["evict a2"]);
}

/// Nobody knows how long it will load: at the pace of the model that is in its place.
#[test]
fn a_model_that_never_ran_is_taken_to_load_as_fast_as_the_resident() {
    let mut desk = Desk::auto();
    desk.demand("a", 1, &[4000]);
    desk.loads("a", 1, 4000, LOAD);
    (desk.state.holds[0].rivals, desk.state.holds[0].credit) = (true, Duration::ZERO);
    assert_eq!(desk.demand("b", 1, &[8000]), [""; 0]);
    // Twice as large, so twice as long: 9/16 of 8 s + 16 s.
    let dwell = Duration::from_millis(13_500);
    assert_eq!(desk.after(dwell - Duration::from_millis(10)), [""; 0]);
    assert_eq!(desk.after(Duration::from_millis(10)), ["evict a1"]);
}

#[test]
fn a_busy_model_finishes_after_three_quarters_of_a_swap_and_not_before_a_second() {
    for (load, patience) in [(LOAD, seconds(12)), (Duration::from_millis(50), pace::LEAST_BUSY)] {
        let mut desk = Desk::auto();
        desk.demand("a", 1, &[6000]);
        desk.loads("a", 1, 6000, load);
        desk.now += seconds(100);
        desk.ready("a", 1, true);
        desk.state.holds[0].ready = Some(desk.now - seconds(100));
        desk.sampled(6000);
        assert_eq!(desk.demand("b", 1, &[6000]), [""; 0]);
        assert_eq!(desk.after(patience - Duration::from_millis(10)), [""; 0], "{load:?}");
        assert_eq!(desk.after(Duration::from_millis(10)), ["yield a1"], "{load:?}");
    }
}

#[test]
fn nobody_goes_for_auto_start_alone() {
    let boot = |model: &str, urgency| Event::Demand {
        model: model.into(),
        epoch: 1,
        variants: wants(&[6000]),
        load: None,
        urgency,
        overlap: false,
    };
    let mut desk = Desk::auto();
    assert_eq!(desk.step(boot("a", DemandPriority::Boot)), ["grant a1 6000"]);
    let denied = [format!("deny b1 {:?}", Denial::Never(Never::NotForBoot))];
    assert_eq!(desk.step(boot("b", DemandPriority::Boot)), denied, "a loads");
    desk.loads("a", 1, 6000, LOAD);
    assert_eq!(desk.step(boot("b", DemandPriority::Boot)), denied, "a is idle");
    // While it waits for a snapshot, somebody asks for it.
    desk.now += seconds(60);
    assert_eq!(desk.step(boot("b", DemandPriority::Boot)), ["look"]);
    assert_eq!(desk.step(boot("b", DemandPriority::default())), ["look"]);
    assert_eq!(desk.sampled(6000), ["evict a1"]);
}

#[test]
fn a_device_that_tells_only_its_total_keeps_nobody_waiting() {
    let mut desk = Desk::auto();
    desk.snapshot.devices[0].used_mib = None;
    desk.demand("a", 1, &[6000]);
    desk.loads("a", 1, 6000, LOAD);
    desk.snapshot.devices[0].used_mib = None;
    desk.now += seconds(60);
    assert_eq!(desk.demand("b", 1, &[6000]), ["evict a1"], "an old snapshot says as much as a new one");
    assert_eq!(desk.returned("a", 1, true), ["grant b1 6000"]);
}

#[test]
fn who_has_to_go_is_asked_before_the_new_snapshot_is_there() {
    let mut desk = Desk::auto();
    desk.demand("a", 1, &[6000]);
    desk.loads("a", 1, 6000, LOAD);
    desk.now += Duration::from_millis(900);
    assert_eq!(desk.demand("b", 1, &[6000]), ["evict a1", "look"]);
    desk.now += Duration::from_millis(20);
    assert_eq!(desk.returned("a", 1, true), ["look"]);
    desk.now += Duration::from_millis(20);
    assert_eq!(desk.sampled(0), ["grant b1 6000"]);
    // What is free is another matter.
    desk.now += Duration::from_millis(900);
    assert_eq!(desk.demand("c", 1, &[3000]), ["look"]);
    assert_eq!(desk.sampled(0), ["grant c1 3000"]);
}

#[test]
fn an_unrelated_device_holds_up_nobody() {
    let mut desk = Desk::auto();
    let slow = Device { total_mib: Some(10_000), used_mib: Some(0), ..Device::new("1", "slow", "fake") };
    desk.snapshot.devices.push(Device { taken_at: Some(seconds(1)), ..slow });
    desk.snapshot.devices[0].taken_at = Some(desk.now);
    desk.snapshot.taken_at = Some(seconds(1));
    assert_eq!(desk.demand("a", 1, &[6000]), ["grant a1 6000"]);
}

#[test]
fn overlap_starts_while_memory_is_being_given_back() {
    let mut desk = Desk::auto();
    desk.demand("a", 1, &[6000]);
    desk.loads("a", 1, 6000, LOAD);
    let (variants, urgency) = (wants(&[6000]), DemandPriority::default());
    let demand = Event::Demand { model: "b".into(), epoch: 1, variants, load: None, urgency, overlap: true };
    assert_eq!(desk.step(demand), ["evict a1"]);
    assert_eq!(desk.returned("a", 1, true), ["grant b1 6000"]);
}

/// `auto_start` is nobody's client: it goes for those who want something, but it may refuse.
#[test]
fn a_start_that_refuses_to_go_is_asked_again_in_a_moment() {
    let mut desk = Desk::new();
    desk.demand("a", 1, &[6000]);
    desk.ready("a", 1, false);
    desk.models[0].standing = ResidentState::Starting { wanted: false, since: desk.now };
    assert_eq!(desk.demand("b", 1, &[5000]), ["evict a1"]);
    assert_eq!(desk.step(Event::EvictRefused { model: "a".into(), epoch: 1 }), [""; 0]);
    assert_eq!(desk.after(POLL - Duration::from_millis(1)), [""; 0]);
    assert_eq!(desk.after(Duration::from_millis(1)), ["evict a1"]);
}

#[test]
fn a_device_that_is_not_known_yet_is_looked_for() {
    let mut desk = Desk::new();
    desk.now += seconds(5);
    let need = Need { requirement: Requirement::parse("npu").unwrap(), mib: 1000 };
    let variants = [Variant { name: "only".into(), needs: vec![need] }].into();
    assert_eq!(desk.step(demand_of("a", 1, variants)), ["look"]);
    assert_eq!(desk.sampled(0), [format!("deny a1 {:?}", Denial::Never(Never::NoDevice))]);
}

#[test]
fn memory_is_believed_by_what_was_really_used() {
    // It never came to use what it had reserved: 1000 MiB of 6000.
    let mut desk = Desk::new();
    desk.demand("a", 1, &[6000]);
    desk.sampled(1000);
    desk.returned("a", 1, true);
    desk.now += POLL;
    desk.sampled(100);
    assert!(desk.state.holds.is_empty());
    // Another program has come meanwhile.
    desk.demand("a", 2, &[6000]);
    desk.sampled(9000);
    desk.returned("a", 2, true);
    desk.now += POLL;
    desk.sampled(4501);
    assert_eq!(desk.state.holds.len(), 1);
    desk.now += POLL;
    desk.sampled(4500);
    assert!(desk.state.holds.is_empty());
    // The device has shown nothing of it, which says nothing before it was looked at again.
    desk.now += POLL;
    desk.sampled(0);
    desk.demand("a", 3, &[6000]);
    desk.ready("a", 3, false);
    desk.models[0].actual = vec![("0".into(), 0)];
    desk.step(Event::Changed);
    desk.returned("a", 3, true);
    assert_eq!(desk.state.holds.len(), 1);
}

#[test]
fn memory_that_comes_back_is_looked_for_in_time_though_nobody_waits() {
    let mut desk = Desk::new();
    desk.demand("a", 1, &[6000]);
    desk.ready("a", 1, false);
    desk.models.clear();
    let effects = desk.effects(Event::Returned { model: "a".into(), epoch: 1, ran: true });
    assert_eq!(effects, [Effect::ArmTimer(desk.now + desk.settings.settle)]);
}
