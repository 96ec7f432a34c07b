//! Who did what, in the ledger and in the words that people read.

use serde_json::{Value, json};

use crate::support::{Config, Manager, Model};

#[test]
fn orders_and_rules_are_told_with_who_gave_them() {
    let config = Config::with(Model::chat("chat").line("aliases: [other-name]"))
        .model(Model::chat("idle").line("alive_time: 0.001"))
        .model(Model::chat("auto").line("auto_start: true"))
        .model(Model::chat("slow").flags(&["--bind-delay-ms", "600000"]))
        .api_key("sk-operator");
    let mut manager = Manager::start(&config);
    manager.chat("chat").send().ok();
    manager.chat("idle").send().ok();
    let by = |kind: &'static str| move |row: &Value| row["kind"] == kind;
    let started = manager.audited("start", "chat", by("rule"));
    assert_eq!(started["who"], "request");
    assert_eq!(manager.audited("stop", "idle", by("rule"))["who"], "idle timer");
    assert_eq!(manager.audited("start", "auto", by("rule"))["who"], "auto_start");
    // A key, by another of the model's names; then the user at the command line.
    manager.act("/api/models/other-name/stop");
    let stopped = manager.audited("stop", "chat", by("key"));
    let key = stopped["who"].as_str().unwrap().to_owned();
    assert!(key.starts_with("key-") && stopped["address"] == "127.0.0.1", "{stopped}");
    assert!(
        manager.log().contains(&format!("ready -> stopping: stopped by {key} from 127.0.0.1")),
        "{}",
        manager.log()
    );
    let user = ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
    manager.cli_ok(&["start", "chat"]);
    if let Some(user) = user {
        assert_eq!(manager.audited("start", "chat", by("local"))["who"], user.as_str());
    }
    // Who waits is told by whom the model was stopped.
    let waiting = manager.chat("slow").spawn();
    manager.wait_state("slow", "starting");
    manager.act("/api/models/slow/stop?now=true");
    let message = waiting.join().unwrap().error(503, "model_stopped").message();
    assert!(message.contains(&format!("stopped by an operator ({key} from 127.0.0.1)")), "{message}");
    assert_eq!(manager.audited("stop", "slow", by("key"))["detail"], "now=true");
    let plan = json!({"method": "hourly", "currency": "CNY", "per_hour": "1.5"});
    manager.put("/api/billing/chat").json(&plan).send().ok();
    manager.audited("set_price", "chat", by("key"));
    // What failed, and what only looks, is no deed.
    manager.post("/api/models/nobody/start").send().error(404, "model_not_found");
    manager.post("/api/config/check").json(&json!({"text": "program: {}"})).send();
    manager.stop();
    manager.launch();
    let rows = manager.api("/api/audit")["rows"].as_array().unwrap().clone();
    assert!(rows.iter().any(|row| row["id"] == stopped["id"]), "it outlives the manager");
    assert!(rows.iter().all(|row| row["subject"] != "nobody" && row["action"] != "POST config/check"));
    let page = manager.api("/api/audit?limit=2&model=other-name");
    assert_eq!(page["rows"].as_array().unwrap().len(), 2);
    assert!(page["rows"].as_array().unwrap().iter().all(|row| row["subject"] == "chat"), "{page}");
    let older = manager.api(&format!("/api/audit?limit=2&model=chat&before={}", page["next"]));
    assert!(older["rows"][0]["id"].as_i64() < page["next"].as_i64(), "{older}");
    manager.get("/api/audit?limit=0").send().error(400, "invalid_request");
    manager.get("/api/audit?since=1").send().error(400, "invalid_request");
}

#[test]
fn an_eviction_names_the_model_that_needed_the_memory() {
    let gpu = "devices:\n  - name: gpu a\n    command: [\"sh\", \"-c\", \"echo '{\\\"memory_total_mb\\\": 1000}'\"]";
    let on = |name: &str| Model::chat(name).variant(crate::support::Variant::new("only").on("gpu a", 800));
    let config = Config::new().program("Disable_GPU_monitoring: false").program("min_hold: 0").top(gpu);
    let manager = Manager::start(&config.model(on("first")).model(on("second")));
    manager.chat("first").send().ok();
    manager.chat("second").send().ok();
    let stopped = manager.audited("stop", "first", |row| row["kind"] == "rule");
    assert_eq!(stopped["who"], "eviction for second");
}
