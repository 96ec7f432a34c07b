//! The models as Ollama lists and describes them.

use super::super::body;
use super::super::catalog::usable;
use super::super::client_api::ClientApi;
use super::model_name::{enter, named, parse};
use crate::http::access::Caller;
use crate::http::error::ApiError;
use crate::http::gateway::forwarding::{Forwarding, ForwardingState};
use actix_web::{HttpRequest, HttpResponse, web};
use llm_manager_actors::model::ModelHandle;
use llm_manager_policy::model_state::ModelState;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// When a model goes that is never stopped for being idle.
const FOR_EVER: &str = "2318-01-01T00:00:00Z";

/// `GET /api/tags`: all models that are listed, and that the caller may use.
pub(super) async fn tags(shared: ForwardingState, request: HttpRequest) -> HttpResponse {
    listed(&shared, &request, |shared, caller| {
        let models = usable(shared, caller).filter(|model| model.spec.listed.name);
        json!({"models": models.map(|model| card(shared, model)).collect::<Vec<_>>()})
    })
    .await
}

/// `GET /api/ps`: those that are loaded.
pub(super) async fn ps(shared: ForwardingState, request: HttpRequest) -> HttpResponse {
    listed(&shared, &request, |shared, caller| {
        let loaded = usable(shared, caller).filter(|model| model.status().state == ModelState::Ready);
        let card = |model: &Arc<ModelHandle>| {
            let mut card = card(shared, model);
            let left = model.idle_left().or_else(|| model.alive_time());
            let until = left.and_then(|left| jiff::Timestamp::now().checked_add(left).ok());
            card["expires_at"] = until.map_or_else(|| FOR_EVER.to_owned(), |until| until.to_string()).into();
            card["size_vram"] = 0.into();
            if let Some(length) = model.context_length() {
                card["context_length"] = length.into();
            }
            card
        };
        json!({"models": loaded.map(card).collect::<Vec<_>>()})
    })
    .await
}

pub(super) async fn listed(
    shared: &Forwarding,
    request: &HttpRequest,
    list: impl FnOnce(&Forwarding, Caller) -> Value,
) -> HttpResponse {
    let response = match enter(shared, request).await {
        Ok(caller) => HttpResponse::Ok().json(list(shared, caller)),
        Err(error) => ClientApi::Ollama.respond(&error),
    };
    shared.access.origins.allow(request, response)
}

/// `POST /api/show`
pub(super) async fn show(
    request: HttpRequest,
    payload: web::Payload,
    shared: ForwardingState,
) -> HttpResponse {
    let shown = async {
        let caller = enter(&shared, &request).await?;
        let received = body::read(&request, payload, shared.max_body_bytes, &shared.stopping).await?;
        let asked = parse(&received.bytes)?;
        let model = named(&shared, &asked)?;
        shared.access.allow_model(caller, &model.spec)?;
        let mut shown = card(&shared, model);
        let mut info = json!({"general.architecture": "unknown", "general.basename": model.spec.name});
        if let Some(length) = model.context_length() {
            info["unknown.context_length"] = length.into();
        }
        for (name, value) in [("license", ""), ("modelfile", ""), ("parameters", ""), ("template", "")] {
            shown[name] = value.into();
        }
        shown["model_info"] = info;
        shown["capabilities"] = capabilities(model).into();
        Ok(HttpResponse::Ok().json(shown))
    };
    let response = shown.await.unwrap_or_else(|error: ApiError| ClientApi::Ollama.respond(&error));
    shared.access.origins.allow(&request, response)
}

/// What Ollama calls what a model can do.
fn capabilities(model: &ModelHandle) -> Vec<&'static str> {
    let serves = |path: &str| model.spec.mode.endpoints.iter().any(|endpoint| endpoint == path);
    let mut all = Vec::new();
    if serves("/v1/completions") {
        all.push("completion");
    }
    if serves("/v1/chat/completions") {
        all.push("tools");
    }
    if serves("/v1/embeddings") {
        all.push("embedding");
    }
    all
}

fn card(shared: &Forwarding, model: &ModelHandle) -> Value {
    let name = &model.spec.name;
    let digest: String = Sha256::digest(name.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    json!({
        "name": name, "model": name, "modified_at": shared.started_at.to_string(), "size": 0, "digest": digest,
        "details": {
            "parent_model": "", "format": "gguf", "family": "unknown", "families": ["unknown"],
            "parameter_size": "", "quantization_level": "",
        },
    })
}
