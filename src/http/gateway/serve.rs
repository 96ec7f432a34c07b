//! The OpenAI side: finds the model that a request names, waits for its backend, and hands the answer on.
//!
//! In the order of a request's life: key, body, model, mode, lease, backend, answer.

use super::account::Account;
use super::answer::Answer;
use super::asked::Asked;
use super::body;
use super::catalog;
use super::form;
use super::forms::Form;
use super::loading::{self, Exchanged, Exchanging, Loading};
use super::paths::{self, Elsewhere};
use super::rename::{Renamed, Renamer};
use super::request_id::RequestId;
use super::stray;
use super::upstream::{Edit, Payload, RequestParts, Response, UpstreamError};
use super::websocket;
use crate::http::access::cors;
use crate::http::error::{ApiError, Kind, quoted};
use crate::http::state::{Shared, Worker};
use actix_web::body::BoxBody;
use actix_web::http::header::HeaderMap;
use actix_web::http::{Method, StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use llm_manager_actors::model::learnt::StreamOptions;
use llm_manager_actors::model::{BreakReason, Lease, ModelHandle, RefusedReason};
use llm_manager_policy::endpoints::{Endpoint, Found, tidy};
use llm_manager_policy::liveness::Sign;
use llm_manager_policy::model_state::ModelState;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// So many failures in a row are no accident.
const FAILED_FOR_GOOD: u32 = 3;
/// A refusal for want of memory that comes so soon has not waited for any.
const AT_ONCE: Duration = Duration::from_millis(500);
/// How long a broken connection may be the first news of a backend that has died.
const NEWS_OF_DEATH: Duration = Duration::from_millis(500);

/// Every other path: a request for a model, or nothing that we know.
pub(crate) async fn serve(
    request: HttpRequest,
    payload: web::Payload,
    shared: web::Data<Shared>,
    worker: web::Data<Worker>,
) -> HttpResponse {
    let began = Instant::now();
    if let Some(answer) = cors::preflight(&shared, &request) {
        return answer;
    }
    let id = RequestId::of(&request);
    let result = handle(&request, payload, &shared, &worker, &id, began).await;
    let mut response = result.unwrap_or_else(|error| {
        log_refusal(&request, &id, began, &error);
        stray::note(&shared, &request, &id, began, &error);
        Form::of(request.path(), request.headers()).respond(&error)
    });
    id.write_to(response.headers_mut());
    cors::allow(&shared, &request, response)
}

/// One line: what the backend printed is told once, where the start failed. A stray request for a page that
/// isn't there is nobody's concern.
pub(crate) fn log_refusal(request: &HttpRequest, id: &RequestId, began: Instant, error: &ApiError) {
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
    shared: &web::Data<Shared>,
    worker: &web::Data<Worker>,
    id: &RequestId,
    began: Instant,
) -> Result<HttpResponse, ApiError> {
    shared.enter(request.headers())?;
    let Some(found) = shared.endpoints.find(request.path()) else { return elsewhere(request, shared) };
    if websocket::is_asked_for(request.headers()) {
        return websocket::serve(request, payload, shared, &found, id, began).await;
    }
    if !found.endpoint.takes(request.method().as_str()) {
        return Err(paths::not_taken(found.endpoint, request.method()));
    }
    let received = body::read(request, payload, shared.max_body_bytes, &shared.stopping).await?;
    let asked = Asked::read(request, &received.bytes)?;
    let model = find(shared, asked.model())?;
    let endpoint = serving(model, &found);
    let mut account = Account::open(
        shared,
        request,
        model,
        id,
        began,
        asked.question(&received.bytes),
        endpoint.unwrap_or(found.endpoint),
    );
    let Some(endpoint) = endpoint else {
        let error = mismatch(model, request.path());
        account.failed(&error);
        return Err(error);
    };
    let rename = model.spec.rewrite_model.then(|| Renamer::new(asked.model()));
    let (account, exchanged) = if shared.loading_comments && asked.wants_stream() {
        let whole = Whole {
            request: request.clone(),
            shared: shared.clone(),
            worker: worker.clone(),
            id: id.clone(),
            model: Arc::clone(model),
            endpoint: Arc::clone(endpoint),
            path: found.path.clone(),
            received,
        };
        let mut exchanging: Exchanging = Box::pin(whole.exchange(account));
        match tokio::time::timeout(loading::PATIENCE, &mut exchanging).await {
            Ok(exchanged) => exchanged,
            Err(_) => {
                let (id, model) = (id.clone(), Arc::clone(model));
                let body = |response, lease, hide_usage, account| {
                    let (_, answer) = Answer::new(response, lease, hide_usage, id, model, account);
                    match rename {
                        Some(renamer) => BoxBody::new(Renamed::new(answer, renamer)),
                        None => BoxBody::new(answer),
                    }
                };
                return Ok(Loading::respond(request, Form::of_path(&endpoint.path), exchanging, body));
            }
        }
    } else {
        let usage = asked.ask_for_usage(endpoint).filter(|_| may_ask_for_usage(model));
        let outgoing = Outgoing {
            request,
            path: found.path.as_deref(),
            headers: outgoing_headers(shared, request, received.unpacked),
            body: &received.bytes,
            asked: Some(&asked),
            usage: usage.as_ref(),
        };
        let exchanged = exchange_asking(outgoing, shared, worker, model, id, &mut account).await;
        (account, exchanged)
    };
    finish(request, model, id, account, exchanged, rename)
}

fn finish(
    request: &HttpRequest,
    model: &Arc<ModelHandle>,
    id: &RequestId,
    mut account: Account,
    exchanged: Result<(Response, Lease, bool), ApiError>,
    rename: Option<Renamer>,
) -> Result<HttpResponse, ApiError> {
    match exchanged {
        Ok((response, lease, hide_usage)) => {
            let (id, model) = (id.clone(), Arc::clone(model));
            Ok(Answer::respond(request, response, lease, hide_usage, id, model, account, rename))
        }
        Err(error) => {
            account.failed(&error);
            Err(error)
        }
    }
}

/// A request with all that it needs, so that its answer can begin before it has come.
struct Whole {
    request: HttpRequest,
    shared: web::Data<Shared>,
    worker: web::Data<Worker>,
    id: RequestId,
    model: Arc<ModelHandle>,
    endpoint: Arc<Endpoint>,
    path: Option<String>,
    received: body::Received,
}

impl Whole {
    async fn exchange(self, mut account: Account) -> Exchanged {
        let asked = match Asked::read(&self.request, &self.received.bytes) {
            Ok(asked) => asked,
            Err(error) => return (account, Err(error)),
        };
        let usage = asked.ask_for_usage(&self.endpoint).filter(|_| may_ask_for_usage(&self.model));
        let outgoing = Outgoing {
            request: &self.request,
            path: self.path.as_deref(),
            headers: outgoing_headers(&self.shared, &self.request, self.received.unpacked),
            body: &self.received.bytes,
            asked: Some(&asked),
            usage: usage.as_ref(),
        };
        let exchanged =
            exchange_asking(outgoing, &self.shared, &self.worker, &self.model, &self.id, &mut account).await;
        (account, exchanged)
    }
}

/// Brings the request to the backend, and once more without our question for the usage if it may have been that which the
/// engine refuses. Answers whether the usage was asked for.
async fn exchange_asking(
    mut outgoing: Outgoing<'_>,
    shared: &Shared,
    worker: &Worker,
    model: &Arc<ModelHandle>,
    id: &RequestId,
    account: &mut Account,
) -> Result<(Response, Lease, bool), ApiError> {
    let (response, lease) = exchange(&outgoing, shared, worker, model, id, account).await?;
    if outgoing.usage.is_none() || !may_be_our_fault(model, response.status) {
        return Ok((response, lease, outgoing.usage.is_some()));
    }
    // The lease goes first: there may be but one.
    drop((response, lease));
    outgoing.usage = None;
    let (response, lease) = exchange(&outgoing, shared, worker, model, id, account).await?;
    if response.status.is_success() {
        log::info!("models/{}: the engine refuses `stream_options`; it is not asked again", model.spec.name);
        model.learnt.refused_stream_options();
    }
    Ok((response, lease, false))
}

fn may_ask_for_usage(model: &ModelHandle) -> bool {
    model.spec.stream_usage && model.learnt.stream_options() != StreamOptions::Refused
}

/// Whether an engine that we have asked for its usage may have refused that, and not the client's body. Once it has taken
/// the option, it is the body.
fn may_be_our_fault(model: &ModelHandle, status: StatusCode) -> bool {
    if status.is_success() {
        model.learnt.took_stream_options();
    }
    let is_about_the_body = matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY);
    is_about_the_body && model.learnt.stream_options() == StreamOptions::Unknown
}

/// A path that is no endpoint: the list of models in another spelling, or nothing that we know.
fn elsewhere(request: &HttpRequest, shared: &Shared) -> Result<HttpResponse, ApiError> {
    let path = tidy(request.path());
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    match paths::elsewhere(&path).filter(|_| is_read) {
        Some(Elsewhere::Models) => Ok(catalog::all(shared)),
        Some(Elsewhere::Model(id)) => catalog::of(shared, id),
        None => Err(paths::unknown(shared, request)),
    }
}

/// A request on its way to a backend.
pub(crate) struct Outgoing<'a> {
    pub(crate) request: &'a HttpRequest,
    /// Where it isn't the client's.
    pub(crate) path: Option<&'a str>,
    pub(crate) headers: Cow<'a, HeaderMap>,
    pub(crate) body: &'a Bytes,
    /// `None`: nothing is to be changed in it.
    pub(crate) asked: Option<&'a Asked<'a>>,
    pub(crate) usage: Option<&'a Edit>,
}

impl Outgoing<'_> {
    fn payload(&self, name: Option<&str>) -> Payload {
        self.asked
            .map_or_else(|| self.body.clone().into(), |asked| asked.payload(self.body, self.usage, name))
    }
}

/// The path and the query for the backend of this lease, which may know the model by another name than the one that
/// was asked for, and begin its API elsewhere. `path`: where it isn't the client's. Nothing is asked of the rest of
/// a backend, whose paths are its own.
pub(crate) fn path_and_query<'a>(
    request: &'a HttpRequest,
    path: Option<&'a str>,
    asked: Option<&str>,
    lease: &Lease,
) -> Cow<'a, str> {
    let query = request.query_string();
    let name = lease.served_name().filter(|name| asked.is_some_and(|asked| *asked != ***name));
    let renamed = name.and_then(|name| form::rename_in_query(query, name));
    let prefix = lease.api_prefix().filter(|_| asked.is_some());
    if path.is_none() && renamed.is_none() && prefix.is_none() {
        return Cow::Borrowed(request.uri().path_and_query().map_or("/", |path| path.as_str()));
    }
    let path = path.unwrap_or_else(|| request.path());
    let below = path.strip_prefix("/v1").filter(|rest| rest.is_empty() || rest.starts_with('/'));
    let path = match (prefix, below) {
        (Some(prefix), Some(rest)) => format!("{prefix}{rest}").into(),
        _ => Cow::Borrowed(path),
    };
    match renamed.as_deref().unwrap_or(query) {
        "" => path,
        query => format!("{path}?{query}").into(),
    }
}

/// The client's headers without our key, and without the coding that the body no longer has.
pub(crate) fn outgoing_headers<'a>(
    shared: &Shared,
    request: &'a HttpRequest,
    unpacked: bool,
) -> Cow<'a, HeaderMap> {
    let mut headers = shared.keys.withhold(request.headers());
    if unpacked {
        headers.to_mut().remove(header::CONTENT_ENCODING);
    }
    headers
}

/// Of what a path leads to, the endpoint that the model serves.
pub(crate) fn serving<'a>(model: &ModelHandle, found: &Found<'a>) -> Option<&'a Arc<Endpoint>> {
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
    ApiError::new(Kind::ModeMismatch, message)
}

pub(crate) fn find<'a>(shared: &'a Shared, name: &str) -> Result<&'a Arc<ModelHandle>, ApiError> {
    shared.directory.find(name).ok_or_else(|| {
        let message = format!(
            "no model has the name or alias `{}`; `GET /v1/models` lists those there are",
            quoted(name)
        );
        ApiError::new(Kind::ModelNotFound, message)
    })
}

/// Brings the request to the backend and answers with the head of what comes back.
///
/// A backend gets it at most twice: once more when a kept connection ended without a word, or the backend died, before
/// a byte of its answer came.
pub(crate) async fn exchange(
    outgoing: &Outgoing<'_>,
    shared: &Shared,
    worker: &Worker,
    model: &Arc<ModelHandle>,
    id: &RequestId,
    account: &mut Account,
) -> Result<(Response, Lease), ApiError> {
    // How often a backend may have read it, and how often there was no connection at all.
    let (mut sent, mut unreachable) = (0, 0);
    loop {
        let lease = take_lease(shared, model).await?;
        account.leased(&lease);
        let error = match send(outgoing, worker, model, &lease, id, sent > 0).await {
            Ok(response) => return Ok((response, lease)),
            Err(Failure::Final(error)) => return Err(error),
            Err(Failure::BrokeBeforeAnswer(error)) => error,
        };
        match error {
            UpstreamError::Connect(_) => unreachable += 1,
            _ => sent += 1,
        }
        if matches!(error, UpstreamError::Stale(_)) && sent < 2 {
            log::info!(
                "request {id}: the backend of `{}` closed a kept connection without a word; sent again",
                model.spec.name
            );
            account.replayed();
            continue;
        }
        let died = tokio::time::timeout(NEWS_OF_DEATH, lease.broken()).await.is_ok();
        let reason = lease.break_reason();
        drop(lease);
        if sent >= 2 || unreachable >= 2 || !died {
            let name = &model.spec.name;
            let message = format!("model `{name}`: {error}");
            return Err(ApiError::new(Kind::BackendError, message));
        }
        if reason == Some(BreakReason::Stopped) {
            return Err(stopped(model));
        }
        log::info!("request {id}: the backend of `{}` died before an answer; sent again", model.spec.name);
        if sent > 0 {
            account.replayed();
        }
    }
}

pub(crate) async fn take_lease(shared: &Shared, model: &Arc<ModelHandle>) -> Result<Lease, ApiError> {
    if let Some(lease) = model.try_lease() {
        return Ok(lease);
    }
    if shared.stopping.is_cancelled() {
        return Err(ApiError::shutting_down());
    }
    if shared.standby.is_paused() && matches!(model.status().state, ModelState::Stopped | ModelState::Failed)
    {
        let name = &model.spec.name;
        let message =
            format!("model `{name}` isn't running, and an operator has paused all starts (POST /api/resume)");
        return Err(ApiError::new(Kind::ModelStopped, message));
    }
    let asked = Instant::now();
    let lease = model.lease().await;
    lease.map_err(|refused| match shared.stopping.is_cancelled() {
        true => ApiError::shutting_down(),
        false => {
            let hopeless = match refused.reason {
                // The start was tried before, and tried again.
                RefusedReason::StartFailed => model.status().failures >= FAILED_FOR_GOOD,
                // Nothing was waited for: it never fits.
                RefusedReason::NoMemory => asked.elapsed() < AT_ONCE,
                _ => false,
            };
            ApiError { hopeless, ..refused.into() }
        }
    })
}

enum Failure {
    Final(ApiError),
    BrokeBeforeAnswer(UpstreamError),
}

async fn send(
    outgoing: &Outgoing<'_>,
    worker: &Worker,
    model: &Arc<ModelHandle>,
    lease: &Lease,
    id: &RequestId,
    again: bool,
) -> Result<Response, Failure> {
    let pool = worker.pool(model, lease);
    let name = lease.served_name().map(|name| &**name);
    let asked = outgoing.asked.map(Asked::model);
    let path = path_and_query(outgoing.request, outgoing.path, asked, lease);
    let parts = RequestParts {
        method: outgoing.request.method(),
        path_and_query: &path,
        headers: &outgoing.headers,
        request_id: id.value(),
    };
    let answered = async {
        let payload = outgoing.payload(name);
        if again { pool.send_afresh(parts, payload).await } else { pool.send(parts, payload).await }
    };
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
        answer = answered => answer.map_err(|error| {
            if matches!(error, UpstreamError::Connect(_)) {
                lease.note(Sign::Refusal);
            }
            failure(error, model)
        }),
        () = broken => Err(Failure::Final(stopped(model))),
        () = late => {
            lease.note(Sign::Silence);
            let seconds = model.spec.first_byte_timeout.unwrap_or_default().as_secs_f64();
            let name = &model.spec.name;
            let message = format!("model `{name}` gave no answer within its first_byte_timeout ({seconds} s)");
            Err(Failure::Final(ApiError::new(Kind::BackendTimeout, message)))
        }
    }
}

fn failure(error: UpstreamError, model: &ModelHandle) -> Failure {
    let kind = match error {
        UpstreamError::Connect(_) | UpstreamError::BeforeAnswer(_) | UpstreamError::Stale(_) => {
            return Failure::BrokeBeforeAnswer(error);
        }
        UpstreamError::BadAnswer(_) => Kind::BackendError,
        UpstreamError::BadRequest(_) => Kind::InvalidRequest,
    };
    Failure::Final(ApiError::new(kind, format!("model `{}`: {error}", model.spec.name)))
}

pub(crate) fn stopped(model: &ModelHandle) -> ApiError {
    let message = format!("model `{}` was stopped before it could answer", model.spec.name);
    ApiError::new(Kind::ModelStopped, message)
}
