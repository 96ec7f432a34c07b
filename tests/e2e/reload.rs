//! A changed configuration is applied while the manager serves: what it says changes, and nobody notices.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::{Call, Config, Manager, Model, PATIENCE, Variant, wait_until};

fn launched(name: &str, turn: u32) -> Model {
    Model::chat(name).variant(Variant::new("only").line(&format!("env: {{TURN: \"{turn}\"}}")))
}

#[test]
fn only_what_is_launched_otherwise_is_restarted() {
    let manager = Manager::start(&Config::new().model(launched("a", 0)).model(launched("b", 0)));
    for model in ["a", "b"] {
        manager.chat(model).send().ok();
    }
    let pids = |manager: &Manager| [manager.model("a")["pid"].clone(), manager.model("b")["pid"].clone()];
    let before = pids(&manager);
    let config = Config::new()
        .program("max_waiting: 7")
        .model(launched("a", 0).line("aliases: [also]").line("alive_time: 3"))
        .model(launched("b", 1));
    let done = manager.reload(&config);
    assert_eq!(done["changed"], json!(["program.max_waiting", "a"]), "{done}");
    assert_eq!((&done["restarted"], &done["needs_restart"]), (&json!(["b"]), &json!([])));
    manager.chat("also").send().ok();
    // It was ready, so it is again, though nobody has asked for it.
    wait_until("b is restarted", PATIENCE, || {
        let model = manager.model("b");
        model["state"] == "ready" && model["pid"] != before[1]
    });
    assert_eq!(pids(&manager)[0], before[0]);
    assert_eq!(manager.model("a")["alive_seconds"], 180.0);
    assert_eq!(manager.reload(&config)["lines"], json!([]), "nothing has changed since");
    assert_eq!(manager.starts("b").len(), 2);
}

#[test]
fn a_busy_model_is_restarted_after_its_answers() {
    let manager = Manager::start(&Config::new().model(launched("a", 0)));
    let mut stream =
        manager.chat_stream("a").fake(&format!("tokens=3,wait_file={}", manager.word("go"))).open();
    manager.wait_leases("a", 1);
    assert_eq!(manager.reload(&Config::new().model(launched("a", 1)))["restarted"], json!(["a"]));
    manager.wait_state("a", "draining");
    let waits = manager.chat("a").spawn();
    manager.wait_waiting("a", 1);
    manager.touch("go");
    stream.until("[DONE]");
    waits.join().unwrap().ok();
    assert_eq!(manager.starts("a").len(), 2);
}

#[test]
fn a_removed_model_serves_those_it_has_and_ends() {
    let keep = Model::chat("keep");
    let manager = Manager::start(&Config::new().model(keep.clone()).model(launched("gone", 0)));
    let stream =
        manager.chat_stream("gone").fake(&format!("tokens=3,wait_file={}", manager.word("go"))).open();
    manager.wait_leases("gone", 1);
    let pid = manager.starts("gone")[0].0;
    let done = manager.reload(&Config::new().model(keep.clone()));
    assert_eq!(done["removed"], json!(["gone"]));
    manager.chat("gone").send().error(404, "model_not_found");
    manager.touch("go");
    assert!(stream.finish().text().contains("[DONE]"));
    wait_until("its backend ends", PATIENCE, || !std::path::Path::new(&format!("/proc/{pid}")).exists());
    wait_until("its actor ends", PATIENCE, || !manager.api("/api/supervision").to_string().contains("gone"));
    // It may come back, with the same name.
    manager.reload(&Config::new().model(keep).model(launched("gone", 1)));
    manager.chat("gone").send().ok();
}

#[test]
fn a_renamed_model_keeps_its_data() {
    let manager = Manager::start(&Config::new().model(Model::chat("old")));
    manager.chat("old").header("x-request-id", "first").send().ok();
    let new = Config::new().model(Model::chat("new").line("formerly: old"));
    let done = manager.reload(&new);
    assert_eq!((&done["added"], &done["removed"]), (&json!(["new"]), &json!(["old"])));
    manager.chat("new").send().ok();
    manager.chat("old").send().error(404, "model_not_found");
    let rows = |manager: &Manager| manager.api("/api/requests?model=new")["rows"].as_array().unwrap().len();
    wait_until("both rows are the new model's", PATIENCE, || rows(&manager) == 2);
}

#[test]
fn a_file_with_errors_changes_nothing_and_is_told() {
    let manager = Manager::start(&Config::with(Model::chat("chat")));
    manager.chat("chat").send().ok();
    manager.write(&Config::new().program("alive_tyme: 3"));
    let refused = manager.post("/api/config/reload").send().error(400, "invalid_config");
    let problem = &refused.json()["error"]["problems"][0];
    assert_eq!(problem["path"], "program.alive_tyme");
    assert!(problem["line"].as_u64().is_some());
    let shown = manager.api("/api/config");
    assert_eq!(shown["refused"]["problems"][0], *problem);
    let output = manager.cli(&["reload"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("alive_tyme"));
    manager.chat("chat").send().ok();
    assert!(manager.log().contains("alive_tyme"), "the log has it too");
    assert_eq!(manager.starts("chat").len(), 1);
}

#[test]
fn the_command_a_signal_and_a_watched_file_do_the_same() {
    let config = |minutes: u32| Config::with(Model::chat("chat").line(&format!("alive_time: {minutes}")));
    let manager = Manager::start(&config(1));
    let is = |seconds: f64| manager.model("chat")["alive_seconds"] == seconds;
    manager.write(&config(2));
    let said = manager.cli_ok(&["reload", "--dry-run"]);
    assert!(
        said.contains("chat: changes in place (alive_time)") && said.contains("nothing was changed"),
        "{said}"
    );
    assert!(is(60.0));
    manager.cli_ok(&["reload"]);
    assert!(is(120.0));
    manager.write(&config(3));
    manager.signal(Signal::SIGHUP);
    wait_until("the signal is heard", PATIENCE, || is(180.0));
    manager.reload(&config(3).program("watch_config: true"));
    manager.write(&config(4).program("watch_config: true"));
    wait_until("the change is seen", PATIENCE, || is(240.0));
}

/// The command line goes where the file says: a manager that the file has left behind is told of.
#[test]
fn a_manager_that_keeps_its_former_address_is_named() {
    let manager = Manager::start(&Config::with(Model::chat("chat")).api_key("former-key"));
    let config = std::fs::read_to_string(manager.path("config.yaml")).unwrap();
    let at = |words: &str| {
        let output = manager.cli(&["reload"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && said.contains(words), "{said}");
        said
    };
    std::fs::write(manager.path("config.yaml"), config.replace("former-key", "newer-key")).unwrap();
    at("SIGHUP");
    let port = config.lines().find(|line| line.trim().starts_with("port:")).unwrap();
    let moved = config.replace(port, &format!("  port: {}", crate::support::free_port()));
    std::fs::write(manager.path("config.yaml"), moved).unwrap();
    let said = at("listens where the file said at its start");
    assert!(said.contains(&format!("pid {}", manager.pid())), "{said}");
}

#[test]
fn two_models_may_change_ports() {
    let ports = [crate::support::free_port(), crate::support::free_port()];
    let config = |first: u16, second: u16| {
        Config::new()
            .model(Model::chat("a").line(&format!("port: {first}")))
            .model(Model::chat("b").line(&format!("port: {second}")))
    };
    let manager = Manager::start(&config(ports[0], ports[1]));
    for model in ["a", "b"] {
        manager.chat(model).send().ok();
    }
    manager.reload(&config(ports[1], ports[0]));
    for model in ["a", "b"] {
        manager.chat(model).send().ok();
    }
    // The former backend may have taken a request before it was told to go.
    wait_until("a is on b's port", PATIENCE, || manager.starts("a").last().unwrap().1 == ports[1]);
}

/// What changes, by turns. Each reload differs from the one before.
fn step(turn: u32) -> Config {
    let kinds = 11;
    let since = |kind: u32| (turn + kinds - kind) / kinds;
    let mut config = Config::new().api_key("first");
    let mut steady = Model::chat("steady").line("aliases: [always]");
    if since(1) % 2 == 1 {
        steady = Model::chat("steady").line("aliases: [always, sometimes]");
    }
    steady = steady.line(&format!("alive_time: {}", 10 + since(2)));
    steady = steady.line(&format!("billing: {{method: hourly, currency: CNY, per_hour: \"{}\"}}", since(3)));
    steady = steady.line(&format!("max_concurrency: {}", 50 + since(4)));
    config = config.model(steady).model(launched("turning", since(5)));
    if since(6) % 2 == 1 {
        config = config.model(Model::chat("guest"));
    }
    let name = format!("named{}", since(7));
    let before = since(7).checked_sub(1).map(|before| format!("formerly: [named{before}]"));
    config = config.model(before.iter().fold(Model::chat(&name), |model, line| model.line(line)));
    if since(8) % 2 == 1 {
        config = config.api_key("second");
    }
    let endpoint = format!("/v1/odd{}", since(9));
    config = config.top(&format!("modes:\n  Odd: {{endpoints: [\"{endpoint}\"], probe: {{path: /health}}}}"));
    let device = format!("npu {}", since(10));
    config = config.top(&format!("devices:\n  - name: \"{device}\"\n    command: [\"echo\", \"{{}}\"]"));
    config.program(&format!("max_waiting: {}", 1000 + since(0)))
}

/// Clients that never stop asking; how many requests they had answered.
struct Load {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Vec<String>>>,
}

fn ask(call: Call, id: &str) -> String {
    let reply = call.header("Authorization", "Bearer first").header("x-request-id", id).send();
    assert_eq!(reply.status, 200, "{id}: {}", reply.text());
    reply.text()
}

impl Load {
    fn start(manager: &Manager, clients: usize, streams: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let count = Arc::new(AtomicU64::new(0));
        let start = |nth: usize| {
            let (stop, count) = (Arc::clone(&stop), Arc::clone(&count));
            let call = manager.bare("POST", "/v1/chat/completions");
            std::thread::spawn(move || {
                let mut ids = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let number = count.fetch_add(1, Ordering::Relaxed);
                    let model = ["steady", "turning", "always"][usize::try_from(number).unwrap() % 3];
                    let id = format!("load-{number}-");
                    if nth < streams {
                        let call = call.clone().chat(model, true).fake("tokens=40,delay_ms=20");
                        let text = ask(call, &id);
                        assert!(text.contains("[DONE]"), "{id} was cut: {text}");
                    } else {
                        ask(call.clone().chat(model, false).fake("tokens=2"), &id);
                    }
                    ids.push(id);
                }
                ids
            })
        };
        let clients = (0..clients + streams).map(start).collect();
        Self { stop, clients }
    }

    fn end(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    }
}

/// `RELOADS=200 RELOAD_CLIENTS=64 RELOAD_STREAMS=10` for the long one.
#[test]
fn many_reloads_under_load_fail_no_request() {
    let number = |name: &str, default: usize| {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let reloads = u32::try_from(number("RELOADS", 24)).unwrap();
    let manager = Manager::start(&step(0).program("log_level: INFO"));
    let load = Load::start(&manager, number("RELOAD_CLIENTS", 6), number("RELOAD_STREAMS", 3));
    let mut ids = Vec::new();
    for turn in 1..=reloads {
        let before = step(turn - 1);
        // Those who wait for, or talk to, a model that leaves are served.
        let leaving = (turn % 11 == 6 || turn % 11 == 7).then(|| {
            let names = manager.api("/api/models");
            let names =
                names.as_array().unwrap().iter().map(|model| model["name"].as_str().unwrap().to_owned());
            names.filter(|name| name.starts_with("named") || name == "guest").collect::<Vec<_>>()
        });
        let calls: Vec<_> = leaving
            .iter()
            .flatten()
            .map(|name| {
                let id = format!("last-{turn}-{name}-");
                let call = manager.chat(name).header("x-request-id", &id).fake("tokens=5,delay_ms=20");
                ids.push(id);
                let sent = call.open();
                let known =
                    |name: &str| manager.model(name)["waiting"] != 0 || manager.model(name)["leases"] != 0;
                wait_until("the request is there", PATIENCE, || known(name) || sent.has_news());
                sent
            })
            .collect();
        let config = step(turn).program("log_level: INFO");
        assert_ne!(config.text(1, "".as_ref()), before.text(1, "".as_ref()));
        let done = manager.reload(&config);
        assert!(!done["lines"].as_array().unwrap().is_empty(), "turn {turn}: {done}");
        for call in calls {
            let reply = call.finish();
            assert_eq!(reply.status, 200, "turn {turn}: {}", reply.text());
        }
    }
    ids.extend(load.end());
    let mut found = HashMap::new();
    wait_until("every row is there", PATIENCE, || {
        let csv = manager.get("/api/requests").header("Accept", "text/csv").send().ok().text();
        let mut cells: HashMap<&str, usize> = HashMap::new();
        csv.split([',', '\n']).for_each(|cell| *cells.entry(cell.trim_end()).or_default() += 1);
        found = ids.iter().map(|id| (id.clone(), cells.get(id.as_str()).copied().unwrap_or(0))).collect();
        found.values().all(|count| *count > 0)
    });
    assert!(found.values().all(|count| *count == 1), "a row is there twice");
    let summary = manager.api("/api/usage/summary");
    assert_eq!(summary["total"]["failed"], 0, "{summary}");
    assert!(manager.starts("turning").len() > 1, "its launch has changed");
    eprintln!("{} requests over {reloads} reloads", ids.len());
}
