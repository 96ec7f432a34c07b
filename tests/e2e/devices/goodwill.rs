//! No client's goodwill is needed: one that takes no byte leaves its model to those who wait.

use crate::support::{Config, Manager, Model, PATIENCE, wait_until};
use std::time::Duration;

use super::world::{Gpus, busy, model};

/// Room for one of `a` and `b`.
fn manager(lines: &[&str]) -> (Manager, Gpus) {
    let mut gpus = Gpus::one(24000);
    for name in ["a", "b"] {
        gpus = gpus.shows("gpu a", name, 15000);
    }
    let config = lines.iter().fold(gpus.config(), |config, line| config.program(line));
    let config = ["a", "b"].into_iter().fold(config, |config, name| config.model(model(name, 15000)));
    (Manager::start(&config), gpus)
}

/// More than all buffers on the way take.
const FLOOD: &str = "tokens=100000,size=1000";

#[test]
fn a_client_that_stops_reading_leaves_its_model_to_others() {
    let (manager, _gpus) = manager(&["min_hold: 0.1", "max_hold: 0.5"]);
    let mut suspended = manager.chat_stream("a").fake(FLOOD).open();
    assert_eq!(suspended.status(), 200);
    manager.chat("b").send().ok();
    assert!(manager.log().contains("another model waits for that memory"));
    // Nobody competes any more.
    manager.chat("a").send().ok();
    suspended.leave();
}

#[test]
fn a_yield_is_withdrawn_when_nobody_waits_any_more() {
    let (manager, _gpus) = manager(&["min_hold: 0.1", "max_hold: 0.2", "queue_timeout: 2"]);
    let reading = busy(&manager, "a");
    let waiting = manager.chat("b").spawn();
    manager.wait_state("a", "draining");
    waiting.join().unwrap().error(503, "insufficient_resources");
    // The answer still runs, and others are let in beside it.
    manager.wait_state("a", "ready");
    manager.chat("a").send().ok();
    manager.touch("go-a");
    reading.finish().ok();
}

#[test]
fn a_client_that_takes_no_byte_for_its_time_has_left() {
    let config = Config::with(Model::chat("chat")).program("client_write_timeout: 1");
    let manager = Manager::start(&config);
    let mut suspended = manager.chat_stream("chat").fake(FLOOD).open();
    assert_eq!(suspended.status(), 200);
    manager.wait_leases("chat", 1);
    manager.wait_leases("chat", 0);
    suspended.leave();
    wait_until("the row says who left", PATIENCE, || {
        manager.api("/api/requests")["rows"]
            .as_array()
            .unwrap()
            .iter()
            .any(|row| row["outcome"] == "client_left")
    });
}

#[test]
fn a_silent_backend_is_noticed_though_its_client_reads_nothing() {
    let model = Model::chat("chat").line("idle_timeout: 1");
    let manager = Manager::start(&Config::with(model));
    // Half of it, about a megabyte, and then silence: more than the client's buffers hold.
    let script = format!("tokens=8000,stream_file={}", manager.word("never"));
    let mut suspended = manager.chat_stream("chat").fake(&script).open();
    assert_eq!(suspended.status(), 200);
    manager.wait_leases("chat", 1);
    wait_until("the lease is back", Duration::from_secs(30), || manager.model("chat")["leases"] == 0);
    suspended.leave();
}
