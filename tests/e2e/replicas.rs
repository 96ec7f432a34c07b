//! Several backends of one model: more when somebody waits, fewer when they are idle, and each with a life of its own.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Config, Manager, Model, PATIENCE, Variant, wait_until};

/// A model of which each backend serves one request at a time.
fn model(replicas: &str) -> Model {
    Model::chat("chat").line(&format!("replicas: {{{replicas}}}")).line("max_concurrency: 1")
}

fn replicas(manager: &Manager) -> Vec<Value> {
    manager.model("chat")["replicas"].as_array().unwrap().clone()
}

fn ready(manager: &Manager) -> usize {
    replicas(manager).iter().filter(|one| one["state"] == "ready").count()
}

#[track_caller]
fn wait_ready(manager: &Manager, count: usize) {
    wait_until(&format!("{count} replicas are ready"), PATIENCE, || ready(manager) == count);
}

fn pids(manager: &Manager) -> BTreeSet<i64> {
    replicas(manager).iter().filter_map(|one| one["pid"].as_i64()).collect()
}

fn node<'a>(tree: &'a Value, name: &str) -> Option<&'a Value> {
    if tree["name"] == name {
        return Some(tree);
    }
    tree["children"].as_array()?.iter().find_map(|child| node(child, name))
}

#[test]
fn one_more_when_somebody_has_waited_and_one_fewer_when_idle() {
    let model = model("min: 1, max: 2, scale_up_after: 0.3").line("alive_time: 0.02");
    let manager = Manager::start(&Config::with(model));
    manager.chat("chat").send().ok();
    assert_eq!(replicas(&manager).len(), 1);
    let script = |word: &str| format!("tokens=4,stream_file={}", manager.word(word));
    let mut first = manager.chat_stream("chat").fake(&script("one")).open();
    first.until("word1 ");
    // The first one is taken: this one waits, and is served by a second.
    let mut second = manager.chat_stream("chat").fake(&script("two")).open();
    second.until("word1 ");
    let shown = replicas(&manager);
    assert_eq!(shown.len(), 2, "{shown:?}");
    for (number, one) in (1..).zip(&shown) {
        assert_eq!(
            (&one["number"], &one["variant"], &one["state"], &one["leases"]),
            (&json!(number), &json!("only"), &json!("ready"), &json!(1)),
            "{shown:?}"
        );
    }
    assert_ne!(shown[0]["pid"], shown[1]["pid"]);
    assert_ne!(shown[0]["port"], shown[1]["port"]);
    assert_eq!(manager.model("chat")["leases"], 2);
    assert!(manager.log().contains("models/chat#2: stopped -> "), "{}", manager.log());
    assert!(manager.log().contains("requested by `scale_up_after`: a request has waited for "));
    let status = manager.cli_ok(&["status"]);
    assert!(status.contains("replica 1") && status.contains("replica 2"), "{status}");
    assert!(status.contains(&shown[1]["pid"].to_string()), "{status}");
    let tree = manager.api("/api/supervision");
    let below = node(node(&tree, "chat").unwrap(), "chat#2").expect("it is below its model");
    assert_eq!(below["path"], "models/chat#2");
    assert!(manager.model_log("chat%232").iter().any(|line| line.contains("listening")));
    for (word, stream) in [("one", first), ("two", second)] {
        manager.touch(word);
        assert!(stream.finish().text().contains("[DONE]"));
    }
    // The second one is idle, and nothing of it is left; the first one is `min`.
    wait_until("the second is gone", PATIENCE, || replicas(&manager).len() == 1);
    wait_until("its process, too", PATIENCE, || manager.processes().len() == 1);
    let left = replicas(&manager);
    assert_eq!((&left[0]["number"], &left[0]["state"]), (&json!(1), &json!("ready")));
    assert_eq!(manager.model("chat")["idle_seconds_left"], Value::Null, "it is never idle for too long");
    let runs = manager.model("chat")["runs"].clone();
    assert_eq!((&runs[0]["cause"], &runs[0]["pid"]), (&json!("idle"), &shown[1]["pid"]), "{runs}");
    wait_until("both have runs of the model's name in the ledger", PATIENCE, || {
        manager.api("/api/runs?model=chat")["runs"].as_array().is_some_and(|runs| runs.len() == 2)
    });
}

#[test]
fn min_comes_up_by_itself_and_the_least_busy_is_asked() {
    let model = Model::chat("chat").line("replicas: {min: 2, max: 3}").line("auto_start: true");
    let manager = Manager::start(&Config::with(model));
    wait_ready(&manager, 2);
    let script = format!("tokens=4,stream_file={}", manager.word("never"));
    let mut streams = Vec::new();
    for leases in [json!([1, 0]), json!([1, 1]), json!([2, 1]), json!([2, 2])] {
        let mut stream = manager.chat_stream("chat").fake(&script).open();
        stream.until("word1 ");
        streams.push(stream);
        let now: Vec<Value> = replicas(&manager).iter().map(|one| one["leases"].clone()).collect();
        assert_eq!(Value::from(now), leases);
    }
    let served: BTreeSet<String> = manager.starts("chat").iter().map(|(pid, _)| pid.to_string()).collect();
    assert_eq!(served.len(), 2, "nobody has waited: there is no third");
    streams.into_iter().for_each(crate::support::Live::leave);
}

#[test]
fn a_replica_that_fails_is_its_own_affair() {
    let model = Model::chat("chat").line("replicas: {min: 2, max: 2}").flags(&[
        "--die-at-start",
        "3",
        "--die-until-file",
        "{dir}/well",
    ]);
    let manager = Manager::start(&Config::with(model));
    manager.touch("well");
    manager.chat("chat").send().ok();
    wait_ready(&manager, 2);
    let pid = |number: usize| i32::try_from(replicas(&manager)[number - 1]["pid"].as_i64().unwrap()).unwrap();
    let first = pid(1);
    std::fs::remove_file(manager.path("well")).unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid(2)), nix::sys::signal::Signal::SIGKILL).unwrap();
    wait_until("it has failed", PATIENCE, || {
        replicas(&manager).iter().any(|one| one["state"] == "failed" && one["number"] == 2)
    });
    for _ in 0..5 {
        manager.chat("chat").send().ok();
    }
    let shown = manager.model("chat");
    assert_eq!(
        (&shown["state"], &shown["failures"], &shown["pid"]),
        (&json!("ready"), &json!(0), &json!(first))
    );
    manager.touch("well");
    wait_ready(&manager, 2);
    assert_eq!(pid(1), first, "the other was left alone");
    // The first one is no different.
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(first), nix::sys::signal::Signal::SIGKILL).unwrap();
    wait_until("it is noticed", PATIENCE, || !pids(&manager).contains(&i64::from(first)));
    manager.chat("chat").send().ok();
    wait_ready(&manager, 2);
}

#[test]
fn a_crashed_actor_takes_its_own_backend_along_and_no_other() {
    let model = Model::chat("chat").line("replicas: {min: 2, max: 2}");
    let manager = Manager::start_with(&Config::with(model), &[("LLM_MANAGER_FAULT_INJECTION", "1")]);
    manager.chat("chat").send().ok();
    for victim in ["chat%232", "chat"] {
        wait_ready(&manager, 2);
        let before = pids(&manager);
        let script = format!("tokens=4,stream_file={}", manager.word("never"));
        manager.post(&format!("/api/debug/panic/{victim}")).send();
        wait_until("one is gone", PATIENCE, || pids(&manager).intersection(&before).count() == 1);
        manager.chat("chat").send().ok();
        wait_ready(&manager, 2);
        assert_eq!(pids(&manager).intersection(&before).count(), 1, "the other was left alone");
        let mut stream = manager.chat_stream("chat").fake(&script).open();
        stream.until("word1 ");
        stream.leave();
    }
    let tree = manager.api("/api/supervision");
    assert_eq!(
        (&node(&tree, "chat").unwrap()["restarts"], &node(&tree, "chat#2").unwrap()["restarts"]),
        (&json!(1), &json!(1))
    );
}

#[test]
fn a_stop_is_for_all_of_them_and_a_restart_too() {
    let manager = Manager::start(&Config::with(model("min: 2, max: 2")));
    manager.act("/api/models/chat/start");
    wait_ready(&manager, 2);
    let before = pids(&manager);
    manager.act("/api/models/chat/restart");
    wait_ready(&manager, 2);
    assert!(pids(&manager).is_disjoint(&before), "each has a fresh backend");
    let script = format!("tokens=4,stream_file={}", manager.word("go"));
    let mut stream = manager.chat_stream("chat").fake(&script).open();
    stream.until("word1 ");
    manager.post("/api/models/chat/stop?wait=false").send();
    manager.wait_state("chat", "draining");
    manager.touch("go");
    assert!(stream.finish().text().contains("[DONE]"), "it drains");
    manager.wait_state("chat", "stopped");
    assert_eq!((replicas(&manager).len(), manager.processes().len()), (0, 0));
    assert_eq!(manager.starts("chat").len(), 4, "nothing comes back by itself");
    manager.chat("chat").send().ok();
    wait_ready(&manager, 2);
}

#[test]
fn those_in_the_line_of_a_stopped_model_are_refused() {
    let manager = Manager::start(&Config::with(model("min: 2, max: 2")));
    manager.act("/api/models/chat/start");
    wait_ready(&manager, 2);
    let script = format!("tokens=4,stream_file={}", manager.word("go"));
    let mut streams = Vec::new();
    for _ in 0..2 {
        let mut stream = manager.chat_stream("chat").fake(&script).open();
        stream.until("word1 ");
        streams.push(stream);
    }
    let waits = manager.chat("chat").spawn();
    manager.wait_waiting("chat", 1);
    manager.post("/api/models/chat/stop?wait=false").send();
    waits.join().unwrap().error(503, "model_stopped");
    manager.touch("go");
    for stream in streams {
        assert!(stream.finish().text().contains("[DONE]"));
    }
    manager.wait_state("chat", "stopped");
}

/// Ends the clients of a test, also when it fails.
pub(crate) struct Ends<'a>(pub(crate) &'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_changed_launch_restarts_one_after_the_other() {
    let model = |turn: &str| {
        let variant = Variant::new("only").line(&format!("env: {{TURN: \"{turn}\"}}"));
        Model::chat("chat")
            .line("replicas: {min: 2, max: 2}")
            .flags(&["--load-delay-ms", "300"])
            .variant(variant)
    };
    let manager = Manager::start(&Config::with(model("0")));
    manager.chat("chat").send().ok();
    wait_ready(&manager, 2);
    let before = pids(&manager);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut served = 0;
                    while !over.load(Ordering::Relaxed) {
                        manager.chat("chat").send().ok();
                        served += 1;
                    }
                    served
                })
            })
            .collect();
        let end = Ends(&over);
        assert_eq!(manager.reload(&Config::with(model("1")))["restarted"], json!(["chat"]));
        wait_until("both are new", PATIENCE, || {
            assert!(ready(&manager) >= 1, "{:?}", replicas(&manager));
            ready(&manager) == 2 && pids(&manager).is_disjoint(&before)
        });
        drop(end);
        assert!(clients.into_iter().all(|client| client.join().unwrap() > 0));
    });
    assert_eq!(manager.starts("chat").len(), 4);
}

#[test]
fn their_number_changes_by_a_reload() {
    let model = |replicas: &str| Model::chat("chat").line(&format!("replicas: {{{replicas}}}"));
    let manager = Manager::start(&Config::with(Model::chat("chat")));
    manager.chat("chat").send().ok();
    let first = pids(&manager);
    assert_eq!(manager.reload(&Config::with(model("min: 3, max: 3")))["changed"], json!(["chat"]));
    wait_ready(&manager, 3);
    assert!(pids(&manager).is_superset(&first), "the one that ran runs on");
    manager.reload(&Config::with(model("min: 1, max: 2")));
    wait_until("one is released", PATIENCE, || replicas(&manager).len() == 2);
    manager.reload(&Config::new());
    wait_until("the model is gone with all of them", PATIENCE, || manager.processes().is_empty());
    wait_until("their actors, too", PATIENCE, || {
        let tree = manager.api("/api/supervision");
        node(&tree, "chat").is_none() && node(&tree, "chat#2").is_none()
    });
    manager.reload(&Config::with(model("min: 2, max: 2")));
    manager.chat("chat").send().ok();
    wait_ready(&manager, 2);
}

#[test]
fn a_killed_manager_leaves_none_of_them() {
    let model =
        Model::chat("chat").line("replicas: {min: 3, max: 3}").flags(&["--fork-children", "1", "--setsid"]);
    let mut manager = Manager::start(&Config::with(model));
    manager.chat("chat").send().ok();
    wait_ready(&manager, 3);
    manager.kill();
    wait_until("nothing is left", Duration::from_secs(10), || manager.processes().is_empty());
    manager.launch();
    manager.chat("chat").send().ok();
    wait_ready(&manager, 3);
}

#[test]
fn what_can_not_be_is_told_before_the_start() {
    let manager = Manager::prepare(&Config::new());
    let (code, text) = manager.check(
        "Local-Models:\n  m:\n    port: 9001\n    replicas: {min: 3, max: 2}\n    V: {command: [x]}\n  \
         m#2:\n    replicas: {max: 65}\n    V: {command: [x]}\n",
    );
    assert_eq!(code, Some(2), "{text}");
    for part in [
        "Local-Models.m.port: 2 replicas can't listen on one port",
        "Local-Models.m.replicas.min: 3 is more than `max`, which is 2",
        "`m#2` is the name of a replica of the model `m`",
        "replicas.max: expected",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn each_replica_sleeps_by_itself_and_is_woken_rather_than_started() {
    let model = model("max: 2, scale_up_after: 0.1").line("alive_time: 0.01").line("park: {with: vllm}");
    let manager = Manager::start(&Config::with(model.flags(&["--sleep-mode"])));
    let both_are_busy = |round: &str| {
        let script =
            |word: &str| format!("tokens=4,stream_file={}", manager.word(&format!("{word}-{round}")));
        let mut streams = Vec::new();
        for word in ["one", "two"] {
            let mut stream = manager.chat_stream("chat").fake(&script(word)).open();
            stream.until("word1 ");
            streams.push((word, stream));
        }
        assert_eq!(ready(&manager), 2);
        for (word, stream) in streams {
            manager.touch(&format!("{word}-{round}"));
            assert!(stream.finish().text().contains("[DONE]"));
        }
    };
    let asleep = || {
        let shown = replicas(&manager);
        shown.len() == 2 && shown.iter().all(|one| one["state"] == "parked")
    };
    both_are_busy("first");
    let before = pids(&manager);
    wait_until("both sleep", PATIENCE, asleep);
    assert_eq!(manager.state("chat"), "parked");
    // One request wakes one of them.
    manager.chat("chat").send().ok();
    assert_eq!(replicas(&manager).iter().filter(|one| one["state"] == "parked").count(), 1);
    wait_until("it sleeps again", PATIENCE, asleep);
    both_are_busy("second");
    assert_eq!(pids(&manager), before, "the same processes");
    assert_eq!(manager.starts("chat").len(), 2);
    wait_until("both sleep once more", PATIENCE, asleep);
    manager.act("/api/models/chat/stop");
    wait_until("a stop ends those that sleep", PATIENCE, || manager.processes().is_empty());
}
