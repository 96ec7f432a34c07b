//! Memory that comes back late, and memory that was measured.

use std::time::{Duration, Instant};

use crate::support::{Manager, PATIENCE, wait_until};

use super::world::{Gpus, assert_says, model, no_memory, wait_text, wait_used};

/// `a` runs, and the device shows its 15000 MiB until the test says otherwise.
fn late(gpus: &mut Gpus) -> Manager {
    let manager = Manager::start(&gpus.config().model(model("a", 15000)).model(model("b", 15000)));
    manager.chat("a").send().ok();
    gpus.used("gpu a", 15000);
    wait_used(&manager, 15000);
    manager
}

#[test]
fn memory_is_free_when_the_device_shows_it() {
    let mut gpus = Gpus::one(24000);
    let manager = late(&mut gpus);
    let call = manager.chat("b").spawn();
    manager.wait_state("a", "stopped");
    wait_text(&manager, "b", "which has just ended");
    let begin = Instant::now();
    wait_until("a second has passed", PATIENCE, || {
        assert_eq!(manager.state("b"), "queued", "it started although the memory is still in use");
        begin.elapsed() > Duration::from_secs(1)
    });
    gpus.used("gpu a", 200);
    let begin = Instant::now();
    call.join().unwrap().ok();
    assert!(begin.elapsed() < Duration::from_millis(2500), "it took {:?}", begin.elapsed());
}

#[test]
fn memory_that_does_not_come_back_is_a_strangers() {
    let mut gpus = Gpus::one(24000);
    let manager = late(&mut gpus);
    let begin = Instant::now();
    let said = no_memory(manager.chat("b").send());
    let waited = begin.elapsed();
    assert!((4500..12000).contains(&waited.as_millis()), "it waited {waited:?}");
    assert_says(&said, &["gpu a: needs 15000 MiB, 9000 free", "15000 used by other programs"]);
}

#[test]
fn after_five_seconds_what_shows_free_is_free() {
    // Somebody else took as much as the model gave back, so its own memory never shows.
    let mut gpus = Gpus::one(40000);
    let manager = late(&mut gpus);
    manager.act("/api/models/a/stop");
    let begin = Instant::now();
    manager.chat("b").send().ok();
    let waited = begin.elapsed();
    assert!(waited < Duration::from_secs(4), "25000 are free whoever uses the rest: {waited:?}");
}

#[test]
fn an_overdraft_of_a_running_model_is_seen() {
    // The device says more than was reserved: what is over it belongs to somebody.
    let mut gpus = Gpus::one(24000);
    let manager = Manager::start(&gpus.config().model(model("a", 5000)).model(model("b", 15000)));
    manager.chat("a").send().ok();
    gpus.used("gpu a", 12000);
    wait_used(&manager, 12000);
    let stream = super::world::busy(&manager, "a");
    let said = manager.chat("b").spawn();
    manager.wait_state("b", "queued");
    manager.touch("go-a");
    stream.finish().ok();
    manager.wait_state("a", "stopped");
    gpus.used("gpu a", 0);
    said.join().unwrap().ok();
}
