//! What backends print is kept in files: after the manager has ended, bounded, and without secrets.

use serde_json::Value;

use crate::support::{Config, Manager, Model, PATIENCE, wait_until};

/// The number of the newest run of a model, once it is in the ledger.
#[track_caller]
fn newest_run(manager: &Manager, model: &str) -> i64 {
    let mut id = 0;
    wait_until("the run is in the ledger", PATIENCE, || {
        id = manager.api(&format!("/api/runs?model={model}"))["runs"][0]["id"].as_i64().unwrap_or_default();
        id != 0
    });
    id
}

fn texts(lines: &Value) -> Vec<String> {
    lines.as_array().unwrap().iter().map(|line| line["line"].as_str().unwrap().to_owned()).collect()
}

/// The fake server behind a shell that prints something first.
fn after(name: &str, prints: &str) -> Model {
    let fake = env!("CARGO_BIN_EXE_fake-model-server");
    let start = format!("{{dir}}/starts-{name}");
    let script =
        format!("{prints}; exec {fake} --port {{port}} --name {name} --marker {{dir}} --start-file {start}");
    Model::chat(name).command(&["sh", "-c", &script])
}

#[test]
fn last_nights_crash_is_read_in_the_morning() {
    let config = Config::with(Model::chat("chat").line("aliases: [other-name]"))
        .model(after("secretive", "echo \"key=sk-in-config, token: $HF_TOKEN\"").start_timeout(20))
        .api_key("sk-in-config");
    let mut manager = Manager::start(&config);
    manager.chat("chat").fake("log=the-weights-are-cheese").send().ok();
    manager.chat("secretive").send().ok();
    let (run, other) = (newest_run(&manager, "chat"), newest_run(&manager, "secretive"));
    let by_api = || texts(&manager.api(&format!("/api/runs/{run}/logs")));
    wait_until("the line is in the file", PATIENCE, || by_api().iter().any(|line| line.contains("cheese")));
    // The manager is killed in the night; nobody has started it again.
    manager.kill();
    manager.wait_no_processes();
    let run = run.to_string();
    let said = manager.cli_ok(&["logs", "chat", "--run", &run]);
    assert!(said.contains("fake: listening") && said.contains("the-weights-are-cheese"), "{said}");
    let found = manager.cli_ok(&["logs", "other-name", "--since", "8h", "--grep", "^the-.*cheese$"]);
    assert_eq!(found.trim(), "the-weights-are-cheese");
    assert_eq!(manager.cli_ok(&["logs", "chat", "--since", "2999-01-01T00:00:00Z"]), "");
    let nobody = manager.cli(&["logs", "nobody", "--since", "8h"]);
    assert!(
        nobody.status.code() == Some(1) && String::from_utf8_lossy(&nobody.stderr).contains("\"nobody\"")
    );
    manager.launch();
    assert_eq!(manager.cli_ok(&["logs", "chat", "--run", &run]), said, "the manager says the same");
    let found = manager.api("/api/models/chat/logs?since=2020-01-01T00:00:00Z&grep=cheese");
    assert_eq!(texts(&found), ["the-weights-are-cheese"]);
    assert_eq!((&found[0]["stream"], found[0]["time"].is_string()), (&"stderr".into(), true));
    let last = texts(&manager.api(&format!("/api/runs/{run}/logs?tail=1")));
    assert_eq!(last, said.lines().last().map(str::to_owned).into_iter().collect::<Vec<_>>());
    // No secret of the configuration is in a file or in memory.
    let secretive = texts(&manager.api(&format!("/api/runs/{other}/logs?grep=key=")));
    assert_eq!(secretive, ["key=***, token: "]);
    for entry in std::fs::read_dir(manager.path("data/logs")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(!text.contains("sk-in-config"), "{text}");
    }
    manager.get("/api/runs/1/logs").send().error(404, "run_not_found");
    manager.get("/api/runs/x/logs").send().error(404, "run_not_found");
    manager.get(&format!("/api/runs/{run}/logs?grep=(")).send().error(400, "invalid_request");
    manager.get(&format!("/api/runs/{run}/logs?since=soon")).send().error(400, "invalid_request");
    assert_eq!(manager.cli(&["logs", "chat", "--run", "1"]).status.code(), Some(1));
    assert_eq!(manager.cli(&["logs", "chat", "--since", "soon"]).status.code(), Some(2));
}

#[test]
fn secrets_are_hidden_in_memory_and_in_what_clients_are_told() {
    let dying = Model::chat("dying").command(&["sh", "-c", "echo \"cannot use $HF_TOKEN\"; exit 3"]);
    let config = Config::with(dying);
    let mut manager = Manager::start(&config);
    // The variant gets a variable that no test helper writes.
    let with_env = std::fs::read_to_string(manager.path("config.yaml")).unwrap();
    let with_env = with_env.replace("      command:", "      env: {HF_TOKEN: hf_secret}\n      command:");
    std::fs::write(manager.path("config.yaml"), with_env).unwrap();
    manager.stop();
    manager.launch();
    let reply = manager.chat("dying").send();
    assert!(reply.text().contains("cannot use ***"), "{}", reply.text());
    assert!(manager.model_log("dying").iter().any(|line| line == "cannot use ***"));
    assert!(!manager.log().contains("hf_secret"), "{}", manager.log());
}

#[test]
fn a_secret_that_a_reload_brings_is_hidden_too() {
    let manager = Manager::start(&Config::with(Model::chat("chat")));
    let text = std::fs::read_to_string(manager.path("config.yaml")).unwrap();
    let fake = env!("CARGO_BIN_EXE_fake-model-server");
    let late = format!(
        "{text}  late:\n    Default:\n      env: {{HF_TOKEN: hf_secret}}\n      command: [sh, -c, 'echo \"with $HF_TOKEN\"; exec \
         {fake} --port {{port}} --marker {}']\n",
        manager.path("").display()
    );
    std::fs::write(manager.path("config.yaml"), late).unwrap();
    manager.post("/api/config/reload").send().ok();
    manager.chat("late").send().ok();
    assert!(
        manager.model_log("late").iter().any(|line| line == "with ***"),
        "{:?}",
        manager.model_log("late")
    );
    let file = || manager.cli_ok(&["logs", "late", "--since", "1h"]);
    wait_until("the line is in the file", PATIENCE, || file().contains("with "));
    assert!(!file().contains("hf_secret"), "{}", file());
}

#[test]
fn the_files_of_all_runs_stay_within_their_bound_and_keep_the_end() {
    // Three megabytes for one.
    let noisy = after("noisy", "seq 1 400000").start_timeout(60);
    let manager = Manager::start(&Config::with(noisy).top("logs: {size_mb: 1, folder: kept, days: 3}"));
    let size = || -> u64 {
        let files = std::fs::read_dir(manager.path("kept")).unwrap();
        files.filter_map(|file| file.ok()?.metadata().ok()).map(|meta| meta.len()).sum()
    };
    let mut runs = Vec::new();
    for _ in 0..3 {
        manager.chat("noisy").send().ok();
        let run = newest_run(&manager, "noisy");
        let path = format!("/api/runs/{run}/logs?tail=3&grep=^(399999|400000)$");
        wait_until("the end of it is kept", PATIENCE, || texts(&manager.api(&path)) == ["399999", "400000"]);
        assert!(size() <= 1 << 20, "{}", size());
        runs.push(run);
        manager.act("/api/models/noisy/stop");
    }
    // What is shown from memory ends with the same lines, whatever was left out before.
    let shown = manager.model_log("noisy");
    assert!(shown.iter().any(|line| line == "400000"), "{:?}", shown.last());
    wait_until("the oldest has gone", PATIENCE, || {
        manager.get(&format!("/api/runs/{}/logs", runs[0])).send().status == 404
    });
    assert!(!texts(&manager.api(&format!("/api/runs/{}/logs", runs[2]))).is_empty());
}

#[test]
fn a_folder_that_cannot_be_written_stops_nobody_and_none_is_a_choice() {
    let manager =
        Manager::start(&Config::with(Model::chat("chat")).top("logs: {folder: /proc/no-such-place}"));
    manager.chat("chat").send().ok();
    assert!(manager.log().contains("logs: /proc/no-such-place"), "{}", manager.log());
    let run = newest_run(&manager, "chat");
    manager.get(&format!("/api/runs/{run}/logs")).send().error(404, "run_not_found");
    let (code, said) =
        manager.check("logs: {folder: config.yaml, size_mb: many, day: 3}\nLocal-Models: {}\n");
    assert_eq!(code, Some(2));
    for word in ["logs.folder", "is not a folder", "logs.size_mb", "logs.day", "did you mean `days`?"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    let without = Manager::start(&Config::with(Model::chat("chat")).top("logs: {size_mb: 0}"));
    without.chat("chat").send().ok();
    assert!(!without.path("data/logs").exists());
    let run = newest_run(&without, "chat");
    let message = without.get(&format!("/api/runs/{run}/logs")).send().error(404, "run_not_found").message();
    assert!(message.contains("size_mb"), "{message}");
}
