//! The contract's section 4: what an OpenAI client sees.

use serde_json::{Value, json};

use crate::support::{Call, Config, End, Manager, Model, PATIENCE, Reply, wait_until};

fn chat() -> Manager {
    Manager::start(&Config::with(Model::chat("chat").line("aliases: [gpt-3.5-turbo, other]")))
}

/// The same request to the backend itself.
fn direct(manager: &Manager, path: &str) -> Call {
    let (_, port) = manager.starts("chat")[0];
    Call::new(port, "POST", path)
}

fn warm(manager: &Manager) {
    manager.chat("chat").send().ok();
}

/// The (lower-case) names and values of the headers that the backend got.
fn echoed(reply: &Reply) -> Vec<(String, String)> {
    let value = reply.json();
    let pair = |pair: &Value| {
        let text = |at: usize| pair[at].as_str().unwrap().to_owned();
        (text(0).to_ascii_lowercase(), text(1))
    };
    value["headers"].as_array().unwrap().iter().map(pair).collect()
}

fn value_of(headers: &[(String, String)], name: &str) -> Option<String> {
    headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
}

#[test]
fn models_are_listed_with_their_aliases() {
    let manager = chat();
    let list = manager.get("/v1/models").send().ok().json();
    assert_eq!(list["object"], "list");
    let ids: Vec<&str> = list["data"].as_array().unwrap().iter().filter_map(|m| m["id"].as_str()).collect();
    for name in ["chat", "gpt-3.5-turbo", "other"] {
        assert!(ids.contains(&name), "{ids:?}");
        let one = manager.get(&format!("/v1/models/{name}")).send().ok().json();
        assert_eq!((&one["id"], &one["object"]), (&json!(name), &json!("model")));
    }
    manager.get("/v1/models/nobody").send().error(404, "model_not_found");
    assert_eq!(manager.state("chat"), "stopped", "listing starts nothing");
}

#[test]
fn a_name_and_an_alias_reach_the_same_backend_with_the_body_as_it_was() {
    let manager = chat();
    for name in ["chat", "gpt-3.5-turbo", "other"] {
        let body = format!(
            "{{ \"model\" : \"{name}\",\n\t\"messages\": [], \"odd\": 1.50e+2, \"é\": \"\\u00e9\" }}"
        );
        let reply = manager.post("/v1/chat/completions").fake("echo=1").body(body.clone()).send().ok();
        assert_eq!(reply.json()["body"], json!(body));
    }
    assert_eq!(manager.starts("chat").len(), 1);
}

#[test]
fn every_endpoint_answers_as_its_backend_does() {
    let manager = Manager::start(
        &Config::new()
            .model(Model::chat("chat"))
            .model(Model::new("base", "Base"))
            .model(Model::new("embed", "Embedding"))
            .model(Model::new("rerank", "Reranker")),
    );
    for (model, path) in [
        ("chat", "/v1/chat/completions"),
        ("chat", "/v1/completions"),
        ("chat", "/v1/responses"),
        ("chat", "/v1/messages"),
        ("base", "/v1/completions"),
        ("embed", "/v1/embeddings"),
        ("rerank", "/v1/rerank"),
    ] {
        let body = json!({"model": model, "input": "a", "query": "a", "documents": ["b"], "prompt": "c"});
        let ours = manager.post(path).json(&body).send().ok();
        let (_, port) = manager.starts(model)[0];
        let theirs = Call::new(port, "POST", path).json(&body).send().ok();
        assert_eq!(ours.text(), theirs.text(), "{path}");
        assert_eq!(ours.header("content-type"), theirs.header("content-type"), "{path}");
    }
}

#[test]
fn streams_pass_byte_for_byte() {
    let manager = chat();
    warm(&manager);
    for path in ["/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages"] {
        for script in ["tokens=5", "tokens=5,crlf=1", "tokens=3,split=1", "tokens=3,split=1,crlf=1", "ping=1"]
        {
            let body = json!({"model": "chat", "stream": true});
            let ours = manager.post(path).fake(script).json(&body).send().ok();
            let theirs = direct(&manager, path).fake(script).json(&body).send().ok();
            assert_eq!(ours.text(), theirs.text(), "{path} {script}");
            assert_eq!(ours.header("content-type"), Some("text/event-stream"));
            assert_eq!(ours.header("x-accel-buffering"), Some("no"));
        }
    }
}

#[test]
fn chunks_are_forwarded_as_they_arrive() {
    let manager = chat();
    let script = format!("tokens=4,stream_file={}", manager.word("go"));
    let mut stream = manager.chat_stream("chat").fake(&script).open();
    stream.until("word1 ");
    assert_eq!(manager.model("chat")["leases"], 1);
    manager.touch("go");
    stream.until("word3 ");
    assert!(stream.finish().ok().text().ends_with("data: [DONE]\n\n"));
}

#[test]
fn usage_is_asked_for_and_hidden() {
    let manager = chat();
    warm(&manager);
    // What the backend gets: the usage asked for, everything else as it was.
    for (options, rest) in [
        (None, json!({"model": "chat", "stream": true, "messages": [], "n": 1})),
        (
            Some(json!({"include_usage": false})),
            json!({"model": "chat", "stream": true, "temperature": 0.25}),
        ),
        (Some(json!({})), json!({"stream": true, "model": "chat"})),
        (Some(Value::Null), json!({"stream": true, "model": "chat"})),
    ] {
        let mut body = rest.clone();
        if let Some(options) = options {
            body["stream_options"] = options;
        }
        let call = manager.post("/v1/chat/completions").fake("echo=1").json(&body);
        let got: Value = serde_json::from_str(call.send().ok().json()["body"].as_str().unwrap()).unwrap();
        assert_eq!(got["stream_options"]["include_usage"], true, "{got}");
        let mut got = got;
        got.as_object_mut().unwrap().remove("stream_options");
        assert_eq!(got, rest);
    }
    // What the client gets: no usage, although the backend sends it.
    for script in ["tokens=3", "tokens=3,crlf=1", "tokens=3,split=1"] {
        let text = manager.chat_stream("chat").fake(script).send().ok().text();
        assert!(!text.contains("\"usage\""), "{script}: {text}");
        assert!(text.contains("[DONE]"), "{script}: {text}");
    }
}

#[test]
fn usage_that_the_client_asked_for_is_passed() {
    let manager = chat();
    warm(&manager);
    let body = json!({"model": "chat", "stream": true, "stream_options": {"include_usage": true}});
    for script in ["tokens=3,prompt=7,cached=5", "tokens=3,prompt=7,cached=5,split=1,crlf=1"] {
        let ours = manager.post("/v1/chat/completions").fake(script).json(&body).send().ok().text();
        let theirs = direct(&manager, "/v1/chat/completions").fake(script).json(&body).send().ok().text();
        assert_eq!(ours, theirs);
        assert!(ours.contains("\"cached_tokens\":5"), "{ours}");
    }
}

#[test]
fn nothing_is_asked_of_a_request_that_does_not_stream() {
    let manager = chat();
    for body in
        [r#"{"model":"chat"}"#, r#"{"model":"chat","stream":false}"#, r#"{"stream": null,"model":"chat"}"#]
    {
        let reply = manager.post("/v1/chat/completions").fake("echo=1").body(body).send().ok();
        assert_eq!(reply.json()["body"], json!(body));
    }
}

#[test]
fn malformed_requests_are_400() {
    let manager = chat();
    let bodies: [&[u8]; 14] = [
        b"",
        b"{",
        b"null",
        b"[]",
        b"\"chat\"",
        b"{}",
        b"not json",
        b"{\"model\":1}",
        b"{\"model\":null}",
        b"{\"model\":\"\"}",
        b"{\"messages\":[{\"model\":\"chat\"}]}",
        b"{\"model\":\"chat\"",
        b"{\"model\":\"chat\"} trailing",
        b"{\"model\":\"chat\",\"a\":\"\xff\xfe\"}",
    ];
    for body in bodies {
        let reply = manager.post("/v1/chat/completions").body(body).send();
        let shown = String::from_utf8_lossy(body).into_owned();
        // An empty name is no model either way.
        if reply.status != 404 || shown != "{\"model\":\"\"}" {
            eprintln!("{shown}");
            reply.error(400, "invalid_request");
        }
    }
    let deep = format!("{{\"model\":\"chat\",\"a\":{}", "[".repeat(200_000));
    manager.post("/v1/chat/completions").body(deep).send().error(400, "invalid_request");
    assert!(manager.starts("chat").is_empty(), "a bad request starts nothing");
}

#[test]
fn unknown_models_and_wrong_modes() {
    let manager =
        Manager::start(&Config::new().model(Model::chat("chat")).model(Model::new("embed", "Embedding")));
    let reply = manager.chat("nobody").send().error(404, "model_not_found");
    assert!(reply.message().contains("nobody"), "{}", reply.message());
    let reply = manager.chat("embed").send().error(400, "mode_mismatch");
    assert!(reply.message().contains("Embedding"), "{}", reply.message());
    let body = json!({"model": "chat", "input": "x"});
    manager.post("/v1/embeddings").json(&body).send().error(400, "mode_mismatch");
    manager.post("/v1/rerank").json(&body).send().error(400, "mode_mismatch");
    assert!(manager.starts("chat").is_empty() && manager.starts("embed").is_empty());
}

#[test]
fn unknown_paths_and_methods_get_errors_in_the_same_form() {
    let manager = chat();
    for call in [
        manager.post("/v1/nonsense").chat("chat", false),
        manager.get("/v1/chat/completions"),
        manager.get("/nonsense"),
        manager.bare("DELETE", "/v1/models"),
    ] {
        let reply = call.send();
        assert!(matches!(reply.status, 404 | 405), "{call:?}: {}", reply.status);
        assert!(reply.json()["error"]["code"].is_string(), "{call:?}: {}", reply.text());
    }
}

#[test]
fn a_declared_mode_serves_its_endpoints() {
    let manager =
        Manager::start(&Config::with(Model::new("voice", "Speech")).top(
            "modes:\n  Speech: {endpoints: [\"/v1/audio/speech\"], probe: {method: GET, path: /health}}",
        ));
    let body = json!({"model": "voice", "input": "hello"});
    let reply = manager.post("/v1/audio/speech").fake("size=70000").json(&body).send().ok();
    assert_eq!(reply.header("content-type"), Some("audio/wav"));
    assert_eq!(reply.body, vec![b'~'; 70_000]);
    manager.chat("voice").send().error(400, "mode_mismatch");
}

#[test]
fn bodies_up_to_the_limit_pass() {
    let manager = Manager::start(&Config::with(Model::chat("chat")).program("max_body_mb: 4"));
    warm(&manager);
    let body = |size: usize| json!({"model": "chat", "padding": "x".repeat(size)});
    let big = body(3_500_000);
    let reply = manager.post("/v1/chat/completions").fake("echo=1").json(&big).send().ok();
    assert_eq!(reply.json()["body"].as_str().map(str::len), Some(big.to_string().len()));
    let reply = manager.post("/v1/chat/completions").json(&body(5_000_000)).try_send();
    // The connection may be closed before all of the body was read: then the answer can be lost.
    if let Ok(reply) = reply {
        assert_eq!(reply.status, 413);
        assert!(reply.json()["error"]["code"].is_string());
    }
    let reply = manager.chat("chat").fake("size=20000000").send().ok();
    assert!(reply.body.len() > 20_000_000);
}

#[test]
fn the_default_limit_takes_large_bodies() {
    let manager = chat();
    let body = json!({"padding": "x".repeat(20_000_000), "model": "chat"});
    let reply = manager.post("/v1/chat/completions").json(&body).send().ok();
    assert_eq!(reply.json()["object"], "chat.completion");
}

#[test]
fn request_headers_pass_and_hop_by_hop_ones_do_not() {
    let manager = chat();
    let reply = manager
        .chat("chat")
        .fake("echo=1")
        .header("X-Custom", "one")
        .header("X-Custom", "two")
        .header("Accept-Encoding", "gzip, br")
        .header("User-Agent", "test/1")
        .header("OpenAI-Organization", "org")
        .header("Connection", "keep-alive, X-Private")
        .header("X-Private", "1")
        .header("Keep-Alive", "timeout=9")
        .header("Proxy-Connection", "keep-alive")
        .header("Proxy-Authorization", "Basic secret")
        .header("TE", "trailers")
        .header("Trailer", "X-Sum")
        .send()
        .ok();
    let headers = echoed(&reply);
    let custom: Vec<_> =
        headers.iter().filter(|(name, _)| name == "x-custom").map(|(_, v)| v.as_str()).collect();
    assert_eq!(custom, ["one", "two"]);
    assert_eq!(value_of(&headers, "accept-encoding").as_deref(), Some("gzip, br"));
    assert_eq!(value_of(&headers, "user-agent").as_deref(), Some("test/1"));
    assert_eq!(value_of(&headers, "openai-organization").as_deref(), Some("org"));
    assert_eq!(value_of(&headers, "content-type").as_deref(), Some("application/json"));
    for name in ["x-private", "keep-alive", "proxy-connection", "proxy-authorization", "te", "trailer"] {
        assert_eq!(value_of(&headers, name), None, "{name} has passed");
    }
    let connection = value_of(&headers, "connection").unwrap_or_default();
    assert!(!connection.to_ascii_lowercase().contains("x-private"), "{connection}");
}

#[test]
fn query_strings_pass() {
    let manager = chat();
    let body = json!({"model": "chat"});
    let path = "/v1/chat/completions?echo=1&api-version=2024%2D10&x=%20y&&z";
    let reply = manager.post(path).json(&body).send().ok();
    assert_eq!(reply.json()["query"], "echo=1&api-version=2024%2D10&x=%20y&&z");
    assert_eq!(reply.json()["path"], "/v1/chat/completions");
}

#[test]
fn request_ids_are_kept_or_made() {
    let manager = chat();
    let reply = manager.chat("chat").fake("echo=1").header("X-Request-Id", "id-of-mine-7").send().ok();
    assert_eq!(reply.header("x-request-id"), Some("id-of-mine-7"));
    assert_eq!(value_of(&echoed(&reply), "x-request-id").as_deref(), Some("id-of-mine-7"));
    wait_until("the id is in the log", PATIENCE, || manager.log().contains("id-of-mine-7"));
    let reply = manager.chat("chat").fake("echo=1").send().ok();
    let made = reply.header("x-request-id").expect("an id").to_owned();
    assert!(!made.is_empty());
    // Some backends refuse what is no UUID.
    let sent = value_of(&echoed(&reply), "x-request-id").expect("an id");
    assert!(sent.starts_with(&made) && sent.len() == 32, "{sent}");
    assert!(sent.bytes().all(|byte| byte.is_ascii_hexdigit()), "{sent}");
    wait_until("the made id is in the log", PATIENCE, || manager.log().contains(&made));
    let other = manager.chat("nobody").send().error(404, "model_not_found");
    assert_ne!(other.header("x-request-id").expect("an id on errors too"), made);
}

#[test]
fn keys_open_the_door_and_stay_here() {
    let manager = Manager::start(&Config::with(Model::chat("chat")).api_key("secret-1").api_key("secret-2"));
    let bare = || manager.bare("POST", "/v1/chat/completions").chat("chat", false).fake("echo=1");
    bare().send().error(401, "invalid_api_key");
    bare().header("Authorization", "Bearer wrong").send().error(401, "invalid_api_key");
    bare().header("Authorization", "Bearer secret-").send().error(401, "invalid_api_key");
    bare().header("Authorization", "secret-1").send().error(401, "invalid_api_key");
    bare().header("x-api-key", "wrong").send().error(401, "invalid_api_key");
    manager.bare("GET", "/v1/models").send().error(401, "invalid_api_key");
    manager.bare("GET", "/api/models").send().error(401, "invalid_api_key");
    assert!(manager.starts("chat").is_empty());
    assert_eq!(manager.bare("GET", "/health").send().status, 200);
    for (name, value) in [
        ("Authorization", "Bearer secret-1"),
        ("authorization", "bearer secret-2"),
        ("X-Api-Key", "secret-2"),
    ] {
        let headers = echoed(&bare().header(name, value).send().ok());
        assert!(!headers.iter().any(|(_, value)| value.contains("secret")), "{headers:?}");
    }
    assert!(!manager.log().contains("secret-1"), "a key is in the log");
}

#[test]
fn without_keys_of_ours_authorization_passes() {
    let manager = chat();
    let reply = manager.chat("chat").fake("echo=1").header("Authorization", "Bearer theirs").send().ok();
    assert_eq!(value_of(&echoed(&reply), "authorization").as_deref(), Some("Bearer theirs"));
}

#[test]
fn statuses_and_errors_of_the_backend_pass() {
    let manager = chat();
    for status in [400, 404, 418, 429, 500, 503] {
        let reply = manager.chat("chat").fake(&format!("status={status}")).send();
        assert_eq!(reply.status, status);
        assert_eq!(reply.json()["error"]["type"], "fake_error", "{}", reply.text());
    }
    for status in [204, 304] {
        let reply = manager.chat("chat").fake(&format!("status={status}")).send();
        assert_eq!((reply.status, reply.end), (status, End::Complete));
        assert_eq!(reply.header("x-backend"), Some("fake"));
        assert!(reply.body.is_empty());
        assert_eq!(reply.header("transfer-encoding"), None);
    }
    assert_eq!(manager.chat("chat").send().ok().header("server"), Some("fake"));
    assert_eq!(manager.starts("chat").len(), 1);
}

#[test]
fn head_requests_have_no_body() {
    let manager = chat();
    for path in ["/v1/models", "/health"] {
        let reply = manager.bare("HEAD", path).send();
        assert_eq!((reply.status, reply.body.len()), (200, 0), "{path}");
    }
}

#[test]
fn answers_that_are_not_http_are_502() {
    let manager = chat();
    warm(&manager);
    manager.chat("chat").fake("wrong=garbage").send().error(502, "backend_error");
    manager.chat("chat").fake("wrong=headers").send().error(502, "backend_error");
    manager.chat("chat").fake("cut=before-answer").send().error(502, "backend_error");
    manager.chat("chat").send().ok();
    assert_eq!(manager.starts("chat").len(), 1, "a broken connection is no broken backend");
}

#[test]
fn a_broken_body_is_a_broken_connection() {
    let manager = chat();
    warm(&manager);
    let reply = manager.chat("chat").fake("cut=mid-json").send();
    assert_eq!((reply.status, reply.end), (200, End::Cut));
    let reply = manager.chat_stream("chat").fake("cut=mid-stream,tokens=6").send();
    let text = reply.text();
    assert!(text.contains("word0") && !text.contains("[DONE]"), "{text}");
    assert!(text.contains("event: error") && text.contains("backend_error"), "{text}");
}

#[test]
fn stale_connections_are_replayed() {
    let manager = chat();
    for _ in 0..20 {
        manager.chat("chat").fake("close=1").send().ok();
        manager.chat("chat").send().ok();
    }
    assert_eq!(manager.starts("chat").len(), 1);
}

#[test]
fn requests_can_follow_each_other_on_one_connection() {
    use std::io::{Read, Write};
    let manager = chat();
    warm(&manager);
    let port: u16 = manager.url().rsplit(':').next().unwrap().parse().unwrap();
    let mut socket = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    for round in 0..3 {
        let body = json!({"model": "chat", "stream": round == 1}).to_string();
        let (first, second) = body.split_at(9);
        let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
        let text =
            format!("{head}{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n", first.len(), second.len());
        socket.write_all(text.as_bytes()).unwrap();
        let mut got = Vec::new();
        let end: &[u8] = if round == 1 { b"0\r\n\r\n" } else { b"}}" };
        while !got.ends_with(end) {
            let mut bytes = [0; 4096];
            let count = socket.read(&mut bytes).unwrap();
            assert!(count > 0, "closed: {}", String::from_utf8_lossy(&got));
            got.extend_from_slice(&bytes[..count]);
        }
        assert!(got.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&got));
    }
}
