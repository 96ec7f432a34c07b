//! Which endpoint of a model a path means, and what is said when it means none.

use crate::http::error::{ApiError, ApiErrorKind, quoted};
use llm_manager_actors::model::ModelHandle;
use llm_manager_policy::endpoints::{Endpoint, EndpointMatch};
use std::sync::Arc;

/// Of what a path leads to, the endpoint that the model serves.
pub(crate) fn serving<'a>(model: &ModelHandle, found: &EndpointMatch<'a>) -> Option<&'a Arc<Endpoint>> {
    let endpoints = &model.spec.mode.endpoints;
    let serves = |endpoint: &&Arc<Endpoint>| endpoints.iter().any(|path| **path == *endpoint.path);
    std::iter::once(found.endpoint).chain(found.otherwise).find(serves)
}

pub(crate) fn mismatch(model: &ModelHandle, path: &str) -> ApiError {
    let mode = &model.spec.mode;
    let message = format!(
        "model `{}` has the mode {}, which serves {}, not `{}`",
        model.spec.name,
        mode.name,
        mode.endpoints.join(", "),
        quoted(path)
    );
    ApiError::new(ApiErrorKind::ModeMismatch, message)
}
