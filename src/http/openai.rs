//! The OpenAI side: finds the model that a request names, waits for its backend, and hands the answer on.
//!
//! In the order of a request's life: key, body, model, mode, lease, backend, answer.

use super::account::Account;
use super::answer::Answer;
use super::error::{ApiError, Kind, quoted};
use super::request_id::RequestId;
use super::scan::{self, Scan};
use super::state::{Shared, Worker};
use super::upstream::{RequestParts, Response, UpstreamError};
use actix_web::http::{Method, header};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use llm_manager_actors::model::{BreakReason, Lease, ModelHandle};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Endpoints whose streams carry usage only when they are asked to.
const USAGE_ON_REQUEST: [&str; 2] = ["/v1/chat/completions", "/v1/completions"];

/// How long a broken connection may be the first news of a backend that has died.
const NEWS_OF_DEATH: Duration = Duration::from_millis(500);
/// Longest pause within a request's body; the server has a limit for the head.
const BODY_SILENCE: Duration = Duration::from_secs(60);

/// `GET /v1/models`: names and aliases of all models.
pub(super) async fn list(shared: web::Data<Shared>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    shared.enter(request.headers())?;
    let names = shared.directory.models().iter().flat_map(|model| {
        std::iter::once(&model.spec.name).chain(&model.spec.aliases).map(|name| card(&shared, name))
    });
    Ok(HttpResponse::Ok().json(json!({"object": "list", "data": names.collect::<Vec<_>>()})))
}

/// `GET /v1/models/{id}`.
pub(super) async fn one(
    shared: web::Data<Shared>,
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    shared.enter(request.headers())?;
    find(&shared, &id)?;
    Ok(HttpResponse::Ok().json(card(&shared, &id)))
}

fn card(shared: &Shared, name: &str) -> serde_json::Value {
    json!({"id": name, "object": "model", "created": shared.started_at.as_second(), "owned_by": "llm-manager"})
}

/// Every other path: a request for a model, or nothing that we know.
pub(super) async fn serve(
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
        actix_web::ResponseError::error_response(&error)
    });
    id.write_to(response.headers_mut());
    response
}

/// One line: what the backend printed is told once, where the start failed. A stray request for a page that
/// isn't there is nobody's concern.
fn log_refusal(request: &HttpRequest, id: &RequestId, began: Instant, error: &ApiError) {
    let level = if error.kind == Kind::UnknownEndpoint { log::Level::Debug } else { log::Level::Warn };
    let reason = error.message.lines().next().unwrap_or_default();
    log::log!(
        level,
        "request {id}: {} {} refused after {:.3} s: {}: {reason}",
        request.method(),
        request.path(),
        began.elapsed().as_secs_f64(),
        error.code()
    );
}

async fn handle(
    request: &HttpRequest,
    payload: web::Payload,
    shared: &Shared,
    worker: &Worker,
    id: &RequestId,
    began: Instant,
) -> Result<HttpResponse, ApiError> {
    shared.enter(request.headers())?;
    check_endpoint(request, shared)?;
    let body = read_body(request, payload, shared.max_body_bytes, &shared.stopping).await?;
    let scan = scan::scan(&body).map_err(|error| ApiError::new(Kind::InvalidRequest, error.to_string()))?;
    let model = find(shared, &scan.model)?;
    let mut account = Account::open(shared, request, model, id, began, body.len());
    let answered = answer(request, &body, &scan, shared, worker, model, id, &mut account).await;
    match answered {
        Ok((response, lease, hide_usage)) => {
            Ok(Answer::respond(request, response, lease, hide_usage, id.clone(), Arc::clone(model), account))
        }
        Err(error) => {
            account.failed(&error);
            Err(error)
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "all that a request is made of")]
async fn answer(
    request: &HttpRequest,
    body: &Bytes,
    scan: &Scan<'_>,
    shared: &Shared,
    worker: &Worker,
    model: &Arc<ModelHandle>,
    id: &RequestId,
    account: &mut Account,
) -> Result<(Response, Lease, bool), ApiError> {
    check_mode(model, request.path())?;
    let asked = ask_for_usage(request.path(), body, scan);
    let hide_usage = asked.is_some();
    let body = asked.unwrap_or_else(|| body.clone());
    let (response, lease) = exchange(request, body, shared, worker, model, id, account).await?;
    Ok((response, lease, hide_usage))
}

fn find<'a>(shared: &'a Shared, name: &str) -> Result<&'a Arc<ModelHandle>, ApiError> {
    shared.directory.find(name).ok_or_else(|| {
        let message = format!(
            "no model has the name or alias `{}`; `GET /v1/models` lists those there are",
            quoted(name)
        );
        ApiError::new(Kind::ModelNotFound, message)
    })
}

fn check_endpoint(request: &HttpRequest, shared: &Shared) -> Result<(), ApiError> {
    let path = request.path();
    if request.headers().contains_key(header::UPGRADE)
        && request.headers().get_all(header::UPGRADE).any(|value| names_websocket(value.as_bytes()))
    {
        let message = "WebSocket is not supported here: send plain HTTP requests; `\"stream\": true` streams";
        return Err(ApiError::new(Kind::WebSocketUnsupported, message));
    }
    if !shared.endpoints.contains(path) {
        let message = format!("`{path}` is not an endpoint of any mode; see the README for those there are");
        return Err(ApiError::new(Kind::UnknownEndpoint, message));
    }
    if request.method() != Method::POST {
        let message = format!("`{path}` takes POST, not {}", request.method());
        return Err(ApiError::new(Kind::MethodNotAllowed, message));
    }
    Ok(())
}

fn names_websocket(value: &[u8]) -> bool {
    value.trim_ascii().eq_ignore_ascii_case(b"websocket")
}

fn check_mode(model: &ModelHandle, path: &str) -> Result<(), ApiError> {
    let mode = &model.spec.mode;
    if mode.endpoints.iter().any(|endpoint| endpoint == path) {
        return Ok(());
    }
    let message = format!(
        "model `{}` has the mode {}, which serves {}, not `{path}`",
        model.spec.name,
        mode.name,
        mode.endpoints.join(", ")
    );
    Err(ApiError::new(Kind::ModeMismatch, message))
}

fn ask_for_usage(path: &str, body: &Bytes, scan: &Scan<'_>) -> Option<Bytes> {
    USAGE_ON_REQUEST.contains(&path).then(|| scan::ask_for_usage(body, scan)).flatten()
}

/// Reads the body into memory: only so is a client's leaving noticed while it waits, and only so can the
/// request be sent again to a fresh backend.
async fn read_body(
    request: &HttpRequest,
    mut payload: web::Payload,
    limit: usize,
    stopping: &CancellationToken,
) -> Result<Bytes, ApiError> {
    let too_large = || {
        let message = format!("the body is larger than `program.max_body_mb` ({} MiB)", limit >> 20);
        ApiError::new(Kind::RequestTooLarge, message)
    };
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()).and_then(|text| text.parse::<usize>().ok());
    if length.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    loop {
        let next = tokio::select! {
            next = tokio::time::timeout(BODY_SILENCE, payload.next()) => next,
            () = stopping.cancelled() => return Err(ApiError::shutting_down()),
        };
        let silent = |_| {
            let message = format!("no byte of the body came for {} s", BODY_SILENCE.as_secs());
            ApiError::new(Kind::RequestTimeout, message)
        };
        let Some(chunk) = next.map_err(silent)? else { break };
        let chunk = chunk.map_err(|error| {
            ApiError::new(Kind::InvalidRequest, format!("the body could not be read: {error}"))
        })?;
        if first.len() + rest.len() + chunk.len() > limit {
            return Err(too_large());
        }
        if first.is_empty() {
            first = chunk;
        } else {
            if rest.is_empty() {
                rest.reserve(length.unwrap_or(0).max(first.len() + chunk.len()));
                rest.extend_from_slice(&first);
            }
            rest.extend_from_slice(&chunk);
        }
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

/// Brings the request to the backend and answers with the head of what comes back.
///
/// A request that was on a backend when it died, and of whose answer no byte has come, is sent once more to
/// the next life of the backend.
async fn exchange(
    request: &HttpRequest,
    body: Bytes,
    shared: &Shared,
    worker: &Worker,
    model: &Arc<ModelHandle>,
    id: &RequestId,
    account: &mut Account,
) -> Result<(Response, Lease), ApiError> {
    let mut replayed = false;
    loop {
        let lease = take_lease(shared, model).await?;
        account.leased(&lease);
        let error = match send(request, body.clone(), shared, worker, model, &lease, id).await {
            Ok(response) => return Ok((response, lease)),
            Err(Failure::Final(error)) => return Err(error),
            Err(Failure::BrokeBeforeAnswer(error)) => error,
        };
        let died = tokio::time::timeout(NEWS_OF_DEATH, lease.broken()).await.is_ok();
        let reason = lease.break_reason();
        drop(lease);
        if replayed || !died {
            let name = &model.spec.name;
            let message = format!("model `{name}`: {error}");
            return Err(ApiError::new(Kind::BackendError, message));
        }
        if reason == Some(BreakReason::Stopped) {
            return Err(stopped(model));
        }
        log::info!("request {id}: the backend of `{}` died before an answer; sent again", model.spec.name);
        account.replayed();
        replayed = true;
    }
}

async fn take_lease(shared: &Shared, model: &Arc<ModelHandle>) -> Result<Lease, ApiError> {
    if let Some(lease) = model.try_lease() {
        return Ok(lease);
    }
    if shared.stopping.is_cancelled() {
        return Err(ApiError::shutting_down());
    }
    let lease = model.lease().await;
    lease.map_err(|refused| match shared.stopping.is_cancelled() {
        true => ApiError::shutting_down(),
        false => refused.into(),
    })
}

enum Failure {
    Final(ApiError),
    BrokeBeforeAnswer(UpstreamError),
}

async fn send(
    request: &HttpRequest,
    body: Bytes,
    shared: &Shared,
    worker: &Worker,
    model: &Arc<ModelHandle>,
    lease: &Lease,
    id: &RequestId,
) -> Result<Response, Failure> {
    let pool = worker.pool(model, lease);
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let headers = shared.keys.withhold(request.headers());
    let parts = RequestParts {
        method: request.method(),
        path_and_query: path,
        headers: &headers,
        request_id: id.value(),
    };
    let answered = pool.send(parts, body);
    let broken = async {
        lease.broken().await;
        if lease.break_reason() == Some(BreakReason::BackendGone) {
            // Its sockets are closed: the exchange ends by itself, perhaps with an answer already sent.
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let late = async {
        match model.spec.first_byte_timeout {
            Some(limit) => tokio::time::sleep(limit).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        answer = answered => answer.map_err(|error| failure(error, model)),
        () = broken => Err(Failure::Final(stopped(model))),
        () = late => {
            let seconds = model.spec.first_byte_timeout.unwrap_or_default().as_secs_f64();
            let name = &model.spec.name;
            let message = format!("model `{name}` gave no answer within its first_byte_timeout ({seconds} s)");
            Err(Failure::Final(ApiError::new(Kind::BackendTimeout, message)))
        }
    }
}

fn failure(error: UpstreamError, model: &ModelHandle) -> Failure {
    let kind = match error {
        UpstreamError::Connect(_) | UpstreamError::BeforeAnswer(_) => {
            return Failure::BrokeBeforeAnswer(error);
        }
        UpstreamError::BadAnswer(_) => Kind::BackendError,
        UpstreamError::BadRequest(_) => Kind::InvalidRequest,
    };
    Failure::Final(ApiError::new(kind, format!("model `{}`: {error}", model.spec.name)))
}

fn stopped(model: &ModelHandle) -> ApiError {
    let message = format!("model `{}` was stopped before it could answer", model.spec.name);
    ApiError::new(Kind::ModelStopped, message)
}
