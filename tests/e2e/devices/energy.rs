//! What a device is measured to draw is what the runs on it are said to have drawn, and what that costs.

use serde_json::json;

use crate::support::{Manager, PATIENCE, wait_until};

use super::world::{Gpus, model};

/// A device that draws 3.6 kW: one watt-hour a second.
const OVEN: &str = r#"echo '{"online":true,"memory_total_mb":24000,"memory_used_mb":0,"power_w":3600}'"#;

#[test]
fn a_run_pays_for_what_its_device_draws() {
    let gpus = Gpus::one(24000);
    gpus.raw("gpu a", OVEN);
    let config = gpus.config().program("electricity: {price_per_kwh: \"1000\", currency: CNY}");
    let manager = Manager::start(&config.model(model("a", 8000)).model(model("b", 16000)));
    manager.chat("a").send().ok();
    // It has held the device for a while; then it shares it.
    let drawn = |name: &str| {
        manager.act(&format!("/api/models/{name}/stop"));
        let mut run = json!(null);
        wait_until(&format!("the run of {name} is in the ledger"), PATIENCE, || {
            run = manager.api(&format!("/api/runs?model={name}"))["runs"][0].clone();
            run["ended_at"].is_string()
        });
        (run["energy_wh"].as_f64().unwrap_or_default(), run)
    };
    // A second in which the devices were looked at.
    let a_second = || manager.get("/api/events").open().until("\"type\":\"throughput\"");
    a_second();
    let (alone, run) = drawn("a");
    assert!((0.1..30.0).contains(&alone), "a watt-hour a second: {run}");
    // A kilowatt-hour costs 1000: a watt-hour costs 1.
    let cost: f64 = run["energy_cost"]["CNY"].as_str().unwrap().parse().unwrap();
    assert!((cost - alone).abs() < 1e-6, "{run}");
    let began = std::time::Instant::now();
    manager.chat("a").send().ok();
    manager.chat("b").send().ok();
    a_second();
    let ((with_b, _), (with_a, run)) = (drawn("a"), drawn("b"));
    // What the device drew is drawn once, however many share it.
    let most = began.elapsed().as_secs_f64() + 0.5;
    assert!(with_b > 0.1 && with_a > 0.1 && with_b + with_a < most, "{with_b} + {with_a} in {most} s: {run}");
    let rows = manager.api("/api/requests?model=b&shares=true");
    assert!(rows["rows"][0]["share"]["CNY"].is_string(), "electricity is shared out, too: {rows}");
    let report = manager.api("/api/usage/summary?by=model");
    let sums: Vec<f64> = report["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| group["energy_wh"].as_f64().unwrap())
        .collect();
    assert!((sums[0] - alone - with_b).abs() < 0.001 && (sums[1] - with_a).abs() < 0.001, "{report}");
    let metrics = manager.get("/metrics").send().ok().text();
    assert!(metrics.contains("llm_manager_energy_joules_total{model=\"b\"}"), "{metrics}");
    assert!(
        metrics.contains("llm_manager_cost_total{model=\"b\",kind=\"energy\",currency=\"CNY\"}"),
        "{metrics}"
    );
    assert!(manager.cli_ok(&["usage"]).contains("ENERGY WH"));
    assert!((report["total"]["energy_wh"].as_f64().unwrap() - sums[0] - sums[1]).abs() < 0.001, "{report}");
}

#[test]
fn of_what_is_not_measured_nothing_is_said() {
    let gpus = Gpus::one(24000);
    let manager = Manager::start(&gpus.config().model(model("a", 8000)));
    manager.chat("a").send().ok();
    manager.act("/api/models/a/stop");
    let mut run = json!(null);
    wait_until("the run is in the ledger", PATIENCE, || {
        run = manager.api("/api/runs")["runs"][0].clone();
        run["ended_at"].is_string()
    });
    assert_eq!((&run["energy_wh"], &run["energy_cost"]), (&json!(null), &json!({})));
}
