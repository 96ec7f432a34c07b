//! The same kinds in other forms: other codings, media types, places and endpoints.

use super::*;
use flate2::Compression;
use flate2::write::{DeflateEncoder, ZlibEncoder};

fn packed(coding: &str, plain: &str) -> Vec<u8> {
    let plain = plain.as_bytes();
    match coding {
        "deflate" => {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(plain).unwrap();
            encoder.finish().unwrap()
        }
        "bare deflate" => {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(plain).unwrap();
            encoder.finish().unwrap()
        }
        _ => gzip(std::str::from_utf8(plain).unwrap()),
    }
}

#[test]
fn deflate_is_read_in_both_of_its_spellings() {
    let stage = Stage::new();
    let whole = r#"{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":3}}"#;
    let stream = lines(&[TEXT, FINISH, USAGE, "[DONE]"]);
    for coding in ["deflate", "bare deflate"] {
        let more = "Content-Encoding: deflate\r\n";
        let answer = sized("200 OK", "application/json", &packed(coding, whole), more);
        let reply = stage.ask(CHAT, false, &answer).send();
        assert_eq!((reply.text().as_str(), reply.header("content-encoding")), (whole, None), "{coding}");
        assert_eq!(stage.row()["output_tokens"], 3, "{coding}");
        let answer = sized("200 OK", "text/event-stream", &packed(coding, &stream), more);
        let reply = stage.ask(CHAT, true, &answer).send();
        assert_eq!(reply.text(), lines(&[TEXT, FINISH, "[DONE]"]), "{coding}");
        assert_eq!(stage.row()["output_tokens"], 3, "{coding}");
    }
}

#[test]
fn the_words_of_a_packed_error_are_read() {
    let stage = Stage::new();
    let body = r#"{"error":{"message":"CUDA error"}}"#;
    let answer = sized("500 Oops", "application/json", &gzip(body), "Content-Encoding: gzip\r\n");
    let reply = stage.ask(CHAT, false, &answer).send();
    assert_eq!((reply.status, reply.text().as_str(), reply.header("content-encoding")), (500, body, None));
    assert_outcome(&stage.row(), "backend_error", Some("CUDA error"));
    stage.ask(CHAT, false, b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n").send();
    assert_outcome(&stage.row(), "backend_error", Some("status 503 and no words"));
}

#[test]
fn nothing_that_is_packed_is_nothing() {
    let stage = Stage::new();
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n\
         Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        // Only the end of its connection ends it.
        "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n",
    ] {
        let reply = stage.ask(CHAT, false, answer.as_bytes()).send();
        assert_eq!((reply.status, reply.body.len(), reply.end), (200, 0, End::Complete), "{answer}");
        assert_outcome(&stage.row(), "ok", None);
    }
}

#[test]
fn a_head_without_a_body_is_whole_whatever_it_announces() {
    let config = Config::with(Model::new("chat", "Job"))
        .top("modes: {Job: {endpoints: [/v1/job], probe: {method: GET, path: /health}}}");
    let manager = Manager::start(&config);
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: 77\r\n\r\n";
    std::fs::write(manager.path("head"), head).unwrap();
    let call = manager.bare("HEAD", "/v1/job?model=chat").fake(&format!("raw={}", manager.word("head")));
    let reply = call.send();
    assert_eq!((reply.status, reply.header("content-encoding")), (200, Some("gzip")));
    let mut rows = Vec::new();
    wait_until("the request is in the ledger", PATIENCE, || {
        rows = manager.api("/api/requests")["rows"].as_array().unwrap().clone();
        !rows.is_empty()
    });
    assert_outcome(&rows[0], "ok", None);
}

#[test]
fn usage_is_found_under_other_names_and_media_types() {
    let stage = Stage::new();
    for content_type in ["application/jsonl", "text/plain; charset=utf-8", "application/octet-stream"] {
        let answer = chunked(content_type, &lines(&[TEXT, FINISH, USAGE, "[DONE]"]));
        let reply = stage.ask(CHAT, true, &answer).send();
        assert_eq!(reply.text(), lines(&[TEXT, FINISH, "[DONE]"]), "{content_type}");
        assert_eq!(stage.row()["output_tokens"], 3, "{content_type}");
    }
    // Groq's.
    let finish = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"x_groq":{"usage":{"prompt_tokens":11,"completion_tokens":7}}}"#;
    let (_, row) = stage.stream(CHAT, &[TEXT, finish, "[DONE]"]);
    assert_eq!((&row["input_tokens"], &row["output_tokens"]), (&json!(11), &json!(7)));
    let marked = "\u{feff}{\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":3}}";
    stage.ask(CHAT, false, &sized("200 OK", "application/json", marked.as_bytes(), "")).send();
    assert_eq!(stage.row()["output_tokens"], 3, "behind a byte order mark");
}

#[test]
fn errors_within_a_stream_are_told_in_their_own_words() {
    let stage = Stage::new();
    let choice =
        r#"{"choices":[{"index":0,"delta":{},"finish_reason":"error","error":{"message":"upstream gone"}}]}"#;
    for (events, words) in [
        (vec![TEXT, choice, "[DONE]"], "upstream gone"),
        (vec![TEXT, r#"{"detail":"Engine crashed"}"#, "[DONE]"], "Engine crashed"),
    ] {
        let (reply, row) = stage.stream(CHAT, &events);
        assert_eq!(reply.text(), lines(&events));
        assert_outcome(&row, "backend_error", Some(words));
    }
}

/// An error in a whole answer is one at every endpoint whose answers are known.
#[test]
fn an_error_in_a_good_answer_is_the_backends_at_every_endpoint() {
    for (mode, path) in [
        ("Chat", CHAT),
        ("Chat", "/infill"),
        ("Embedding", "/v1/embeddings"),
        ("Embedding", "/pooling"),
        ("Reranker", "/v1/rerank"),
        ("Transcription", "/v1/audio/transcriptions"),
        ("Speech", "/v1/audio/speech"),
        ("Image", "/v1/images/generations"),
    ] {
        let stage = Stage::of(&Config::with(Model::new("chat", mode)));
        for body in
            [r#"{"error":{"message":"no memory"}}"#, r#"{"error":"no memory"}"#, r#"{"detail":"no memory"}"#]
        {
            let reply =
                stage.ask(path, false, &sized("200 OK", "application/json", body.as_bytes(), "")).send();
            assert_eq!((reply.status, reply.text()), (200, body.into()), "{path}");
            assert_outcome(&stage.row(), "backend_error", Some("no memory"));
        }
    }
    // What an endpoint of one's own means by it, nobody knows.
    let config = Config::with(Model::new("chat", "Own"))
        .top("modes: {Own: {endpoints: [/own], probe: {path: /v1/models}}}");
    let stage = Stage::of(&config);
    let body = br#"{"error":"of the measurement: 0.1"}"#;
    stage.ask("/own", false, &sized("200 OK", "application/json", body, "")).send().ok();
    assert_outcome(&stage.row(), "ok", None);
}

/// `echo` gives the prompt back: that is no output, whatever was seen of it.
#[test]
fn an_echo_is_paid_as_the_engine_counts_it() {
    let stage = Stage::new();
    let answer =
        r#"{"choices":[{"index":0,"text":"hello world"}],"usage":{"prompt_tokens":2,"completion_tokens":0}}"#;
    std::fs::write(stage.manager.path("echo"), sized("200 OK", "application/json", answer.as_bytes(), ""))
        .unwrap();
    for (echo, tokens) in [(true, (json!(0), json!("backend"))), (false, (json!(3), json!("estimated")))] {
        stage.told.set(stage.told.get() + 1);
        let body = json!({"model": "chat", "prompt": "hello world", "max_tokens": 0, "echo": echo});
        let word = format!("raw={}", stage.manager.word("echo"));
        stage.manager.post("/v1/completions").json(&body).fake(&word).send().ok();
        let row = stage.row();
        assert_eq!((row["output_tokens"].clone(), row["usage_source"].clone()), tokens, "{row}");
    }
}

/// A stream is one under whatever name and in whatever packing it comes: also where something is made of it.
#[test]
fn a_stream_of_another_type_or_packed_is_put_together() {
    let stage = Stage::of(&Config::with(Model::chat("chat").line("end_with_client: true")));
    let events = lines(&[TEXT, FINISH, USAGE, "[DONE]"]);
    let gzip = packed("gzip", &events);
    let answers = [
        sized("200 OK", "text/plain; charset=utf-8", events.as_bytes(), ""),
        sized("200 OK", "text/html", events.as_bytes(), ""),
        sized("200 OK", "text/event-stream", &gzip, "Content-Encoding: gzip\r\n"),
    ];
    for answer in &answers {
        let plain = stage.ask(CHAT, false, answer).send().ok();
        assert_eq!(plain.header("content-type"), Some("application/json; charset=utf-8"));
        assert_eq!(plain.json()["choices"][0]["message"]["content"], "Once");
        assert_eq!(stage.row()["output_tokens"], 3);
        let record = stage.ask("/api/chat", false, answer).send().ok().json();
        assert_eq!(record["message"]["content"], "Once");
        let streamed = stage.ask("/api/chat", true, answer).send().ok();
        let texts: Vec<Value> =
            streamed.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((texts.len(), &texts[0]["message"]["content"]), (2, &json!("Once")), "{texts:?}");
        stage.row();
    }
    // What is no stream after all comes as it is.
    let words = sized("200 OK", "text/plain", b"just words", "");
    let reply = stage.ask(CHAT, false, &words).send().ok();
    assert_eq!((reply.text(), reply.header("content-type")), ("just words".into(), Some("text/plain")));
}

/// The same behind comments of a model that loads.
#[test]
fn a_stream_of_another_type_follows_the_comments_of_a_load() {
    let events = lines(&[TEXT, FINISH, "[DONE]"]);
    let gzip = packed("gzip", &events);
    for answer in [
        sized("200 OK", "text/plain", events.as_bytes(), ""),
        sized("200 OK", "text/event-stream", &gzip, "Content-Encoding: gzip\r\n"),
    ] {
        let model = Model::chat("chat").flags(&["--load-delay-ms", "2600"]);
        let stage = Stage::of(&Config::with(model).program("loading_comments: true"));
        let reply = stage.ask(CHAT, true, &answer).send().ok();
        let text = reply.text();
        assert!(text.starts_with(": loading") && text.ends_with(&events), "{text}");
        assert_outcome(&stage.row(), "ok", None);
    }
}

/// Engines that hand each field on to a function of theirs.
#[test]
fn an_engine_that_breaks_at_stream_options_is_asked_without() {
    let refusal = |status: u16| {
        format!(
            r#"
import http.server, json, sys
class Engine(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_): pass
    def say(self, status, body, kind="application/json"):
        self.send_response(status); self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body))); self.end_headers(); self.wfile.write(body)
    def do_GET(self): self.say(200, b'{{"data":[{{"id":"chat"}}]}}')
    def do_POST(self):
        document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "stream_options" in document:
            self.say({status}, b'{{"error":"got an unexpected keyword argument stream_options"}}')
        elif document.get("fail"): self.say({status}, b'{{"error":"CUDA error"}}')
        else: self.say(200, b'data: {{"choices":[{{"delta":{{"content":"x"}}}}]}}\n\ndata: [DONE]\n\n', "text/event-stream")
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Engine).serve_forever()
"#
        )
    };
    for status in [500, 501, 403] {
        let model = Model::chat("chat").command(&["python3", "{dir}/engine.py", "{port}"]);
        let manager = Manager::start(&Config::with(model));
        std::fs::write(manager.path("engine.py"), refusal(status)).unwrap();
        for _ in 0..2 {
            assert!(manager.chat_stream("chat").send().ok().text().contains("[DONE]"), "{status}");
        }
        assert_eq!(manager.log().matches("the engine refuses `stream_options`").count(), 1, "{status}");
        let body = json!({"model": "chat", "messages": [], "stream": true, "fail": true});
        let reply = manager.post(CHAT).json(&body).send();
        assert_eq!((reply.status, reply.text().as_str()), (status, r#"{"error":"CUDA error"}"#));
    }
}

/// What is not asked by name before it serves is known by its list.
#[test]
fn the_only_model_that_a_backend_lists_is_asked_by_its_name() {
    for (mode, top) in [
        ("Transcription", ""),
        (
            "Hear",
            "modes: {Hear: {endpoints: [/v1/audio/transcriptions], probe: {method: GET, path: /v1/models}}}",
        ),
    ] {
        let model = Model::new("ours", mode).line("aliases: [whisper-1]").flags(&["--knows", "org/whisper"]);
        let mut config = Config::with(model);
        if !top.is_empty() {
            config = config.top(top);
        }
        let manager = Manager::start(&config);
        for name in ["ours", "whisper-1"] {
            let form = format!(
                "--X\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\nRIFF\r\n--XY\r\n\r\n\
                 --X\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n{name}\r\n--X--\r\n"
            );
            let call = manager.bare("POST", "/v1/audio/transcriptions");
            let call = call.header("Content-Type", "multipart/form-data; boundary=X").body(form);
            let came = call.fake("echo=1").send().ok().json();
            assert!(
                came["body"].as_str().unwrap().contains("\r\n\r\norg/whisper\r\n--X--"),
                "{mode} {name}: {came}"
            );
        }
    }
}

/// llama.cpp's completions report each prompt where its answer ends.
#[test]
fn each_prompt_of_a_list_is_counted() {
    let stage = Stage::new();
    let text = |choice: u32| format!(r#"{{"choices":[{{"index":{choice},"text":"a"}}]}}"#);
    let end = |choice: u32, input: u32| {
        format!(
            r#"{{"choices":[{{"index":{choice},"text":"","finish_reason":"length"}}],"usage":{{"prompt_tokens":{input},"completion_tokens":2}}}}"#
        )
    };
    let events = [text(0), text(1), text(0), end(0, 4), text(1), end(1, 9), "[DONE]".to_owned()];
    let answer = chunked("text/event-stream", &lines(&events.each_ref().map(String::as_str)));
    let ask = |prompt: Value| {
        let call = stage.ask("/v1/completions", true, &answer);
        call.json(&json!({"model": "chat", "prompt": prompt, "stream": true})).send().ok();
        let row = stage.row();
        (row["input_tokens"].clone(), row["output_tokens"].clone(), row["usage_source"].clone())
    };
    assert_eq!(ask(json!(["one", "two of them"])), (json!(13), json!(4), json!("backend")));
    assert_eq!(ask(json!("one")), (json!(9), json!(4), json!("backend")));
}

/// A page of a proxy or half a document is no answer, whatever its status says.
#[test]
fn what_no_client_can_read_is_no_answer() {
    let stage = Stage::new();
    for (content_type, body, words) in [
        (
            "text/html",
            " <!doctype html><title>Log in</title>",
            "the response is not JSON: <!doctype html><title>Log in",
        ),
        ("text/plain", "upstream connect error", "the response is not JSON: upstream connect error"),
        ("application/json", "null", "the response is not JSON: null"),
        ("application/json", r#"{"choices":[{"index":0,"mess"#, "the JSON of the response has no end"),
    ] {
        for stream in [false, true] {
            let reply =
                stage.ask(CHAT, stream, &sized("200 OK", content_type, body.as_bytes(), "")).send().ok();
            assert_eq!(reply.text(), body);
            assert_outcome(&stage.row(), "backend_error", Some(words));
        }
    }
    let packed = sized("200 OK", "text/html", &gzip("<html>"), "Content-Encoding: gzip\r\n");
    stage.ask(CHAT, false, &packed).send().ok();
    assert_outcome(&stage.row(), "backend_error", Some("not JSON: <html>"));
    // Lists are documents, too, and a client may have asked for bytes.
    let stage = Stage::of(&Config::with(Model::new("chat", "Embedding")));
    for (content_type, body) in
        [("application/json", "[[0.5,0.25]]"), ("application/octet-stream", "\u{1}\u{2}")]
    {
        stage.ask("/v1/embeddings", false, &sized("200 OK", content_type, body.as_bytes(), "")).send().ok();
        assert_outcome(&stage.row(), "ok", None);
    }
    // The text of speech may be nothing but text.
    let stage = Stage::of(&Config::with(Model::new("chat", "Transcription")));
    let text = sized("200 OK", "text/plain", b"Once upon a time", "");
    stage.ask("/v1/audio/transcriptions", false, &text).send().ok();
    assert_outcome(&stage.row(), "ok", None);
}

/// A backend that names itself by its own port would send clients past the manager.
#[test]
fn a_redirect_leads_back_to_the_manager() {
    let stage = Stage::new();
    stage.ask(CHAT, false, &sized("200 OK", "application/json", b"{}", "")).send().ok();
    assert_outcome(&stage.row(), "ok", None);
    let port = &stage.manager.model("chat")["port"];
    let moved = |place: &str| sized("307 Moved", "text/plain", b"", &format!("Location: {place}\r\n"));
    for (place, expected) in [
        (format!("http://127.0.0.1:{port}/v1/chat/completions?a=b"), "/v1/chat/completions?a=b"),
        (format!("http://localhost:{port}/"), "/"),
        ("https://login.example.com/".to_owned(), "https://login.example.com/"),
    ] {
        let reply = stage.ask(CHAT, false, &moved(&place)).send();
        assert_eq!((reply.status, reply.header("location")), (307, Some(expected)));
        assert_outcome(&stage.row(), "backend_error", Some(&format!("redirects to {expected} instead")));
    }
    let answer = moved(&format!("http://127.0.0.1:{port}/slots/"));
    let reply = stage.ask("/upstream/chat/slots", false, &answer).send();
    assert_eq!(reply.header("location"), Some("/upstream/chat/slots/"));
    assert_outcome(&stage.row(), "ok", None);
}
