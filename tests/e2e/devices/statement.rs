//! What a month cost whom: two keys on a card that tells no power, whose model is paid by the hour.

use serde_json::{Value, json};

use crate::support::{Manager, PATIENCE, wait_until};

use super::world::{Gpus, model};

/// Exact, in 10^-12.
fn units(value: &Value) -> u128 {
    let text = value.as_str().unwrap_or("0");
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}{fraction:0<12}").parse().unwrap()
}

#[test]
fn hours_and_electricity_are_shared_out_to_keys() {
    let gpus = Gpus::one(24000);
    let config = gpus
        .config()
        .program("electricity: {price_per_kwh: \"1000\", currency: CNY, watts: {\"gpu a\": 3600}}")
        .api_key("the-key-of-the-admin")
        .top("keys:\n  - {name: alice, secret: secret-of-alice}\n  - {name: bob, secret: secret-of-bob}")
        .model(model("a", 8000).line("billing: {method: hourly, currency: CNY, per_hour: \"3600\"}"));
    let manager = Manager::start(&config);
    for (name, requests) in [("alice", 1), ("bob", 2)] {
        for _ in 0..requests {
            let call = manager.bare("POST", "/v1/chat/completions").chat("a", false);
            call.header("Authorization", &format!("Bearer secret-of-{name}")).send().ok();
        }
    }
    // The card tells no power: what the configuration says of it is drawn.
    wait_until("a figure by hand was drawn, and the hour costs something", PATIENCE, || {
        let total = &manager.api("/api/usage/summary?by=model")["total"];
        total["energy_wh"].as_f64().unwrap() > 0.0 && units(&total["run_cost"]["CNY"]) > 0
    });
    manager.act("/api/models/a/stop");
    wait_until("the run has ended in the ledger, and all requests are there", PATIENCE, || {
        let run = &manager.api("/api/runs")["runs"][0];
        run["ended_at"].is_string() && manager.api("/api/usage/summary")["total"]["requests"] == 3
    });
    let statement = manager.api("/api/statement");
    let keys: Vec<(&str, i64)> = statement["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| (key["api_key"].as_str().unwrap(), key["requests"].as_i64().unwrap()))
        .collect();
    assert_eq!(keys, [("alice", 1), ("bob", 2)], "{statement}");
    // To the last digit: the keys and the idle time make the model, and the model is what the report says.
    let month =
        format!("from={}&to={}", statement["from"].as_str().unwrap(), statement["to"].as_str().unwrap());
    let report = manager.api(&format!("/api/usage/summary?by=model&{month}"));
    for kind in ["run_cost", "energy_cost", "cost"] {
        let parts = statement["keys"].as_array().unwrap().iter().chain(statement["idle"].as_array().unwrap());
        let sum: u128 = parts.map(|part| units(&part[kind]["CNY"])).sum();
        assert_eq!(sum, units(&report["total"][kind]["CNY"]), "{kind}: {statement} {report}");
        assert_eq!(statement["models"][0][kind], report["groups"][0][kind], "{kind}");
    }
    assert!(units(&statement["keys"][0]["run_cost"]["CNY"]) > 0, "{statement}");
    assert!(units(&statement["idle"][0]["energy_cost"]["CNY"]) > 0, "{statement}");
    assert_eq!(statement["by_sums_until"], json!(null));
    let csv = manager.cli_ok(&["statement", "--format", "csv"]);
    assert_eq!(csv.lines().count(), 4, "a line for each key, and one for nobody: {csv}");
    let printed = manager.cli_ok(&["statement"]);
    assert!(
        printed.contains("(idle)") && printed.contains("ENERGY WH") && printed.contains("bob"),
        "{printed}"
    );
    let json: Value = serde_json::from_str(&manager.cli_ok(&["statement", "--format", "json"])).unwrap();
    assert_eq!(json["total"]["requests"], 3);
    manager.get("/api/statement?month=2026-13").send().error(400, "invalid_request");
    manager.get("/api/statement?tz=Mars/Olympus").send().error(400, "invalid_request");
}
