//! A panic in one model's actor is that model's affair alone.

use std::time::Duration;

use serde_json::Value;

use crate::support::{Config, Manager, Model, PATIENCE, wait_until};

/// The node of the tree that bears this name.
fn node<'a>(tree: &'a Value, name: &str) -> Option<&'a Value> {
    if tree["name"] == name {
        return Some(tree);
    }
    tree["children"].as_array()?.iter().find_map(|child| node(child, name))
}

fn start() -> Manager {
    let config = Config::new()
        .model(Model::chat("clumsy").flags(&["--fork-children", "1", "--setsid"]))
        .model(Model::chat("steady"));
    Manager::start_with(&config, &[("LLM_MANAGER_FAULT_INJECTION", "1")])
}

#[test]
fn a_panic_ends_the_backend_and_the_actor_starts_afresh() {
    let manager = start();
    manager.chat("clumsy").send().ok();
    manager.chat("steady").send().ok();
    let (pid, _) = manager.starts("clumsy")[0];
    manager.post("/api/debug/panic/clumsy").send();
    wait_until("its backend is gone", PATIENCE, || {
        !manager.processes().iter().any(|process| process.starts_with(&format!("{pid}:")))
    });
    wait_until("its grandchildren are gone", PATIENCE, || manager.processes().len() == 1);
    wait_until("the tree tells of it", PATIENCE, || {
        let tree = manager.api("/api/supervision");
        node(&tree, "clumsy").is_some_and(|node| {
            node["restarts"] == 1 && node["last_exit"].to_string().to_lowercase().contains("panic")
        })
    });
    let tree = manager.api("/api/supervision");
    assert_eq!(node(&tree, "steady").unwrap()["restarts"], 0);
    wait_until("it works again", PATIENCE, || manager.chat("clumsy").send().status == 200);
    assert_eq!(manager.starts("clumsy").len(), 2);
    manager.chat("steady").send().ok();
    assert_eq!(manager.starts("steady").len(), 1, "the other is untouched");
    assert!(manager.log().contains("clumsy"), "the log names the actor");
}

#[test]
fn requests_in_flight_end_with_an_error() {
    let manager = start();
    manager.chat("clumsy").send().ok();
    let script = format!("tokens=4,stream_file={}", manager.word("never"));
    let mut stream = manager.chat_stream("clumsy").fake(&script).open();
    stream.until("word1 ");
    manager.post("/api/debug/panic/clumsy").send();
    let text = stream.finish().text();
    assert!(text.contains("backend_error") && !text.contains("[DONE]"), "{text}");
}

#[test]
fn waiters_of_a_start_are_told() {
    let config = Config::with(Model::chat("clumsy").flags(&["--load-until-file", "{dir}/loaded"]));
    let manager = Manager::start_with(&config, &[("LLM_MANAGER_FAULT_INJECTION", "1")]);
    let call = manager.chat("clumsy").spawn();
    manager.wait_waiting("clumsy", 1);
    manager.touch("loaded-not");
    manager.post("/api/debug/panic/clumsy").send();
    wait_until("the start is over", PATIENCE, || {
        manager.touch("loaded");
        call.is_finished()
    });
    let reply = call.join().unwrap();
    // Replayed on the fresh actor, or refused: both are an end.
    assert!(matches!(reply.status, 200 | 502 | 503), "{} {}", reply.status, reply.text());
}

#[test]
fn too_many_panics_fail_the_model_and_leave_the_rest() {
    let manager = start();
    for _ in 0..20 {
        manager.post("/api/debug/panic/clumsy").send();
    }
    manager.chat("steady").send().ok();
    wait_until("the model is failed, or back", Duration::from_secs(30), || {
        matches!(manager.state("clumsy").as_str(), "failed" | "stopped")
    });
}

#[test]
fn faults_are_injected_only_when_allowed() {
    let manager = Manager::start(&Config::with(Model::chat("chat")));
    assert_eq!(manager.post("/api/debug/panic/chat").send().status, 404);
    manager.chat("chat").send().ok();
}

/// The Gateways of the HTTP workers, with their requests in flight.
fn gateways(manager: &Manager) -> Vec<(String, u64)> {
    let tree = manager.api("/api/supervision");
    let nodes = node(&tree, "http").unwrap()["children"].as_array().unwrap().clone();
    let requests = |node: &Value| {
        let detail = node["detail"].as_str().unwrap();
        let requests = detail.strip_prefix("requests in flight: ").and_then(|rest| rest.split(',').next());
        requests.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("{detail}"))
    };
    nodes.iter().map(|node| (node["name"].as_str().unwrap().to_owned(), requests(node))).collect()
}

#[test]
fn a_panic_of_a_gateway_ends_its_own_requests_as_failed() {
    const STREAMS: u64 = 8;
    let manager = start();
    manager.chat("steady").send().ok();
    let script = format!("tokens=4,stream_file={}", manager.word("go_on"));
    let mut streams: Vec<_> = (0..STREAMS)
        .map(|_| {
            let mut stream = manager.chat_stream("steady").fake(&script).open();
            stream.until("word1 ");
            stream
        })
        .collect();
    let busy = gateways(&manager);
    assert_eq!(busy.iter().map(|(_, requests)| requests).sum::<u64>(), STREAMS, "{busy:?}");
    let (name, lost) = busy.iter().max_by_key(|(_, requests)| *requests).unwrap();

    manager.post(&format!("/api/debug/panic/{name}")).send();
    let failed = || {
        let rows = manager.api("/api/requests?outcome=failed");
        rows["rows"].as_array().unwrap().len() as u64
    };
    wait_until("each of its requests has a row", PATIENCE, || failed() == *lost);
    manager.touch("go_on");
    let texts: Vec<String> = streams.drain(..).map(|stream| stream.finish().text()).collect();
    let ended = texts.iter().filter(|text| text.contains("[DONE]")).count() as u64;
    assert_eq!(ended, STREAMS - lost, "the others go on: {texts:?}");
    for text in texts.iter().filter(|text| !text.contains("[DONE]")) {
        assert!(text.contains("internal_error") && text.contains("`steady`"), "{text}");
    }

    for _ in 0..STREAMS {
        manager.chat("steady").send().ok();
    }
    let tree = manager.api("/api/supervision");
    let restarted = node(&tree, name).unwrap();
    assert_eq!((&restarted["restarts"], &restarted["state"]), (&1.into(), &"running".into()), "{restarted}");
    assert_eq!(restarted["path"], format!("http/{name}"));
    assert_eq!(manager.starts("steady").len(), 1, "the model is untouched");
    wait_until("nothing is in flight", PATIENCE, || {
        gateways(&manager).iter().all(|(_, requests)| *requests == 0)
    });
}
