//! Models that sleep instead of ending: vLLM's sleep mode, played by the fake server.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::support::{Config, Manager, Model, PATIENCE, wait_until};

use super::world::{Gpus, assert_says, holders, model, placement_text, wait_used};

/// A model that sleeps; its device shows it by the file `asleep-NAME`.
fn sleeper(model: Model, name: &str, flags: &[&str]) -> Model {
    let file = format!("{{dir}}/asleep-{name}");
    model.line("park: {with: vllm}").flags(&["--sleep-mode", "--asleep-file", &file]).flags(flags)
}

/// One that nobody looks after the memory of.
fn alone(flags: &[&str]) -> Model {
    sleeper(Model::chat("a"), "a", flags)
}

fn pid(manager: &Manager, name: &str) -> i64 {
    manager.model(name)["pid"].as_i64().unwrap()
}

fn cause(manager: &Manager, name: &str) -> String {
    manager.model(name)["runs"][0]["cause"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn an_idle_model_sleeps_and_the_next_request_wakes_it() {
    let manager = Manager::start(&Config::with(alone(&[]).line("alive_time: 0.004")));
    manager.chat("a").send().ok();
    let first = pid(&manager, "a");
    manager.wait_state("a", "parked");
    assert!(manager.path("asleep-a").exists());
    let metrics = manager.get("/metrics").send().ok().text();
    assert_says(&metrics, &["llm_manager_model_state{model=\"a\",state=\"parked\"} 1"]);
    assert_says(&manager.cli_ok(&["status"]), &["parked"]);
    manager.chat("a").send().ok();
    assert_eq!((pid(&manager, "a"), manager.starts("a").len()), (first, 1));
    assert_eq!(manager.model("a")["runs"], json!([]), "its run goes on");
    assert_says(
        &manager.log(),
        &["ready -> parking: idle", "parking -> parked in", "waking -> ready: woken in"],
    );
    manager.wait_state("a", "parked");
    manager.audited("park", "a", |row| row["who"] == "idle timer");
    manager.audited("wake", "a", |_| true);
}

#[test]
fn two_that_do_not_fit_together_take_turns_without_a_second_start() {
    let gpus = Gpus::one(24000).shows("gpu a", "a", 15000).shows("gpu a", "b", 15000);
    let config = ["a", "b"].iter().fold(gpus.config(), |config, name| {
        let sleeping = sleeper(model(name, 15000), name, &["--load-delay-ms", "300"]);
        config.model(sleeping.line("parked_mb: {cpu: 100, \"gpu a\": 500}"))
    });
    let manager = Manager::start(&config);
    manager.chat("a").send().ok();
    manager.chat("b").send().ok();
    assert_eq!((manager.state("a"), manager.state("b")), ("parked".to_owned(), "ready".to_owned()));
    let held = holders(&manager, "gpu a");
    assert!(held.contains(&("a".to_owned(), 500)) && held.contains(&("b".to_owned(), 15000)), "{held:?}");
    assert!(holders(&manager, "cpu").contains(&("a".to_owned(), 100)));
    // What it holds, and what a wake will take: an estimate, for there was none yet.
    let told = "holds 500 MiB on gpu a and 100 MiB on cpu, wakes in ";
    assert_says(&manager.cli_ok(&["explain", "a"]), &["a: it is parked, ", told, " s (an estimate)"]);
    assert_says(&manager.cli_ok(&["tree"]), &["parked (", told]);
    let asleep = manager.model("a")["asleep"].clone();
    assert_eq!(
        (&asleep["holds_mb"], &asleep["measured"]),
        (&json!({"gpu a": 500, "cpu": 100}), &json!(false))
    );
    let metrics = manager.get("/metrics").send().ok().text();
    let held = format!("llm_manager_model_parked_memory_bytes{{model=\"a\",device=\"gpu a\"}} {}", 500 << 20);
    assert_says(&metrics, &[&held, "llm_manager_model_wake_seconds{model=\"a\",measured=\"false\"}"]);
    for _ in 0..3 {
        for name in ["a", "b"] {
            manager.chat(name).send().ok();
        }
    }
    assert_eq!((manager.starts("a").len(), manager.starts("b").len()), (1, 1));
    assert_says(
        &manager.log(),
        &["a is idle and makes room for b, parked", "a: ready -> parking", "for a request"],
    );
    assert_says(&placement_text(&manager, "a"), &["b (which is parked)"]);
    assert_eq!(manager.model("a")["asleep"]["measured"], true);
    // Once before, and at each turn of the other one; the last goes on.
    wait_until("the ledger has its four sleeps", PATIENCE, || {
        let runs = manager.api("/api/runs?model=a");
        runs["runs"][0]["parked"].as_array().is_some_and(|parked| parked.len() == 4)
    });
}

#[test]
fn what_a_parked_model_leaves_is_not_enough_so_it_ends() {
    let gpus = Gpus::one(24000).shows("gpu a", "a", 15000).shows("gpu a", "b", 23900);
    let sleeping = sleeper(model("a", 15000), "a", &[]).line("parked_mb: {cpu: 100, \"gpu a\": 500}");
    let manager = Manager::start(&gpus.config().model(sleeping).model(model("b", 23900)));
    manager.chat("a").send().ok();
    manager.chat("b").send().ok();
    assert_eq!(manager.state("a"), "stopped");
    assert_eq!(cause(&manager, "a"), "evicted");
}

#[test]
fn one_without_room_in_ram_ends_instead_of_sleeping() {
    let gpus = Gpus::one(24000).shows("gpu a", "a", 15000).shows("gpu a", "b", 15000);
    let sleeping = sleeper(model("a", 15000), "a", &[]).line("parked_mb: {cpu: 900000000}");
    let manager = Manager::start(&gpus.config().model(sleeping).model(model("b", 15000)));
    manager.chat("a").send().ok();
    manager.post("/api/models/a/park").send().error(409, "conflict");
    assert_eq!(manager.state("a"), "ready");
    manager.chat("b").send().ok();
    assert_eq!((manager.state("a"), cause(&manager, "a")), ("stopped".to_owned(), "evicted".to_owned()));
}

#[test]
fn however_many_wait_it_is_woken_once() {
    let manager = Manager::start(&Config::with(alone(&["--wake-ms", "400"])));
    manager.chat("a").send().ok();
    manager.post("/api/models/a/park").send().ok();
    assert_eq!(manager.state("a"), "parked");
    let calls: Vec<_> = (0..20).map(|_| manager.chat("a").spawn()).collect();
    manager.wait_state("a", "waking");
    for call in calls {
        call.join().unwrap().ok();
    }
    assert_eq!(manager.log().matches("-> waking").count(), 1);
    assert_eq!(manager.log().matches("woken in").count(), 1);
    assert_eq!(manager.starts("a").len(), 1);
}

#[test]
fn a_request_that_comes_while_it_falls_asleep_wakes_it() {
    let manager = Manager::start(&Config::with(alone(&["--sleep-ms", "500"])));
    manager.chat("a").send().ok();
    manager.post("/api/models/a/park?wait=false").send();
    manager.wait_state("a", "parking");
    manager.chat("a").send().ok();
    assert_says(&manager.log(), &["parking -> waking", "requests came meanwhile"]);
    assert_eq!(manager.starts("a").len(), 1);
}

#[test]
fn one_that_cannot_sleep_is_stopped_and_one_that_cannot_wake_starts_anew() {
    let flags = ["--sleepless-file", "{dir}/sleepless", "--wakeless-file", "{dir}/wakeless"];
    let manager = Manager::start(&Config::with(alone(&flags).line("alive_time: 0.004")));
    manager.touch("sleepless");
    manager.chat("a").send().ok();
    manager.wait_state("a", "stopped");
    assert_eq!(cause(&manager, "a"), "idle");
    assert_says(
        &manager.log(),
        &["can't be parked, and is stopped instead: POST /sleep?level=1: status 500", "nightmare"],
    );

    std::fs::remove_file(manager.path("sleepless")).unwrap();
    manager.touch("wakeless");
    manager.chat("a").send().ok();
    manager.wait_state("a", "parked");
    // Nobody is refused, and nobody waits for a pause.
    manager.chat("a").send().ok();
    assert_eq!(manager.starts("a").len(), 3);
    assert_eq!((cause(&manager, "a"), &manager.model("a")["failures"]), ("park_lost".to_owned(), &json!(0)));
    assert_says(&manager.log(), &["can't be woken", "a fresh one is started"]);
}

/// Who orders it hears why it isn't done, not of the state that follows.
#[test]
fn an_order_that_the_backend_refuses_names_the_reason() {
    let manager = Manager::start(&Config::with(alone(&["--sleepless-file", "{dir}/sleepless"])));
    manager.touch("sleepless");
    manager.chat("a").send().ok();
    let refused = manager.post("/api/models/a/park").send().error(409, "conflict");
    assert!(refused.text().contains("POST /sleep?level=1: status 500"), "{}", refused.text());
}

#[test]
fn one_that_dies_asleep_is_noticed_and_is_no_failure() {
    let manager = Manager::start(&Config::with(alone(&[])));
    manager.chat("a").send().ok();
    manager.post("/api/models/a/park").send().ok();
    kill(Pid::from_raw(manager.starts("a")[0].0), Signal::SIGKILL).unwrap();
    manager.wait_state("a", "stopped");
    assert_eq!((cause(&manager, "a"), &manager.model("a")["failures"]), ("park_lost".to_owned(), &json!(0)));
    manager.chat("a").send().ok();
    assert_eq!(manager.starts("a").len(), 2);
}

#[test]
fn keep_parked_ends_it_for_good() {
    let lines = alone(&[]).line("alive_time: 0.004").line("keep_parked: 0.01");
    let manager = Manager::start(&Config::with(lines));
    manager.chat("a").send().ok();
    manager.wait_state("a", "parked");
    manager.wait_state("a", "stopped");
    assert_says(&manager.log(), &["parked -> stopping: parked for 0.01 min"]);
}

#[test]
fn one_with_work_of_its_own_is_not_parked() {
    let config = Config::with(alone(&["--busy-file", "{dir}/busy"]).line("alive_time: 0.004"));
    let manager = Manager::start(&config);
    manager.touch("busy");
    manager.chat("a").send().ok();
    wait_until("it has been asked", PATIENCE, || manager.log().contains("says that it has work"));
    assert!(!manager.path("asleep-a").exists());
    std::fs::remove_file(manager.path("busy")).unwrap();
    manager.wait_state("a", "parked");
    assert_eq!(manager.starts("a").len(), 1);
}

#[test]
fn an_answer_that_runs_ends_before_it_is_parked() {
    let manager = Manager::start(&Config::with(alone(&[])));
    let stream = super::world::busy(&manager, "a");
    let mut park = manager.cli_spawn(&["park", "a"]);
    manager.wait_state("a", "draining");
    assert!(!manager.path("asleep-a").exists());
    manager.touch("go-a");
    stream.finish().ok();
    assert!(park.wait().unwrap().success());
    assert_eq!(manager.state("a"), "parked");
    assert_says(&manager.cli_ok(&["wake", "a"]), &["a: ready"]);
}

#[test]
fn only_one_with_a_way_to_sleep_can_be_parked() {
    let manager = Manager::start(&Config::with(Model::chat("a")));
    manager.post("/api/models/a/park").send().error(409, "conflict");
    manager.chat("a").send().ok();
    let said = manager.post("/api/models/a/park").send().error(409, "conflict").message();
    assert_says(&said, &["has no `park`"]);
    assert_eq!(manager.state("a"), "ready");
}

#[test]
fn requests_and_commands_of_ones_own_will_do() {
    let http = "park: {with: http, sleep: [{path: \"/sleep?level=1\"}], wake: [{path: /wake_up}], \
                parked: {path: /is_sleeping, pointer: /is_sleeping}}";
    let command = "park: {with: command, sleep_command: [touch, \"{dir}/slept-{pid}\"], wake_command: [rm, \
                   \"{dir}/slept-{pid}\"]}";
    let by_http = Model::chat("a").line(http).flags(&["--sleep-mode", "--asleep-file", "{dir}/asleep-a"]);
    let manager = Manager::start(&Config::with(by_http).model(Model::chat("b").line(command)));
    for name in ["a", "b"] {
        manager.chat(name).send().ok();
        manager.post(&format!("/api/models/{name}/park")).send().ok();
        assert_eq!(manager.state(name), "parked");
    }
    let slept = manager.path(&format!("slept-{}", manager.starts("b")[0].0));
    assert!(manager.path("asleep-a").exists() && slept.exists());
    for name in ["a", "b"] {
        manager.chat(name).send().ok();
        assert_eq!(manager.starts(name).len(), 1);
    }
    assert!(!slept.exists());
}

#[test]
fn a_scheduler_that_is_restarted_knows_who_sleeps() {
    let gpus = Gpus::one(24000).shows("gpu a", "a", 15000).shows("gpu a", "b", 15000);
    let config = ["a", "b"].iter().fold(gpus.config(), |config, name| {
        config.model(sleeper(model(name, 15000), name, &[]).line("parked_mb: {cpu: 100, \"gpu a\": 500}"))
    });
    let manager = Manager::start_with(&config, &[("LLM_MANAGER_FAULT_INJECTION", "1")]);
    manager.chat("a").send().ok();
    manager.chat("b").send().ok();
    assert_eq!(manager.state("a"), "parked");
    manager.post("/api/debug/panic/scheduler").send();
    wait_until("it is told again", PATIENCE, || {
        manager.log().contains("asking all models what they hold")
            && holders(&manager, "gpu a").contains(&("a".to_owned(), 500))
    });
    wait_used(&manager, 15000);
    manager.chat("a").send().ok();
    assert_eq!((manager.starts("a").len(), manager.state("b")), (1, "parked".to_owned()));
}

#[test]
fn check_says_what_an_engine_needs_for_it() {
    let manager = Manager::start(&Config::new());
    let text = "Local-Models:\n  a:\n    park: {with: vllm}\n    Default: {command: [vllm, serve, x]}\n";
    let (code, said) = manager.check(text);
    assert_eq!(code, Some(0), "{said}");
    assert_says(&said, &["--enable-sleep-mode", "VLLM_SERVER_DEV_MODE"]);
    let good = "Local-Models:\n  a:\n    park: {with: vllm}\n    Default:\n      env: {VLLM_SERVER_DEV_MODE: \"1\"}\n      \
                command: [vllm, serve, x, --enable-sleep-mode]\n";
    let (_, said) = manager.check(good);
    assert!(!said.contains("parked with"), "{said}");
    let wrong = "Local-Models:\n  a:\n    park: {with: http, sleep: [{path: sleep}], sleep_command: [x]}\n    \
                 Default: {command: [x]}\n";
    let (code, said) = manager.check(wrong);
    assert_eq!(code, Some(2), "{said}");
    assert_says(&said, &["`wake` is missing", "a path that starts with", "has no effect with `http`"]);
}

#[test]
fn a_manager_that_ends_leaves_nothing_asleep() {
    let mut manager = Manager::start(&Config::with(alone(&[])));
    manager.chat("a").send().ok();
    manager.post("/api/models/a/park").send().ok();
    let begin = std::time::Instant::now();
    manager.stop();
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    manager.wait_no_processes();
}
