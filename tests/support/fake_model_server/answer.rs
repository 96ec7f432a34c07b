//! Answers in the form of llama-server, broken where the request says so.

use std::borrow::Cow;
use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::WriteHalf;

use crate::connection::{After, Request, Server};
use crate::script::{Place, Script};
use crate::stats::{STATS, now_us};

/// What matters of a request's body.
#[derive(Debug, Default, Deserialize)]
struct Ask<'a> {
    #[serde(borrow)]
    model: Option<Cow<'a, str>>,
    #[serde(default)]
    stream: bool,
    stream_options: Option<StreamOptions>,
    max_tokens: Option<u64>,
    #[serde(borrow)]
    x_fake: Option<Cow<'a, str>>,
}

#[derive(Debug, Default, Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

/// Collects a request's script from its three places.
pub(crate) fn read_script(request: &mut Request) {
    if !request.query.is_empty() {
        request.script.read(&request.query, '&');
    }
    for (name, value) in &request.headers {
        if name.eq_ignore_ascii_case("x-fake") {
            request.script.read(value, ',');
        }
    }
    if memchr::memmem::find(&request.body, b"x_fake").is_some()
        && let Ok(Ask { x_fake: Some(words), .. }) = serde_json::from_slice(&request.body)
    {
        request.script.read(&words, ',');
    }
    request.script.spend_once();
}

pub(crate) async fn answer(
    server: &Server,
    request: &Request,
    output: &mut WriteHalf<'_>,
) -> io::Result<After> {
    if request.path == "/fake/stats" {
        return send_json(output, 200, &STATS.json()).await;
    }
    let loading = Instant::now() < server.loaded_at
        || server.load_until_file.as_ref().is_some_and(|file| !file.exists());
    if loading {
        let error = json!({"error":
            {"message": "Loading model", "type": "unavailable_error", "code": 503}});
        return send_json(output, 503, &error).await;
    }
    if let Some(key) = &server.key {
        let wanted = format!("Bearer {key}");
        let given =
            |(name, value): &(String, String)| name.eq_ignore_ascii_case("authorization") && *value == wanted;
        if !request.headers.iter().any(given) {
            let error = json!({"error": {"message": "Invalid API key", "type": "auth_error", "code": 401}});
            return send_json(output, 401, &error).await;
        }
    }
    if let Some(bed) = &server.sleep
        && let Some((status, said)) = bed.answer(request).await
    {
        return send_json(output, status, &said).await;
    }
    if request.path == "/metrics" && !server.no_metrics {
        return send_metrics(server, output).await;
    }
    let script = &request.script;
    server.journal.note(request, "asked");
    if !script.head_delay.is_zero() {
        tokio::time::sleep(script.head_delay).await;
    }
    await_file(script.wait_file.as_deref()).await;
    if let Some(after) = misbehave(script, output).await? {
        return Ok(after);
    }
    if let Some(status) = script.status {
        return send_status(output, status, request).await;
    }
    if script.echo {
        return send_json(output, 200, &echo(request)).await;
    }
    if let Some(file) = &script.raw {
        output.write_all(&std::fs::read(file)?).await?;
        await_file(script.stream_file.as_deref()).await;
        return Ok(After::Close);
    }
    if script.strict && memchr::memmem::find(&request.body, b"stream_options").is_some() {
        let error =
            json!({"detail": [{"loc": ["body", "stream_options"], "msg": "extra fields not permitted"}]});
        return send_json(output, 422, &error).await;
    }
    let ask: Ask = if request.body.is_empty() {
        Ask::default()
    } else {
        match serde_json::from_slice(&request.body) {
            Ok(ask) => ask,
            Err(error) => {
                let error = json!({"error":
                    {"code": 400, "message": error.to_string(), "type": "invalid_request_error"}});
                return send_json(output, 400, &error).await;
            }
        }
    };
    if let Some(model) = ask.model.as_deref().filter(|model| !server.takes(model)) {
        let message = format!("The model `{model}` does not exist.");
        let error = json!({"error": {"message": message, "type": "NotFoundError", "code": 404}});
        return send_json(output, 404, &error).await;
    }
    let tokens = script.tokens.or(ask.max_tokens).unwrap_or(8);
    let prompt = script.prompt.unwrap_or(24);
    let usage = Usage { prompt, cached: script.cached.unwrap_or(prompt / 2), completion: tokens };
    STATS.count(&STATS.prompt_tokens, prompt);
    let model = ask.model.as_deref().unwrap_or(&server.name);
    if ask.stream && kind(&request.path).is_some() {
        let include_usage = ask.stream_options.is_some_and(|options| options.include_usage);
        return stream(server, request, model, usage, include_usage, output).await;
    }
    STATS.count(&STATS.completion_tokens, tokens);
    for _ in 0..tokens {
        if script.delay.is_zero() {
            break;
        }
        tokio::time::sleep(script.delay).await;
    }
    if request.path == "/v1/audio/speech" {
        let sound = vec![b'~'; script.size.unwrap_or(1024)];
        return send(output, 200, "audio/wav", &sound, script).await;
    }
    match body_from_memory(server, request, model, usage) {
        Some(body) => {
            if script.cut.is_none() && script.die.is_none() && !script.no_usage {
                server.journal.note(request, format_args!("usage {}", usage.line(&request.path)));
            }
            send(output, 200, "application/json; charset=utf-8", &body, script).await
        }
        None => {
            let error = json!({"error":
                {"code": 404, "message": "File Not Found", "type": "not_found_error"}});
            send_json(output, 404, &error).await
        }
    }
}

async fn await_file(file: Option<&str>) {
    let Some(file) = file else { return };
    while !std::path::Path::new(file).exists() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The ways to answer nothing sensible.
async fn misbehave(script: &Script, output: &mut WriteHalf<'_>) -> io::Result<Option<After>> {
    if script.die == Some(Place::BeforeAnswer) {
        std::process::exit(9);
    }
    if script.cut == Some(Place::BeforeAnswer) {
        return Ok(Some(After::Close));
    }
    match script.wrong.as_deref() {
        Some("headers") => {
            output.write_all(b"HTTP/1.1 200 OK\r\nx-long: ").await?;
            for _ in 0..1024 {
                output.write_all(&[b'a'; 1024]).await?;
            }
            Ok(Some(After::Close))
        }
        Some(_) => {
            output.write_all(b"\x00\x01\x02 this is no HTTP\r\n\r\n").await?;
            Ok(Some(After::Close))
        }
        None => Ok(None),
    }
}

fn echo(request: &Request) -> Value {
    json!({
        "method": request.method,
        "path": request.path,
        "query": request.query,
        "headers": request.headers,
        "body": String::from_utf8_lossy(&request.body),
    })
}

async fn send_status(output: &mut WriteHalf<'_>, status: u16, request: &Request) -> io::Result<After> {
    if status == 204 || status == 304 {
        let head = format!("HTTP/1.1 {status} {}\r\nx-backend: fake\r\n\r\n", reason(status));
        output.write_all(head.as_bytes()).await?;
        return Ok(After::KeepAlive);
    }
    let error = json!({"error":
        {"code": status, "message": format!("told so by {}", request.path), "type": "fake_error"}});
    send_json(output, status, &error).await
}

/// As engines do it: a label `model` of its own, and a time.
async fn send_metrics(server: &Server, output: &mut WriteHalf<'_>) -> io::Result<After> {
    let chats = STATS.scripted.load(std::sync::atomic::Ordering::Relaxed);
    let model = server.name.replace('"', "\\\"");
    let running = server.sleep.as_ref().map_or_else(String::new, |bed| {
        format!("vllm:num_requests_running{{model_name=\"{model}\"}} {}\n", u8::from(bed.is_busy()))
    });
    let text = format!(
        "{running}# HELP fake:chats_total Chats so far.\n# TYPE fake:chats_total counter\nfake:chats_total{{model=\"{model}\"}} {chats} \
         1700000000000\n"
    );
    send(output, 200, "text/plain; version=0.0.4", text.as_bytes(), &Script::default()).await
}

async fn send_json(output: &mut WriteHalf<'_>, status: u16, body: &Value) -> io::Result<After> {
    let body = body.to_string();
    let script = Script::default();
    send(output, status, "application/json; charset=utf-8", body.as_bytes(), &script).await
}

async fn send(
    output: &mut WriteHalf<'_>,
    status: u16,
    content_type: &str,
    body: &[u8],
    script: &Script,
) -> io::Result<After> {
    let close = if script.close { "Connection: close\r\n" } else { "" };
    let mut bytes = Vec::with_capacity(body.len() + 256);
    bytes.extend_from_slice(
        format!(
            "HTTP/1.1 {status} {}\r\nServer: fake\r\nContent-Type: {content_type}\r\n{close}Content-Length: {}\r\n\r\n",
            reason(status),
            body.len()
        )
        .as_bytes(),
    );
    bytes.extend_from_slice(body);
    if script.cut.is_some() || script.die.is_some() {
        bytes.truncate(bytes.len() - body.len() / 2);
        output.write_all(&bytes).await?;
        if script.die.is_some() {
            die_when_sent().await;
        }
        return Ok(After::Close);
    }
    output.write_all(&bytes).await?;
    Ok(if script.close { After::Close } else { After::KeepAlive })
}

/// The process ends at once; what was written is in the kernel's hands already.
async fn die_when_sent() {
    eprintln!("fake: dying in the middle of an answer");
    std::process::exit(9);
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        304 => "Not Modified",
        400 => "Bad Request",
        404 => "Not Found",
        503 => "Service Unavailable",
        _ => "Told So",
    }
}

#[derive(Clone, Copy, Debug)]
struct Usage {
    prompt: u64,
    cached: u64,
    completion: u64,
}

impl Usage {
    /// As the journal has it.
    fn line(self, path: &str) -> String {
        match path {
            "/v1/embeddings" | "/v1/rerank" => format!("{} - 0", self.prompt),
            _ => format!("{} {} {}", self.prompt, self.cached, self.completion),
        }
    }

    fn openai(self) -> Value {
        json!({
            "completion_tokens": self.completion,
            "prompt_tokens": self.prompt,
            "total_tokens": self.prompt + self.completion,
            "prompt_tokens_details": {"cached_tokens": self.cached},
        })
    }

    fn responses(self) -> Value {
        json!({
            "input_tokens": self.prompt,
            "output_tokens": self.completion,
            "total_tokens": self.prompt + self.completion,
            "input_tokens_details": {"cached_tokens": self.cached},
        })
    }

    fn anthropic(self) -> Value {
        json!({
            "cache_read_input_tokens": self.cached,
            "input_tokens": self.prompt - self.cached.min(self.prompt),
            "output_tokens": self.completion,
        })
    }
}

/// How an endpoint streams.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Chat,
    Completion,
    Responses,
    Messages,
}

fn kind(path: &str) -> Option<Kind> {
    match path {
        "/v1/chat/completions" => Some(Kind::Chat),
        "/v1/completions" => Some(Kind::Completion),
        "/v1/responses" => Some(Kind::Responses),
        "/v1/messages" => Some(Kind::Messages),
        _ => None,
    }
}

fn text(tokens: u64, size: Option<usize>) -> String {
    match size {
        Some(size) => "x".repeat(size),
        None => (0..tokens).map(|token| format!("word{token} ")).collect(),
    }
}

thread_local! {
    /// The newest answer to a request without a script: a benchmark asks the same again and again.
    static NEWEST: RefCell<Option<(String, Rc<[u8]>)>> = const { RefCell::new(None) };
}

fn body_from_memory(server: &Server, request: &Request, model: &str, usage: Usage) -> Option<Rc<[u8]>> {
    if request.script.given {
        return body(server, request, model, usage).map(Rc::from);
    }
    let key = format!("{} {} {model}", request.path, usage.completion);
    let known = NEWEST
        .with_borrow(|newest| newest.as_ref().filter(|(of, _)| *of == key).map(|(_, body)| Rc::clone(body)));
    if known.is_some() {
        return known;
    }
    let body: Rc<[u8]> = body(server, request, model, usage)?.into();
    NEWEST.set(Some((key, Rc::clone(&body))));
    Some(body)
}

/// The whole answer of an endpoint that doesn't stream now; `None`: no such endpoint.
fn body(server: &Server, request: &Request, model: &str, usage: Usage) -> Option<Vec<u8>> {
    let script = &request.script;
    let text = || text(usage.completion, script.size);
    let mut answer = match request.path.as_str() {
        "/health" | "/v1/health" => json!({"status": "ok"}),
        "/v1/models" => {
            let names =
                if server.knows.is_empty() { vec![&server.name] } else { server.knows.iter().collect() };
            let card = |name| {
                let mut card = json!({"id": name, "object": "model", "created": 1, "owned_by": "fake"});
                if let Some(context) = server.context {
                    card["max_model_len"] = context.into();
                }
                card
            };
            json!({"object": "list", "data": names.into_iter().map(card).collect::<Vec<_>>()})
        }
        "/v1/chat/completions" => json!({
            "id": "chatcmpl-fake", "object": "chat.completion", "created": 1_700_000_000, "model": model,
            "choices": [{"index": 0, "finish_reason": "stop",
                "message": {"role": "assistant", "content": text()}}],
            "usage": usage.openai(),
        }),
        "/v1/completions" => json!({
            "id": "cmpl-fake", "object": "text_completion", "created": 1_700_000_000, "model": model,
            "choices": [{"index": 0, "finish_reason": "stop", "text": text()}],
            "usage": usage.openai(),
        }),
        "/v1/embeddings" => json!({
            "object": "list", "model": model,
            "data": [{"object": "embedding", "index": 0, "embedding": [0.25, -0.5, 0.75]}],
            "usage": {"prompt_tokens": usage.prompt, "total_tokens": usage.prompt},
        }),
        "/v1/rerank" => json!({
            "object": "list", "model": model,
            "results": [{"index": 0, "relevance_score": 0.5}],
            "usage": {"prompt_tokens": usage.prompt, "total_tokens": usage.prompt},
        }),
        "/v1/responses" => json!({
            "id": "resp-fake", "object": "response", "created_at": 1_700_000_000, "model": model,
            "status": "completed",
            "output": [{"type": "message", "id": "msg-fake", "role": "assistant", "status": "completed",
                "content": [{"type": "output_text", "text": text(), "annotations": []}]}],
            "usage": usage.responses(),
        }),
        "/v1/messages" => json!({
            "id": "msg-fake", "type": "message", "role": "assistant", "model": model,
            "content": [{"type": "text", "text": text()}], "stop_reason": "end_turn",
            "usage": usage.anthropic(),
        }),
        _ => return None,
    };
    if script.no_usage
        && let Some(fields) = answer.as_object_mut()
    {
        fields.remove("usage");
    }
    Some(serde_json::to_vec(&answer).unwrap_or_default())
}

/// A stream of server-sent events, chunk by chunk.
async fn stream(
    server: &Server,
    request: &Request,
    model: &str,
    usage: Usage,
    include_usage: bool,
    output: &mut WriteHalf<'_>,
) -> io::Result<After> {
    let script = &request.script;
    let Some(kind) = kind(&request.path) else { return Ok(After::Close) };
    let head = b"HTTP/1.1 200 OK\r\nServer: fake\r\nContent-Type: text/event-stream\r\n\
        X-Accel-Buffering: no\r\nTransfer-Encoding: chunked\r\n\r\n";
    output.write_all(head).await?;
    let mut writer = EventWriter { output, script };
    let usage_wanted =
        !script.no_usage && (include_usage || matches!(kind, Kind::Responses | Kind::Messages));
    for event in opening(kind, model) {
        writer.event(&event).await?;
    }
    server.journal.note(request, "begun");
    for token in 0..usage.completion {
        if !script.delay.is_zero() {
            tokio::time::sleep(script.delay).await;
        }
        if token == usage.completion / 2 {
            if script.die.is_some() {
                die_when_sent().await;
            }
            if script.cut.is_some() {
                return Ok(After::Close);
            }
            await_file(script.stream_file.as_deref()).await;
        }
        if script.ping {
            writer.raw(":\n\n").await?;
        }
        writer.event(&token_event(kind, model, word(token, script))).await?;
        STATS.count(&STATS.completion_tokens, 1);
        server.journal.note(request, "token");
    }
    if usage_wanted {
        server.journal.note(request, format_args!("usage {}", usage.line(&request.path)));
    }
    for event in closing(kind, model, usage, usage_wanted) {
        writer.event(&event).await?;
    }
    if matches!(kind, Kind::Chat | Kind::Completion) {
        writer.raw("data: [DONE]\n\n").await?;
    }
    writer.output.write_all(b"0\r\n\r\n").await?;
    Ok(After::KeepAlive)
}

struct EventWriter<'a, 'b> {
    output: &'a mut WriteHalf<'b>,
    script: &'a Script,
}

impl EventWriter<'_, '_> {
    async fn event(&mut self, event: &Value) -> io::Result<()> {
        let named = event["type"].as_str().map(|name| format!("event: {name}\n")).unwrap_or_default();
        self.raw(&format!("{named}data: {event}\n\n")).await
    }

    /// One chunk, or as many as it has bytes.
    async fn raw(&mut self, text: &str) -> io::Result<()> {
        let text = if self.script.crlf { text.replace('\n', "\r\n") } else { text.to_owned() };
        if !self.script.split {
            return self.output.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes()).await;
        }
        for byte in text.as_bytes() {
            self.output.write_all(&[b'1', b'\r', b'\n', *byte, b'\r', b'\n']).await?;
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}

fn chunk(kind: Kind, model: &str, choice: Option<Value>) -> Value {
    let (id, object) = match kind {
        Kind::Completion => ("cmpl-fake", "text_completion"),
        _ => ("chatcmpl-fake", "chat.completion.chunk"),
    };
    let choices: Vec<Value> = choice.into_iter().collect();
    json!({"choices": choices, "created": 1_700_000_000, "id": id, "model": model, "object": object})
}

fn opening(kind: Kind, model: &str) -> Vec<Value> {
    match kind {
        Kind::Chat => {
            let delta = json!({"role": "assistant", "content": null});
            vec![chunk(kind, model, Some(json!({"index": 0, "finish_reason": null, "delta": delta})))]
        }
        Kind::Completion => vec![],
        Kind::Responses => vec![json!({"type": "response.created",
            "response": {"id": "resp-fake", "object": "response", "model": model, "status": "in_progress"}})],
        Kind::Messages => vec![json!({"type": "message_start", "message":
            {"id": "msg-fake", "type": "message", "role": "assistant", "model": model, "content": [],
             "usage": {"input_tokens": 1, "output_tokens": 0}}})],
    }
}

fn word(token: u64, script: &Script) -> String {
    match script.size {
        _ if script.stamp => format!("t={} ", now_us()),
        Some(size) => "x".repeat(size),
        None => format!("word{token} "),
    }
}

fn token_event(kind: Kind, model: &str, word: String) -> Value {
    match kind {
        Kind::Chat => {
            let delta = json!({"content": word});
            chunk(kind, model, Some(json!({"index": 0, "finish_reason": null, "delta": delta})))
        }
        Kind::Completion => {
            chunk(kind, model, Some(json!({"index": 0, "finish_reason": null, "text": word})))
        }
        Kind::Responses => json!({"type": "response.output_text.delta", "delta": word}),
        Kind::Messages => json!({"type": "content_block_delta", "index": 0,
            "delta": {"type": "text_delta", "text": word}}),
    }
}

fn closing(kind: Kind, model: &str, usage: Usage, usage_wanted: bool) -> Vec<Value> {
    let mut events = match kind {
        Kind::Chat => {
            vec![chunk(kind, model, Some(json!({"index": 0, "finish_reason": "stop", "delta": {}})))]
        }
        Kind::Completion => {
            vec![chunk(kind, model, Some(json!({"index": 0, "finish_reason": "stop", "text": ""})))]
        }
        Kind::Responses => vec![json!({"type": "response.completed", "response":
            {"id": "resp-fake", "object": "response", "model": model, "status": "completed",
             "usage": usage.responses()}})],
        Kind::Messages => vec![
            json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage.anthropic()}),
            json!({"type": "message_stop"}),
        ],
    };
    if usage_wanted && matches!(kind, Kind::Chat | Kind::Completion) {
        let mut last = chunk(kind, model, None);
        last["usage"] = usage.openai();
        events.push(last);
    }
    events
}
