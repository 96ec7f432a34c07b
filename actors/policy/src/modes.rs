//! The built-in modes and how each is probed; `endpoints` has the table of what they serve.
//!
//! A mode of the configuration's `modes:` is one more entry of the same kind.

use crate::endpoints;
use crate::spec::{ModeSpec, ProbeSpec, Routes};

/// All of them, in the order in which messages list them.
pub fn built_in() -> Vec<ModeSpec> {
    vec![
        mode(
            "Chat",
            "/v1/chat/completions",
            r#"{"model":{model},"messages":[{"role":"user","content":"hi"}],"max_tokens":1}"#,
        ),
        mode("Base", "/v1/completions", r#"{"model":{model},"prompt":"hi","max_tokens":1}"#),
        mode("Embedding", "/v1/embeddings", r#"{"model":{model},"input":"hi"}"#),
        mode("Reranker", "/v1/rerank", r#"{"model":{model},"query":"hi","documents":["hi"]}"#),
        // A tiny request of these would take seconds, or play a sound: to have loaded is to be ready.
        media("Transcription"),
        media("Speech"),
        media("Image"),
    ]
}

fn mode(name: &str, probe_path: &str, probe_body: &str) -> ModeSpec {
    let mut mode = media(name);
    mode.probes.push(ProbeSpec {
        method: "POST".to_owned(),
        paths: vec![probe_path.to_owned()],
        body: Some(probe_body.to_owned()),
        headers: Vec::new(),
    });
    mode
}

fn media(name: &str) -> ModeSpec {
    ModeSpec {
        name: name.to_owned(),
        endpoints: endpoints::of_mode(name),
        probes: vec![ProbeSpec {
            method: "GET".to_owned(),
            paths: vec!["/v1/models".to_owned(), "/health".to_owned()],
            body: None,
            headers: Vec::new(),
        }],
        usage: None,
        routes: Routes::default(),
    }
}
