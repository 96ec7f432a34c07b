//! The scheduler, the monitor and the models panic, each in its turn.

use crate::support::{Manager, PATIENCE, wait_until};

use super::world::{Gpus, busy, device, holders, loading, model, wait_text};

const FAULTS: &[(&str, &str)] = &[("LLM_MANAGER_FAULT_INJECTION", "1")];

fn restarts(manager: &Manager, name: &str) -> Option<u64> {
    let tree = manager.api("/api/supervision");
    let children = tree["children"].as_array()?;
    children.iter().find(|child| child["name"] == name)?["restarts"].as_u64()
}

#[track_caller]
fn panic(manager: &Manager, actor: &str) {
    let before = restarts(manager, actor);
    manager.act(&format!("/api/debug/panic/{actor}"));
    wait_until(&format!("{actor} is restarted"), PATIENCE, || {
        restarts(manager, actor) == before.map(|count| count + 1)
    });
}

/// Room for one of them.
fn gpus() -> Gpus {
    Gpus::one(24000).shows("gpu a", "a", 15000).shows("gpu a", "b", 15000)
}

#[test]
fn a_new_scheduler_learns_who_holds_what() {
    let gpus = gpus();
    let config = gpus.config().model(model("a", 15000)).model(model("b", 15000));
    let manager = Manager::start_with(&config, FAULTS);
    let stream = busy(&manager, "a");
    panic(&manager, "scheduler");
    wait_until("a's memory is known", PATIENCE, || holders(&manager, "gpu a") == [("a".to_owned(), 15000)]);
    let call = manager.chat("b").spawn();
    manager.wait_state("b", "queued");
    wait_text(&manager, "b", "which is busy");
    manager.touch("go-a");
    stream.finish().ok();
    call.join().unwrap().ok();
    assert_eq!((manager.state("a"), manager.starts("a").len()), ("stopped".to_owned(), 1));
}

#[test]
fn those_who_wait_are_not_forgotten() {
    // What loads shows nowhere but in its reservation.
    let gpus = Gpus::one(24000);
    let config = gpus.config().model(loading("a", 15000)).model(model("b", 15000));
    let manager = Manager::start_with(&config, FAULTS);
    let first = manager.chat("a").spawn();
    manager.wait_state("a", "starting");
    let second = manager.chat("b").spawn();
    manager.wait_state("b", "queued");
    panic(&manager, "scheduler");
    wait_until("a's memory is known", PATIENCE, || holders(&manager, "gpu a") == [("a".to_owned(), 15000)]);
    wait_text(&manager, "b", "which is being started");
    assert_eq!(manager.state("b"), "queued");
    manager.touch("loaded-a");
    first.join().unwrap().ok();
    second.join().unwrap().ok();
    assert_eq!((manager.starts("a").len(), manager.starts("b").len()), (1, 1));
}

#[test]
fn a_model_that_is_asked_for_while_the_scheduler_is_down_is_served() {
    let gpus = gpus();
    let config = gpus.config().model(model("a", 15000)).model(model("b", 15000));
    let manager = Manager::start_with(&config, FAULTS);
    // The supervisor gives an actor up that crashes more often.
    for name in ["a", "b", "a"] {
        manager.act("/api/debug/panic/scheduler");
        manager.chat(name).send().ok();
    }
    assert_eq!(holders(&manager, "gpu a"), [("a".to_owned(), 15000)]);
}

#[test]
fn a_new_monitor_goes_on() {
    let mut gpus = gpus();
    let manager = Manager::start_with(&gpus.config().model(model("a", 15000)), FAULTS);
    manager.chat("a").send().ok();
    panic(&manager, "devices");
    gpus.used("gpu a", 100);
    wait_until("it looks again", PATIENCE, || device(&manager, "gpu a")["memory_used_mb"] == 15100);
    manager.act("/api/models/a/restart");
    manager.chat("a").send().ok();
}

#[test]
fn what_a_crashed_model_held_comes_back() {
    let gpus = gpus();
    let config = gpus.config().model(model("a", 15000)).model(model("b", 15000));
    let manager = Manager::start_with(&config, FAULTS);
    manager.chat("a").send().ok();
    manager.act("/api/debug/panic/a");
    wait_until("its backend is gone", PATIENCE, || manager.state("a") == "stopped");
    manager.chat("b").send().ok();
    wait_until("only b holds memory", PATIENCE, || holders(&manager, "gpu a") == [("b".to_owned(), 15000)]);
    // It has another port now: no connection of its former life may be used.
    for _ in 0..8 {
        manager.chat("a").send().ok();
    }
    assert_eq!((manager.state("b"), manager.starts("a").len()), ("stopped".to_owned(), 2));
}

#[test]
fn a_crash_while_queued_leaves_no_demand_behind() {
    let gpus = gpus();
    let config = gpus.config().model(model("a", 15000)).model(model("b", 15000));
    let manager = Manager::start_with(&config, FAULTS);
    let stream = busy(&manager, "a");
    let call = manager.chat("b").spawn();
    manager.wait_state("b", "queued");
    manager.act("/api/debug/panic/b");
    let reply = call.join().unwrap();
    assert_eq!(reply.status, 503, "{}", reply.text());
    manager.wait_state("b", "stopped");
    manager.touch("go-a");
    stream.finish().ok();
    // Nobody waits: a stays where it is.
    manager.chat("a").send().ok();
    assert_eq!((manager.starts("a").len(), manager.starts("b").len()), (1, 0));
}
