//! How a route is declared, and what is answered where there is none.

use super::error::{Answered, ApiError};
use super::gateway::client_api::ClientApi;
use super::gateway::request_id::RequestId;
use super::gateway::unknown_paths;
use super::gateway::unrouted;
use crate::http::gateway::forwarding::{Forwarding, ForwardingState};
use actix_web::{HttpRequest, Resource, Route, guard, web};
use std::time::Instant;

/// A path with one method; any other is refused in the form of all errors.
pub(crate) fn at(path: &str, route: Route) -> Resource {
    web::resource(path).route(route).default_service(web::to(wrong_method))
}

/// GET, and HEAD as whoever monitors a service sends it.
pub(crate) fn read() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

/// Any other path below `/api`.
pub(crate) async fn unknown(shared: ForwardingState, request: HttpRequest) -> Answered {
    let answered = refuse(&shared, &request, unknown_paths::unknown(&shared, &request));
    // Ollama's clients read a text.
    match answered {
        Err(error) if unknown_paths::is_of_ollama(request.path()) => Ok(ClientApi::Ollama.respond(&error)),
        answered => answered,
    }
}

/// A known path with a method that it does not take.
async fn wrong_method(shared: ForwardingState, request: HttpRequest) -> Answered {
    if request.path().starts_with("/v1/")
        && let Some(answer) = shared.access.origins.preflight(&request)
    {
        return Ok(answer);
    }
    refuse(&shared, &request, unknown_paths::wrong_method(&request))
}

fn refuse(shared: &Forwarding, request: &HttpRequest, error: ApiError) -> Answered {
    if shared.access.is_known(request.headers()) {
        unrouted::note(shared, request, &RequestId::of(request), Instant::now(), &error);
    }
    Err(error)
}
