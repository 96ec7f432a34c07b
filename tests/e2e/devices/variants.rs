//! Which variant is taken, and which one next.

use std::time::{Duration, Instant};

use crate::support::{Config, Manager, Model, PATIENCE, Variant, wait_until};

use super::world::{Gpus, assert_says, device, holders, model, no_memory, placement, variant, wait_online};

fn two() -> Gpus {
    Gpus::new().gpu("npu v100", 16000).gpu("npu a10", 24000)
}

fn two_ways() -> Model {
    Model::chat("chat")
        .variant(Variant::new("First").on("v100", 8000))
        .variant(Variant::new("Second").on("A10 npu", 6000))
}

#[test]
fn the_first_that_fits_is_taken() {
    let mut gpus = two();
    let manager = Manager::start(&gpus.config().model(two_ways()));
    manager.chat("chat").send().ok();
    assert_eq!(variant(&manager, "chat"), "First");
    assert_eq!(holders(&manager, "npu v100"), [("chat".to_owned(), 8000)]);
    assert_eq!(holders(&manager, "npu a10"), []);
    manager.act("/api/models/chat/stop");
    gpus.used("npu v100", 9000);
    wait_until("it is seen", PATIENCE, || device(&manager, "npu v100")["memory_used_mb"] == 9000);
    manager.chat("chat").send().ok();
    assert_eq!(variant(&manager, "chat"), "Second", "9000 of 16000 are taken");
    let chosen = manager.api("/api/models/chat")["chosen"].as_str().unwrap().to_owned();
    assert_says(
        &chosen,
        &["Second fits", "First: v100: needs 8000 MiB, 7000 free", "9000 used by other programs"],
    );
    assert_eq!(holders(&manager, "npu a10"), [("chat".to_owned(), 6000)]);
}

#[test]
fn a_device_that_goes_offline_is_done_without_until_it_is_back() {
    let mut gpus = two();
    gpus.online("npu v100", false);
    let manager = Manager::start(&gpus.config().model(two_ways()));
    manager.chat("chat").send().ok();
    assert_eq!(variant(&manager, "chat"), "Second");
    gpus.online("npu v100", true);
    wait_online(&manager, "npu v100", true);
    manager.act("/api/models/chat/restart");
    assert_eq!(variant(&manager, "chat"), "First");
    gpus.online("npu v100", false);
    gpus.online("npu a10", false);
    manager.act("/api/models/chat/stop");
    wait_online(&manager, "npu v100", false);
    wait_online(&manager, "npu a10", false);
    let begin = Instant::now();
    let said = no_memory(manager.chat("chat").send());
    assert!(begin.elapsed() < Duration::from_secs(5), "it took {:?}", begin.elapsed());
    assert_says(
        &said,
        &["no variant's devices are all online", "First: v100", "offline: npu v100", "A10 npu"],
    );
    assert_eq!(manager.state("chat"), "stopped");
    gpus.online("npu a10", true);
    wait_online(&manager, "npu a10", true);
    manager.chat("chat").send().ok();
    assert_eq!(variant(&manager, "chat"), "Second");
}

#[test]
fn a_variant_takes_all_of_its_devices_or_none() {
    let mut gpus = two();
    let dual = Variant::new("Dual").on("v100", 8000).on("a10", 16000);
    let model = Model::chat("chat").variant(dual).variant(Variant::new("Single").on("a10", 20000));
    let manager = Manager::start(&gpus.config().model(model));
    manager.chat("chat").send().ok();
    assert_eq!(holders(&manager, "npu v100"), [("chat".to_owned(), 8000)]);
    assert_eq!(holders(&manager, "npu a10"), [("chat".to_owned(), 16000)]);
    manager.act("/api/models/chat/stop");
    gpus.used("npu v100", 10000);
    wait_until("it is seen", PATIENCE, || device(&manager, "npu v100")["memory_used_mb"] == 10000);
    manager.chat("chat").send().ok();
    assert_eq!(variant(&manager, "chat"), "Single");
    wait_until("the other is free", PATIENCE, || holders(&manager, "npu v100").is_empty());
}

#[test]
fn two_of_a_kind() {
    let gpus = Gpus::new().gpu("npu x #one", 1000).gpu("npu x #two", 1000);
    let model = Model::chat("chat").variant(Variant::new("Both").on("2x npu", 700));
    let manager = Manager::start(&gpus.config().model(model));
    manager.chat("chat").send().ok();
    assert_eq!(holders(&manager, "npu x #one"), [("chat".to_owned(), 700)]);
    assert_eq!(holders(&manager, "npu x #two"), [("chat".to_owned(), 700)]);
}

#[test]
fn what_no_device_could_ever_hold_is_refused_at_once() {
    let gpus = Gpus::one(24000);
    let manager = Manager::start(&gpus.config().model(model("huge", 30000)));
    let begin = Instant::now();
    let said = no_memory(manager.chat("huge").send());
    assert!(begin.elapsed() < Duration::from_secs(5), "it took {:?}", begin.elapsed());
    assert_says(&said, &["gpu a: needs 30000 MiB, 24000 free, 24000 in all"]);
    let explained = placement(&manager, "huge");
    assert_eq!(explained["decision"], "never", "{explained}");
    assert_eq!(manager.state("huge"), "stopped");
    assert!(manager.starts("huge").is_empty());
}

/// A backend that has no room when it starts.
fn greedy(name: &str) -> Variant {
    let script =
        "echo loading; echo 'torch.OutOfMemoryError: CUDA out of memory.' >&2; echo >> {dir}/tries; exit 1";
    Variant::new(name).on("v100", 8000).command(&["sh", "-c", script])
}

fn tries(manager: &Manager) -> usize {
    std::fs::read_to_string(manager.path("tries")).map(|text| text.lines().count()).unwrap_or(0)
}

#[test]
fn a_start_that_runs_out_of_memory_falls_to_the_next_variant() {
    let mut gpus = two();
    let model = Model::chat("chat").variant(greedy("First")).variant(Variant::new("Second").on("a10", 6000));
    let manager = Manager::start(&gpus.config().model(model));
    manager.chat("chat").send().ok();
    assert_eq!((variant(&manager, "chat"), tries(&manager)), ("Second".to_owned(), 1));
    wait_until("its memory is back", PATIENCE, || holders(&manager, "npu v100").is_empty());
    assert!(manager.log().contains("out of memory"), "the log tells of it");
    manager.act("/api/models/chat/restart");
    assert_eq!((variant(&manager, "chat"), tries(&manager)), ("Second".to_owned(), 1), "not tried again");
    let explained = placement(&manager, "chat");
    assert_says(&explained["text"].to_string(), &["First: ran out of memory at its last start"]);
    assert_eq!(explained["variants"][0]["missing"][0], "ran out of memory at its last start", "{explained}");
    manager.act("/api/models/chat/stop");
    gpus.used("npu a10", 24000);
    wait_until("it is seen", PATIENCE, || device(&manager, "npu a10")["memory_used_mb"] == 24000);
    let said = no_memory(manager.chat("chat").send());
    assert_says(&said, &["ran out of memory", "a10: needs 6000 MiB, 0 free"]);
}

#[test]
fn a_model_that_ran_out_of_memory_in_every_variant_says_so() {
    let gpus = two();
    let model = Model::chat("chat").variant(greedy("First")).variant(greedy("Second"));
    let manager = Manager::start(&gpus.config().model(model));
    let said = no_memory(manager.chat("chat").send());
    assert_says(&said, &["ran out of memory", "CUDA out of memory"]);
    assert_eq!(tries(&manager), 2);
    manager.wait_no_processes();
    wait_until("its memory is back", PATIENCE, || holders(&manager, "npu v100").is_empty());
}

#[test]
fn a_start_that_fails_otherwise_does_not() {
    let gpus = two();
    let first = Variant::new("First").on("v100", 1).flags(&["--die-at-start", "3"]);
    let model = Model::chat("chat").variant(first).variant(Variant::new("Second").on("a10", 1));
    let manager = Manager::start(&gpus.config().model(model));
    manager.chat("chat").send().error(503, "model_start_failed");
    wait_until("its memory is back", PATIENCE, || holders(&manager, "npu v100").is_empty());
}

#[test]
fn without_monitoring_everything_starts() {
    let config = Config::new().model(model("chat", 999_999));
    let manager = Manager::start(&config);
    manager.chat("chat").send().ok();
    assert_eq!(manager.api("/api/devices").as_array().unwrap().len(), 0);
    let explained = placement(&manager, "chat");
    assert_eq!(explained["decision"], "fits", "{explained}");
    assert_says(&manager.cli_ok(&["explain", "chat"]), &["Disable_GPU_monitoring"]);
}

#[test]
fn a_word_may_be_the_cpu() {
    let gpus = Gpus::new();
    let model = Model::chat("chat").variant(Variant::new("CPU").on("cpu", 1));
    let manager = Manager::start(&gpus.config().model(model));
    manager.chat("chat").send().ok();
    wait_until("the CPU is shown", PATIENCE, || {
        manager.api("/api/devices").as_array().unwrap().iter().any(|one| one["plugin"] == "cpu")
    });
    assert!(device(&manager, "no such").is_null());
}

#[test]
fn a_model_of_the_first_moment_waits_until_the_devices_are_known() {
    let gpus = two();
    // It takes its time: nothing is known of this device when the model is asked for.
    gpus.raw(
        "npu v100",
        "sleep 0.3; echo '{\"online\":true,\"memory_total_mb\":16000,\"memory_used_mb\":0}'",
    );
    let first = Variant::new("First").on("v100", 8000);
    let model = Model::chat("chat").line("auto_start: true").variant(first);
    let manager = Manager::start(&gpus.config().model(model));
    manager.wait_state("chat", "ready");
    assert_eq!(manager.model("chat")["last_error"], serde_json::Value::Null);
}
