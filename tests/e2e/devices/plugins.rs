//! Device plugins that hang, crash or lie.

use std::time::{Duration, Instant};

use crate::support::{Manager, PATIENCE, wait_until};

use super::world::{Gpus, device, model, no_memory, wait_online, wait_used};

#[track_caller]
fn others_go_on(raw: &str) {
    let gpus = Gpus::one(24000).gpu("bad", 1000).shows("gpu a", "a", 15000).shows("gpu a", "b", 15000);
    gpus.raw("bad", raw);
    let bad =
        crate::support::Model::chat("on-bad").variant(crate::support::Variant::new("only").on("bad", 10));
    let manager = Manager::start(&gpus.config().model(model("a", 15000)).model(model("b", 15000)).model(bad));
    for name in ["a", "b", "a"] {
        let begin = Instant::now();
        manager.chat(name).send().ok();
        assert!(begin.elapsed() < Duration::from_secs(9), "it took {:?}", begin.elapsed());
    }
    let said = no_memory(manager.chat("on-bad").send());
    assert!(said.contains("bad"), "{said}");
    gpus.not_raw("bad");
    wait_until("it is back", PATIENCE, || device(&manager, "bad")["online"] == true);
    manager.chat("on-bad").send().ok();
}

#[test]
fn one_that_hangs_stops_nobody() {
    others_go_on("exec sleep 1000");
}

#[test]
fn one_that_prints_garbage_stops_nobody() {
    others_go_on("echo 'memory: lots'");
}

#[test]
fn one_that_fails_stops_nobody() {
    others_go_on("echo 'no driver' >&2; exit 3");
}

#[test]
fn one_that_breaks_later_is_offline_after_three_misses() {
    let gpus = Gpus::one(24000);
    let manager = Manager::start(&gpus.config().model(model("a", 5000)));
    manager.chat("a").send().ok();
    wait_until("it is seen", PATIENCE, || device(&manager, "gpu a")["online"] == true);
    gpus.raw("gpu a", "echo broken; exit 1");
    wait_until("it is offline", PATIENCE, || device(&manager, "gpu a")["online"] == false);
    assert_eq!(manager.state("a"), "ready", "what runs is left alone");
    manager.chat("a").send().ok();
    assert!(manager.log().contains("3 failed polls in a row"), "the log says so");
    manager.act("/api/models/a/stop");
    let said = no_memory(manager.chat("a").send());
    assert!(said.contains("offline: gpu a"), "{said}");
    gpus.not_raw("gpu a");
    wait_online(&manager, "gpu a", true);
    manager.chat("a").send().ok();
}

#[test]
fn a_slow_one_is_waited_for() {
    let gpus = Gpus::one(24000);
    let slow = |used: u64| {
        let says = format!("{{\"online\":true,\"memory_total_mb\":24000,\"memory_used_mb\":{used}}}");
        gpus.raw("gpu a", &format!("sleep 0.4; echo '{says}'"));
    };
    slow(0);
    let manager = Manager::start(&gpus.config().model(model("a", 8000)));
    wait_used(&manager, 0);
    slow(20000);
    let changed = Instant::now();
    wait_until("the news are older than what a decision may overlook", PATIENCE, || {
        changed.elapsed() > Duration::from_millis(150)
    });
    // What the others have said since must not pass for news of this one.
    let said = no_memory(manager.chat("a").send());
    assert!(said.contains("20000 used by other programs"), "{said}");
}
