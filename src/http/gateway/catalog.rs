//! `/v1/models`: which models there are, and what clients want to know of them before they ask.

use super::client_api::ClientApi;
use crate::http::access::wrong_keys::slow_down;
use crate::http::access::{AccessArea, Caller};
#[cfg(test)]
use crate::http::api::openapi::operation::{Operation, get, object};
use crate::http::error::ApiError;
use crate::http::gateway::forwarding::{Forwarding, ForwardingState};
use crate::http::route::{at, read};
use actix_web::web::ServiceConfig;
use actix_web::{HttpRequest, HttpResponse, web};
use llm_manager_actors::model::ModelHandle;
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(at("/v1/models", read().to(list))).service(at("/v1/models/{id:.+}", read().to(one)));
}

#[cfg(test)]
pub(super) fn operations() -> Vec<Operation> {
    let model =
        object(&[("id", "string"), ("object", "string"), ("created", "integer"), ("owned_by", "string")]);
    let all = json!({"type": "object", "properties": {"object": {"const": "list"}, "data": {"type": "array", "items": model}}});
    vec![
        get("/v1/models", "Names and aliases of all models", all)
            .words("names and aliases of all models, in OpenAI's form"),
        get("/v1/models/{id}", "One of them", model).refused("model_not_found").words("one of them"),
    ]
}

/// `GET /v1/models`: names and aliases of all models that are listed.
async fn list(shared: ForwardingState, request: HttpRequest) -> HttpResponse {
    answer(&shared, &request, |shared, caller| Ok(all(shared, caller))).await
}

/// `GET /v1/models/{id}`.
async fn one(shared: ForwardingState, request: HttpRequest, id: web::Path<String>) -> HttpResponse {
    answer(&shared, &request, |shared, caller| of(shared, caller, id.trim_end_matches('/'))).await
}

async fn answer(
    shared: &Forwarding,
    request: &HttpRequest,
    found: impl FnOnce(&Forwarding, Caller) -> Result<HttpResponse, ApiError>,
) -> HttpResponse {
    let found = match shared.access.enter(request.headers(), AccessArea::Programs) {
        Ok(caller) => found(shared, caller),
        Err(error) => Err(slow_down(request, &shared.trusted_proxies, error).await),
    };
    let response =
        found.unwrap_or_else(|error| ClientApi::of(request.path(), request.headers()).respond(&error));
    shared.access.origins.allow(request, response)
}

/// Models that the caller may use.
pub(super) fn usable(shared: &Forwarding, caller: Caller) -> impl Iterator<Item = &Arc<ModelHandle>> {
    let models = shared.directory.models().iter();
    models.filter(move |model| shared.access.key(caller).is_none_or(|key| key.may_use(&model.spec)))
}

/// All that the caller may use.
pub(crate) fn all(shared: &Forwarding, caller: Caller) -> HttpResponse {
    let listed = usable(shared, caller).filter(|model| model.spec.listed.name);
    let names = listed.flat_map(|model| {
        let aliases = model.spec.aliases.iter().filter(|_| model.spec.listed.aliases);
        std::iter::once(&model.spec.name).chain(aliases).map(|name| card(shared, name, model))
    });
    HttpResponse::Ok().json(json!({"object": "list", "data": names.collect::<Vec<_>>()}))
}

/// One of them; those that aren't listed too.
pub(crate) fn of(shared: &Forwarding, caller: Caller, id: &str) -> Result<HttpResponse, ApiError> {
    let model = shared.find(id)?;
    shared.access.allow_model(caller, &model.spec)?;
    Ok(HttpResponse::Ok().json(card(shared, id, model)))
}

/// What OpenAI's clients read, and what others look for: the context under the names of vLLM, OpenRouter and
/// llama.cpp.
fn card(shared: &Forwarding, name: &str, model: &ModelHandle) -> Value {
    let spec = &model.spec;
    let mut card = json!({
        "id": name,
        "object": "model",
        "created": shared.started_at.as_second(),
        "owned_by": "llm-manager",
        "mode": spec.mode.name,
        "state": model.status().state.text(),
        "capabilities": capabilities(&spec.mode.endpoints),
    });
    if *name != spec.name {
        card["root"] = spec.name.as_str().into();
    }
    if let Some(length) = model.context_length() {
        card["max_model_len"] = length.into();
        card["context_length"] = length.into();
        card["meta"] = json!({"n_ctx": length});
    }
    card
}

/// What a model can be asked for, from what its mode serves.
fn capabilities(endpoints: &[String]) -> Vec<&'static str> {
    const KNOWN: [(&str, &str); 8] = [
        ("/v1/chat/completions", "chat"),
        ("/v1/completions", "completion"),
        ("/v1/embeddings", "embedding"),
        ("/v1/rerank", "rerank"),
        ("/v1/audio/transcriptions", "transcription"),
        ("/v1/audio/speech", "speech"),
        ("/v1/images/generations", "image"),
        ("/v1/realtime", "realtime"),
    ];
    let serves = |path: &str| endpoints.iter().any(|endpoint| endpoint == path);
    KNOWN.iter().filter(|(path, _)| serves(path)).map(|(_, name)| *name).collect()
}
