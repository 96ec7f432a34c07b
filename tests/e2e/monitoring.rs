//! What Prometheus and Grafana are given: backends' own metrics, rules and a board that know our names, and alerts that fire.
//! The parts that need Prometheus are left out, with a word, where it isn't installed.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};

use crate::support::{Call, Config, Manager, Model, PATIENCE, free_port, wait_until};

fn contrib(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib").join(name)
}

/// Runs a tool of Prometheus; `None`: it isn't installed.
fn tool(name: &str, arguments: &[&str]) -> Option<Output> {
    let ran = Command::new(name).args(arguments).stdin(Stdio::null()).output();
    if ran.is_err() {
        eprintln!("skipped: {name} is not installed (apt install prometheus)");
    }
    ran.ok()
}

#[track_caller]
fn assert_succeeds(output: &Output) {
    let said = [output.stdout.as_slice(), &output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn backends_tell_their_own_metrics_and_are_not_woken() {
    let config = Config::with(Model::chat("one"))
        .model(
            Model::chat("two \"b\"")
                .flags(&["--key", "backend-key"])
                .line("probe: {headers: {Authorization: Bearer backend-key}}"),
        )
        .model(Model::chat("mute").flags(&["--no-metrics"]))
        .model(Model::chat("asleep"))
        .api_key("the-key-of-the-admin");
    let manager = Manager::start(&config);
    manager.bare("GET", "/metrics/backends").send().error(401, "invalid_api_key");
    let scrape = || manager.get("/metrics/backends").send().ok();
    assert!(!scrape().text().contains("{model="), "nobody is ready");
    for name in ["one", "two \"b\"", "mute"] {
        // The one with a key refuses it; it has been asked all the same.
        manager.chat(name).fake("tokens=1").send();
    }
    manager.chat("one").fake("tokens=1").send().ok();
    let reply = scrape();
    assert_eq!(reply.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let text = reply.text();
    for line in [
        "# TYPE fake:chats_total counter",
        "fake:chats_total{model=\"one\",exported_model=\"one\"} 2",
        "fake:chats_total{model=\"two \\\"b\\\"\",exported_model=\"two \\\"b\\\"\"} 1",
        "llm_manager_backend_metrics_up{model=\"one\"} 1",
        "llm_manager_backend_metrics_up{model=\"mute\"} 0",
    ] {
        assert!(text.lines().any(|one| one == line), "{line} is not in\n{text}");
    }
    assert_eq!(text.matches("# TYPE fake:chats_total").count(), 1);
    assert!(!text.contains("asleep") && manager.starts("asleep").is_empty(), "{text}");
    assert_eq!(manager.model("one")["leases"], 0);
    if let Some(checked) = check_metrics(&text) {
        assert_succeeds(&checked);
    }
}

/// `promtool check metrics`, which reads its standard input.
fn check_metrics(text: &str) -> Option<Output> {
    use std::io::Write;
    let child = Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).spawn();
    let Ok(mut child) = child else {
        eprintln!("skipped: promtool is not installed (apt install prometheus)");
        return None;
    };
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let mut output = child.wait_with_output().unwrap();
    // It also has opinions about names, which are the backends' own.
    if output.status.code() == Some(3) {
        output.status = Command::new("true").status().unwrap();
    }
    Some(output)
}

#[test]
fn a_scrape_keeps_no_model_from_being_idle() {
    let manager = Manager::start(&Config::with(Model::chat("chat").line("alive_time: 0.02")));
    manager.chat("chat").send().ok();
    wait_until("it is stopped for being idle although it is scraped", PATIENCE, || {
        manager.get("/metrics/backends").send().ok();
        manager.state("chat") == "stopped"
    });
    assert_eq!(manager.starts("chat").len(), 1);
}

#[test]
fn metrics_know_who_waits_and_what_is_left_of_budgets() {
    let key = |name: &str, more: &str| format!("  - {{name: {name}, secret: secret-of-{name}{more}}}\n");
    let keys = [
        key("agent", ", priority: batch"),
        key("poor", ", budget: {period: day, tokens: 100000}"),
        key("quick", ", requests_per_minute: 1"),
    ];
    let model = Model::chat("chat").flags(&["--load-until-file", "{dir}/loaded"]);
    let config =
        Config::with(model).api_key("the-key-of-the-admin").top(&format!("keys:\n{}", keys.concat()));
    let manager = Manager::start(&config);
    let of = |name: &str| {
        let call = manager.bare("POST", "/v1/chat/completions").chat("chat", false);
        call.header("Authorization", &format!("Bearer secret-of-{name}")).fake("tokens=5,prompt=995")
    };
    let sample = |sample: &str| {
        let text = manager.get("/metrics").send().ok().text();
        let rest = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
        rest.unwrap_or_else(|| panic!("no {sample} in\n{text}")).to_owned()
    };
    let left = "llm_manager_key_budget_left{key=\"poor\",period=\"day\",unit=\"tokens\"}";
    assert_eq!(sample(left), "100000.0", "known before it was ever used");
    assert_eq!(sample("llm_manager_key_budget{key=\"poor\",period=\"day\",unit=\"tokens\"}"), "100000.0");
    let waiting = [of("agent").spawn(), of("poor").spawn(), of("quick").spawn()];
    manager.wait_waiting("chat", 3);
    assert_eq!(sample("llm_manager_queue{model=\"chat\",class=\"batch\"}"), "1.0");
    assert_eq!(sample("llm_manager_queue{model=\"chat\",class=\"normal\"}"), "2.0");
    assert_eq!(sample("llm_manager_queue{model=\"chat\",class=\"interactive\"}"), "0.0");
    manager.touch("loaded");
    for one in waiting {
        one.join().unwrap().ok();
    }
    wait_until("it is settled", PATIENCE, || sample(left) == "99000.0");
    assert_eq!(sample("llm_manager_queue{model=\"chat\",class=\"batch\"}"), "0.0");
    let refused = "llm_manager_key_refused_total{key=\"quick\",limit=\"requests\"}";
    assert_eq!(sample(refused), "0.0");
    of("quick").send().error(429, "rate_limited");
    assert_eq!(sample(refused), "1.0");
}

/// Every expression of the board, as Prometheus would get it from Grafana.
fn board_expressions() -> Vec<String> {
    let board: Value =
        serde_json::from_str(&std::fs::read_to_string(contrib("grafana/llm-manager.json")).unwrap()).unwrap();
    let panels = board["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let expressions = targets.map(|target| target["expr"].as_str().unwrap());
    let filled = |text: &str| {
        text.replace("$__rate_interval", "5m").replace("$instance", ".*").replace("$model", ".*")
    };
    expressions.map(filled).collect()
}

/// Names of metrics in a text.
fn names(text: &str) -> Vec<String> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let ours = words.filter(|word| word.starts_with("llm_manager_") || word.starts_with("process_"));
    ours.map(str::to_owned).collect()
}

#[test]
fn rules_and_board_name_what_the_reference_names() {
    let read = |path: PathBuf| std::fs::read_to_string(path).unwrap();
    let known = read(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/metrics.md"));
    let rules = read(contrib("prometheus/llm-manager.rules.yml"));
    let board = board_expressions();
    assert!(board.len() > 15 && names(&rules).len() > 10);
    for name in names(&rules).into_iter().chain(board.iter().flat_map(|text| names(text))) {
        let whole = name.strip_suffix("_bucket").unwrap_or(&name);
        assert!(known.contains(&format!("`{whole}`")), "{name} is no metric of docs/reference/metrics.md");
    }
}

#[test]
fn promtool_takes_the_rules_and_the_board() {
    let path = |name: &str| contrib(name).display().to_string();
    let Some(checked) = tool("promtool", &["check", "rules", &path("prometheus/llm-manager.rules.yml")])
    else {
        return;
    };
    assert_succeeds(&checked);
    let checks = [
        ["check", "config", &path("prometheus/prometheus.yml")],
        ["test", "rules", &path("prometheus/llm-manager.test.yml")],
    ];
    for arguments in checks {
        assert_succeeds(&tool("promtool", &arguments).unwrap());
    }
    let rules: Vec<Value> = board_expressions()
        .iter()
        .enumerate()
        .map(|(number, expr)| json!({"record": format!("panel:{number}"), "expr": expr}))
        .collect();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("board.yml");
    std::fs::write(&file, json!({"groups": [{"name": "board", "rules": rules}]}).to_string()).unwrap();
    assert_succeeds(&tool("promtool", &["check", "rules", &file.display().to_string()]).unwrap());
}

/// Ends with the test.
struct Prometheus(Child);

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn prometheus_scrapes_and_its_alerts_fire() {
    if tool("prometheus", &["--version"]).is_none() {
        return;
    }
    let config = Config::with(Model::chat("broken").flags(&["--die-at-start", "3"]))
        .model(Model::chat("chat"))
        .api_key("the-key-of-the-admin");
    let manager = Manager::start(&config);
    manager.chat("chat").fake("tokens=1").send().ok();
    manager.chat("broken").send().error(503, "model_start_failed");
    let dir = tempfile::tempdir().unwrap();
    let rules = std::fs::read_to_string(contrib("prometheus/llm-manager.rules.yml")).unwrap();
    // The same alerts, for those who can't wait.
    let lines: Vec<&str> = rules.lines().filter(|line| !line.trim_start().starts_with("for: ")).collect();
    std::fs::write(dir.path().join("llm-manager.rules.yml"), lines.join("\n")).unwrap();
    std::fs::write(dir.path().join("llm-manager.key"), "the-key-of-the-admin").unwrap();
    let address = manager.url().replace("http://", "");
    let text = std::fs::read_to_string(contrib("prometheus/prometheus.yml")).unwrap();
    let text = text.replace("127.0.0.1:8080", &address).replace("interval: 15s", "interval: 1s");
    let text = text.replace("# authorization:", "authorization:");
    std::fs::write(dir.path().join("prometheus.yml"), text).unwrap();
    let port = free_port();
    let log = std::fs::File::create(dir.path().join("log")).unwrap();
    let child = Command::new("prometheus")
        .arg(format!("--config.file={}", dir.path().join("prometheus.yml").display()))
        .arg(format!("--storage.tsdb.path={}", dir.path().join("data").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn();
    let _prometheus = Prometheus(child.unwrap());
    let ask = |path: &str| -> Value {
        let reply = Call::new(port, "GET", path).try_send();
        reply.ok().filter(|reply| reply.status == 200).map(|reply| reply.json()).unwrap_or_default()
    };
    let said = || std::fs::read_to_string(dir.path().join("log")).unwrap_or_default();
    wait_until("the alert fires", 6 * PATIENCE, || {
        let alerts = ask("/api/v1/alerts")["data"]["alerts"].as_array().cloned().unwrap_or_default();
        let ours = |alert: &Value| {
            alert["labels"]["alertname"] == "LLMManagerModelFailed" && alert["labels"]["model"] == "broken"
        };
        let down = alerts.iter().any(|alert| alert["labels"]["alertname"] == "LLMManagerDown");
        assert!(!down || alerts.iter().all(|alert| alert["state"] == "pending"), "{alerts:?} {}", said());
        alerts.iter().any(|alert| ours(alert) && alert["state"] == "firing")
    });
    let value = |query: &str| ask(&format!("/api/v1/query?query={query}"))["data"]["result"].clone();
    wait_until("the backend's own metrics are there", 6 * PATIENCE, || {
        value("fake:chats_total")[0]["metric"]["model"] == "chat"
    });
    assert_eq!(value("llm_manager_model_state%7Bstate=%22ready%22,model=%22chat%22%7D")[0]["value"][1], "1");
}
