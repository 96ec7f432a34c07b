//! `/metrics`: what Prometheus reads is what clients did.

use serde_json::json;

use crate::support::{Config, Manager, Model, PATIENCE, wait_until};

/// The value of the sample that begins like this, labels included.
#[track_caller]
fn value(text: &str, sample: &str) -> f64 {
    let rest = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    rest.unwrap_or_else(|| panic!("no {sample} in\n{text}")).parse().unwrap()
}

#[test]
fn metrics_count_what_clients_did() {
    let manager = Manager::start(
        &Config::with(Model::chat("chat"))
            .model(Model::new("embed", "Embedding"))
            .program("Disable_GPU_monitoring: false"),
    );
    let plan = json!({"method": "tiered", "currency": "CNY", "tiers": [{"input": "1000000", "output": "0"}]});
    manager.put("/api/billing/chat").json(&plan).send().ok();
    manager.chat("chat").fake("tokens=5,prompt=100,cached=40").send().ok();
    manager.chat_stream("chat").fake("tokens=7,prompt=30,cached=0").send().ok();
    manager.post("/v1/chat/completions").json(&json!({"model": "embed"})).send().error(400, "mode_mismatch");
    let mut text = String::new();
    // A price is known once the ledger has the row.
    wait_until("both requests are counted and priced", PATIENCE, || {
        text = manager.get("/metrics").send().ok().text();
        text.contains("llm_manager_cost_total{") && value(&text, "llm_manager_ledger_written_total") >= 3.0
    });
    assert!(text.ends_with("# EOF\n"), "{text}");
    for (sample, expected) in [
        ("llm_manager_requests_total{model=\"chat\",outcome=\"ok\"}", 2.0),
        ("llm_manager_requests_total{model=\"chat\",outcome=\"refused\"}", 0.0),
        ("llm_manager_requests_total{model=\"embed\",outcome=\"refused\"}", 1.0),
        ("llm_manager_tokens_total{model=\"chat\",kind=\"input\"}", 130.0),
        ("llm_manager_tokens_total{model=\"chat\",kind=\"cached\"}", 40.0),
        ("llm_manager_tokens_total{model=\"chat\",kind=\"output\"}", 12.0),
        ("llm_manager_request_duration_seconds_count{model=\"chat\"}", 2.0),
        ("llm_manager_request_duration_seconds_bucket{le=\"+Inf\",model=\"chat\"}", 2.0),
        ("llm_manager_first_byte_seconds_count{model=\"chat\"}", 2.0),
        ("llm_manager_model_state{model=\"chat\",state=\"ready\"}", 1.0),
        ("llm_manager_model_state{model=\"embed\",state=\"stopped\"}", 1.0),
        ("llm_manager_model_runs_total{model=\"chat\"}", 1.0),
        ("llm_manager_cost_total{model=\"chat\",kind=\"request\",currency=\"CNY\"}", 130.0),
        ("llm_manager_device_online{device=\"cpu\",id=\"cpu\"}", 1.0),
        ("llm_manager_actor_restarts_total{actor=\"models/chat\"}", 0.0),
    ] {
        assert!((value(&text, sample) - expected).abs() < 1e-9, "{sample} is not {expected} in\n{text}");
    }
    assert!(value(&text, "process_resident_memory_bytes") > 1e6);
}

#[test]
fn metrics_want_the_key_too() {
    let manager = Manager::start(&Config::with(Model::chat("chat")).api_key("sesame"));
    manager.bare("GET", "/metrics").send().error(401, "invalid_api_key");
    assert!(manager.get("/metrics").send().ok().text().contains("llm_manager_build_info{"));
}
