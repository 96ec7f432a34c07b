//! A card that other programs use, too: what is kept free for them, who makes way, and pauses.

use super::desk::*;
use llm_manager_policy::devices::DeviceSharing;
use llm_manager_policy::placement::Variant;
use llm_manager_policy::queue::*;
use llm_manager_policy::spec::Class;
use std::sync::Arc;

/// The card keeps 2000 MiB free, and models make way for other programs.
fn shared_desk() -> Desk {
    let mut desk = Desk::new();
    desk.snapshot.devices[0].shared =
        DeviceSharing { keep_free_mib: 2000, gives_way: true, paused_until: None };
    desk
}

#[test]
fn what_is_kept_free_is_given_to_no_model() {
    let mut desk = shared_desk();
    assert_eq!(desk.demand("a", 1, &[8001]), ["deny a1 Never(NoMemory)"]);
    assert_eq!(desk.demand("a", 2, &[8000]), ["grant a2 8000"]);
    desk.loads("a", 2, 8000, seconds(5));
    assert_eq!(desk.sampled(8000), [""; 0], "an exact fit stays");
}

#[test]
fn idle_models_make_way_for_other_programs_and_busy_ones_stay() {
    let mut desk = shared_desk();
    for (model, epoch) in [("a", 1), ("b", 2)] {
        assert_eq!(desk.demand(model, epoch, &[4000]), [format!("grant {model}{epoch} 4000")]);
        desk.loads(model, epoch, 4000 * epoch, seconds(5));
    }
    desk.now += seconds(60);
    assert_eq!(desk.sampled(8000), [""; 0]);
    desk.ready("b", 2, true);
    // A game takes 500 MiB of the 2000.
    assert_eq!(desk.sampled(8500), ["evict a1"]);
    assert_eq!(desk.sampled(8700), [""; 0], "it is on its way");
    assert_eq!(desk.returned("a", 1, true), [""; 0]);
    desk.now += seconds(1);
    assert_eq!(desk.sampled(4500), [""; 0]);
    // It takes more than all of it: the busy one stays, and goes once it is idle.
    desk.now += seconds(10);
    assert_eq!(desk.sampled(9900), [""; 0]);
    desk.ready("b", 2, false);
    assert_eq!(desk.sampled(9900), ["evict b2"]);
    // Without the wish nobody goes.
    let mut desk = shared_desk();
    desk.snapshot.devices[0].shared.gives_way = false;
    desk.demand("a", 1, &[4000]);
    desk.loads("a", 1, 4000, seconds(5));
    desk.now += seconds(60);
    assert_eq!(desk.sampled(9500), [""; 0]);
}

#[test]
fn a_pinned_model_stays_for_other_programs_and_goes_for_a_pause() {
    // So does one that is kept warm, whatever its class: other programs have none.
    for (pinned, warm) in [(true, None), (false, Some(Class::Batch))] {
        let mut desk = shared_desk();
        desk.demand("a", 1, &[4000]);
        desk.loads("a", 1, 4000, seconds(5));
        desk.now += seconds(60);
        (desk.models[0].pinned, desk.models[0].warm) = (pinned, warm);
        assert_eq!(desk.sampled(9500), [""; 0]);
        desk.snapshot.devices[0].shared.paused_until = Some(desk.now + seconds(600));
        assert_eq!(desk.sampled(9500), ["evict a1"]);
    }
}

#[test]
fn a_paused_device_is_given_to_nobody_and_the_busy_finish() {
    let mut desk = Desk::new();
    desk.demand("a", 1, &[4000]);
    desk.loads("a", 1, 4000, seconds(5));
    desk.ready("a", 1, true);
    desk.snapshot.devices[0].shared.paused_until = Some(desk.now + seconds(600));
    assert_eq!(desk.step(Event::Changed), ["yield a1"]);
    assert_eq!(desk.step(Event::Changed), [""; 0]);
    assert_eq!(desk.demand("b", 1, &[1000]), ["deny b1 Never(Paused)"]);
    let free = vec![Variant { name: "elsewhere".into(), needs: Vec::new() }];
    let both: Arc<[Variant]> = wants(&[1000]).iter().cloned().chain(free).collect();
    assert_eq!(desk.step(demand_of("c", 1, both)), ["grant c1 0"], "another variant is taken");
    // The pause is lifted before it has gone: it goes on.
    desk.snapshot.devices[0].shared.paused_until = None;
    assert_eq!(desk.step(Event::Changed), ["stay a1"]);
    assert_eq!(desk.demand("b", 2, &[1000]), ["grant b2 1000"]);
}

#[test]
fn a_refusal_for_a_pause_knows_when_it_is_over() {
    let mut desk = Desk::new();
    desk.snapshot.devices[0].shared.paused_until = Some(desk.now + seconds(7140));
    let Desk { state, now, snapshot, models, settings } = &desk;
    let view = View { now: *now, snapshot, models, settings };
    let explained = explain(state, &view, &"a".into(), &wants(&[1000]), None);
    assert_eq!(explained.paused_for(), Some(seconds(7140)));
    let words = "a: an operator has paused a device that it needs; 1000: gpu is paused by an operator for another 1 h 59 min";
    assert_eq!(explained.to_string(), words);
}

#[test]
fn a_pause_that_ends_is_no_use_where_a_device_is_offline() {
    let mut desk = Desk::new();
    desk.snapshot.devices[0].shared.paused_until = Some(desk.now + seconds(600));
    desk.snapshot.devices[0].online = false;
    assert_eq!(desk.demand("a", 1, &[1000]), ["deny a1 Never(NoDevice)"]);
}

#[test]
fn a_pause_ends_the_models_of_its_own_device() {
    let mut desk = Desk::new();
    let second = llm_manager_policy::devices::Device {
        id: "1".into(),
        name: "other".into(),
        ..desk.snapshot.devices[0].clone()
    };
    desk.snapshot.devices.push(second);
    let need = llm_manager_policy::placement::Need {
        requirement: llm_manager_policy::devices::Requirement::parse("other").unwrap(),
        mib: 3000,
    };
    let variants = [Variant { name: "only".into(), needs: vec![need] }].into();
    desk.demand("a", 1, &[6000]);
    desk.step(demand_of("b", 1, variants));
    desk.ready("a", 1, false);
    desk.ready("b", 1, false);
    desk.snapshot.devices[1].shared.paused_until = Some(desk.now + seconds(600));
    assert_eq!(desk.step(Event::Changed), ["evict b1"]);
    let stages: Vec<_> = desk.state.holds.iter().map(|hold| hold.stage == Stage::Kept).collect();
    assert_eq!(stages, [true, false]);
}
