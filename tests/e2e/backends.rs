//! What the manager must know of a backend: its name, its key, whether it still serves, and when it is gone.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::support::{Config, Manager, Model, PATIENCE, free_port, wait_until};

const FAKE: &str = env!("CARGO_BIN_EXE_fake-model-server");

fn one(model: Model) -> Manager {
    Manager::start(&Config::with(model))
}

fn pid(manager: &Manager) -> u64 {
    manager.model("chat")["pid"].as_u64().unwrap()
}

fn end(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).unwrap();
}

/// Why the newest run that has ended did.
fn last_cause(manager: &Manager) -> Value {
    manager.model("chat")["runs"][0]["cause"].clone()
}

#[test]
fn a_name_that_the_backend_does_not_know_is_told_within_seconds() {
    let manager = one(Model::chat("chat").flags(&["--knows", "other/big,mine"]));
    let begin = Instant::now();
    let message = manager.chat("chat").send().error(503, "model_start_failed").message();
    assert!(begin.elapsed() < Duration::from_secs(9), "told after {:?}", begin.elapsed());
    for part in ["by the name `chat`", "it lists `other/big`, `mine`", "set `served_name`"] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn the_probe_asks_for_a_listed_alias_and_for_served_name() {
    let config =
        Config::with(Model::chat("chat").line("aliases: [mine]").flags(&["--knows", "other/big,mine"]))
            .model(Model::chat("named").line("served_name: org/x").flags(&["--knows", "other/big,org/x"]))
            .model(Model::chat("told").command(&[
                FAKE,
                "--port",
                "{port}",
                "--name",
                "x/mine",
                "--knows",
                "other/big,x/mine",
            ]));
    let manager = Manager::start(&config);
    for name in ["chat", "named", "told"] {
        manager.act(&format!("/api/models/{name}/start"));
        assert_eq!(manager.state(name), "ready");
    }
    manager.chat("told").send().ok();
}

#[test]
fn a_key_that_the_backend_wants_is_given_by_the_probe() {
    let model = |name: &str| Model::chat(name).flags(&["--key", "of-the-backend"]);
    let keyed = model("chat").line("probe: {headers: {Authorization: Bearer of-the-backend}}");
    let manager = Manager::start(&Config::with(keyed).model(model("bare")));
    manager.act("/api/models/chat/start");
    let message = manager.chat("bare").send().error(503, "model_start_failed").message();
    assert!(message.contains("status 401") && message.contains("`probe`"), "{message}");
}

#[test]
fn three_requests_without_a_byte_restart_a_backend_whose_probe_answers() {
    let manager = one(Model::chat("chat").line("first_byte_timeout: 0.3").line("stop_timeout: 1"));
    manager.chat("chat").send().ok();
    let first = pid(&manager);
    for _ in 0..2 {
        manager.chat("chat").fake("head_delay_ms=60000").send().error(504, "backend_timeout");
    }
    // An answer between them begins the count anew.
    manager.chat("chat").send().ok();
    for _ in 0..2 {
        manager.chat("chat").fake("head_delay_ms=60000").send().error(504, "backend_timeout");
    }
    assert_eq!(pid(&manager), first, "two in a row are not three");
    manager.chat("chat").fake("head_delay_ms=60000").send().error(504, "backend_timeout");
    manager.chat("chat").send().ok();
    assert_ne!(pid(&manager), first);
    assert_eq!(last_cause(&manager), "unresponsive");
    assert!(manager.log().contains("within first_byte_timeout (0.3 s)"), "the log says why");
    let tree = manager.cli_ok(&["tree"]);
    assert!(tree.contains("unresponsive"), "{tree}");
}

#[test]
fn three_errors_have_it_probed_and_restarted_only_if_that_fails() {
    let manager = one(Model::chat("chat").flags(&["--load-until-file", "{dir}/loaded"]));
    manager.touch("loaded");
    manager.chat("chat").send().ok();
    let first = pid(&manager);
    for _ in 0..3 {
        assert_eq!(manager.chat("chat").fake("status=500").send().status, 500);
    }
    wait_until("its probe has answered", PATIENCE, || {
        manager.log().contains("its probe succeeded; it keeps running")
    });
    assert_eq!((pid(&manager), manager.state("chat").as_str()), (first, "ready"));
    // Now everything fails, its probe as well.
    std::fs::remove_file(manager.path("loaded")).unwrap();
    for _ in 0..3 {
        assert_eq!(manager.chat("chat").send().status, 503);
    }
    wait_until("it has failed", PATIENCE, || manager.state("chat") == "failed");
    let error = manager.model("chat")["runs"][0].clone();
    assert_eq!(error["cause"], "unresponsive");
    manager.touch("loaded");
    manager.act("/api/models/chat/start");
    assert_ne!(pid(&manager), first);
}

/// What a container's client does: it has somebody else start the server, and stays.
const CLIENT: [&str; 3] = ["sh", "-c", "echo $PORT > {dir}/port; mv {dir}/port {dir}/wanted; exec sleep 600"];

/// That somebody else: the server is a child of this test, and notes its pid.
fn container(manager: &Manager) -> std::thread::JoinHandle<std::process::Child> {
    let (wanted, file) = (manager.path("wanted"), manager.path("container"));
    std::thread::spawn(move || {
        wait_until("the client has asked for its server", PATIENCE, || wanted.exists());
        let port = std::fs::read_to_string(&wanted).unwrap();
        let mut server = std::process::Command::new(FAKE);
        server.args(["--port", port.trim(), "--name", "chat", "--start-file"]).arg(file);
        server.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap()
    })
}

fn container_pid(manager: &Manager) -> i32 {
    let text = std::fs::read_to_string(manager.path("container")).unwrap();
    text.lines().last().unwrap().split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn a_server_that_outlives_its_client_is_not_stopped_until_its_port_is_free() {
    let port = free_port();
    let model = Model::chat("chat").command(&CLIENT).line("foreign_listener: true").line("stop_timeout: 0.5");
    let manager = one(model.line(&format!("port: {port}")));
    let container = container(&manager);
    manager.chat("chat").send().ok();
    let mut container = container.join().unwrap();
    let server = container_pid(&manager);
    let begin = Instant::now();
    let message = manager.post("/api/models/chat/stop").send().error(504, "stop_failed").message();
    assert!(begin.elapsed() < Duration::from_secs(9), "answered after {:?}", begin.elapsed());
    assert!(
        message.contains(&format!("port {port}")) && message.contains(&format!("pid {server}")),
        "{message}"
    );
    let shown = manager.model("chat");
    assert_eq!(shown["state"], "stopping");
    assert!(shown["last_error"].as_str().unwrap().contains(&format!("port {port}")), "{shown}");
    assert!(!manager.log().contains("is free again"), "it is not");
    manager.chat("chat").send().error(503, "model_start_failed");
    end(server, Signal::SIGKILL);
    container.wait().unwrap();
    manager.wait_state("chat", "stopped");
    assert!(manager.log().contains("is free again"));
}

#[test]
fn stop_command_ends_what_the_launch_started_elsewhere() {
    let stop =
        "stop_command: [sh, -c, 'kill $(tail -n 1 {dir}/container | cut -d \" \" -f 1); echo ended {model}']";
    let manager = one(Model::chat("chat").command(&CLIENT).line("foreign_listener: true").line(stop));
    let container = container(&manager);
    manager.chat("chat").send().ok();
    let mut container = container.join().unwrap();
    manager.act("/api/models/chat/stop");
    assert_eq!(manager.state("chat"), "stopped");
    assert!(container.try_wait().unwrap().is_some(), "the server is gone");
    assert!(manager.model_log("chat").iter().any(|line| line == "ended chat"), "its output is in the log");
}

#[test]
fn what_a_crashed_backend_leaves_behind_may_clean_up() {
    let script = format!(
        "(trap 'sleep 0.7; touch {{dir}}/cleaned; exit 0' TERM; touch {{dir}}/child; while :; do sleep 0.05; done) & \
         exec {FAKE} --port $PORT --name chat --start-file {{dir}}/starts-chat"
    );
    let manager = one(Model::chat("chat").command(&["sh", "-c", &script]));
    manager.chat("chat").send().ok();
    wait_until("the child is there", PATIENCE, || manager.path("child").exists());
    let main = i32::try_from(pid(&manager)).unwrap();
    end(main, Signal::SIGKILL);
    // Nobody is let in to the dead one meanwhile: this waits for the next.
    manager.chat("chat").send().ok();
    assert!(manager.path("cleaned").exists(), "the child was killed before it had cleaned up");
    assert_eq!(last_cause(&manager), "crashed");
}

#[test]
fn a_run_tells_the_moments_of_its_start_in_their_order() {
    let manager = one(Model::chat("chat").flags(&["--load-delay-ms", "200"]));
    manager.chat("chat").send().ok();
    let id = manager.api("/api/runs?limit=1")["runs"].as_array().and_then(|runs| runs.first().cloned());
    let id = id.or_else(|| {
        wait_until("the run is in the ledger", PATIENCE, || {
            !manager.api("/api/runs?limit=1")["runs"].as_array().unwrap().is_empty()
        });
        Some(manager.api("/api/runs?limit=1")["runs"][0].clone())
    });
    let id = id.unwrap()["id"].as_i64().unwrap();
    let mut run = Value::Null;
    wait_until("its first byte is noted", PATIENCE, || {
        run = manager.api(&format!("/api/runs/{id}"));
        run["first_byte_at"].is_string()
    });
    let names = ["asked_at", "placed_at", "launched_at", "port_open_at", "ready_at", "first_byte_at"];
    let moment = |name: &str| run[name].as_str().map(|text| text.parse::<jiff::Timestamp>().unwrap());
    let moments: Vec<_> =
        names.iter().map(|name| moment(name).unwrap_or_else(|| panic!("{name}: {run}"))).collect();
    assert!(moments.is_sorted(), "{run}");
    assert!(moments[4].duration_since(moments[3]).as_millis() >= 150, "it loads for 200 ms: {run}");
    assert!(run["victims_gone_at"].is_null() && run["memory_free_at"].is_null());
    assert!(manager.log().contains(&format!("start of run {id}: asked ")));
    // Of a run that has ended, too.
    manager.act("/api/models/chat/stop");
    assert!(manager.api(&format!("/api/runs/{id}"))["first_byte_at"].is_string());
    manager.get("/api/runs/1").send().error(404, "run_not_found");
}
