//! The fake model server itself: what the other tests rely on.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Call, End, PATIENCE, free_port, wait_until};

struct Fake {
    port: u16,
    child: Child,
}

impl Fake {
    fn start(flags: &[&str]) -> Self {
        let port = free_port();
        let child = Command::new(env!("CARGO_BIN_EXE_fake-model-server"))
            .args(["--port", &port.to_string()])
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { port, child }
    }

    fn ready(flags: &[&str]) -> Self {
        let fake = Self::start(flags);
        wait_until("the fake listens", PATIENCE, || {
            Call::new(fake.port, "GET", "/health").try_send().is_ok_and(|reply| reply.status == 200)
        });
        fake
    }

    fn chat(&self, stream: bool) -> Call {
        Call::new(self.port, "POST", "/v1/chat/completions").chat("any", stream)
    }

    fn stats(&self) -> Value {
        Call::new(self.port, "GET", "/fake/stats").send().json()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn streams_have_the_same_bytes_however_they_are_cut() {
    let fake = Fake::ready(&[]);
    let plain = fake.chat(true).fake("tokens=3").send().ok().text();
    assert_eq!(plain.matches("data: ").count(), 6, "{plain}");
    assert!(plain.ends_with("data: [DONE]\n\n") && !plain.contains("usage"), "{plain}");
    assert_eq!(fake.chat(true).fake("tokens=3,split=1").send().ok().text(), plain);
    assert_eq!(fake.chat(true).fake("tokens=3,crlf=1").send().ok().text(), plain.replace('\n', "\r\n"));
    let body = json!({"stream": true, "max_tokens": 2, "stream_options": {"include_usage": true}});
    let call = Call::new(fake.port, "POST", "/v1/completions?prompt=5&cached=4").json(&body);
    let text = call.send().ok().text();
    assert!(text.contains(r#""choices":[],"#) && text.contains(r#""cached_tokens":4"#), "{text}");
}

#[test]
fn broken_answers_are_broken_where_they_were_told_to() {
    let fake = Fake::ready(&[]);
    let reply = fake.chat(true).fake("cut=mid-stream,tokens=4").send();
    assert_eq!(reply.end, End::Cut);
    assert!(reply.text().contains("word1 ") && !reply.text().contains("word2 "), "{}", reply.text());
    let reply = fake.chat(false).fake("cut=mid-json").send();
    assert_eq!((reply.status, reply.end), (200, End::Cut));
    assert!(fake.chat(false).fake("cut=before-answer").try_send().is_err());
    assert!(fake.chat(false).fake("wrong=garbage").try_send().is_err());
    let reply = fake.chat(false).fake("status=418").send();
    assert_eq!((reply.status, reply.end), (418, End::Complete));
    let reply = fake.chat(false).fake("status=204").send();
    assert_eq!((reply.status, reply.body.len(), reply.end), (204, 0, End::Complete));
}

#[test]
fn death_comes_once() {
    let mut fake = Fake::ready(&[]);
    let dir = tempfile::tempdir().unwrap();
    let once = dir.path().join("once").display().to_string();
    assert!(fake.chat(false).fake(&format!("die=before-answer,once={once}")).try_send().is_err());
    assert_eq!(fake.child.wait().unwrap().code(), Some(9));
    let next = Fake::ready(&[]);
    next.chat(false).fake(&format!("die=before-answer,once={once}")).send().ok();
}

#[test]
fn lost_clients_are_noticed() {
    let fake = Fake::ready(&[]);
    let mut client = fake.chat(true).fake("tokens=4,stream_file=/nonexistent/never").open();
    client.until("word1 ");
    assert_eq!(fake.stats()["active"], 1);
    client.leave();
    wait_until("it is noticed", PATIENCE, || fake.stats()["aborted"] == 1);
    assert_eq!(fake.stats()["active"], 0);
    assert!(fake.stats()["disconnects"][0]["at_us"].as_u64().is_some());
}

#[test]
fn loading_and_dying_at_start() {
    let dir = tempfile::tempdir().unwrap();
    let loaded = dir.path().join("loaded");
    let fake = Fake::start(&["--load-until-file", &loaded.display().to_string()]);
    let mut reply = None;
    wait_until("the port is open", PATIENCE, || {
        reply = Call::new(fake.port, "GET", "/health").try_send().ok();
        reply.is_some()
    });
    let reply = reply.unwrap();
    assert_eq!((reply.status, reply.json()["error"]["type"].clone()), (503, json!("unavailable_error")));
    std::fs::File::create(&loaded).unwrap();
    assert_eq!(Call::new(fake.port, "GET", "/health").send().status, 200);
    let mut dead = Fake::start(&["--die-at-start", "7"]);
    assert_eq!(dead.child.wait().unwrap().code(), Some(7));
}

#[test]
fn term_ends_it_unless_it_ignores_it() {
    use nix::sys::signal::{Signal, kill};
    let pid = |fake: &Fake| nix::unistd::Pid::from_raw(fake.child.id().cast_signed());
    let mut meek = Fake::ready(&[]);
    kill(pid(&meek), Signal::SIGTERM).unwrap();
    assert_eq!(meek.child.wait().unwrap().code(), Some(0));
    let mut stubborn = Fake::ready(&["--ignore-term"]);
    kill(pid(&stubborn), Signal::SIGTERM).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(stubborn.child.try_wait().unwrap(), None);
}

#[test]
fn headers_are_echoed_as_they_came() {
    let fake = Fake::ready(&[]);
    let reply = Call::new(fake.port, "POST", "/v1/embeddings?a=%20b&echo=1")
        .header("X-One", "1")
        .header("x-one", "2")
        .body("not even json")
        .send()
        .ok()
        .json();
    assert_eq!(reply["body"], "not even json");
    assert_eq!(reply["query"], "a=%20b&echo=1");
    let names: Vec<_> =
        reply["headers"].as_array().unwrap().iter().map(|pair| pair[0].as_str().unwrap()).collect();
    assert_eq!(names, ["Host", "X-One", "x-one", "Content-Length"]);
}
