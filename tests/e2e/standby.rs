//! Starts that are paused, and the end by order.

use crate::support::{Config, Manager, Model, PATIENCE};

#[test]
fn while_starts_are_paused_requests_start_nothing() {
    let manager = Manager::start(&Config::with(Model::chat("a")).model(Model::chat("b")));
    assert_eq!(manager.chat("a").send().status, 200);
    assert_eq!(manager.act("/api/pause").json()["paused"], true);
    assert_eq!(manager.api("/api/pause")["paused"], true);
    assert_eq!(manager.chat("a").send().status, 200, "what runs goes on");
    let refused = manager.chat("b").send();
    assert_eq!((refused.status, refused.json()["error"]["code"].as_str()), (503, Some("model_stopped")));
    assert!(refused.text().contains("an operator has paused all starts"), "{}", refused.text());
    assert!(manager.starts("b").is_empty());
    manager.act("/api/models/b/start");
    assert_eq!(manager.chat("b").send().status, 200, "an operator's own start is obeyed");
    manager.act("/api/models/b/stop");
    assert_eq!(manager.act("/api/resume").json()["paused"], false);
    assert_eq!(manager.chat("b").send().status, 200);
}

#[test]
fn it_ends_by_order_as_by_a_signal() {
    let mut manager = Manager::start(&Config::with(Model::chat("a")));
    assert_eq!(manager.chat("a").send().status, 200);
    let answer = manager.post("/api/shutdown").send();
    assert_eq!(answer.status, 202, "{}", answer.text());
    assert!(manager.wait_exit(PATIENCE).success());
    assert!(manager.log().contains("stopped; no backend is left"));
    manager.wait_no_processes();
}
