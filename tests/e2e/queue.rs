//! Who waits, in order, and requests that an operator ends.

use std::io::{Read, Write};
use std::net::TcpStream;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::support::{Config, Live, Manager, Model, PATIENCE, wait_until};

fn cancel(manager: &Manager, id: &str) -> Value {
    manager.post(&format!("/api/requests/{id}/cancel")).send().ok().json()
}

fn outcome(manager: &Manager, id: &str) -> Value {
    let mut row = Value::Null;
    wait_until("its row is there", PATIENCE, || {
        row = manager.api(&format!("/api/requests?request_id={id}"))["rows"][0].clone();
        !row.is_null()
    });
    row
}

#[test]
fn those_who_wait_are_listed_and_can_be_ended() {
    let manager = Manager::start(&Config::with(Model::chat("chat").line("max_concurrency: 1")));
    manager.chat("chat").send().ok();
    assert_eq!(manager.api("/api/queue"), json!([]));
    let script = format!("tokens=4,stream_file={}", manager.word("go-on"));
    let mut running = manager.chat_stream("chat").header("x-request-id", "running").fake(&script).open();
    running.until("word1 ");
    let mut waiting = Vec::new();
    for (nth, id) in ["first", "second", "third"].into_iter().enumerate() {
        waiting.push(manager.chat("chat").header("x-request-id", id).open());
        wait_until("it waits", PATIENCE, || manager.model("chat")["waiting"] == nth + 1);
    }
    let queue = manager.api("/api/queue");
    let rows = queue.as_array().unwrap();
    for (nth, (row, id)) in rows.iter().zip(["first", "second", "third"]).enumerate() {
        assert_eq!(
            (&row["id"], &row["model"], &row["class"], &row["place"], &row["api_key"]),
            (&json!(id), &json!("chat"), &json!("normal"), &json!(nth + 1), &json!("")),
            "{queue}"
        );
        assert_eq!(row["waits_for"], "one of the 1 requests that it serves at once", "{queue}");
        assert!(
            row["seconds"].as_f64().unwrap() >= 0.0 && row["estimate_seconds"].as_f64().unwrap() >= 0.0,
            "{queue}"
        );
    }
    let served = manager.api("/api/requests/running");
    assert_eq!(served.as_array().map(Vec::len), Some(1), "those who wait don't run: {served}");
    let row = &served[0];
    assert_eq!(
        (&row["id"], &row["model"], &row["class"], &row["api_key"], &row["variant"]),
        (&json!("running"), &json!("chat"), &json!("normal"), &json!(""), &json!("only")),
        "{served}"
    );
    assert!(row["run_id"].is_i64(), "{served}");
    assert!(row["seconds"].as_f64() >= Some(0.0) && row["queue_seconds"].as_f64() >= Some(0.0), "{served}");
    let refused = manager.post("/api/requests/nobody/cancel").send().error(404, "request_not_found");
    assert!(refused.message().contains("`nobody`"), "{}", refused.message());
    let third = waiting.pop().unwrap();
    let second = waiting.pop().unwrap();
    assert_eq!(cancel(&manager, "second"), json!({"id": "second", "was": "waiting"}));
    let answer = second.finish();
    assert_eq!(answer.header("x-should-retry"), Some("false"));
    answer.error(503, "request_cancelled");
    assert_eq!(manager.api("/api/queue").as_array().unwrap().len(), 2);
    // The one that is answered ends with an event, and the next one gets its place.
    assert_eq!(cancel(&manager, "running"), json!({"id": "running", "was": "running"}));
    let text = running.finish().text();
    assert!(text.contains("event: error") && text.contains("request_cancelled"), "{text}");
    let first = waiting.pop().unwrap();
    assert_eq!(first.finish().status, 200);
    assert_eq!(third.finish().status, 200);
    for id in ["second", "running"] {
        let row = outcome(&manager, id);
        assert_eq!(row["outcome"], "cancelled", "{row}");
    }
    assert_eq!(outcome(&manager, "first")["outcome"], "ok");
    assert_eq!(manager.api("/api/queue"), json!([]));
    assert_eq!(manager.api("/api/requests/running"), json!([]));
    for id in ["second", "running"] {
        manager.audited("cancel_request", id, |_| true);
    }
}

#[test]
fn a_plain_request_ends_before_its_answer() {
    let manager = Manager::start(&Config::with(Model::chat("chat")));
    manager.chat("chat").send().ok();
    let script = format!("wait_file={}", manager.word("never"));
    let asked = manager.chat("chat").header("x-request-id", "long").fake(&script).open();
    wait_until("the backend has it", PATIENCE, || manager.stats("chat")["active"] == 1);
    let other = manager.chat("chat").header("x-request-id", "other").fake(&script).open();
    wait_until("the backend has both", PATIENCE, || manager.stats("chat")["active"] == 2);
    assert_eq!(cancel(&manager, "long")["was"], "running");
    asked.finish().error(503, "request_cancelled");
    wait_until("its connection is closed", PATIENCE, || manager.stats("chat")["active"] == 1);
    assert_eq!(manager.model("chat")["leases"], 1, "the other one goes on");
    other.leave();
    assert_eq!(outcome(&manager, "long")["outcome"], "cancelled");
}

#[test]
fn nobody_is_started_for_one_that_was_ended() {
    let config = Config::with(Model::chat("chat").flags(&["--load-delay-ms", "60000"]));
    let manager = Manager::start(&config);
    let asked = manager.chat("chat").header("x-request-id", "early").open();
    manager.wait_state("chat", "starting");
    let mut queue = Value::Null;
    wait_until("it waits", PATIENCE, || {
        queue = manager.api("/api/queue");
        queue[0]["id"] == "early"
    });
    assert!(queue[0]["waits_for"].as_str().unwrap().starts_with("its start"), "{queue}");
    let output = manager.cli_ok(&["cancel", "early"]);
    assert!(output.contains("early"), "{output}");
    asked.finish().error(503, "request_cancelled");
}

/// More than all buffers on the way take.
const FLOOD: &str = "tokens=100000,size=1000";

/// A client that takes nothing of its stream, until the backend can send no more.
fn deaf(id: &str) -> (Manager, Live) {
    let model = Model::chat("chat").flags(&["--journal", "{dir}/journal"]);
    let manager = Manager::start(&Config::with(model).program("client_write_timeout: 3600"));
    let mut stream = manager.chat_stream("chat").header("x-request-id", id).fake(FLOOD).open();
    assert_eq!(stream.status(), 200);
    let mut before = 0;
    wait_until("the backend can send no more", PATIENCE, || {
        let sent = std::fs::metadata(manager.path("journal")).map_or(0, |journal| journal.len());
        std::mem::replace(&mut before, sent) == sent && sent > 0
    });
    (manager, stream)
}

#[test]
fn one_whose_client_takes_nothing_is_ended_too() {
    let (manager, stream) = deaf("deaf");
    assert_eq!(cancel(&manager, "deaf"), json!({"id": "deaf", "was": "running"}));
    wait_until("its lease is back", PATIENCE, || manager.model("chat")["leases"] == 0);
    assert_eq!(outcome(&manager, "deaf")["outcome"], "cancelled");
    manager.post("/api/requests/deaf/cancel").send().error(404, "request_not_found");
    stream.leave();
}

#[test]
fn one_whose_run_was_replaced_is_found() {
    let (manager, stream) = deaf("old");
    let (pid, _) = manager.starts("chat")[0];
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    // What has come of its answer is still to be delivered, and the model begins anew.
    wait_until("another run serves", PATIENCE, || {
        manager.chat("chat").send().status == 200 && manager.starts("chat").len() == 2
    });
    assert_eq!(cancel(&manager, "old"), json!({"id": "old", "was": "running"}));
    assert_eq!(outcome(&manager, "old")["outcome"], "cancelled");
    stream.leave();
}

/// A client that keeps its connection keeps nothing of its request.
#[test]
fn an_answered_request_is_gone_though_its_connection_is_kept() {
    let manager = Manager::start(&Config::with(Model::chat("chat")));
    let url = manager.url();
    let mut client = TcpStream::connect(url.trim_start_matches("http://")).unwrap();
    let body = r#"{"model":"chat","stream":true,"messages":[{"role":"user","content":"x"}]}"#;
    let head = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nx-request-id: kept\r\n";
    client.write_all(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).unwrap();
    let mut came = Vec::new();
    while !came.ends_with(b"0\r\n\r\n") {
        let mut chunk = [0; 4096];
        let length = client.read(&mut chunk).unwrap();
        assert!(length > 0, "the connection is kept");
        came.extend_from_slice(&chunk[..length]);
    }
    wait_until("nothing runs", PATIENCE, || manager.api("/api/requests/running") == json!([]));
    let refused = manager.post("/api/requests/kept/cancel").send();
    refused.error(404, "request_not_found");
}
