//! What passes through the gateway whole: paths, bodies, names, WebSockets, and the rest of a backend.

use std::io::{Read, Write};
use std::net::TcpStream;

use flate2::Compression;
use flate2::write::GzEncoder;
use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::support::{Call, Config, Manager, Model, PATIENCE, Reply, Variant, wait_until};

fn rows(manager: &Manager, query: &str) -> Vec<Value> {
    manager.api(&format!("/api/requests?{query}"))["rows"].as_array().unwrap().clone()
}

/// The row of a request, once it is written.
fn row(manager: &Manager, reply: &Reply) -> Value {
    let id = reply.header("x-request-id").unwrap().to_owned();
    let mut found = vec![];
    wait_until("the row is written", PATIENCE, || {
        found = rows(manager, &format!("request_id={id}"));
        !found.is_empty()
    });
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

fn header(reply: &Reply, name: &str) -> Option<String> {
    let json = reply.json();
    let headers = json["headers"].as_array().unwrap().clone();
    let found = headers.iter().find(|pair| pair[0].as_str().unwrap().eq_ignore_ascii_case(name));
    found.map(|pair| pair[1].as_str().unwrap().to_owned())
}

fn two_modes() -> Manager {
    Manager::start(&Config::with(Model::chat("chat")).model(Model::new("rank", "Reranker")))
}

#[test]
fn paths_that_people_get_wrong_reach_the_backend_by_the_right_one() {
    let manager = two_modes();
    for (model, path, backend) in [
        ("chat", "/chat/completions", "/v1/chat/completions"),
        ("chat", "/v1/v1/messages?beta=true", "/v1/messages"),
        ("chat", "//v1//responses/", "/v1/responses"),
        ("chat", "/v1/messages/count_tokens", "/v1/messages/count_tokens"),
        ("chat", "/responses/input_tokens", "/v1/responses/input_tokens"),
        ("chat", "/v1/apply-template", "/apply-template"),
        ("chat", "/infill", "/infill"),
        ("rank", "/tokenize", "/tokenize"),
        ("rank", "/rerank", "/v1/rerank"),
        ("rank", "/v2/rerank", "/v1/rerank"),
        ("rank", "/v1/reranking", "/v1/rerank"),
        ("rank", "/score", "/v1/score"),
        ("rank", "/pooling", "/pooling"),
        ("rank", "/v1/classify", "/classify"),
    ] {
        let reply = manager.post(path).fake("echo=1").json(&json!({"model": model})).send().ok();
        assert_eq!(reply.json()["path"], backend, "{path}");
        let query = path.split_once('?').map_or("", |(_, query)| query);
        assert_eq!(reply.json()["query"], query, "{path}");
    }
    for path in ["/models", "/v1/models/", "/v1/v1/models", "//v1/models"] {
        assert_eq!(manager.get(path).send().ok().json()["object"], "list", "{path}");
    }
    assert_eq!(manager.get("/models/chat").send().ok().json()["id"], "chat");
    manager.get("/models/nobody").send().error(404, "model_not_found");
}

#[test]
fn nothing_is_generated_by_counting() {
    let manager = two_modes();
    let asked = json!({"model": "chat", "messages": []});
    let reply = manager.post("/v1/messages/count_tokens").fake("echo=1").json(&asked).send().ok();
    let row = row(&manager, &reply);
    assert_eq!((&row["endpoint"], &row["outcome"]), (&json!("/v1/messages/count_tokens"), &json!("ok")));
    assert_eq!((&row["input_tokens"], &row["output_tokens"]), (&json!(0), &json!(0)));
    let total = manager.api("/api/usage/summary")["total"].clone();
    assert_eq!((&total["requests"], &total["unrecorded"]), (&json!(1), &json!(0)), "{total}");
}

#[test]
fn stray_requests_are_refused_with_advice_and_seen_in_the_log_of_requests() {
    let manager = two_modes();
    let reply = manager.post("/v1/chat/completion").chat("chat", false).send();
    assert!(reply.message().contains("did you mean `/v1/chat/completions`"), "{}", reply.message());
    let seen = row(&manager, &reply);
    assert_eq!((&seen["status"], &seen["outcome"]), (&json!(404), &json!("refused:unknown_endpoint")));
    assert_eq!(seen["endpoint"], "/v1/chat/completion");
    assert!(seen["error"].as_str().unwrap().starts_with("POST /v1/chat/completion: "), "{seen}");
    reply.error(404, "unknown_endpoint");
    for (path, advice) in [
        ("/completion", "did you mean `/v1/completions`"),
        ("/props", "did you mean the backend's own, `/upstream/MODEL/props`"),
        ("/upstream/", "did you mean `/upstream/MODEL/PATH`"),
    ] {
        let message = manager.post(path).send().error(404, "unknown_endpoint").message();
        assert!(message.contains(advice), "{message}");
    }
    let reply = manager.bare("GET", "/api/model").send();
    assert!(reply.message().contains("did you mean `/api/models`"), "{}", reply.message());
    reply.error(404, "unknown_endpoint");

    let reply = manager.get("/v1/chat/completions").send();
    assert_eq!(reply.header("allow"), Some("POST"));
    assert_eq!(row(&manager, &reply)["status"], 405);
    reply.error(405, "method_not_allowed");
    for (method, path, allow) in [
        ("DELETE", "/v1/models", "GET, HEAD"),
        ("PUT", "/api/config/check", "POST"),
        ("POST", "/health", "GET, HEAD"),
    ] {
        let reply = manager.bare(method, path).send();
        assert_eq!(reply.header("allow"), Some(allow), "{method} {path}");
        reply.error(405, "method_not_allowed");
    }
    let reply = manager.chat("nobody").send();
    assert_eq!(row(&manager, &reply)["status"], 404);
    reply.error(404, "model_not_found");
    let total = manager.api("/api/usage/summary")["total"].clone();
    assert_eq!(total["requests"], 0, "they are in no sum");
    assert_eq!(manager.api("/api/storage")["models"].as_array().map(Vec::len), Some(0), "and no model");
    assert!(manager.starts("chat").is_empty());
}

#[test]
fn a_key_is_wanted_before_a_stray_request_is_recorded() {
    let manager = Manager::start(&Config::with(Model::chat("chat")).api_key("secret"));
    manager.bare("POST", "/v1/nonsense").send().error(401, "invalid_api_key");
    manager.bare("GET", "/upstream/chat/props").send().error(401, "invalid_api_key");
    let reply = manager.post("/v1/nonsense").send();
    let seen = row(&manager, &reply);
    assert_eq!(seen["api_key"], rows(&manager, "outcome=refused")[0]["api_key"]);
    assert_eq!(rows(&manager, "outcome=refused").len(), 1);
}

#[test]
fn modes_may_have_other_methods_and_paths_with_names() {
    let manager = Manager::start(&Config::with(Model::chat("chat")).model(Model::new("own", "Own")).top(
        "modes:\n  Chat: {endpoints: [\"/v1/threads\"]}\n  Own: {endpoints: [\"/v1/voices/{name}\", \"/rerank\"]}",
    ));
    for (method, path, backend) in [
        ("GET", "/v1/voices/alice?model=own&x=1", "/v1/voices/alice"),
        ("DELETE", "/voices/alice/?model=own", "/v1/voices/alice"),
        ("GET", "/v1/threads?model=chat", "/v1/threads"),
        ("GET", "/v1/responses/resp_1?model=chat", "/v1/responses/resp_1"),
        ("DELETE", "/v1/responses/resp_1?model=chat", "/v1/responses/resp_1"),
    ] {
        let reply = manager.bare(method, path).fake("echo=1").send().ok();
        assert_eq!(
            (&reply.json()["method"], &reply.json()["path"]),
            (&json!(method), &json!(backend)),
            "{path}"
        );
    }
    let own = manager.post("/rerank").fake("echo=1").json(&json!({"model": "own"})).send().ok();
    assert_eq!(own.json()["path"], "/rerank", "a mode's own path is what its backend knows");
    manager.get("/v1/threads?model=own").send().error(400, "mode_mismatch");
    let reply = manager.get("/v1/threads").send();
    assert!(reply.message().contains("?model="), "{}", reply.message());
    reply.error(400, "invalid_request");
    assert_eq!(
        manager.post("/v1/responses/resp_1?model=chat").send().header("allow"),
        Some("GET, HEAD, DELETE")
    );
}

/// A form with a file that is no text.
fn form(model: &str, file: &[u8]) -> Vec<u8> {
    let mut body =
        b"--X\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\n".to_vec();
    body.extend_from_slice(file);
    body.extend_from_slice(b"\r\n--X\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n");
    body.extend_from_slice(model.as_bytes());
    body.extend_from_slice(b"\r\n--X--\r\n");
    body
}

#[test]
fn forms_go_on_as_they_came() {
    let manager = Manager::start(&Config::with(Model::new("hear", "Transcription")));
    let body = form("hear", b"RIFF\xff\xfe\x00\x80");
    let call = manager.post("/v1/audio/transcriptions").fake("echo=1");
    let call = call.header("Content-Type", "multipart/form-data; boundary=X");
    let reply = call.clone().body(body.clone()).send().ok();
    assert_eq!(reply.json()["body"], String::from_utf8_lossy(&body).as_ref());
    assert_eq!(header(&reply, "content-length"), Some(body.len().to_string()));
    assert_eq!(header(&reply, "content-type").as_deref(), Some("multipart/form-data; boundary=X"));
    for (body, says) in [
        (form("", b""), "`model` is empty"),
        (b"--X--\r\n".to_vec(), "no field `model`"),
        (b"--Y\r\n".to_vec(), "boundary `--X`"),
    ] {
        let reply = call.clone().body(body).send();
        assert!(reply.message().contains(says), "{}", reply.message());
        reply.error(400, "invalid_request");
    }
    let large = form("hear", &vec![b'~'; 20 << 20]);
    let reply = call.clone().body(large.clone()).send().ok();
    assert_eq!(header(&reply, "content-length"), Some(large.len().to_string()));
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn packed_bodies_are_unpacked_and_bounded() {
    let manager = Manager::start(&Config::with(Model::chat("chat")).program("max_body_mb: 2"));
    let plain = json!({"model": "chat", "text": "x".repeat(100_000)}).to_string();
    let call =
        |coding: &str| manager.post("/v1/chat/completions").fake("echo=1").header("Content-Encoding", coding);
    for (coding, packed) in
        [("gzip", gzip(plain.as_bytes())), ("zstd", zstd::encode_all(plain.as_bytes(), 3).unwrap())]
    {
        let reply = call(coding).body(packed.clone()).send().ok();
        assert_eq!(reply.json()["body"], plain, "{coding}");
        assert_eq!(header(&reply, "content-encoding"), None);
        let cut = call(coding).body(&packed[..packed.len() - 9]).send();
        assert!(cut.message().contains(coding), "{}", cut.message());
        cut.error(400, "invalid_request");
    }
    let bomb = call("gzip").body(gzip(&vec![b' '; 40 << 20])).send();
    assert!(bomb.message().contains("unpacked from gzip"), "{}", bomb.message());
    bomb.error(413, "request_too_large");
    let reply = call("compress").body("x").send();
    assert_eq!(reply.header("accept-encoding"), Some("gzip, deflate, zstd, br"));
    reply.error(415, "unsupported_encoding");
}

#[test]
fn bodies_that_engines_take_are_taken() {
    let manager = Manager::start(&Config::with(Model::chat("chat")));
    let call = |body: &str| manager.post("/v1/chat/completions").fake("echo=1").body(body).send().ok();
    assert_eq!(call("\u{feff}{\"model\":\"chat\"}").json()["body"], "{\"model\":\"chat\"}");
    let twice = r#"{"stream":true,"model":"chat","stream":false}"#;
    assert_eq!(call(twice).json()["body"], twice);
    let reply = manager.post("/tokenize?model=chat").fake("echo=1").body("{\"content\":\"x\"}").send().ok();
    assert_eq!(reply.json()["body"], "{\"content\":\"x\"}");
}

#[test]
fn a_backend_is_asked_by_its_own_name_and_where_its_api_begins() {
    let variant = Variant::new("only").line("served_name: org/Model").line("api_prefix: /engine");
    let model = Model::new("mine", "Transcription").line("aliases: [whisper-1]").variant(variant);
    let probe = "modes:\n  Transcription: {endpoints: [\"/v1/chat/completions\", \"/v1/voices\"], probe: {path: /health}}";
    let other = Model::new("other", "Transcription").line("paths: {/v1/chat/completions: /generate}");
    let manager = Manager::start(&Config::with(model).model(other).top(probe));
    for name in ["mine", "whisper-1"] {
        let body = format!("{{ \"messages\": [], \"model\" : \"{name}\" }}");
        let reply = manager.post("/v1/chat/completions?a=b").fake("echo=1").body(body).send().ok().json();
        assert_eq!(reply["body"], "{ \"messages\": [], \"model\" : \"org/Model\" }");
        assert_eq!((&reply["path"], &reply["query"]), (&json!("/engine/chat/completions"), &json!("a=b")));
        let call = manager.post("/audio/transcriptions").fake("echo=1");
        let call = call.header("Content-Type", "multipart/form-data; boundary=X");
        let reply = call.body(form(name, b"\x00")).send().ok().json();
        assert_eq!(reply["body"], String::from_utf8_lossy(&form("org/Model", b"\x00")).as_ref());
        let reply = manager.get(&format!("/v1/voices?model={name}&x=1")).fake("echo=1").send().ok().json();
        assert_eq!(
            (&reply["path"], &reply["query"]),
            (&json!("/engine/voices"), &json!("model=org/Model&x=1"))
        );
    }
    let reply = manager.post("/v1/chat/completions").chat("other", false).fake("echo=1").send().ok().json();
    assert_eq!(reply["path"], "/generate");
    // The rest of a backend is its own.
    let reply = manager.get("/upstream/whisper-1/v1/voices?model=mine").fake("echo=1").send().ok().json();
    assert_eq!((&reply["path"], &reply["query"]), (&json!("/v1/voices"), &json!("model=mine")));
}

/// A WebSocket that was asked for, and what came first.
fn open(manager: &Manager, path: &str, script: &str) -> (TcpStream, String) {
    let port: u16 = manager.url().rsplit(':').next().unwrap().parse().unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nx-fake: {script}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut text = String::new();
    while !(text.contains("\r\n\r\n") && text.ends_with(['\n', '!', '}'])) || text.ends_with("\r\n\r\n") {
        let mut bytes = [0; 4096];
        let count = stream.read(&mut bytes).unwrap();
        assert!(count > 0, "closed after {text}");
        text.push_str(&String::from_utf8_lossy(&bytes[..count]));
    }
    (stream, text)
}

#[test]
fn a_websocket_passes_both_ways_and_holds_its_lease() {
    let manager = Manager::start(&Config::with(Model::chat("chat").line("alive_time: 10")));
    let (mut stream, text) = open(&manager, "/v1/realtime?model=chat&x=1", "");
    assert!(text.starts_with("HTTP/1.1 101 "), "{text}");
    assert!(text.to_lowercase().contains("upgrade: websocket") && text.contains("fake\r\n"), "{text}");
    assert!(text.ends_with("opened /v1/realtime?model=chat&x=1\n"), "{text}");
    assert_eq!(manager.model("chat")["leases"], 1);
    let message = vec![0x81; 300_000];
    let mut writer = stream.try_clone().unwrap();
    let (sent, writing) = (message.clone(), std::thread::spawn(move || writer.write_all(&message)));
    let mut back = vec![0; sent.len()];
    stream.read_exact(&mut back).unwrap();
    assert_eq!(back, sent);
    writing.join().unwrap().unwrap();
    drop(stream);
    manager.wait_leases("chat", 0);
    wait_until("its row is written", PATIENCE, || rows(&manager, "status=101").len() == 1);
    let row = rows(&manager, "status=101").remove(0);
    assert_eq!((&row["endpoint"], &row["outcome"]), (&json!("/v1/realtime"), &json!("ok")));

    let (_, text) = open(&manager, "/v1/realtime?model=chat", "status=403");
    assert!(text.starts_with("HTTP/1.1 403 ") && text.ends_with("not!"), "{text}");
    wait_until("the refusal is in the ledger", PATIENCE, || rows(&manager, "status=403").len() == 1);
    assert_eq!(rows(&manager, "status=403").remove(0)["error"], "not!");
    let (_, text) = open(&manager, "/v1/realtime", "");
    assert!(text.starts_with("HTTP/1.1 400 ") && text.contains("?model=NAME"), "{text}");
    let (_, text) = open(&manager, "/v1/embeddings?model=chat", "");
    assert!(text.starts_with("HTTP/1.1 400 ") && text.contains("websocket_unsupported"), "{text}");
    let (_, text) = open(&manager, "/upstream/chat/ws/any", "");
    assert!(text.ends_with("opened /ws/any?\n"), "{text}");
    manager.wait_leases("chat", 0);
}

#[test]
fn a_websocket_passes_to_a_server_elsewhere_by_its_name_there() {
    let far = Manager::start(&Config::with(Model::chat("theirs")));
    let there = Variant::new("There").line("served_name: theirs");
    let there = there.elsewhere(&format!("{}/v1", far.url()), None);
    let near = Manager::start(&Config::with(Model::chat("ours").variant(there)));
    let (mut stream, text) = open(&near, "/v1/realtime?model=ours", "");
    assert!(text.starts_with("HTTP/1.1 101 "), "{text}");
    assert!(text.ends_with("opened /v1/realtime?model=theirs\n"), "{text}");
    let message = vec![0x81; 10_000];
    stream.write_all(&message).unwrap();
    let mut back = vec![0; message.len()];
    stream.read_exact(&mut back).unwrap();
    assert_eq!(back, message);
    drop(stream);
    near.wait_leases("ours", 0);
    far.wait_leases("theirs", 0);
}

/// Whether the connection's end or the process's is heard of first.
#[test]
fn a_websocket_whose_backend_dies_has_failed() {
    let manager = Manager::start(&Config::with(Model::chat("chat")));
    for round in 1..=5 {
        let (mut stream, _) = open(&manager, "/v1/realtime?model=chat", "");
        let pid = i32::try_from(manager.model("chat")["pid"].as_i64().unwrap()).unwrap();
        signal::kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
        assert_eq!(stream.read(&mut [0; 9]).unwrap(), 0, "it was closed");
        wait_until("its row is written", PATIENCE, || rows(&manager, "status=101").len() == round);
        let row = rows(&manager, "status=101").remove(0);
        assert_eq!(row["outcome"], "backend_error", "{row}");
        assert!(row["error"].as_str().unwrap().ends_with("its process has ended"), "{row}");
        manager.act("/api/models/chat/start");
    }
}

#[test]
fn a_silent_websocket_is_closed_and_a_stop_ends_it() {
    let manager = Manager::start(&Config::with(Model::chat("chat").line("idle_timeout: 0.3")));
    let (mut stream, _) = open(&manager, "/v1/realtime?model=chat", "");
    assert_eq!(stream.read(&mut [0; 9]).unwrap(), 0, "it was closed");
    manager.wait_leases("chat", 0);
    let row = rows(&manager, "status=101").remove(0);
    assert_eq!(row["outcome"], "backend_error", "{row}");
    let other = Manager::start(&Config::with(Model::chat("chat")));
    let (mut stream, _) = open(&other, "/v1/realtime?model=chat", "");
    other.act("/api/models/chat/stop?now=true");
    assert_eq!(stream.read(&mut [0; 9]).unwrap(), 0, "it was closed");
}

#[test]
fn a_crash_of_its_gateway_ends_a_websocket() {
    let config = Config::with(Model::chat("chat"));
    let manager = Manager::start_with(&config, &[("LLM_MANAGER_FAULT_INJECTION", "1")]);
    let (mut stream, _) = open(&manager, "/v1/realtime?model=chat", "");
    let tree = manager.api("/api/supervision");
    let http = tree["children"].as_array().unwrap().iter().find(|node| node["name"] == "http").unwrap();
    let gateways = http["children"].as_array().unwrap();
    let busy = gateways.iter().find(|node| node["detail"] == "requests in flight: 1, connections: 1");
    let name = busy.unwrap_or_else(|| panic!("{http}"))["name"].as_str().unwrap();
    manager.post(&format!("/api/debug/panic/{name}")).send();
    assert_eq!(stream.read(&mut [0; 9]).unwrap(), 0, "it was closed");
    wait_until("its row is written", PATIENCE, || rows(&manager, "status=101").len() == 1);
    assert_eq!(rows(&manager, "status=101").remove(0)["outcome"], "failed");
    manager.wait_leases("chat", 0);
    open(&manager, "/v1/realtime?model=chat", "");
}

#[test]
fn the_rest_of_a_backend_is_reached() {
    let manager = Manager::start(&Config::with(Model::chat("chat").line("aliases: [org/chat]")));
    let echo = |method: &str, path: &str| manager.bare(method, path).fake("echo=1").send();
    for (path, backend) in [
        ("/upstream/chat/", "/"),
        ("/upstream/org/chat/props?x=1", "/props"),
        ("/upstream/org%2Fchat/a%20b/c", "/a%20b/c"),
        ("/upstream/chat//x", "//x"),
    ] {
        assert_eq!(echo("GET", path).ok().json()["path"], backend, "{path}");
    }
    assert_eq!(echo("DELETE", "/upstream/chat/slots/1").ok().json()["method"], "DELETE");
    let reply = manager.post("/upstream/chat/slots").fake("echo=1").body("\u{0}raw").send().ok();
    assert_eq!(reply.json()["body"], "\u{0}raw");
    assert_eq!(row(&manager, &reply)["endpoint"], "/upstream");
    let reply = manager
        .post("/upstream/chat/v1/chat/completions")
        .chat("anything", false)
        .fake("tokens=3")
        .send()
        .ok();
    let row = row(&manager, &reply);
    assert_eq!((&row["endpoint"], &row["output_tokens"]), (&json!("/v1/chat/completions"), &json!(3)));
    let reply = echo("GET", "/upstream/chat?a=b");
    assert_eq!((reply.status, reply.header("location")), (308, Some("/upstream/chat/?a=b")));
    echo("GET", "/upstream/nobody/x").error(404, "model_not_found");
    let foreign =
        Call::new(manager.url().rsplit(':').next().unwrap().parse().unwrap(), "GET", "/upstream/chat/x");
    foreign.header("Origin", "https://evil.example").send().error(403, "foreign_origin");
    assert_eq!(manager.starts("chat").len(), 1);
}
