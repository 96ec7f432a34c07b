//! Who asks, and for which model.

use crate::http::access::wrong_keys::slow_down;
use crate::http::access::{AccessArea, Caller};
use crate::http::error::{ApiError, ApiErrorKind};
use crate::http::gateway::forwarding::Forwarding;
use actix_web::HttpRequest;
use llm_manager_actors::model::ModelHandle;
use serde_json::Value;
use std::sync::Arc;

/// Who asks, as on `/v1`.
pub(super) async fn enter(shared: &Forwarding, request: &HttpRequest) -> Result<Caller, ApiError> {
    match shared.access.enter(request.headers(), AccessArea::Programs) {
        Ok(caller) => Ok(caller),
        Err(error) => Err(slow_down(request, &shared.trusted_proxies, error).await),
    }
}

pub(super) fn parse(body: &[u8]) -> Result<Value, ApiError> {
    let parsed: Result<Value, _> = serde_json::from_slice(body);
    let invalid = |message: String| ApiError::new(ApiErrorKind::InvalidRequest, message);
    let asked = parsed.map_err(|error| invalid(format!("the body is not valid JSON: {error}")))?;
    if asked.is_object() { Ok(asked) } else { Err(invalid("the body must be a JSON object".to_owned())) }
}

pub(super) fn name_of(asked: &Value) -> Option<&str> {
    let name = asked.get("model").or_else(|| asked.get("name")).and_then(Value::as_str);
    name.filter(|name| !name.is_empty())
}

/// The model that is asked for; Ollama's clients add `:latest` to a name without a tag.
pub(super) fn named<'a>(shared: &'a Forwarding, asked: &Value) -> Result<&'a Arc<ModelHandle>, ApiError> {
    let name = name_of(asked)
        .ok_or_else(|| ApiError::new(ApiErrorKind::InvalidRequest, "the body has no `model`"))?;
    let bare = name.strip_suffix(":latest").filter(|_| shared.directory.find(name).is_none());
    shared.find(bare.unwrap_or(name))
}
