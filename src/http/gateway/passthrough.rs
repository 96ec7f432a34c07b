//! `/upstream/{model}/...`: the rest of a backend, its own web page included, with lease, limits and a row in the
//! ledger like any other request.
//!
//! It is the operators' way: the doors are those of `/api`, for what a backend can be told here is not looked at.

use super::account::{Account, Question};
use super::answer::Answer;
use super::body;
use super::form;
use super::request_id::RequestId;
use super::serve::{Outgoing, exchange, log_refusal, outgoing_headers};
use super::stray;
use super::upstream::Response;
use super::websocket::{self, Opening};
use crate::http::access::keys;
use crate::http::error::{ApiError, Kind, quoted};
use crate::http::state::{Shared, Worker};
use actix_web::http::header::{self, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use llm_manager_actors::model::ModelHandle;
use llm_manager_policy::endpoints::UPSTREAM;
use std::sync::Arc;
use std::time::Instant;

/// Any method of any path of a backend.
pub(crate) async fn serve(
    request: HttpRequest,
    payload: web::Payload,
    shared: web::Data<Shared>,
    worker: web::Data<Worker>,
) -> HttpResponse {
    let began = Instant::now();
    let id = RequestId::of(&request);
    let result = handle(&request, payload, &shared, &worker, &id, began).await;
    let mut response = result.unwrap_or_else(|error| {
        log_refusal(&request, &id, began, &error);
        stray::note(&shared, &request, &id, began, &error);
        actix_web::ResponseError::error_response(&error)
    });
    id.write_to(response.headers_mut());
    response
}

async fn handle(
    request: &HttpRequest,
    payload: web::Payload,
    shared: &Shared,
    worker: &Worker,
    id: &RequestId,
    began: Instant,
) -> Result<HttpResponse, ApiError> {
    shared.enter_management(request.headers())?;
    keys::check_origin(request.headers())?;
    let (model, prefix, path) = split(shared, request.path())?;
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    if path.is_empty() && is_read {
        return Ok(with_slash(request));
    }
    let path = if path.is_empty() { "/" } else { path };
    let endpoint = match shared.endpoints.find(path).filter(|found| found.path.is_none()) {
        Some(found) => found.endpoint,
        None if is_read => &shared.endpoints.reading,
        None => &shared.endpoints.doing,
    };
    if websocket::is_asked_for(request.headers()) {
        return Opening { request, shared, model, id, began, asked: None }
            .open(payload, endpoint, Some(path))
            .await;
    }
    let received = body::read(request, payload, shared.max_body_bytes, &shared.stopping).await?;
    let mut account = Account::open(shared, request, model, id, began, Question::default(), endpoint);
    let outgoing = Outgoing {
        request,
        path: Some(path),
        headers: outgoing_headers(shared, request, received.unpacked),
        body: &received.bytes,
        asked: None,
        usage: None,
    };
    match exchange(&outgoing, shared, worker, model, id, &mut account).await {
        Ok((mut response, lease)) => {
            keep_below(&mut response, prefix);
            Ok(Answer::respond(request, response, lease, false, id.clone(), Arc::clone(model), account, None))
        }
        Err(error) => {
            account.failed(&error);
            Err(error)
        }
    }
}

/// The model, the part of the path that names it, and the rest. Names may contain slashes: the longest one counts.
fn split<'a>(
    shared: &'a Shared,
    path: &'a str,
) -> Result<(&'a Arc<ModelHandle>, &'a str, &'a str), ApiError> {
    let named = path.strip_prefix(UPSTREAM).unwrap_or(path);
    let named = named.strip_prefix('/').unwrap_or(named);
    let start = path.len() - named.len();
    let ends = named.match_indices('/').map(|(at, _)| at).chain(std::iter::once(named.len()));
    let ends: Vec<usize> = ends.filter(|end| *end > 0).collect();
    let found = ends.into_iter().rev().find_map(|end| {
        let name = form::decoded(named.get(..end)?)?;
        let model = shared.directory.find(&name)?;
        Some((model, path.get(..start + end)?, named.get(end..)?))
    });
    found.ok_or_else(|| {
        let name = named.split('/').next().unwrap_or_default();
        let message = format!(
            "no model has the name or alias `{}`: write `{UPSTREAM}/MODEL/PATH`; `GET /v1/models` lists those there are",
            quoted(name)
        );
        ApiError::new(Kind::ModelNotFound, message)
    })
}

/// A page's relative links need the slash.
fn with_slash(request: &HttpRequest) -> HttpResponse {
    let query = request.query_string();
    let mark = if query.is_empty() { "" } else { "?" };
    let place = format!("{}/{mark}{query}", request.path());
    HttpResponse::build(StatusCode::PERMANENT_REDIRECT).insert_header((header::LOCATION, place)).finish()
}

/// A redirect within the backend stays below its prefix.
fn keep_below(response: &mut Response, prefix: &str) {
    for (name, value) in &mut response.headers {
        if *name != header::LOCATION {
            continue;
        }
        let place = value.to_str().ok().filter(|place| place.starts_with('/') && !place.starts_with("//"));
        if let Some(Ok(below)) = place.map(|place| HeaderValue::from_str(&format!("{prefix}{place}"))) {
            *value = below;
        }
    }
}
