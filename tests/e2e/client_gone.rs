//! Clients that leave: their lease is free, and the backend's connection closed, within 100 ms.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::support::{Config, Live, Manager, Model, PATIENCE, wait_until};

fn now_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64
}

/// Leaves and waits for the backend to notice; how long it took, in microseconds.
#[track_caller]
fn leave(manager: &Manager, client: Live) -> u64 {
    let before = manager.stats("chat")["aborted"].as_u64().unwrap();
    let left_at = now_us();
    client.leave();
    let mut noticed_at = 0;
    wait_until("the backend's connection is closed", PATIENCE, || {
        let stats = manager.stats("chat");
        noticed_at = stats["disconnects"][before as usize]["at_us"].as_u64().unwrap_or(0);
        noticed_at > 0
    });
    manager.wait_leases("chat", 0);
    noticed_at.saturating_sub(left_at)
}

/// The best of some rounds: a loaded machine may delay any single one.
#[track_caller]
fn assert_prompt(mut round: impl FnMut() -> u64) {
    let delays: Vec<u64> = (0..5).map(|_| round()).collect();
    let best = delays.iter().min().unwrap();
    assert!(*best < 100_000, "microseconds until the backend's connection was closed: {delays:?}");
}

#[test]
fn before_the_first_byte() {
    let manager = Manager::start(&Config::with(Model::chat("chat")));
    manager.chat("chat").send().ok();
    let script = format!("wait_file={}", manager.word("never"));
    assert_prompt(|| {
        let client = manager.chat("chat").fake(&script).open();
        wait_until("the backend has it", PATIENCE, || manager.stats("chat")["active"] == 1);
        leave(&manager, client)
    });
}

#[test]
fn in_the_middle_of_a_stream() {
    let manager = Manager::start(&Config::with(Model::chat("chat")));
    manager.chat("chat").send().ok();
    let script = format!("tokens=4,stream_file={}", manager.word("never"));
    assert_prompt(|| {
        let mut client = manager.chat_stream("chat").fake(&script).open();
        client.until("word1 ");
        leave(&manager, client)
    });
}

#[test]
fn while_the_stream_flows() {
    let manager = Manager::start(&Config::with(Model::chat("chat")));
    manager.chat("chat").send().ok();
    assert_prompt(|| {
        let mut client = manager.chat_stream("chat").fake("tokens=100000,delay_ms=1").open();
        client.until("word5 ");
        leave(&manager, client)
    });
}

#[test]
fn a_client_that_stops_reading_does_not_make_the_manager_gather() {
    let manager = Manager::start(&Config::with(Model::chat("chat")));
    manager.chat("chat").send().ok();
    let mut client = manager.chat_stream("chat").fake("tokens=100000,size=10000").open();
    client.until("xxx");
    // A thousand megabytes are on offer: the backend must be held back soon.
    let mut last = (0, std::time::Instant::now());
    wait_until("the backend is held back", PATIENCE, || {
        let sent = manager.stats("chat")["completion_tokens"].as_u64().unwrap();
        if sent != last.0 {
            last = (sent, std::time::Instant::now());
        }
        last.1.elapsed().as_millis() > 500
    });
    assert!(last.0 < 20_000, "{} chunks of 10 kB were taken off the backend", last.0);
    leave(&manager, client);
}

#[test]
fn while_waiting_for_a_start() {
    let config = Config::with(Model::chat("chat").flags(&["--load-until-file", "{dir}/loaded"]));
    let manager = Manager::start(&config);
    let stays = manager.chat("chat").spawn();
    manager.wait_waiting("chat", 1);
    let leaves: Vec<Live> = (0..20).map(|_| manager.chat("chat").open()).collect();
    manager.wait_waiting("chat", 21);
    leaves.into_iter().for_each(Live::leave);
    manager.wait_waiting("chat", 1);
    manager.touch("loaded");
    stays.join().unwrap().ok();
    manager.wait_leases("chat", 0);
    let stats = manager.stats("chat");
    // One request, and the probes.
    assert!(stats["requests"].as_u64().unwrap() < 15, "gone clients' requests were sent: {stats}");
}

#[test]
fn while_waiting_for_a_turn() {
    let manager = Manager::start(&Config::with(Model::chat("chat").line("max_concurrency: 1")));
    manager.chat("chat").send().ok();
    let script = format!("wait_file={}", manager.word("go"));
    let first = manager.chat("chat").fake(&script).spawn();
    manager.wait_leases("chat", 1);
    let gone = manager.chat("chat").fake(&script).open();
    manager.wait_waiting("chat", 1);
    gone.leave();
    manager.wait_waiting("chat", 0);
    let last = manager.chat("chat").fake(&script).spawn();
    manager.wait_waiting("chat", 1);
    manager.touch("go");
    first.join().unwrap().ok();
    last.join().unwrap().ok();
    assert_eq!(manager.stats("chat")["scripted"], 2);
}
