//! The built-in modes: one table of what each serves and how it is probed.
//!
//! A mode of the configuration's `modes:` is one more entry of the same kind.

use crate::spec::{ModeSpec, ProbeSpec};

/// `Chat`, `Base`, `Embedding` and `Reranker`.
pub fn built_in() -> Vec<ModeSpec> {
    vec![
        mode(
            "Chat",
            &["/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/completions"],
            "/v1/chat/completions",
            r#"{"model":{model},"messages":[{"role":"user","content":"hi"}],"max_tokens":1}"#,
        ),
        mode(
            "Base",
            &["/v1/completions"],
            "/v1/completions",
            r#"{"model":{model},"prompt":"hi","max_tokens":1}"#,
        ),
        mode("Embedding", &["/v1/embeddings"], "/v1/embeddings", r#"{"model":{model},"input":"hi"}"#),
        mode(
            "Reranker",
            &["/v1/rerank"],
            "/v1/rerank",
            r#"{"model":{model},"query":"hi","documents":["hi"]}"#,
        ),
    ]
}

fn mode(name: &str, endpoints: &[&str], probe_path: &str, probe_body: &str) -> ModeSpec {
    ModeSpec {
        name: name.to_owned(),
        endpoints: endpoints.iter().map(|path| (*path).to_owned()).collect(),
        probes: vec![
            ProbeSpec {
                method: "GET".to_owned(),
                paths: vec!["/v1/models".to_owned(), "/health".to_owned()],
                body: None,
                headers: Vec::new(),
            },
            ProbeSpec {
                method: "POST".to_owned(),
                paths: vec![probe_path.to_owned()],
                body: Some(probe_body.to_owned()),
                headers: Vec::new(),
            },
        ],
        usage: None,
    }
}
