//! Runs in the ledger: why each ended, what it cost, and who would pay for it; they outlive the manager.

use serde_json::{Value, json};

use crate::support::{Config, Manager, Model, PATIENCE, Variant, wait_until};

/// The runs of a model, once so many have ended.
#[track_caller]
fn ended(manager: &Manager, model: &str, count: usize) -> Vec<Value> {
    let mut runs = Vec::new();
    wait_until(&format!("{count} runs of {model} have ended"), PATIENCE, || {
        runs = manager.api(&format!("/api/runs?model={model}"))["runs"].as_array().unwrap().clone();
        runs.iter().filter(|run| run["ended_at"].is_string()).count() == count
    });
    runs
}

fn causes(runs: &[Value]) -> Vec<&str> {
    runs.iter().map(|run| run["cause"].as_str().unwrap_or("none")).collect()
}

#[test]
fn variables_that_reach_an_engine_unseen_are_named() {
    let variant = Variant::new("Default").line("env: {VLLM_LOGGING_LEVEL: WARNING}");
    let config = Config::with(Model::chat("chat").variant(variant));
    let env = [("LLAMA_ARG_CTX_SIZE", "64"), ("VLLM_LOGGING_LEVEL", "DEBUG"), ("HF_TOKEN", "hf_secret")];
    let manager = Manager::start_with(&config, &env);
    manager.chat("chat").send().ok();
    let named = |found: &Value| {
        let names: Vec<String> = serde_json::from_value(found.clone()).unwrap();
        // Those of the machine that runs the test are named, too.
        let of_ours = |name: &String| env.iter().any(|(ours, _)| ours == name);
        names.into_iter().filter(of_ours).collect::<Vec<_>>()
    };
    let wanted = ["HF_TOKEN", "LLAMA_ARG_CTX_SIZE"];
    let id = manager.model("chat")["runs"].as_array().map(Vec::len);
    assert_eq!(id, Some(0), "it still runs");
    let mut runs = Value::Null;
    wait_until("the run is in the ledger", PATIENCE, || {
        runs = manager.api("/api/runs?model=chat")["runs"].clone();
        runs.as_array().is_some_and(|runs| runs.len() == 1)
    });
    let run = manager.api(&format!("/api/runs/{}", runs[0]["id"]));
    assert_eq!(named(&run["inherited"]), wanted);
    let placement = manager.api("/api/models/chat/placement");
    assert_eq!(named(&placement["variants"][0]["inherited"]), wanted);
    let told = manager.cli_ok(&["explain", "chat"]);
    assert!(told.contains("inherits ") && told.contains("LLAMA_ARG_CTX_SIZE"), "{told}");
    let log = manager.log();
    assert!(log.contains("LLAMA_ARG_CTX_SIZE") && !log.contains("hf_secret"), "{log}");
}

#[test]
fn every_run_says_why_it_ended() {
    let config = Config::with(Model::chat("idle").line("alive_time: 0.001"))
        .model(Model::chat("ordered"))
        .model(Model::chat("weak").flags(&["--die-at-start", "1"]))
        .model(Model::chat("slow").flags(&["--bind-delay-ms", "600000"]))
        .model(Model::chat("late").flags(&["--bind-delay-ms", "600000"]).start_timeout(1));
    let mut manager = Manager::start(&config);
    manager.chat("idle").send().ok();
    manager.chat("ordered").send().ok();
    manager.act("/api/models/ordered/restart");
    manager.act("/api/models/ordered/stop");
    manager.chat("weak").send().error(503, "model_start_failed");
    let waiting = manager.chat("slow").spawn();
    manager.wait_state("slow", "starting");
    // A start that is given up before it has a process is no run of the ledger.
    wait_until("it has a process", PATIENCE, || manager.model("slow")["pid"].is_u64());
    manager.act("/api/models/slow/stop");
    waiting.join().unwrap().error(503, "model_stopped");
    manager.chat("late").send().error(504, "model_start_timeout");
    manager.chat("ordered").send().ok();
    wait_until("the third run is in the ledger", PATIENCE, || {
        manager.api("/api/runs?model=ordered")["runs"].as_array().unwrap().len() == 3
    });
    assert_eq!(causes(&ended(&manager, "idle", 1)), ["idle"]);
    assert_eq!(causes(&ended(&manager, "ordered", 2)), ["none", "operator", "restart"]);
    assert_eq!(causes(&ended(&manager, "weak", 1)), ["start_failed"]);
    assert_eq!(causes(&ended(&manager, "slow", 1)), ["aborted"]);
    assert_eq!(causes(&ended(&manager, "late", 1)), ["start_timeout"]);
    let by = |kind: &str, who: &str| json!({"kind": kind, "who": who});
    let whose = |model: &str, at: usize| {
        let run = &manager.api(&format!("/api/runs?model={model}"))["runs"][at];
        (run["started_by"].clone(), run["ended_by"].clone())
    };
    let (request, somebody) = (by("rule", "request"), by("anyone", "127.0.0.1"));
    assert_eq!(whose("idle", 0), (request.clone(), by("rule", "idle timer")));
    assert_eq!(whose("ordered", 0), (request.clone(), Value::Null), "it still runs");
    assert_eq!(whose("ordered", 1), (somebody.clone(), somebody.clone()), "restarted, then stopped");
    assert_eq!(whose("ordered", 2), (request.clone(), somebody.clone()));
    assert_eq!(whose("slow", 0), (request.clone(), somebody.clone()));
    assert_eq!(whose("weak", 0), (request, Value::Null), "it ended by itself");
    let own = &manager.api("/api/models/slow")["runs"][0];
    assert_eq!(own["ended_by"], somebody);
    let shown = manager.api("/api/models/idle")["runs"][0].clone();
    assert_eq!((&shown["cause"], &shown["evicted_for"]), (&json!("idle"), &Value::Null));
    manager.stop();
    manager.launch();
    assert_eq!(causes(&ended(&manager, "ordered", 3)), ["shutdown", "operator", "restart"]);
    manager.chat("ordered").send().ok();
    wait_until("the fourth run is in the ledger", PATIENCE, || {
        let run = &manager.api("/api/runs?model=ordered&limit=1")["runs"][0];
        run["ready_at"].is_string() && run["ended_at"].is_null()
    });
    manager.kill();
    manager.launch();
    assert_eq!(causes(&ended(&manager, "ordered", 4)), ["manager_lost", "shutdown", "operator", "restart"]);
    let limited = manager.api("/api/runs?limit=2");
    assert_eq!(limited["runs"].as_array().unwrap().len(), 2);
    manager.get("/api/runs?limit=0").send().error(400, "invalid_request");
    manager.get("/api/runs?moon=1").send().error(400, "invalid_request");
}

#[test]
fn who_comes_while_a_run_ends_has_begun_the_next_one_only() {
    let variant = Variant::new("Default");
    let stubborn = Model::chat("m").variant(variant).flags(&["--ignore-term"]).line("stop_timeout: 2");
    let manager = Manager::start(&Config::with(stubborn));
    manager.act("/api/models/m/start");
    manager.act("/api/models/m/stop?wait=false");
    manager.wait_state("m", "stopping");
    manager.chat("m").send().ok();
    let run = manager.model("m")["runs"][0].clone();
    let somebody = json!({"kind": "anyone", "who": "127.0.0.1"});
    assert_eq!((&run["started_by"], &run["ended_by"]), (&somebody, &somebody));
    manager.act("/api/models/m/stop");
    let runs = ended(&manager, "m", 2);
    let began = |at: usize| runs[at]["started_by"]["who"].clone();
    assert_eq!((began(0), began(1)), (json!("request"), json!("127.0.0.1")), "{runs:?}");
}

#[test]
fn an_hourly_price_is_shared_out_to_the_requests_of_the_run() {
    let plan = "billing: {method: hourly, currency: CNY, per_hour: \"3600\"}";
    let manager = Manager::start(&Config::with(Model::chat("chat").line(plan)));
    // A second and a half in which one request runs.
    let first = manager.chat("chat").fake("tokens=2,delay_ms=800").send().ok();
    let id = first.header("x-request-id").unwrap().to_owned();
    manager.chat("chat").send().ok();
    manager.act("/api/models/chat/stop");
    let run = ended(&manager, "chat", 1)[0].clone();
    let paid = run["paid_seconds"].as_f64().unwrap();
    // By the second, one for each.
    let cost: f64 = run["cost"]["CNY"].as_str().unwrap().parse().unwrap();
    assert!(paid >= 1.5 && (cost - paid).abs() <= 1.0, "{run}");
    let shares = manager.api(&format!("/api/runs/{}/shares", run["id"]));
    let money = |value: &Value| value["CNY"].as_str().map_or(0.0, |text| text.parse::<f64>().unwrap());
    let requests = shares["requests"].as_array().unwrap();
    let sum: f64 = requests.iter().map(|share| money(&share["cost"])).sum::<f64>() + money(&shares["idle"]);
    assert!((sum - cost).abs() < 1e-9, "the parts are the whole: {shares}");
    let mine = requests.iter().find(|share| share["request_id"] == id.as_str()).unwrap();
    assert!(money(&mine["cost"]) > 1.0, "it ran for most of the time: {shares}");
    let rows = manager.api(&format!("/api/requests?shares=true&request_id={id}"));
    assert_eq!(rows["rows"][0]["share"], mine["cost"], "{rows}");
    assert!(manager.api("/api/requests")["rows"][0].get("share").is_none());
    for id in ["1", "one", "99999999999999999999"] {
        manager.get(&format!("/api/runs/{id}/shares")).send().error(404, "run_not_found");
    }
}

#[test]
fn counts_of_a_mode_are_read_where_its_usage_points() {
    // Other places than those of OpenAI.
    let modes = "modes:\n  Odd:\n    endpoints: [\"/v1/chat/completions\"]\n    usage: {input: /usage/total_tokens, \
                 cached: /usage/prompt_tokens, output: /usage/prompt_tokens_details/cached_tokens}";
    let manager = Manager::start(&Config::with(Model::new("odd", "Odd")).top(modes));
    let call = manager.post("/v1/chat/completions").json(&json!({"model": "odd", "messages": []}));
    call.fake("tokens=10,prompt=60,cached=9").send().ok();
    let mut total = Value::Null;
    wait_until("the request is in the ledger", PATIENCE, || {
        total = manager.api("/api/usage/summary")["total"].clone();
        total["requests"] == 1
    });
    let counts = [&total["input_tokens"], &total["cached_tokens"], &total["output_tokens"]];
    assert_eq!(counts, [&json!(70), &json!(60), &json!(9)], "{total}");
}

#[test]
fn an_answer_says_what_it_has_waited_for() {
    let manager = Manager::start(&Config::with(Model::chat("chat").flags(&["--bind-delay-ms", "200"])));
    let first = manager.chat("chat").send().ok();
    let number = |reply: &crate::support::Reply, name: &str| -> u64 {
        reply.header(&format!("x-llm-manager-{name}")).expect(name).parse().unwrap()
    };
    assert!(number(&first, "start-ms") >= 200 && number(&first, "queue-ms") >= number(&first, "start-ms"));
    assert_eq!(first.header("x-llm-manager-variant"), Some("only"));
    let second = manager.chat("chat").send().ok();
    assert_eq!((number(&second, "start-ms"), number(&second, "run")), (0, number(&first, "run")));
    assert_eq!(manager.api("/api/runs")["runs"][0]["id"], number(&first, "run"));
}
