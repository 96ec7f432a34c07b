//! The manager's own log: JSON, a file beside standard error, a line per finished request, a disk that is full.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Config, Manager, Model, PATIENCE, wait_until};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn parent() -> String {
    format!("00-{TRACE}-00f067aa0ba902b7-01")
}

fn read(manager: &Manager, name: &str) -> String {
    std::fs::read_to_string(manager.path(name)).unwrap_or_default()
}

/// The lines of JSON that are whole; anything else in the text fails the test.
#[track_caller]
fn objects(text: &str) -> Vec<Value> {
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    whole.lines().map(parse).collect()
}

#[test]
fn a_finished_request_is_an_object_in_both_logs() {
    let config = Config::with(Model::chat("chat"))
        .program("log_format: json")
        .program("log_file: {path: logs/own.log}")
        .program("log_requests: true")
        .top("keys:\n  - {name: workshop, secret: secret-of-workshop}");
    let mut manager = Manager::start(&config.api_key("the-key-of-the-admin"));
    let call = manager.bare("POST", "/v1/chat/completions").chat("chat", false);
    let call = call.header("Authorization", "Bearer secret-of-workshop").header("X-Request-Id", "mine-1");
    let call = call.header("traceparent", &parent()).fake("tokens=5,prompt=100,cached=40");
    call.send().ok();
    manager.chat("chat").header("X-Request-Id", "mine-2").fake("status=503").send();
    let find = |text: &str, id: &str| {
        objects(text).into_iter().find(|line| line["request_id"] == id && line["outcome"].is_string())
    };
    wait_until("both logs have both lines", PATIENCE, || {
        let texts = [manager.log(), read(&manager, "logs/own.log")];
        texts.iter().all(|text| find(text, "mine-1").is_some() && find(text, "mine-2").is_some())
    });
    let line = find(&read(&manager, "logs/own.log"), "mine-1").unwrap();
    for (name, expected) in [
        ("level", json!("INFO")),
        ("api_key", json!("workshop")),
        ("model", json!("chat")),
        ("endpoint", json!("/v1/chat/completions")),
        ("status", json!(200)),
        ("outcome", json!("ok")),
        ("input_tokens", json!(100)),
        ("cached_tokens", json!(40)),
        ("output_tokens", json!(5)),
        ("trace_id", json!(TRACE)),
    ] {
        assert_eq!(line[name], expected, "{name} of {line}");
    }
    let seconds = |name: &str| line[name].as_f64().unwrap();
    assert!(seconds("seconds") >= seconds("first_byte_seconds"), "{line}");
    assert!(seconds("first_byte_seconds") >= seconds("queue_seconds"), "{line}");
    assert!(line["message"].as_str().unwrap().starts_with("request mine-1: chat"), "{line}");
    let failed = find(&manager.log(), "mine-2").unwrap();
    assert_eq!((&failed["outcome"], &failed["status"]), (&json!("backend_error"), &json!(503)));
    assert!(failed["trace_id"].is_null());
    let text = [manager.log(), read(&manager, "logs/own.log")].concat();
    assert!(!text.contains("secret-of-workshop"));
    // The last words are in the file, too.
    manager.stop();
    let last = |text: &str| objects(text).last().unwrap()["message"].clone();
    assert_eq!(last(&read(&manager, "logs/own.log")), last(&manager.log()));
}

#[test]
fn the_log_changes_while_the_manager_runs() {
    let config = Config::with(Model::chat("chat"));
    let manager = Manager::start(&config);
    manager.chat("chat").header("X-Request-Id", "before").send().ok();
    let changed = config.program("log_file: {path: second.log}").program("log_requests: true");
    let plan = manager.reload(&changed);
    assert!(plan["changed"].to_string().contains("log_file"), "{plan}");
    manager.chat("chat").header("X-Request-Id", "after").send().ok();
    wait_until("the new file has the line", PATIENCE, || {
        read(&manager, "second.log").contains("request after: chat /v1/chat/completions: ok, status 200")
    });
    let line = "request before: chat /v1/chat/completions: ok";
    assert!(!manager.log().contains(line), "nobody had asked for it");
    assert!(!read(&manager, "second.log").contains('\u{1b}'), "no colours in a file");
}

#[test]
fn a_full_disk_is_told_once_and_stops_nobody() {
    let manager = Manager::start(&Config::with(Model::chat("chat")).program("log_file: {path: /dev/full}"));
    for _ in 0..20 {
        manager.chat("chat").send().ok();
    }
    let told = || manager.log().lines().filter(|line| line.contains("log_file: /dev/full: ")).count();
    wait_until("it is told", PATIENCE, || told() > 0);
    wait_until("the requests are in the other log", PATIENCE, || {
        manager.log().matches("chat answers 200 OK").count() == 20
    });
    assert_eq!(told(), 1, "{}", manager.log());
}

#[test]
fn a_file_that_can_not_be_made_is_told_at_the_start() {
    let manager = Manager::prepare(&Config::new().program("log_file: {path: config.yaml/own.log}"));
    let ended = manager.cli(&["serve"]);
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(!ended.status.success());
    assert!(said.contains("program.log_file") && said.contains("config.yaml/own.log"), "{said}");
}

#[test]
fn the_context_of_a_trace_goes_on_to_the_backend() {
    let manager = Manager::start(&Config::with(Model::chat("chat")));
    let call = manager.chat("chat").header("traceparent", &parent()).header("tracestate", "vendor=1");
    let seen = call.fake("echo=1").send().ok().json()["headers"].to_string();
    assert!(seen.contains(&parent()) && seen.contains("vendor=1"), "{seen}");
    let plain = manager.chat("chat").fake("echo=1").send().ok().json()["headers"].to_string();
    assert!(!plain.contains("traceparent"), "{plain}");
}

/// For users without a log at all: the line of a request costs nothing when `log_level` hides it.
#[test]
fn log_level_hides_the_lines_of_requests() {
    let config = Config::with(Model::chat("chat")).program("log_level: WARN").program("log_requests: true");
    let manager = Manager::start(&config);
    manager.chat("chat").send().ok();
    wait_until("the request is recorded", PATIENCE, || {
        manager.api("/api/requests")["rows"].as_array().is_some_and(|rows| !rows.is_empty())
    });
    assert!(!manager.log().contains("INFO"), "{}", manager.log());
    let json = Command::new(env!("CARGO_BIN_EXE_llm-manager")).arg("schema").output().unwrap().stdout;
    assert!(String::from_utf8_lossy(&json).contains("log_requests"));
}
