//! Ollama's API over the same models.

use serde_json::{Value, json};

use crate::support::{Config, Manager, Model, PATIENCE, Reply, wait_until};

fn lines(reply: &Reply) -> Vec<Value> {
    reply.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn start() -> Manager {
    Manager::start(
        &Config::with(Model::chat("chat").line("aliases: [llama3.2]").line("context_length: 4096"))
            .model(Model::new("embed", "Embedding")),
    )
}

#[test]
fn models_are_listed_and_shown() {
    let manager = start();
    assert!(manager.api("/api/version")["version"].as_str().unwrap().contains('.'));
    let tags = manager.api("/api/tags");
    let names: Vec<&str> =
        tags["models"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["chat", "embed"]);
    assert_eq!(manager.api("/api/ps")["models"], json!([]));
    let shown = manager.post("/api/show").json(&json!({"model": "llama3.2:latest"})).send().ok().json();
    assert_eq!(shown["capabilities"], json!(["completion", "tools"]));
    assert_eq!(shown["model_info"]["unknown.context_length"], 4096);
    let reply = manager.post("/api/show").json(&json!({"name": "nobody"})).send();
    assert!(
        reply.status == 404 && reply.json()["error"].as_str().unwrap().contains("nobody"),
        "{}",
        reply.text()
    );
    assert!(manager.starts("chat").is_empty(), "listing starts nothing");
}

#[test]
fn a_chat_streams_lines_and_is_in_the_ledger() {
    let manager = start();
    let asked = json!({"model": "chat:latest", "messages": [{"role": "user", "content": "hi"}], "options": {"num_predict": 3}});
    let reply = manager.post("/api/chat").json(&asked).send().ok();
    assert_eq!(reply.header("content-type"), Some("application/x-ndjson"));
    let lines = lines(&reply);
    let last = lines.last().unwrap();
    assert_eq!((&last["done"], &last["model"]), (&json!(true), &json!("chat:latest")), "{last}");
    assert_eq!((&last["eval_count"], &last["prompt_eval_count"]), (&json!(3), &json!(24)), "{last}");
    let text: String = lines.iter().map(|line| line["message"]["content"].as_str().unwrap()).collect();
    assert!(text.contains("word0") && text.contains("word2"), "{text}");
    assert_eq!(manager.api("/api/ps")["models"][0]["name"], "chat");
    let whole = json!({"model": "chat", "prompt": "hi", "stream": false});
    let record = manager.post("/api/generate").fake("tokens=2").json(&whole).send().ok().json();
    assert_eq!((&record["done"], &record["eval_count"]), (&json!(true), &json!(2)), "{record}");
    assert!(record["response"].as_str().unwrap().contains("word1"), "{record}");
    wait_until("both rows are written", PATIENCE, || {
        let rows = manager.api("/api/requests?outcome=ok");
        rows["rows"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|row| row["endpoint"] == "/v1/chat/completions")
            .count()
            == 2
    });
    let rows = manager.api("/api/requests?outcome=ok");
    assert_eq!(
        (&rows["rows"][1]["output_tokens"], &rows["rows"][1]["usage_source"]),
        (&json!(3), &json!("backend"))
    );
}

#[test]
fn vectors_and_failures_come_in_its_form() {
    let manager = start();
    let embedded =
        manager.post("/api/embed").json(&json!({"model": "embed", "input": ["a"]})).send().ok().json();
    assert!(embedded["embeddings"][0].is_array(), "{embedded}");
    let one =
        manager.post("/api/embeddings").json(&json!({"model": "embed", "prompt": "a"})).send().ok().json();
    assert!(one["embedding"].is_array(), "{one}");
    let asked = json!({"model": "chat", "messages": [{"role": "user", "content": "hi"}]});
    let failed = manager.post("/api/chat").fake("status=500").json(&asked).send();
    assert_eq!((failed.status, failed.json()["error"].is_string()), (500, true), "{}", failed.text());
    let broken = manager.post("/api/chat").fake("cut=mid-stream,tokens=6").json(&asked).send();
    assert!(lines(&broken).last().unwrap()["error"].is_string(), "{}", broken.text());
    let wrong =
        manager.post("/api/chat").json(&json!({"model": "embed", "messages": [{"role": "user"}]})).send();
    assert_eq!((wrong.status, wrong.json()["code"].as_str().unwrap()), (400, "mode_mismatch"));
    assert_eq!(manager.post("/api/chat").body("{").send().status, 400);
    let pulled = manager.post("/api/pull").json(&json!({"model": "x"})).send();
    assert!(pulled.status == 404 && pulled.json()["error"].as_str().unwrap().contains("configuration"));
}

#[test]
fn a_request_without_a_question_loads_its_model_or_lets_it_go() {
    let manager = start();
    let load = manager.post("/api/generate").json(&json!({"model": "chat"})).send().ok();
    assert_eq!(lines(&load)[0]["done_reason"], "load");
    assert_eq!(manager.state("chat"), "ready");
    let asked = json!({"model": "chat", "messages": [{"role": "user", "content": "hi"}], "keep_alive": 0, "stream": false});
    assert_eq!(manager.post("/api/chat").json(&asked).send().ok().json()["done"], true);
    manager.wait_state("chat", "stopped");
    let gone = manager.post("/api/generate").json(&json!({"model": "chat", "keep_alive": "0s"})).send().ok();
    assert_eq!(lines(&gone)[0]["done_reason"], "unload");
}

#[test]
fn keep_alive_outranks_alive_time_until_the_model_stops() {
    let config = Config::with(Model::chat("chat").line("alive_time: 60"));
    let manager = Manager::start(&config);
    let asked = |keep: Value| {
        let asked = json!({"model": "chat", "prompt": "hi", "keep_alive": keep, "stream": false});
        manager.post("/api/generate").json(&asked).send().ok();
    };
    let left = || manager.model("chat")["idle_seconds_left"].as_f64();
    asked(json!("2h"));
    wait_until("it is kept for two hours", PATIENCE, || left().is_some_and(|left| left > 7000.0));
    let until = manager.api("/api/ps")["models"][0]["expires_at"].as_str().unwrap().to_owned();
    let until: jiff::Timestamp = until.parse().unwrap();
    assert!(until.duration_since(jiff::Timestamp::now()).as_secs() > 7000, "{until}");
    // Another request changes nothing of it.
    manager.chat("chat").send().ok();
    assert!(left().is_none_or(|left| left > 7000.0));
    asked(json!(-1));
    wait_until("it is kept for ever", PATIENCE, || left().is_none() && manager.model("chat")["leases"] == 0);
    asked(json!("50ms"));
    manager.wait_state("chat", "stopped");
    // The next life has the time of the configuration.
    manager.chat("chat").send().ok();
    wait_until("an hour is left", PATIENCE, || left().is_some_and(|left| left > 3000.0));
    // Loading alone may say it, too.
    manager.post("/api/generate").json(&json!({"model": "chat", "keep_alive": "3h"})).send().ok();
    wait_until("it is kept for three hours", PATIENCE, || left().is_some_and(|left| left > 10_000.0));
}

#[test]
fn its_paths_follow_the_gateway_in_keys_and_origins() {
    let manager = Manager::start(&Config::with(Model::chat("chat")).api_key("secret"));
    assert_eq!(manager.bare("GET", "/api/tags").send().status, 401);
    manager.get("/api/tags").header("Origin", "https://evil.example").send().ok();
    let open = start();
    let page = open.get("/api/tags").header("Origin", "https://evil.example").send();
    assert_eq!((page.status, page.json()["code"].as_str().unwrap()), (403, "foreign_origin"));
    assert_eq!(open.post("/api/tags").send().header("allow"), Some("GET, HEAD"));
}

/// An answer that is an error, or none, is no empty text.
#[test]
fn an_error_in_a_good_answer_is_told_as_one() {
    let manager = start();
    let ask = |path: &str, asked: &Value, answer: &str, kind: &str| {
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n", answer.len());
        std::fs::write(manager.path("answer"), head + answer).unwrap();
        manager.post(path).json(asked).fake(&format!("raw={}", manager.word("answer"))).send()
    };
    let chat = json!({"model": "chat", "messages": [{"role": "user", "content": "hi"}], "stream": false});
    let embed = json!({"model": "embed", "input": ["a", "b"]});
    let row = |nth: usize| {
        let mut rows = json!([]);
        wait_until("its row is there", PATIENCE, || {
            rows = manager.api("/api/requests")["rows"].clone();
            rows.as_array().unwrap().len() == nth
        });
        rows[0].clone()
    };
    let mut asked_so_far = 0;
    for (path, asked) in [("/api/chat", &chat), ("/api/embed", &embed)] {
        let reply = ask(path, asked, r#"{"error":{"message":"no memory","code":503}}"#, "application/json");
        assert_eq!((reply.status, reply.json()), (503, json!({"error": "no memory"})), "{path}");
        let first = row(asked_so_far + 1);
        assert_eq!((&first["status"], &first["error"]), (&json!(503), &json!("no memory")));
        let reply = ask(path, asked, "<html>Please sign in</html>", "text/html");
        assert_eq!((reply.status, &reply.json()["code"]), (502, &json!("backend_error")), "{path}");
        asked_so_far += 2;
        assert_eq!(row(asked_so_far)["outcome"], "backend_error");
    }
    let events = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\nevent: error\ndata: {\"message\":\"no memory\"}\n\n";
    let streamed = json!({"model": "chat", "messages": [{"role": "user", "content": "hi"}]});
    let lines = lines(&ask("/api/chat", &streamed, events, "text/event-stream"));
    assert_eq!((lines.len(), lines.last().unwrap()), (2, &json!({"error": "no memory"})), "{lines:?}");
    let turned =
        r#"{"data":[{"index":1,"embedding":[2]},{"index":0,"embedding":[1]}],"usage":{"prompt_tokens":2}}"#;
    let vectors = ask("/api/embed", &embed, turned, "application/json").ok().json();
    assert_eq!(vectors["embeddings"], json!([[1], [2]]));
}

#[test]
fn a_question_in_another_form_is_refused_and_not_left_out() {
    let manager = start();
    for (path, asked, word) in [
        ("/api/chat", json!({"model": "chat", "messages": "hi"}), "messages"),
        ("/api/generate", json!({"model": "chat", "prompt": ["hi"]}), "prompt"),
        ("/api/generate", json!({"model": "chat", "prompt": "hi", "format": "xml"}), "format"),
    ] {
        let reply = manager.post(path).json(&asked).send();
        let said = reply.json();
        assert_eq!((reply.status, &said["code"]), (400, &json!("invalid_request")), "{asked}");
        assert!(said["error"].as_str().unwrap().contains(word), "{said}");
    }
    assert!(manager.starts("chat").is_empty(), "no model is loaded for it");
}
