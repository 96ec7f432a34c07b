//! What became of a request, and what it took, where engines and clients say it in their own way.

use std::io::Write;

use serde_json::{Value, json};

use crate::support::{Call, Config, End, Manager, Model, PATIENCE, Reply, wait_until};

mod kinds;

const CHAT: &str = "/v1/chat/completions";
const TEXT: &str = r#"{"choices":[{"index":0,"delta":{"content":"Once"},"finish_reason":null}]}"#;
const FINISH: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
const USAGE: &str = r#"{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":3,"total_tokens":8}}"#;

/// A manager whose backend answers with what a test has written down.
struct Stage {
    manager: Manager,
    told: std::cell::Cell<usize>,
}

impl Stage {
    fn new() -> Self {
        Self::of(&Config::with(Model::chat("chat")))
    }

    fn of(config: &Config) -> Self {
        Self { manager: Manager::start(config), told: std::cell::Cell::new(0) }
    }

    /// A request to which the backend answers with exactly these bytes, head and all.
    fn ask(&self, path: &str, stream: bool, answer: &[u8]) -> Call {
        self.told.set(self.told.get() + 1);
        let file = format!("answer-{}", self.told.get());
        std::fs::write(self.manager.path(&file), answer).unwrap();
        let body = json!({"model": "chat", "messages": [{"role": "user", "content": "hello you"}], "stream": stream});
        self.manager.post(path).json(&body).fake(&format!("raw={}", self.manager.word(&file)))
    }

    /// The answer to a stream of these events that ends in good order, and its row.
    #[track_caller]
    fn stream(&self, path: &str, events: &[&str]) -> (Reply, Value) {
        let reply = self.ask(path, true, &chunked("text/event-stream", &lines(events))).send();
        (reply, self.row())
    }

    /// The row of the request that was made last.
    #[track_caller]
    fn row(&self) -> Value {
        let mut rows = Vec::new();
        wait_until("the request is in the ledger", PATIENCE, || {
            rows = self.manager.api("/api/requests")["rows"].as_array().unwrap().clone();
            rows.len() >= self.told.get()
        });
        rows.remove(0)
    }
}

/// Events; what isn't JSON stands as it is.
fn lines(events: &[&str]) -> String {
    let line = |event: &&str| match event.starts_with('{') || event.starts_with('[') {
        true => format!("data: {event}\n\n"),
        false => (*event).to_owned(),
    };
    events.iter().map(line).collect()
}

fn chunked(content_type: &str, body: &str) -> Vec<u8> {
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n");
    // A chunk of nothing would be the end already.
    let chunk = if body.is_empty() { String::new() } else { format!("{:x}\r\n{body}\r\n", body.len()) };
    format!("{head}{chunk}0\r\n\r\n").into_bytes()
}

fn sized(status: &str, content_type: &str, body: &[u8], more: &str) -> Vec<u8> {
    let mut answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\n{more}Content-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    answer.extend_from_slice(body);
    answer
}

#[track_caller]
fn assert_outcome(row: &Value, outcome: &str, words: Option<&str>) {
    assert_eq!(row["outcome"], outcome, "{row}");
    match words {
        Some(words) => assert!(row["error"].as_str().unwrap_or_default().contains(words), "{words}: {row}"),
        None => assert_eq!(row["error"], Value::Null, "{row}"),
    }
}

#[test]
fn a_backends_status_is_told_apart_in_its_own_words() {
    let stage = Stage::new();
    for (status, body, outcome, words) in [
        ("500 Oops", r#"{"error":{"message":"CUDA error"}}"#, "backend_error", "CUDA error"),
        ("404 Not Found", r#"{"error":"Cannot find x"}"#, "rejected", "Cannot find x"),
        ("422 No", r#"{"detail":[{"msg":"extra field"}]}"#, "rejected", "extra field"),
        ("429 Slow", "slow down\nplease", "rejected", "slow down"),
    ] {
        let reply = stage.ask(CHAT, false, &sized(status, "application/json", body.as_bytes(), "")).send();
        assert_eq!(reply.text(), body);
        let row = stage.row();
        assert_outcome(&row, outcome, Some(words));
        assert_eq!(row["usage_source"], "none");
    }
    let total = &stage.manager.api("/api/usage/summary")["total"];
    assert_eq!(
        (&total["failed"], &total["rejected"], &total["unrecorded"]),
        (&json!(1), &json!(3), &json!(0))
    );
    let metrics = stage.manager.get("/metrics").send().text();
    assert!(
        metrics.contains(r#"llm_manager_requests_total{model="chat",outcome="rejected"} 3"#),
        "{metrics}"
    );
    let rows = |outcome: &str| {
        stage.manager.api(&format!("/api/requests?outcome={outcome}"))["rows"].as_array().unwrap().len()
    };
    assert_eq!((rows("failed"), rows("rejected"), rows("not_ok"), rows("ok")), (1, 3, 4, 0));
    assert!(stage.manager.cli_ok(&["usage"]).contains("REJECTED"));
}

#[test]
fn an_answer_without_a_body_is_ok() {
    let stage = Stage::new();
    for answer in [
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n",
    ] {
        stage.ask(CHAT, false, answer.as_bytes()).send();
        assert_outcome(&stage.row(), "ok", None);
    }
}

#[test]
fn an_error_within_a_stream_is_the_backends() {
    let stage = Stage::new();
    let error = r#"{"error":{"message":"the engine has died","code":500}}"#;
    let failed =
        r#"{"type":"response.failed","response":{"status":"failed","error":{"message":"no memory"}}}"#;
    let overloaded = "event: error\ndata: {\"type\":\"error\",\"error\":{\"message\":\"Overloaded\"}}\n\n";
    for (path, events, words) in [
        (CHAT, vec![TEXT, error, "[DONE]"], "the engine has died"),
        (CHAT, vec![error], "the engine has died"),
        ("/v1/completions", vec![TEXT, "event: error\ndata: plain words\n\n"], "plain words"),
        ("/v1/responses", vec![failed], "no memory"),
        ("/v1/messages", vec![overloaded], "Overloaded"),
    ] {
        let (reply, row) = stage.stream(path, &events);
        assert_eq!(reply.text(), lines(&events), "nothing is added to the backend's own error");
        assert_outcome(&row, "backend_error", Some(words));
    }
    let body = br#"{"error":{"message":"in a whole answer"}}"#;
    stage.ask(CHAT, false, &sized("200 OK", "application/json", body, "")).send();
    assert_outcome(&stage.row(), "backend_error", Some("in a whole answer"));
    assert_eq!(stage.manager.api("/api/usage/summary")["total"]["failed"], 6);
}

#[test]
fn a_stream_without_its_end_is_no_success() {
    let stage = Stage::new();
    let delta = r#"{"type":"response.output_text.delta","delta":"x"}"#;
    let block = r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"x"}}"#;
    for (path, events, words) in [
        (CHAT, vec![TEXT, TEXT], "`[DONE]`"),
        (CHAT, vec![TEXT, "proxy error: Failed to read connection\n"], "proxy error: Failed to read"),
        (CHAT, vec![": ping\n\n"], "without an event"),
        (CHAT, vec![], "without an event"),
        ("/v1/responses", vec![delta], "`response.completed`"),
        ("/v1/messages", vec![block], "`message_stop`"),
    ] {
        let (reply, row) = stage.stream(path, &events);
        assert!(
            // A line that is no event needn't reach the client: it is in the error's words.
            reply.text().starts_with(&lines(&events[..events.len().min(1)])) && reply.end == End::Complete,
            "{path} {events:?}: {:?} {:?}",
            reply.text(),
            reply.end
        );
        assert!(
            reply.text().contains("event: error\ndata: {") && reply.text().contains("\"backend_error\""),
            "{path}"
        );
        assert_outcome(&row, "backend_error", Some(words));
        assert_eq!(row["status"], 200);
    }
    for (path, events) in [
        (CHAT, vec![TEXT, "[DONE]"]),
        (CHAT, vec![TEXT, FINISH]),
        ("/v1/responses", vec![delta, r#"{"type":"response.incomplete","response":{}}"#]),
        ("/v1/messages", vec![block, r#"{"type":"message_stop"}"#]),
    ] {
        let (reply, row) = stage.stream(path, &events);
        assert_eq!(reply.text(), lines(&events));
        assert_outcome(&row, "ok", None);
    }
}

#[test]
fn an_answer_that_only_ends_with_its_connection_may_be_cut() {
    let stage = Stage::new();
    let old = |content_type: &str, body: &str| {
        format!("HTTP/1.0 200 OK\r\nContent-Type: {content_type}\r\n\r\n{body}")
    };
    let reply = stage.ask(CHAT, true, old("text/event-stream", &lines(&[TEXT])).as_bytes()).send();
    assert!(reply.text().contains("event: error"), "{}", reply.text());
    assert_outcome(&stage.row(), "backend_error", Some("`[DONE]`"));
    let reply = stage.ask(CHAT, false, old("application/json", r#"{"choices":[{"mess"#).as_bytes()).send();
    assert_eq!(reply.end, End::Cut, "half a document must not look whole");
    assert_outcome(&stage.row(), "backend_error", Some("in the middle"));
    let whole = r#"{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":3}}"#;
    assert_eq!(stage.ask(CHAT, false, old("application/json", whole).as_bytes()).send().text(), whole);
    let row = stage.row();
    assert_outcome(&row, "ok", None);
    assert_eq!(row["output_tokens"], 3);
}

#[test]
fn a_client_that_leaves_after_the_last_event_has_all_of_it() {
    let stage = Stage::new();
    let leave = |path: &str, events: &[&str], last: &str| {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
        let body = lines(events);
        let call = stage.ask(path, true, format!("{head}{:x}\r\n{body}\r\n", body.len()).as_bytes());
        // The backend keeps the connection open: the end of the body never comes.
        let script = format!(
            "raw={},stream_file={}",
            stage.manager.word(&format!("answer-{}", stage.told.get())),
            stage.manager.word("never")
        );
        let mut client = call.fake_instead(&script).open();
        client.until(last);
        client.leave();
        stage.row()
    };
    let row = leave(CHAT, &[TEXT, FINISH, USAGE, "[DONE]"], "[DONE]");
    assert_outcome(&row, "ok", None);
    assert_eq!((&row["output_tokens"], &row["usage_source"]), (&json!(3), &json!("backend")));
    let completed =
        r#"{"type":"response.completed","response":{"usage":{"input_tokens":5,"output_tokens":3}}}"#;
    assert_outcome(&leave("/v1/responses", &[completed], "response.completed"), "ok", None);
    assert_outcome(&leave("/v1/messages", &[r#"{"type":"message_stop"}"#], "message_stop"), "ok", None);
    assert_outcome(&leave(CHAT, &[TEXT], "Once"), "client_left", None);
    assert_outcome(&leave(CHAT, &[TEXT, r#"{"error":"x"}"#], "error"), "backend_error", Some("x"));
}

#[test]
fn a_backend_that_is_lost_after_its_last_word_has_said_all() {
    let stage = Stage::new();
    let lost = |body: &str| {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
        let reply = stage.ask(CHAT, true, format!("{head}{:x}\r\n{body}\r\n", body.len()).as_bytes()).send();
        (reply.text(), stage.row())
    };
    // Half an event that the client has not seen is no event.
    for rest in ["", "data: {\"choices\":[],", "data: [DONE]\n\n"] {
        let (text, row) = lost(&(lines(&[TEXT, FINISH]) + rest));
        assert_eq!(text, lines(&[TEXT, FINISH, "[DONE]"]), "{rest}");
        assert_outcome(&row, "ok", None);
    }
    let (text, row) = lost(&lines(&[TEXT]));
    assert!(text.contains("event: error") && !text.contains("[DONE]"), "{text}");
    assert_outcome(&row, "backend_error", Some("broke off"));
}

#[test]
fn what_the_engine_puts_beside_the_usage_reaches_the_client() {
    let stage = Stage::new();
    let timed = USAGE.replace("}}", r#"},"timings":{"predicted_per_second":42.5}}"#);
    let (reply, row) = stage.stream(CHAT, &[TEXT, FINISH, &timed, "[DONE]"]);
    let text = reply.text();
    assert!(text.contains(r#""timings":{"predicted_per_second":42.5}"#) && !text.contains("usage"), "{text}");
    assert_eq!((&row["input_tokens"], &row["output_tokens"]), (&json!(5), &json!(3)));
    let named = format!("event: message\nid: 7\ndata: {USAGE}\n\n");
    let (reply, row) = stage.stream(CHAT, &[TEXT, FINISH, &named, "[DONE]"]);
    assert_eq!(reply.text(), lines(&[TEXT, FINISH, "[DONE]"]));
    assert_eq!(row["output_tokens"], 3);
    // Under a wrong name, it is a stream all the same.
    for content_type in ["text/plain", "application/octet-stream", "application/json"] {
        stage.ask(CHAT, true, &chunked(content_type, &lines(&[TEXT, FINISH, USAGE, "[DONE]"]))).send();
        assert_eq!(stage.row()["output_tokens"], 3, "{content_type}");
    }
}

fn gzip(plain: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(plain.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_packed_answer_is_counted_and_unpacked() {
    let stage = Stage::new();
    let whole = r#"{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":3}}"#;
    let packed =
        |content_type: &str, body: &[u8]| sized("200 OK", content_type, body, "Content-Encoding: gzip\r\n");
    let reply = stage.ask(CHAT, false, &packed("application/json", &gzip(whole))).send();
    assert_eq!((reply.text().as_str(), reply.header("content-encoding")), (whole, None));
    assert_eq!(stage.row()["output_tokens"], 3);
    let stream = lines(&[TEXT, FINISH, USAGE, "[DONE]"]);
    let reply = stage.ask(CHAT, true, &packed("text/event-stream", &gzip(&stream))).send();
    assert_eq!(reply.text(), lines(&[TEXT, FINISH, "[DONE]"]));
    assert_eq!(stage.row()["output_tokens"], 3);
    let broken = gzip(&stream);
    let reply = stage.ask(CHAT, true, &packed("text/event-stream", &broken[..broken.len() / 2])).send();
    assert!(reply.text().contains("event: error"), "{}", reply.text());
    assert_outcome(&stage.row(), "backend_error", Some("gzip"));
    // What nobody reads stays as it is.
    let reply = stage.ask(CHAT, false, &packed("audio/wav", &gzip("sound"))).send();
    assert_eq!((&reply.body, reply.header("content-encoding")), (&gzip("sound"), Some("gzip")));
}

#[test]
fn an_engine_that_refuses_stream_options_is_asked_once() {
    let manager = Manager::start(&Config::with(Model::chat("chat")));
    let asked = || manager.stats("chat")["requests"].clone();
    let stream = || manager.chat_stream("chat").fake("strict=1,tokens=3").send();
    assert!(stream().ok().text().contains("[DONE]"));
    let log = "the engine refuses `stream_options`";
    assert!(manager.log().contains(log), "{}", manager.log());
    assert!(stream().ok().text().contains("[DONE]"));
    assert_eq!(manager.log().matches(log).count(), 1, "{}", asked());
    // A body that is wrong by itself is refused, once it is known that the option isn't.
    let other = Manager::start(&Config::with(Model::chat("chat")));
    other.chat_stream("chat").send().ok();
    let reply = other.chat_stream("chat").fake("strict=1").send();
    assert_eq!(reply.status, 422, "{}", reply.text());
    let told = Manager::start(&Config::with(Model::chat("chat").line("stream_usage: false")));
    let text = told.chat_stream("chat").fake("strict=1,tokens=3").send().ok().text();
    assert!(text.contains("[DONE]") && !told.log().contains(log));
}

/// `end_with_client`: a plain request goes up as a stream, and nothing of that shows.
#[test]
fn a_stream_that_stands_for_a_plain_answer_is_told_as_one() {
    let stage = Stage::of(&Config::with(Model::chat("chat").line("end_with_client: true")));
    let answer = |path: &str, events: &[&str]| {
        let reply = stage.ask(path, false, &chunked("text/event-stream", &lines(events))).send();
        (reply, stage.row())
    };
    let (reply, row) = answer(CHAT, &[TEXT, FINISH, "[DONE]"]);
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json; charset=utf-8")));
    assert_eq!(reply.json()["choices"][0]["finish_reason"], "stop");
    assert_outcome(&row, "ok", None);
    let busy = r#"{"error":{"code":503,"message":"busy"}}"#;
    let (reply, row) = answer(CHAT, &[TEXT, busy, "[DONE]"]);
    assert_eq!((reply.status, reply.json()["error"]["message"].clone()), (503, json!("busy")));
    assert_eq!(row["status"], 503);
    assert_outcome(&row, "backend_error", Some("busy"));
    let (reply, row) = answer(CHAT, &[TEXT, r#"{"error":{"code":400,"message":"too long"}}"#]);
    assert_eq!((reply.status, &row["status"]), (400, &json!(400)));
    assert_outcome(&row, "rejected", Some("too long"));
    // What breaks off is no answer.
    let (reply, row) = answer(CHAT, &[TEXT, TEXT]);
    reply.error(502, "backend_error");
    assert_eq!(row["status"], 502, "the status that the client got");
    assert_outcome(&row, "backend_error", Some("`[DONE]`"));
    let (reply, row) = answer(CHAT, &[TEXT, r#"{"choices":[{"#, FINISH, "[DONE]"]);
    reply.error(502, "backend_error");
    assert_eq!(row["status"], 502);
    assert_outcome(&row, "backend_error", Some("no JSON"));
    // An error in words that only the ledger's reader knows.
    for event in [r#"{"object":"error","message":"busy","code":50001}"#, "event: error\ndata: busy\n\n"] {
        let (reply, row) = answer(CHAT, &[TEXT, event, FINISH, "[DONE]"]);
        assert!(reply.status == 500 && reply.text().contains("busy"), "{event}: {}", reply.text());
        assert_eq!(row["status"], 500);
        assert_outcome(&row, "backend_error", Some("busy"));
    }
    // Ollama's clients, too.
    let (reply, row) = answer("/api/chat", &[TEXT, FINISH, USAGE, "[DONE]"]);
    let record = reply.ok().json();
    assert_eq!(
        (&record["message"]["content"], &record["eval_count"]),
        (&json!("Once"), &json!(3)),
        "{record}"
    );
    assert_outcome(&row, "ok", None);
    let (reply, row) = answer("/api/chat", &[TEXT, busy, "[DONE]"]);
    assert_eq!((reply.status, reply.json()), (503, json!({"error": "busy"})));
    assert_outcome(&row, "backend_error", Some("busy"));
    // Anthropic's form streams without being asked for usage: that teaches nothing of `stream_options`.
    let start = r#"{"type":"message_start","message":{"id":"m","content":[],"usage":{"input_tokens":4}}}"#;
    let block = r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"hi"}}"#;
    let (reply, _) = answer("/v1/messages", &[start, block, r#"{"type":"message_stop"}"#]);
    assert_eq!(reply.ok().json()["content"][0]["text"], "hi");
    let refuses = Stage::of(&Config::with(Model::chat("chat").line("end_with_client: true")));
    let events = lines(&[start, block, r#"{"type":"message_stop"}"#]);
    refuses.ask("/v1/messages", false, &chunked("text/event-stream", &events)).send().ok();
    let reply = refuses.manager.chat("chat").fake("strict=1,tokens=2").send().ok();
    assert_eq!(reply.json()["choices"][0]["message"]["content"], "word0 word1 ");
}

#[test]
fn images_are_no_text_and_tools_are_no_prose() {
    let stage = Stage::new();
    let image = format!("data:image/jpeg;base64,{}", "QUJD".repeat(100_000));
    let content = json!([{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": image}}]);
    let body = json!({"model": "chat", "stream": true, "messages": [{"role": "user", "content": content}]});
    stage.told.set(1);
    std::fs::write(stage.manager.path("answer"), chunked("text/event-stream", &lines(&[TEXT, FINISH])))
        .unwrap();
    let call = stage.manager.post(CHAT).json(&body);
    call.fake(&format!("raw={}", stage.manager.word("answer"))).send().ok();
    let row = stage.row();
    // 13 letters.
    assert_eq!((&row["input_tokens"], &row["usage_source"]), (&json!(4), &json!("estimated")));
}
