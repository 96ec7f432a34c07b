//! Gateway: a request for a model, from its first byte to its row in the ledger.
//!
//! `serve` reads a request (`body`, `asked`), brings it to a backend (`forward`, `upstream`), and hands the answer on
//! (`answer`), which keeps its `account`.

mod access_log;
pub(super) mod account;
pub(super) mod actor;
mod admission;
pub(super) mod assembly;
pub(super) mod body;
pub(super) mod body_buffer;
mod capture;
pub(super) mod catalog;
pub(super) mod client_api;
pub(super) mod error_text;
pub(super) mod exchange;
pub(super) mod form_body;
pub(super) mod forward;
pub(super) mod forwarding;
pub(super) mod gathered;
pub(super) mod headers;
pub(super) mod in_flight;
mod lease;
mod loading;
pub(super) mod lookup;
pub(super) mod ollama;
pub(super) mod passthrough;
pub(super) mod redirect;
mod rename;
mod request_additions;
pub(super) mod request_id;
pub(super) mod requested_model;
pub(super) mod respond;
pub(super) mod response_body;
pub(super) mod scan;
mod sender;
pub(super) mod serve;
pub(super) mod socket;
pub(super) mod split_characters;
pub(super) mod unknown_paths;
pub(super) mod unpack;
pub(super) mod unrouted;
pub(super) mod upstream;
pub(super) mod websocket;
pub(super) mod worker;

#[cfg(test)]
use super::api::openapi::operation::{Operation, post};
use actix_web::web::{self, ServiceConfig};
use llm_manager_policy::endpoints::Endpoints;

/// What clients of models use. The first that fits serves; names of models may contain slashes.
pub(super) fn routes(config: &mut ServiceConfig, endpoints: &Endpoints) {
    // Before `/v1/models/{id}`, whose pattern would be tried on every request for a model. One with braces would be a
    // pattern itself; the default route serves it all the same.
    for endpoint in endpoints.paths().filter(|endpoint| !endpoint.contains('{')) {
        config.service(web::resource(endpoint).default_service(web::to(serve::serve)));
    }
    catalog::routes(config);
    passthrough::routes(config);
    ollama::routes(config);
}

/// The endpoints of the built-in modes that most clients use, and what else is here for clients.
#[cfg(test)]
pub(super) fn operations() -> Vec<Operation> {
    let served = [
        ("/v1/chat/completions", "A chat; `stream: true` answers as server-sent events"),
        ("/v1/responses", "OpenAI's responses"),
        ("/v1/messages", "Anthropic's messages"),
        ("/v1/completions", "A completion"),
        ("/v1/embeddings", "Embeddings"),
        ("/v1/rerank", "A ranking of documents"),
    ];
    let served = served.into_iter().map(|(path, summary)| {
        let operation = post(path, summary, serde_json::json!({"type": "object"})).forwarded().streams();
        if path == "/v1/messages" { operation.errors("AnthropicError") } else { operation }
    });
    served.chain(catalog::operations()).chain(ollama::operations()).collect()
}
