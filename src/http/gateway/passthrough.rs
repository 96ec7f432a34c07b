//! `/upstream/{model}/...`: the rest of a backend, its own web page included, with lease, limits and a row in the
//! ledger like any other request.
//!
//! It is the operators' way: the doors are those of `/api`, for what a backend can be told here is not looked at.

use super::account::{Question, RequestAccount};
use super::body;
use super::client_api::ClientApi;
use super::exchange::Exchange;
use super::form_body;
use super::forward::{Changes, OutgoingRequest, forward, outgoing_headers};
use super::respond::respond;
use super::websocket::{self, Handshake};
use super::worker::Worker;
use crate::http::access::AccessArea;
use crate::http::error::{ApiError, ApiErrorKind, quoted};
use crate::http::gateway::forwarding::{Forwarding, ForwardingState};
use actix_web::http::header;
use actix_web::http::{Method, StatusCode};
use actix_web::web::ServiceConfig;
use actix_web::{HttpRequest, HttpResponse, web};
use llm_manager_actors::model::ModelHandle;
use llm_manager_policy::endpoints::UPSTREAM;
use llm_manager_policy::rights::Scope;
use std::borrow::Cow;
use std::sync::Arc;

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(web::resource("/upstream/{model:.+}").to(serve));
}

/// Any method of any path of a backend.
async fn serve(
    request: HttpRequest,
    payload: web::Payload,
    shared: ForwardingState,
    worker: web::Data<Worker>,
) -> HttpResponse {
    let mut exchange = Exchange::begin(request, shared, worker);
    let result = handle(&mut exchange, payload).await;
    exchange.end(result, |_| ClientApi::OpenAi)
}

async fn handle(exchange: &mut Exchange, payload: web::Payload) -> Result<HttpResponse, ApiError> {
    exchange.enter(AccessArea::Backend).await?;
    exchange.shared.access.allow(exchange.caller, Scope::Operate)?;
    let exchange = &*exchange;
    let Exchange { request, shared, .. } = exchange;
    let Named { model, name, prefix, path } = split(shared, request.path())?;
    shared.access.allow_model(exchange.caller, &model.spec)?;
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    if path.is_empty() && is_read {
        return Ok(with_slash(request, &shared.base_path));
    }
    let path = if path.is_empty() { "/" } else { path };
    let endpoint = match shared.endpoints.find(path).filter(|found| found.path.is_none()) {
        Some(found) => found.endpoint,
        None if is_read => &shared.endpoints.reading,
        None => &shared.endpoints.doing,
    };
    if websocket::is_asked_for(request.headers()) {
        return Handshake { exchange, model, asked: None }.open(payload, endpoint, Some(path)).await;
    }
    let received = body::read(request, payload, shared.max_body_bytes, &shared.stopping).await?;
    let mut account = RequestAccount::open(exchange, model, Question::unread(&name), endpoint);
    account.capture(exchange, &received.bytes);
    let outgoing = OutgoingRequest {
        path: Some(path),
        below: prefix,
        headers: outgoing_headers(exchange, received.unpacked),
        body: &received.bytes,
        asked: None,
        changes: Changes::None,
    };
    match forward(exchange, &outgoing, model, &mut account).await {
        Ok(reply) => Ok(respond(exchange, reply, account, None)),
        Err(error) => {
            account.failed(&error);
            Err(error)
        }
    }
}

/// What a path says.
struct Named<'a> {
    model: &'a Arc<ModelHandle>,
    /// The name or alias that was used.
    name: Cow<'a, str>,
    /// The part of the path that names the model.
    prefix: &'a str,
    /// The rest.
    path: &'a str,
}

/// Names may contain slashes: the longest one counts.
fn split<'a>(shared: &'a Forwarding, path: &'a str) -> Result<Named<'a>, ApiError> {
    let named = path.strip_prefix(UPSTREAM).unwrap_or(path);
    let named = named.strip_prefix('/').unwrap_or(named);
    let start = path.len() - named.len();
    let ends = named.match_indices('/').map(|(at, _)| at).chain(std::iter::once(named.len()));
    let ends: Vec<usize> = ends.filter(|end| *end > 0).collect();
    let found = ends.into_iter().rev().find_map(|end| {
        let name = form_body::decoded(named.get(..end)?)?;
        let model = shared.directory.find(&name)?;
        Some(Named { model, name, prefix: path.get(..start + end)?, path: named.get(end..)? })
    });
    found.ok_or_else(|| {
        let name = named.split('/').next().unwrap_or_default();
        let message = format!(
            "no model has the name or alias `{}`: write `{UPSTREAM}/MODEL/PATH`; `GET /v1/models` lists the names",
            quoted(name)
        );
        ApiError::new(ApiErrorKind::ModelNotFound, message)
    })
}

/// A page's relative links need the slash.
fn with_slash(request: &HttpRequest, base: &str) -> HttpResponse {
    let query = request.query_string();
    let mark = if query.is_empty() { "" } else { "?" };
    let place = format!("{base}{}/{mark}{query}", request.path());
    HttpResponse::build(StatusCode::PERMANENT_REDIRECT).insert_header((header::LOCATION, place)).finish()
}
