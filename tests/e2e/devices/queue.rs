//! Those who wait for memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Manager, PATIENCE, wait_until};

use super::world::{Gpus, assert_says, busy, holders, loading, model, no_memory, placement, wait_text};

/// Room for one of `a`, `b` and `c`.
fn manager(lines: &[&str]) -> (Manager, Gpus) {
    let mut gpus = Gpus::one(24000);
    for name in ["a", "b", "c"] {
        gpus = gpus.shows("gpu a", name, 15000);
    }
    let config = lines.iter().fold(gpus.config(), |config, line| config.program(line));
    let models = ["a", "b", "c"].map(|name| model(name, 15000));
    let config = models.into_iter().fold(config, |config, model| config.model(model));
    (Manager::start(&config), gpus)
}

#[test]
fn a_busy_model_is_waited_for() {
    let (manager, _gpus) = manager(&[]);
    let stream = busy(&manager, "a");
    let call = manager.chat("b").spawn();
    manager.wait_state("b", "queued");
    wait_text(&manager, "b", "waits for a which is busy");
    let explained = placement(&manager, "b");
    assert_eq!(explained["decision"], "wait", "{explained}");
    assert_eq!(explained["detail"]["blockers"], json!(["a which is busy"]));
    let status = manager.cli_ok(&["status"]);
    assert!(
        status.lines().any(|line| line.trim_start().starts_with('b') && line.contains("queued")),
        "{status}"
    );
    manager.touch("go-a");
    stream.finish().ok();
    let end = Instant::now();
    call.join().unwrap().ok();
    assert!(
        end.elapsed() < Duration::from_secs(4),
        "it took {:?} after the end of a's answer",
        end.elapsed()
    );
    assert_eq!(manager.state("a"), "stopped");
}

#[test]
fn they_are_served_in_the_order_in_which_they_came() {
    let (manager, _gpus) = manager(&[]);
    let stream = busy(&manager, "a");
    let second = manager.chat("b").spawn();
    manager.wait_state("b", "queued");
    let third = manager.chat("c").spawn();
    manager.wait_state("c", "queued");
    wait_text(&manager, "c", "which came first");
    manager.touch("go-a");
    stream.finish().ok();
    second.join().unwrap().ok();
    third.join().unwrap().ok();
    let began = |name: &str| {
        let model = manager.model(name);
        let run = if model["state"] == "ready" { &model } else { &model["runs"][0] };
        run["started_at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap()
    };
    assert!(began("b") < began("c"), "{} {}", began("b"), began("c"));
}

#[test]
fn steady_traffic_does_not_starve_anybody() {
    let (manager, _gpus) = manager(&["max_hold: 1"]);
    let manager = Arc::new(manager);
    manager.chat("a").send().ok();
    let over = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicUsize::new(0));
    // Four clients whose streams overlap: there is no moment at which the model is idle.
    let clients: Vec<_> = (0..4)
        .map(|client| {
            let (manager, over, answered) = (Arc::clone(&manager), Arc::clone(&over), Arc::clone(&answered));
            std::thread::spawn(move || {
                while !over.load(Ordering::SeqCst) {
                    let script = format!("tokens=6,delay_ms={}", 40 + client * 10);
                    let reply = manager.chat_stream("a").fake(&script).send();
                    assert!(reply.text().contains("[DONE]"), "{} {}", reply.status, reply.text());
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    wait_until("there is traffic", PATIENCE, || answered.load(Ordering::SeqCst) >= 8);
    for name in ["b", "c"] {
        let begin = Instant::now();
        manager.chat(name).send().ok();
        let waited = begin.elapsed();
        assert!(waited > Duration::from_millis(500), "it did not wait: was a idle? {waited:?}");
        assert!(waited < Duration::from_secs(10), "{name} waited {waited:?}");
        let before = answered.load(Ordering::SeqCst);
        wait_until("a is back", PATIENCE, || answered.load(Ordering::SeqCst) >= before + 4);
    }
    over.store(true, Ordering::SeqCst);
    for client in clients {
        client.join().unwrap();
    }
    assert!(manager.log().contains("has waited for max_hold"), "the log tells of it");
    drop(Arc::try_unwrap(manager).ok().unwrap());
}

#[test]
fn two_models_in_steady_use_take_turns() {
    let (manager, _gpus) = manager(&["max_hold: 1"]);
    let manager = Arc::new(manager);
    let clients: Vec<_> = ["a", "b"]
        .into_iter()
        .flat_map(|name| [name, name])
        .map(|name| {
            let manager = Arc::clone(&manager);
            std::thread::spawn(move || {
                for _ in 0..12 {
                    let reply = manager.chat_stream(name).fake("tokens=6,delay_ms=40").send();
                    assert!(reply.text().contains("[DONE]"), "{} {}", reply.status, reply.text());
                }
            })
        })
        .collect();
    for client in clients {
        client.join().unwrap();
    }
    drop(Arc::try_unwrap(manager).ok().unwrap());
}

#[test]
fn whoever_waits_for_too_long_is_told_why() {
    let (manager, _gpus) = manager(&["queue_timeout: 1"]);
    let stream = busy(&manager, "a");
    let begin = Instant::now();
    let said = no_memory(manager.chat("b").send());
    let waited = begin.elapsed();
    assert!((950..4000).contains(&waited.as_millis()), "it waited {waited:?}");
    assert_says(&said, &["gpu a: needs 15000 MiB, 9000 free, 15000 held by a which is busy"]);
    assert_eq!(manager.state("b"), "stopped");
    assert!(manager.model("b")["last_error"].to_string().contains("held by a"), "{}", manager.model("b"));
    manager.touch("go-a");
    stream.finish().ok();
    manager.chat("b").send().ok();
}

#[test]
fn a_stop_while_queued_is_at_once() {
    let (manager, _gpus) = manager(&[]);
    let stream = busy(&manager, "a");
    let calls: Vec<_> = (0..3).map(|_| manager.chat("b").spawn()).collect();
    manager.wait_state("b", "queued");
    manager.wait_waiting("b", 3);
    let begin = Instant::now();
    manager.act("/api/models/b/stop");
    assert!(begin.elapsed() < Duration::from_secs(2), "it took {:?}", begin.elapsed());
    for call in calls {
        call.join().unwrap().error(503, "model_stopped");
    }
    assert_eq!(manager.state("b"), "stopped");
    manager.touch("go-a");
    stream.finish().ok();
    assert_eq!(holders(&manager, "gpu a"), [("a".to_owned(), 15000)]);
    manager.chat("a").send().ok();
    assert_eq!(manager.starts("a").len(), 1, "nobody wanted its room any more");
    assert!(manager.starts("b").is_empty());
}

#[test]
fn nobody_is_stopped_for_a_client_that_has_gone() {
    let (manager, _gpus) = manager(&["max_hold: 1"]);
    let stream = busy(&manager, "a");
    let client = manager.chat("b").open();
    manager.wait_state("b", "queued");
    client.leave();
    manager.wait_waiting("b", 0);
    // Somebody who came later is not held up, either.
    let begin = Instant::now();
    wait_until("b is not wanted any more", PATIENCE, || manager.state("b") == "stopped");
    assert!(begin.elapsed() < Duration::from_secs(5), "it took {:?}", begin.elapsed());
    wait_until("max_hold has passed", PATIENCE, || begin.elapsed() > Duration::from_secs(2));
    assert_eq!(manager.state("a"), "ready", "a need not yield");
    manager.touch("go-a");
    stream.finish().ok();
    assert_eq!((manager.starts("a").len(), manager.starts("b").len()), (1, 0));
}

#[test]
fn a_small_one_does_not_wait_behind_a_large_one_that_it_does_not_disturb() {
    let gpus = Gpus::one(24000).gpu("gpu b", 8000);
    let small =
        crate::support::Model::chat("small").variant(crate::support::Variant::new("only").on("gpu b", 4000));
    let config = gpus.config().model(loading("a", 20000)).model(model("b", 20000)).model(small);
    let manager = Manager::start(&config);
    let first = manager.chat("a").spawn();
    manager.wait_state("a", "starting");
    let second = manager.chat("b").spawn();
    manager.wait_state("b", "queued");
    manager.chat("small").send().ok();
    manager.touch("loaded-a");
    first.join().unwrap().ok();
    second.join().unwrap().ok();
}

#[test]
fn the_manager_stops_in_order_while_somebody_waits() {
    let (mut manager, _gpus) = manager(&["drain_timeout: 1"]);
    let stream = busy(&manager, "a");
    let call = manager.chat("b").spawn();
    manager.wait_state("b", "queued");
    let begin = Instant::now();
    manager.stop();
    assert!(begin.elapsed() < Duration::from_secs(10), "it took {:?}", begin.elapsed());
    call.join().unwrap().error(503, "shutting_down");
    drop(stream);
    manager.wait_no_processes();
}
