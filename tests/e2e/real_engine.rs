//! The real llama.cpp server with tiny models, and the official OpenAI clients.
//!
//! The engine lies in `.engine` (`demo/install.sh`, `SMALL=1`) or where `LLM_MANAGER_ENGINE` says. Without
//! one these tests say so and pass, unless `CI_REQUIRE_ENGINE=1`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Call, Config, Manager, Model, wait_until};

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn engine() -> Option<PathBuf> {
    let dir = std::env::var_os("LLM_MANAGER_ENGINE").map_or_else(|| root().join(".engine"), PathBuf::from);
    if dir.join("llama-server").exists() && dir.join("models/tiny-chat.gguf").exists() {
        return Some(dir);
    }
    missing(&format!("no engine in {} (make engine)", dir.display()))
}

/// The program itself. On an older CPU the server comes as a Python module (demo/install.sh): without its router, its
/// templates and its log.
pub(crate) fn program() -> Option<PathBuf> {
    let engine = engine()?;
    if !engine.join("xllama-server.py").exists() {
        return Some(engine);
    }
    eprintln!("skipped: on this CPU the real server is a Python module");
    None
}

pub(crate) fn missing<T>(what: &str) -> Option<T> {
    assert!(std::env::var("CI_REQUIRE_ENGINE").as_deref() != Ok("1"), "{what}");
    eprintln!("skipped: {what}");
    None
}

/// A model that the real server serves.
fn real(engine: &Path, name: &str, mode: &str, extra: &[&str]) -> Model {
    let server = engine.join("llama-server").display().to_string();
    let file = engine.join(format!("models/{name}.gguf")).display().to_string();
    let mut command = vec![
        server.as_str(),
        "-m",
        &file,
        "--host",
        "127.0.0.1",
        "--port",
        "{port}",
        "-t",
        "1",
        "-c",
        "2048",
        "-a",
        name,
    ];
    command.extend(extra);
    Model::new(name, mode).command(&command).start_timeout(60)
}

fn start() -> Option<Manager> {
    let engine = engine()?;
    let config = Config::new()
        .model(
            real(&engine, "tiny-chat", "Chat", &[]).line("alive_time: 0.03").line("aliases: [gpt-3.5-turbo]"),
        )
        .model(real(&engine, "tiny-embed", "Embedding", &["--embeddings"]))
        .model(real(&engine, "tiny-rerank", "Reranker", &["--reranking"]));
    Some(Manager::start(&config))
}

#[test]
fn chat_cold_and_warm() {
    let Some(manager) = start() else { return };
    let body = json!({"model": "gpt-3.5-turbo", "max_tokens": 8, "messages": [{"role": "user", "content": "the people"}]});
    let answer = manager.post("/v1/chat/completions").json(&body).send().ok().json();
    assert_eq!(answer["usage"]["completion_tokens"], 8, "{answer}");
    assert!(answer["choices"][0]["message"]["content"].as_str().is_some_and(|text| !text.is_empty()));
    assert_eq!(manager.state("tiny-chat"), "ready");
    let card = manager.get("/v1/models/tiny-chat").send().ok().json();
    assert!(card["context_length"].as_u64().is_some_and(|tokens| tokens <= 2048), "{card}");

    let mut body = body;
    body["stream"] = json!(true);
    let reply = manager.post("/v1/chat/completions").json(&body).send().ok();
    let text = reply.text();
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
    assert!(!text.contains("\"usage\""), "the usage chunk isn't hidden: {text}");
    body["stream_options"] = json!({"include_usage": true});
    let text = manager.post("/v1/chat/completions").json(&body).send().ok().text();
    assert!(text.contains("\"completion_tokens\":8"), "{text}");

    manager.wait_state("tiny-chat", "stopped");
    manager.wait_no_processes();
}

#[test]
fn completions_responses_and_messages() {
    let Some(manager) = start() else { return };
    let ask = |path: &str, body: serde_json::Value| manager.post(path).json(&body).send().ok().json();
    let answer = ask("/v1/completions", json!({"model": "tiny-chat", "prompt": "the", "max_tokens": 5}));
    assert_eq!(answer["usage"]["completion_tokens"], 5, "{answer}");
    let answer = ask("/v1/responses", json!({"model": "tiny-chat", "input": "the", "max_output_tokens": 5}));
    assert_eq!(answer["object"], "response", "{answer}");
    let messages = json!([{"role": "user", "content": "the"}]);
    let answer = ask("/v1/messages", json!({"model": "tiny-chat", "max_tokens": 5, "messages": messages}));
    assert_eq!(answer["type"], "message", "{answer}");
}

#[test]
fn embeddings_and_rerank() {
    let Some(manager) = start() else { return };
    let body = json!({"model": "tiny-embed", "input": ["the people", "first day"]});
    let answer = manager.post("/v1/embeddings").json(&body).send().ok().json();
    assert_eq!(answer["data"].as_array().map(Vec::len), Some(2), "{answer}");
    assert_eq!(answer["data"][0]["embedding"].as_array().map(Vec::len), Some(64));
    let body = json!({"model": "tiny-rerank", "query": "people", "documents": ["the people", "old number"]});
    let answer = manager.post("/v1/rerank").json(&body).send().ok().json();
    assert_eq!(answer["results"].as_array().map(Vec::len), Some(2), "{answer}");
}

#[test]
fn a_stream_that_runs_does_not_hold_up_the_end() {
    // The real server takes 30 s to obey SIGTERM while it streams.
    let Some(mut manager) = start() else { return };
    let body = json!({"model": "tiny-chat", "stream": true, "max_tokens": 100_000,
        "messages": [{"role": "user", "content": "the"}]});
    let mut stream = manager.post("/v1/chat/completions").json(&body).open();
    stream.until("content\":\"");
    stream.leave();
    let begin = Instant::now();
    manager.wait_leases("tiny-chat", 0);
    manager.stop();
    assert!(begin.elapsed() < Duration::from_secs(12), "it took {:?}", begin.elapsed());
    manager.wait_no_processes();
}

/// llama.cpp's router mode as a backend: it serves a folder, and loads what it is asked for.
#[test]
fn a_router_loads_its_own_model_alone_and_a_model_that_dies_in_a_stream_is_an_error() {
    let Some(engine) = program() else { return };
    let (server, models) = (engine.join("llama-server"), engine.join("models"));
    let command = [server.to_str().unwrap(), "--models-dir", models.to_str().unwrap(), "--models-max", "1"];
    let command =
        [&command[..], &["--host", "127.0.0.1", "--port", "{port}", "-t", "1", "-c", "20000"]].concat();
    let port = crate::support::free_port();
    let model = Model::chat("qwen").command(&command).line("served_name: tiny-chat").start_timeout(60);
    let manager = Manager::start(&Config::with(model.line(&format!("port: {port}"))));
    let loaded = || {
        let listed = Call::new(port, "GET", "/v1/models").send().json()["data"].clone();
        let is_loaded = |model: &&serde_json::Value| model["status"]["value"] == "loaded";
        let listed = listed.as_array().unwrap().iter().filter(is_loaded).map(|model| model["id"].clone());
        listed.collect::<Vec<_>>()
    };
    let short = json!({"model": "qwen", "max_tokens": 4, "messages": [{"role": "user", "content": "the"}]});
    let ask = || manager.post("/v1/chat/completions").json(&short).send().ok();
    ask();
    for path in
        ["/metrics", "/v1/models", "/api/models/qwen", "/api/models/qwen/placement", "/api/tags", "/api/ps"]
    {
        manager.get(path).send().ok();
    }
    assert_eq!(loaded(), ["tiny-chat"], "no question of ours loads another one");
    let body = json!({"model": "qwen", "stream": true, "max_tokens": 15_000,
        "messages": [{"role": "user", "content": "the"}]});
    let call = manager.post("/v1/chat/completions").json(&body).header("x-request-id", "dies");
    let mut stream = call.open();
    stream.until("content\":\"");
    // The transfer ends in good order, behind words that are no event.
    let router = manager.model("qwen")["pid"].as_u64().unwrap();
    let mut killed = 0;
    for task in std::fs::read_dir(format!("/proc/{router}/task")).unwrap().flatten() {
        let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        for child in children.split_whitespace() {
            let child = nix::unistd::Pid::from_raw(child.parse().unwrap());
            nix::sys::signal::kill(child, nix::sys::signal::Signal::SIGKILL).unwrap();
            killed += 1;
        }
    }
    assert_eq!(killed, 1, "the process of its model");
    let text = stream.finish().text();
    assert!(text.contains("event: error") && text.contains("\"backend_error\""), "{text}");
    let mut row = serde_json::Value::Null;
    wait_until("the row is there", Duration::from_secs(20), || {
        let rows = manager.api("/api/requests")["rows"].clone();
        row = rows
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["request_id"] == "dies")
            .cloned()
            .unwrap_or_default();
        row.is_object()
    });
    assert_eq!(row["outcome"], "backend_error", "{row}");
    ask();
}

/// A plain request goes up as a stream (`end_with_client`): its answer is the engine's own all the same.
#[test]
fn a_plain_answer_is_the_engines_own() {
    let Some(engine) = program() else { return };
    // With the marks of functionary's templates the engine makes its tiny model call tools.
    const TEMPLATE: &str = r#"{%- for tool in tools or [] %}{{ tool | tojson }}
{% endfor %}{%- for message in messages %}<|im_start|>{{ message.role }}
{% if message.content %}>>>all
{{ message.content }}{% endif %}{% for call in message.tool_calls or [] %}>>>{{ call.function.name }}
{{ call.function.arguments | tojson }}{% endfor %}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
>>>{% endif %}"#;
    let command = ["--jinja", "--chat-template", TEMPLATE, "-np", "2", "--slots"];
    let manager = Manager::start(&Config::with(real(&engine, "tiny-chat", "Chat", &command)));
    let messages = json!([{"role": "user", "content": "the people"}]);
    let chat = json!({"model": "tiny-chat", "max_tokens": 12, "temperature": 0, "messages": messages});
    let with = |base: &serde_json::Value, more: serde_json::Value| {
        let mut body = base.clone();
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let tool = json!({"type": "function", "function": {"name": "look", "description": "d",
        "parameters": {"type": "object", "properties": {"city": {"type": "string", "enum": ["Paris"]}}, "required": ["city"]}}});
    let text = json!({"model": "tiny-chat", "max_tokens": 6, "temperature": 0, "prompt": "the"});
    let cases = [
        ("/v1/chat/completions", chat.clone()),
        ("/v1/chat/completions", with(&chat, json!({"stream": false, "logprobs": true, "top_logprobs": 2}))),
        ("/v1/chat/completions", with(&chat, json!({"n": 2, "seed": 3, "stop": ["been"]}))),
        (
            "/v1/chat/completions",
            with(&chat, json!({"max_tokens": 200, "tools": [tool], "tool_choice": "required"})),
        ),
        ("/v1/completions", text.clone()),
        ("/v1/completions", with(&text, json!({"logprobs": 1, "prompt": ["the", "a"]}))),
        (
            "/v1/messages",
            json!({"model": "tiny-chat", "max_tokens": 6, "temperature": 0, "messages": messages}),
        ),
        (
            "/v1/responses",
            json!({"model": "tiny-chat", "max_output_tokens": 6, "temperature": 0, "input": "the people"}),
        ),
    ];
    for (path, body) in &cases {
        let ours = manager.post(path).json(body).send().ok();
        assert_eq!(ours.header("content-type"), Some("application/json; charset=utf-8"));
        let ours = alike(&ours.json());
        // Its own answer, as it gives it to whoever asks it without us.
        let own_call = manager.post(&format!("/upstream/tiny-chat{path}")).json(body);
        let own = alike(&own_call.send().ok().json());
        assert_eq!(ours, own, "{path} {body}");
        let calls = ours["choices"][0]["message"]["tool_calls"].is_array();
        assert_eq!(calls, body.get("tools").is_some(), "{ours}");
    }
    let refused = manager.post("/v1/chat/completions").json(&with(&chat, json!({"messages": 7}))).send();
    assert_eq!(refused.status, 400, "the engine's own refusal");
}

/// llama.cpp's router generates on for a client of a plain request that has left (findings/llama_router_runs_on.sh).
#[test]
fn a_plain_request_to_a_router_ends_with_its_client() {
    let Some(engine) = program() else { return };
    let (server, models) = (engine.join("llama-server"), engine.join("models"));
    let router = [server.to_str().unwrap(), "--models-dir", models.to_str().unwrap(), "--models-max", "1"];
    let command = [
        &router[..],
        &["--host", "127.0.0.1", "--port", "{port}", "-t", "1", "-c", "512", "--slots", "--context-shift"],
    ];
    let model = |name: &str| {
        Model::chat(name).command(&command.concat()).line("served_name: tiny-chat").start_timeout(60)
    };
    let config = Config::with(model("ends")).model(model("runs-on").line("end_with_client: false"));
    let manager = Manager::start(&config);
    let ask = |name: &str, tokens: u32| {
        let messages = json!([{"role": "user", "content": "the"}]);
        let body = json!({"model": name, "max_tokens": tokens, "ignore_eos": true, "messages": messages});
        manager.post("/v1/chat/completions").json(&body)
    };
    let busy = |name: &str| {
        let slots = manager.get(&format!("/upstream/{name}/slots?model=tiny-chat")).send().ok().json();
        slots.as_array().unwrap().iter().any(|slot| slot["is_processing"] == true)
    };
    for name in ["ends", "runs-on"] {
        ask(name, 1).send().ok();
        let call = ask(name, 100_000_000).open();
        wait_until("the engine generates", Duration::from_secs(20), || busy(name));
        call.leave();
        manager.wait_leases(name, 0);
    }
    wait_until("the engine has stopped", Duration::from_secs(20), || !busy("ends"));
    assert!(busy("runs-on"), "the one that is told to be left alone goes on");
}

/// An answer without what is another one each time.
fn alike(answer: &serde_json::Value) -> serde_json::Value {
    match answer {
        serde_json::Value::Object(fields) => {
            let varies = |name: &str| {
                matches!(
                    name,
                    "id" | "created" | "created_at" | "completed_at" | "timings" | "logprob" | "input_tokens"
                ) || name.contains("cache")
            };
            let fields = fields.iter();
            fields
                .map(|(name, value)| {
                    let value = if varies(name) && !value.is_array() { json!("there") } else { alike(value) };
                    (name.clone(), value)
                })
                .collect()
        }
        serde_json::Value::Array(values) => values.iter().map(alike).collect(),
        other => other.clone(),
    }
}

#[test]
fn a_missing_model_file_is_explained() {
    let Some(engine) = engine() else { return };
    let manager = Manager::start(&Config::with(real(&engine, "tiny-nothing", "Chat", &[])));
    let reply = manager.chat("tiny-nothing").send().error(503, "model_start_failed");
    assert!(reply.message().contains("tiny-nothing.gguf"), "{}", reply.message());
}

/// Runs one of `tests/clients/` against a manager whose models are all cold.
fn official_client(program: &Path, script: &str) {
    let Some(manager) = start() else { return };
    if !program.exists() {
        missing::<()>(&format!("no {} (make engine)", program.display()));
        return;
    }
    let mut command = Command::new(program);
    command.arg(root().join("tests/clients").join(script));
    command.arg(manager.url()).args(["tiny-chat", "tiny-embed"]);
    // Node looks for packages from the script's folder upwards; the script is told where they are.
    command.env("CLIENTS_DIR", root().join(".engine/clients"));
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.ends_with("all good\n"), "{text}");
    wait_until("its requests are over", Duration::from_secs(5), || manager.model("tiny-chat")["leases"] == 0);
}

#[test]
fn the_official_python_client() {
    official_client(&root().join(".engine/clients/venv/bin/python"), "openai_check.py");
}

#[test]
fn the_official_node_client() {
    if !root().join(".engine/clients/node_modules/openai").exists() {
        missing::<()>("no .engine/clients/node_modules (make engine)");
        return;
    }
    let node = std::env::var_os("PATH")
        .and_then(|path| std::env::split_paths(&path).map(|dir| dir.join("node")).find(|node| node.exists()));
    let Some(node) = node.or_else(|| missing("no node")) else { return };
    official_client(&node, "check.mjs");
}
