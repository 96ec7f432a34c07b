//! What clients of models ask: OpenAI's API, Anthropic's, Ollama's.

use super::operation::{Operation, object, operation};
use serde_json::json;

pub(super) const OLLAMA: &[(&str, &str, &str)] = &[
    ("get", "/api/version", "Ollama: the version that its API is like"),
    ("get", "/api/tags", "Ollama: all models"),
    ("get", "/api/ps", "Ollama: those that are loaded"),
    ("post", "/api/show", "Ollama: one of them"),
    ("post", "/api/chat", "Ollama: a chat; streams lines of JSON unless `stream` is false"),
    ("post", "/api/generate", "Ollama: a completion; streams lines of JSON unless `stream` is false"),
    ("post", "/api/embed", "Ollama: embeddings"),
    ("post", "/api/embeddings", "Ollama: one embedding"),
];

pub(super) fn operations() -> Vec<Operation> {
    let request = || json!({"type": "object", "properties": {"model": {"type": "string", "minLength": 1}}, "required": ["model"]});
    let any = || json!({"type": "object"});
    let served = [
        ("/v1/chat/completions", "A chat; `stream: true` answers as server-sent events"),
        ("/v1/responses", "OpenAI's responses"),
        ("/v1/messages", "Anthropic's messages"),
        ("/v1/completions", "A completion"),
        ("/v1/embeddings", "Embeddings"),
        ("/v1/rerank", "A ranking of documents"),
    ];
    let mut all: Vec<_> = served
        .into_iter()
        .map(|(path, summary)| operation("post", path, summary, any()).body(request()))
        .collect();
    let model =
        object(&[("id", "string"), ("object", "string"), ("created", "integer"), ("owned_by", "string")]);
    let list = json!({"type": "object", "properties": {"object": {"const": "list"}, "data": {"type": "array", "items": model}}});
    all.push(operation("get", "/v1/models", "Names and aliases of all models", list));
    all.push(operation("get", "/v1/models/{id}", "One of them", model));
    all.extend(OLLAMA.iter().map(|&(method, path, summary)| {
        let operation = operation(method, path, summary, any());
        if method == "post" { operation.body(request()) } else { operation }
    }));
    all
}
