//! Bodies that a model has kept: all of what came, without secrets, for admins alone, for as long as they may stay; and
//! nothing of models that don't say so.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::{Call, Config, Manager, Model, PATIENCE, Variant, wait_until};

const ADMIN: &str = "the-key-of-the-admin";
const SECRET: &str = "hf_secret_of_the_file";

fn kept() -> Model {
    let variant = Variant::new("Default").line(&format!("env: {{HF_TOKEN: {SECRET}}}"));
    Model::chat("kept").line("aliases: [nick]").line("capture: true").variant(variant)
}

fn config() -> Config {
    let watcher = "keys:\n  - {name: watcher, secret: secret-of-watcher, scopes: [operate, infer]}\n";
    Config::with(kept()).model(Model::chat("plain")).api_key(ADMIN).top(watcher)
}

fn files(manager: &Manager) -> Vec<PathBuf> {
    let folder = fs::read_dir(manager.path("data/captures"));
    let mut files: Vec<_> =
        folder.map_or_else(|_| Vec::new(), |all| all.map(|file| file.unwrap().path()).collect());
    files.sort();
    files
}

fn ask(call: Call, id: &str, words: &str) -> Call {
    let model = if id.contains("plain") { "plain" } else { "nick" };
    let body = json!({"model": model, "messages": [{"role": "user", "content": words}], "stream": id.contains("stream")});
    call.header("X-Request-Id", id).json(&body)
}

/// What is kept of a request, once it is.
#[track_caller]
fn capture(manager: &Manager, id: &str) -> Value {
    let path = format!("/api/requests/{id}/capture");
    wait_until(&format!("{id} is kept"), PATIENCE, || manager.get(&path).send().status == 200);
    manager.api(&path)
}

#[test]
fn what_was_sent_is_kept_without_secrets_and_only_where_a_model_says_so() {
    let manager = Manager::start(&config());
    let chat = || manager.post("/v1/chat/completions");
    ask(chat(), "plain-1", "words that nobody keeps").send().ok();
    let said = format!("remember {SECRET}, please");
    let call = ask(manager.post("/v1/chat/completions?api_key=in-the-query&a=1"), "one", &said);
    call.header("Cookie", "session=abc").header("X-Api-Key", ADMIN).fake("tokens=3").send().ok();
    ask(chat(), "stream-1", "tell me").fake("tokens=4").send().ok();

    let one = capture(&manager, "one");
    assert_eq!(
        (&one["model"], &one["endpoint"], &one["method"]),
        (&json!("kept"), &json!("/v1/chat/completions"), &json!("POST"))
    );
    assert_eq!(
        (&one["status"], &one["outcome"], &one["answer_ended"]),
        (&json!(200), &json!("ok"), &json!(true))
    );
    assert_eq!(one["path"], "/v1/chat/completions?api_key=***&a=1");
    let text = one["request"]["text"].as_str().unwrap();
    assert!(text.contains("remember ***, please") && text.contains("nick"), "{text}");
    let header = |name: &str| {
        let headers = one["request"]["headers"].as_array().unwrap();
        headers.iter().find(|header| header[0] == name).map(|header| header[1].clone())
    };
    for name in ["authorization", "cookie", "x-api-key"] {
        assert_eq!(header(name), Some(json!("***")), "{name}: {one}");
    }
    assert_eq!(header("x-request-id"), Some(json!("one")));
    let answer: Value = serde_json::from_str(one["answer"]["text"].as_str().unwrap()).unwrap();
    assert!(answer["choices"][0]["message"]["content"].as_str().unwrap().contains("word1"), "{answer}");
    assert_eq!((&one["whole"], &one["events"]), (&Value::Null, &Value::Null));

    let stream = capture(&manager, "stream-1");
    let whole = &stream["whole"];
    assert_eq!(whole["object"], "chat.completion", "{stream}");
    assert!(whole["choices"][0]["message"]["content"].as_str().unwrap().contains("word3"), "{stream}");
    assert!(stream["answer"]["text"].as_str().unwrap().contains("data: [DONE]"), "{stream}");
    assert!(stream["events"].as_i64().unwrap() > 4, "{stream}");

    // On the disk: these two, for their owner alone, and nothing of the other model or of anybody's key.
    manager.get("/api/requests/plain-1/capture").send().error(404, "request_not_found");
    let all = files(&manager);
    assert_eq!(all.len(), 2, "{all:?}");
    for file in &all {
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
        let text = String::from_utf8(fs::read(file).unwrap()).unwrap();
        for secret in [ADMIN, SECRET, "session=abc", "in-the-query", "nobody keeps"] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
    }
    let folder = fs::metadata(manager.path("data/captures")).unwrap();
    assert_eq!(folder.permissions().mode() & 0o777, 0o700);

    // The log of requests says which; the audit says who looked.
    let marked = |model: &str| {
        let page = manager.api(&format!("/api/requests?model={model}"));
        page["rows"].as_array().unwrap().iter().map(|row| row["captured"].clone()).collect::<Vec<_>>()
    };
    wait_until("the rows are there", PATIENCE, || {
        marked("kept") == [true, true] && marked("plain") == [false]
    });
    wait_until("the looks are in the audit", PATIENCE, || {
        let rows = manager.api("/api/audit?limit=100")["rows"].as_array().unwrap().clone();
        rows.iter().any(|row| row["action"] == "view_capture" && row["subject"] == "stream-1")
    });
    let metrics = manager.get("/metrics").send().ok().text();
    assert!(metrics.contains("\nllm_manager_captures 2.0\n"), "{metrics}");

    // Other people's words are no operator's business, however the path is written.
    for path in ["/api/requests/one/capture", "/api/requests/one/captur%65", "/api/%72equests/one/capture"] {
        let call = manager.bare("GET", path).header("Authorization", "Bearer secret-of-watcher");
        call.send().error(403, "forbidden");
    }
    let call = manager.bare("GET", "/api/%63onfig").header("Authorization", "Bearer secret-of-watcher");
    call.send().error(403, "forbidden");
    manager.bare("GET", "/api/requests/one/capture").send().error(401, "invalid_api_key");
    manager.delete("/api/requests/one/capture").send().ok();
    manager.get("/api/requests/one/capture").send().error(404, "request_not_found");
    assert_eq!(files(&manager).len(), 1);
}

#[test]
fn what_came_before_a_break_is_kept_and_marked() {
    let manager = Manager::start(&config());
    let chat = || manager.post("/v1/chat/completions");
    let whole =
        |capture: &Value| capture["whole"]["choices"][0]["message"]["content"].as_str().unwrap().to_owned();
    // The client leaves in the middle of a stream.
    let script = format!("tokens=4,stream_file={}", manager.word("never"));
    let mut client = ask(chat(), "stream-left", "x").fake(&script).open();
    client.until("word1 ");
    client.leave();
    let left = capture(&manager, "stream-left");
    assert_eq!((&left["outcome"], &left["answer_ended"]), (&json!("client_left"), &json!(false)));
    assert!(whole(&left).contains("word1") && !whole(&left).contains("word3"), "{left}");
    // The backend is killed in the middle of one.
    ask(chat(), "stream-died", "x").fake("tokens=4,die=mid-stream").send();
    let died = capture(&manager, "stream-died");
    assert_eq!((&died["outcome"], &died["answer_ended"]), (&json!("backend_error"), &json!(false)));
    assert!(whole(&died).contains("word"), "{died}");
    assert!(died["error"].as_str().is_some(), "{died}");
    // It breaks off in the middle of a plain answer, before one, and answers with an error.
    let _ = ask(chat(), "broken-json", "x").fake("tokens=4,cut=mid-json").try_send();
    let cut = capture(&manager, "broken-json");
    assert_eq!((&cut["answer_ended"], &cut["whole"]), (&json!(false), &Value::Null));
    assert!(cut["answer"]["kept_bytes"].as_i64().unwrap() > 0, "{cut}");
    ask(chat(), "early", "x").fake("cut=before-answer").send();
    let early = capture(&manager, "early");
    assert_eq!((&early["answer_ended"], &early["answer"]["bytes"]), (&json!(false), &json!(0)));
    ask(chat(), "wrong", "x").fake("status=500").send();
    let wrong = capture(&manager, "wrong");
    assert_eq!(
        (&wrong["status"], &wrong["outcome"], &wrong["answer_ended"]),
        (&json!(500), &json!("backend_error"), &json!(true))
    );
    // The other ways to a model.
    let asked = json!({"model": "nick", "messages": [{"role": "user", "content": "in Ollama's words"}]});
    manager.post("/api/chat").header("X-Request-Id", "ollama").json(&asked).send().ok();
    let ollama = capture(&manager, "ollama");
    assert!(
        ollama["request"]["text"].as_str().unwrap().contains("in Ollama's words")
            && ollama["path"] == "/api/chat"
    );
    manager.get("/upstream/nick/health").header("X-Request-Id", "rest").send().ok();
    assert_eq!(capture(&manager, "rest")["path"], "/upstream/nick/health");
}

#[test]
fn they_go_with_time_with_their_model_and_when_there_are_too_many() {
    let bounds = |text: &str| config().program(&format!("captures: {{{text}}}"));
    let mut manager = Manager::start(&bounds("body_kb: 1"));
    let chat = || manager.post("/v1/chat/completions");
    let long = "long ".repeat(1000);
    ask(chat(), "long", &long).send().ok();
    let kept = capture(&manager, "long");
    assert_eq!(kept["request"]["kept_bytes"], 1024);
    assert!(kept["request"]["bytes"].as_i64().unwrap() > 5000, "{kept}");
    ask(chat(), "short", "x").send().ok();
    capture(&manager, "short");
    // The next manager finds them, and throws away what isn't whole.
    manager.stop();
    let torn = manager.path("data/captures/0000000000000001-000000ff.capture");
    fs::write(&torn, b"{\"request_id\":\"torn\"").unwrap();
    manager.launch();
    assert_eq!(capture(&manager, "short")["request_id"], "short");
    assert!(!torn.exists());
    // What is said of a model goes with its data.
    wait_until("the rows are there", PATIENCE, || {
        manager.api("/api/requests?model=kept")["rows"].as_array().unwrap().len() == 2
    });
    let deleted = manager.delete("/api/storage/kept").send().ok().json();
    assert_eq!(deleted["deleted"]["captures"], 2, "{deleted}");
    assert!(files(&manager).is_empty());
    // Time, by a reload; off, by another.
    ask(manager.post("/v1/chat/completions"), "old", "x").send().ok();
    capture(&manager, "old");
    manager.reload(&bounds("hours: 0.0001"));
    wait_until("it is too old", PATIENCE, || files(&manager).is_empty());
    let off = Config::with(Model::chat("kept").line("aliases: [nick]")).api_key(ADMIN);
    manager.reload(&off);
    ask(manager.post("/v1/chat/completions"), "after", "x").send().ok();
    wait_until("its row is there", PATIENCE, || {
        manager.api("/api/requests?request_id=after")["rows"].as_array().unwrap().len() == 1
    });
    assert!(files(&manager).is_empty());
}

/// Without keys anybody may use a model who reaches it, but only this computer may read what others said.
#[test]
fn without_keys_only_this_computer_sees_them() {
    let manager =
        Manager::start(&Config::with(Model::chat("kept").line("aliases: [nick]").line("capture: true")));
    ask(manager.post("/v1/chat/completions"), "one", "x").send().ok();
    capture(&manager, "one");
    let foreign = manager.get("/api/requests/one/capture").header("X-Forwarded-For", "203.0.113.7");
    foreign.send().error(403, "api_keys_needed");
}
