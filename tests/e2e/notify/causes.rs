//! What is told: devices, budgets, rows that wait. Models are in `super`, certificates in `e2e::tls`.

use std::fs;

use serde_json::json;

use super::{events, notify, to};
use crate::support::inbox::Inbox;
use crate::support::{Config, Manager, Model, PATIENCE, wait_until};

fn online(manager: &Manager, online: bool) {
    let text = json!({"online": online, "memory_total_mb": 1000, "memory_used_mb": 0}).to_string();
    fs::write(manager.path("new.json"), text).unwrap();
    fs::rename(manager.path("new.json"), manager.path("gpu.json")).unwrap();
}

#[test]
fn a_device_that_goes_and_comes() {
    let inbox = Inbox::open();
    let device = "devices:\n  - name: gpu x\n    command: [cat, \"{dir}/gpu.json\"]\n";
    let config = Config::new().program("Disable_GPU_monitoring: false").top(device).top(&notify(&[to(
        &inbox,
        "ops",
        &[],
    )]));
    let mut manager = Manager::prepare(&config);
    online(&manager, true);
    manager.launch();
    let is = |online: bool| {
        wait_until("the device is seen", PATIENCE, || {
            let devices = manager.api("/api/devices");
            devices.as_array().unwrap().iter().any(|one| one["name"] == "gpu x" && one["online"] == online)
        });
    };
    is(true);
    // One look must have seen it.
    std::thread::sleep(std::time::Duration::from_millis(2500));
    online(&manager, false);
    let told = inbox.wait(1);
    assert_eq!(
        (events(&told), &told[0].json()["subject"]),
        (vec!["device_gone".to_owned()], &json!("gpu x"))
    );
    online(&manager, true);
    assert_eq!(events(&inbox.wait(2)), ["device_gone", "device_back"]);
    // Once more within the hour: nothing but the test comes.
    online(&manager, false);
    is(false);
    std::thread::sleep(std::time::Duration::from_millis(2500));
    manager.act("/api/notify/ops/test");
    assert_eq!(events(&inbox.wait(3)), ["device_gone", "device_back", "test"]);
}

#[test]
fn a_budget_at_80_and_at_100_percent() {
    let inbox = Inbox::open();
    let keys = "keys:\n  - {name: lab, secret: secret-of-lab, budget: {period: month, tokens: 1000}}\n";
    let config = Config::with(Model::chat("chat")).api_key("sk-admin").top(keys).top(&notify(&[to(
        &inbox,
        "ops",
        &[],
    )]));
    let manager = Manager::start(&config);
    let ask = |tokens: u64| {
        let body =
            json!({"model": "chat", "max_tokens": tokens, "messages": [{"role": "user", "content": "hi"}]});
        let call = manager.bare("POST", "/v1/chat/completions").json(&body);
        call.header("Authorization", "Bearer secret-of-lab").fake(&format!("tokens={tokens},prompt=1")).send()
    };
    ask(700).ok();
    ask(120).ok();
    let told = inbox.wait(1)[0].json();
    assert_eq!((&told["event"], &told["subject"]), (&json!("budget_80"), &json!("lab")));
    assert_eq!(told["text"], "82 % of 1000 tokens a month is used. Its requests are refused at 100 %.");
    // What is left is too little for this one.
    ask(500).error(429, "budget_exhausted");
    let told = inbox.wait(2)[1].json();
    assert_eq!(
        (&told["event"], &told["title"]),
        (&json!("budget_100"), &json!("The budget of lab is used up"))
    );
}

#[test]
fn rows_that_wait_in_the_overflow_file() {
    let inbox = Inbox::open();
    let manager = Manager::start(&Config::with(Model::chat("chat")).top(&notify(&[to(&inbox, "ops", &[])])));
    manager.chat("chat").send().ok();
    wait_until("it is written", PATIENCE, || manager.api("/api/usage/summary")["total"]["requests"] == 1);
    for file in fs::read_dir(manager.path("data")).unwrap().flatten().map(|entry| entry.path()) {
        if file.to_string_lossy().contains("llm-manager.db") {
            fs::remove_file(file).unwrap();
        }
    }
    manager.chat("chat").send().ok();
    wait_until("word has come", PATIENCE * 2, || !inbox.letters().is_empty());
    let told = inbox.letters()[0].json();
    assert_eq!(
        (&told["event"], &told["title"]),
        (&json!("rows_waiting"), &json!("The ledger can't be written"))
    );
    assert!(told["text"].as_str().unwrap().contains("is not there any more"), "{told}");
    assert_eq!(inbox.letters().len(), 1);
}
