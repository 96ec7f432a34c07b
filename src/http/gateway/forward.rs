//! Forward: brings a request to a backend, and once more if the first time can't have counted.

use super::account::RequestAccount;
use super::assembly;
use super::exchange::Exchange;
use super::form_body;
use super::in_flight::InFlight;
pub(super) use super::lease::take_lease;
use super::redirect;
use super::requested_model::RequestedModel;
use super::upstream::{Edit, Payload, RequestParts, Response, UpstreamError};
use crate::http::error::{ApiError, ApiErrorKind};
use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;
use llm_manager_actors::model::{BreakReason, Lease, ModelHandle};
use llm_manager_policy::liveness::LivenessSignal;
use llm_manager_policy::retry::{Attempts, BackendFate, RequestFailure, RetryDecision, RetryStep};
use llm_manager_process::VIA;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// W3C Trace Context.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// How long a broken connection may be the first news of a backend that has died.
pub(crate) const NEWS_OF_DEATH: Duration = Duration::from_millis(500);
/// The same of a server elsewhere, which is asked whether it is there before anybody says so.
const NEWS_FROM_AFAR: Duration = Duration::from_secs(4);

/// A request on its way to a backend.
pub(crate) struct OutgoingRequest<'a> {
    /// Where it isn't the client's.
    pub(crate) path: Option<&'a str>,
    /// What stands before a path of the backend's among ours.
    pub(crate) below: &'a str,
    pub(crate) headers: Cow<'a, HeaderMap>,
    pub(crate) body: &'a Bytes,
    /// `None`: nothing is to be changed in it.
    pub(crate) asked: Option<&'a RequestedModel<'a>>,
    pub(crate) changes: Changes,
}

/// What the manager changes in a body, beside the name of the model.
pub(crate) enum Changes {
    None,
    /// It asks for the usage of a stream.
    Usage(Edit),
    /// It makes a stream of a plain request; how the stream becomes an answer again.
    Stream(assembly::StreamFormat, Vec<Edit>),
}

impl Changes {
    fn edits(&self) -> &[Edit] {
        match self {
            Self::None => &[],
            Self::Usage(edit) => std::slice::from_ref(edit),
            Self::Stream(_, edits) => edits,
        }
    }

    /// Whether `stream_options` is among them: the other endpoints stream without such a question.
    pub(super) fn asks_for_usage(&self) -> bool {
        matches!(self, Self::Usage(_) | Self::Stream(assembly::StreamFormat::Choices, _))
    }
}

impl OutgoingRequest<'_> {
    fn payload(&self, name: Option<&str>) -> Payload {
        self.asked.map_or_else(
            || self.body.clone().into(),
            |asked| asked.payload(self.body, self.changes.edits(), name),
        )
    }
}

/// The head of a backend's answer with its body to come, and the lease that holds the backend meanwhile.
pub(crate) struct BackendResponse {
    pub(crate) response: Response,
    pub(crate) lease: Lease,
    /// What people are told of it, and how they end it.
    pub(crate) told: Arc<InFlight>,
    /// The client must not see the event that the manager has asked for.
    pub(crate) hide_usage: bool,
    /// It is a stream that the client hasn't asked for: what is to be made of it.
    pub(crate) gather: Option<assembly::StreamFormat>,
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
    let renamed = name.and_then(|name| form_body::rename_in_query(query, name));
    let routes = lease.routes();
    if path.is_none() && renamed.is_none() && routes.is_none() {
        return Cow::Borrowed(request.uri().path_and_query().map_or("/", |path| path.as_str()));
    }
    let path = path.unwrap_or_else(|| request.path());
    // A path that asks for no model is the backend's own.
    let path = match routes.map(|routes| if asked.is_some() { routes.of(path) } else { routes.beside(path) })
    {
        // Those of the lease don't live as long as the request.
        Some(Cow::Borrowed(own)) if own != path => own.to_owned().into(),
        Some(Cow::Owned(own)) => own.into(),
        Some(Cow::Borrowed(_)) | None => Cow::Borrowed(path),
    };
    match renamed.as_deref().unwrap_or(query) {
        "" => path,
        query => format!("{path}?{query}").into(),
    }
}

/// The client's headers without our key, and without the coding that the body no longer has.
pub(crate) fn outgoing_headers(exchange: &Exchange, unpacked: bool) -> Cow<'_, HeaderMap> {
    let mut headers = exchange.shared.access.keys.withhold(exchange.request.headers());
    if unpacked {
        headers.to_mut().remove(header::CONTENT_ENCODING);
    }
    if let Some(trace) = &exchange.trace {
        headers.to_mut().insert(TRACEPARENT, trace.header());
    }
    headers
}

/// Brings the request to the backend and answers with the head of what comes back.
///
/// A backend gets it at most twice: once more when a kept connection ended without a word, or the backend died, before
/// a byte of its answer came.
pub(crate) async fn forward(
    exchange: &Exchange,
    outgoing: &OutgoingRequest<'_>,
    model: &Arc<ModelHandle>,
    account: &mut RequestAccount,
) -> Result<BackendResponse, ApiError> {
    let id = &exchange.id;
    account.admit(exchange, outgoing.body).await?;
    let mut tries = Attempts::default();
    let mut sent_away = false;
    loop {
        let lease = take_lease(exchange, model, || account.cost(outgoing.body)).await?;
        account.leased(&lease);
        check_circle(exchange, model, &lease)?;
        let told = exchange.in_flight(model, &lease);
        let error = match send(exchange, outgoing, model, &lease, &told, tries.is_repeated()).await {
            Ok(mut response) => {
                let (base, asked) = (&exchange.shared.base_path, outgoing.asked.is_some());
                redirect::lead_back(&mut response, &lease, base, outgoing.below, asked);
                let full = response.status == StatusCode::SERVICE_UNAVAILABLE && !sent_away;
                if !full || !Box::pin(moves_on(model, &lease, &told)).await {
                    return Ok(BackendResponse { response, lease, told, hide_usage: false, gather: None });
                }
                log::info!(
                    "request {id}: {} serves nobody now (503); sent to another variant",
                    lease.endpoint()
                );
                sent_away = true;
                account.replayed();
                continue;
            }
            Err(Failure::Final(error)) => return Err(error),
            Err(Failure::BrokeBeforeAnswer(error)) => error,
        };
        if tries.broke(how_it_broke(&error)) == RetryStep::Again {
            log::info!(
                "request {id}: the backend of `{}` closed a kept-alive connection without a response; sent again",
                model.spec.name
            );
            account.replayed();
            continue;
        }
        let news = if lease.endpoint().local_address().is_some() { NEWS_OF_DEATH } else { NEWS_FROM_AFAR };
        let broken = tokio::time::timeout(news, told.broken()).await;
        drop(lease);
        let name = &model.spec.name;
        match tries.judge(fate(broken.ok())) {
            RetryDecision::Cancelled => return Err(cancelled(model)),
            RetryDecision::Stopped => return Err(stopped(model)),
            RetryDecision::Failed => {
                let message = format!("model `{name}`: {error}");
                return Err(ApiError::new(ApiErrorKind::BackendError, message));
            }
            RetryDecision::Again { replayed } => {
                log::info!("request {id}: the backend of `{name}` died before a response; sent again");
                if replayed {
                    account.replayed();
                }
            }
        }
    }
}

const fn how_it_broke(error: &UpstreamError) -> RequestFailure {
    match error {
        UpstreamError::Connect(_) => RequestFailure::NoConnection,
        UpstreamError::Stale(_) => RequestFailure::Stale,
        _ => RequestFailure::Unanswered,
    }
}

fn fate(heard: Option<BreakReason>) -> BackendFate {
    match heard {
        None => BackendFate::Lives,
        Some(BreakReason::BackendGone) => BackendFate::Died,
        Some(BreakReason::Stopped) => BackendFate::Stopped,
        Some(BreakReason::Cancelled) => BackendFate::Cancelled,
    }
}

/// Whether a server elsewhere that has sent a request away counts as down, so that another variant of the model serves it. One that
/// serves others is only full: its answer is the client's.
async fn moves_on(model: &ModelHandle, lease: &Lease, told: &Arc<InFlight>) -> bool {
    let others = model.spec.variants.iter().any(|one| *one.name != **lease.variant());
    lease.endpoint().is_elsewhere()
        && others
        && lease.sent_away()
        && matches!(tokio::time::timeout(NEWS_OF_DEATH, told.broken()).await, Ok(BreakReason::BackendGone))
}

/// Refuses a request that has been here before: two managers that name each other would hand it on for ever.
pub(crate) fn check_circle(exchange: &Exchange, model: &ModelHandle, lease: &Lease) -> Result<(), ApiError> {
    if lease.endpoint().local_address().is_some() {
        return Ok(());
    }
    let via = exchange.request.headers().get_all(VIA.as_str());
    if !lease.endpoint().has_come_round(via.map(HeaderValue::as_bytes)) {
        return Ok(());
    }
    let (name, place) = (&model.spec.name, lease.endpoint());
    let message = format!(
        "the request has come round in a circle: model `{name}` is served by {place} here, which has sent it back; give one \
         of the two managers a variant of its own, or name another server in its `on.url`"
    );
    Err(ApiError { hopeless: true, ..ApiError::new(ApiErrorKind::LoopDetected, message) })
}

enum Failure {
    Final(ApiError),
    BrokeBeforeAnswer(UpstreamError),
}

async fn send(
    exchange: &Exchange,
    outgoing: &OutgoingRequest<'_>,
    model: &Arc<ModelHandle>,
    lease: &Lease,
    told: &Arc<InFlight>,
    again: bool,
) -> Result<Response, Failure> {
    let Exchange { request, worker, id, .. } = exchange;
    let name = lease.served_name().map(|name| &**name);
    let asked = outgoing.asked.map(RequestedModel::model);
    let path = path_and_query(request, outgoing.path, asked, lease);
    let parts = RequestParts {
        method: request.method(),
        path_and_query: &path,
        headers: &outgoing.headers,
        request_id: id.to_backend(),
    };
    let answered = worker.send(&told.backend, parts, outgoing.payload(name), again, told);
    let broken = async {
        let reason = told.broken().await;
        if reason == BreakReason::BackendGone {
            // Its sockets are closed: the exchange ends by itself, perhaps with an answer already sent.
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        reason
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
            // A server elsewhere has no process whose end is heard of.
            let gone = match error {
                UpstreamError::Connect(_) => true,
                UpstreamError::BeforeAnswer(_) => lease.endpoint().local_address().is_none(),
                _ => false,
            };
            if gone {
                lease.note(LivenessSignal::Refusal);
            }
            failure(error, model)
        }),
        reason = broken => Err(Failure::Final(broken_off(model, reason))),
        () = late => {
            lease.note(LivenessSignal::Silence);
            let seconds = model.spec.first_byte_timeout.unwrap_or_default().as_secs_f64();
            let name = &model.spec.name;
            let message = format!("model `{name}` gave no answer within its first_byte_timeout ({seconds} s)");
            Err(Failure::Final(ApiError::new(ApiErrorKind::BackendTimeout, message)))
        }
    }
}

fn failure(error: UpstreamError, model: &ModelHandle) -> Failure {
    let kind = match error {
        UpstreamError::Connect(_)
        | UpstreamError::BeforeAnswer(_)
        | UpstreamError::Stale(_)
        | UpstreamError::Unsent => {
            return Failure::BrokeBeforeAnswer(error);
        }
        UpstreamError::BadAnswer(_) => ApiErrorKind::BackendError,
        UpstreamError::BadRequest(_) => ApiErrorKind::InvalidRequest,
        UpstreamError::Crashed => return Failure::Final(crashed(model)),
    };
    Failure::Final(ApiError::new(kind, format!("model `{}`: {error}", model.spec.name)))
}

/// The Gateway that had the request is gone.
pub(crate) fn crashed(model: &ModelHandle) -> ApiError {
    let message = format!(
        "a part of the manager crashed that was serving a request for model `{}`; the manager's log says why, and \
         the next request is served again",
        model.spec.name
    );
    ApiError::new(ApiErrorKind::Internal, message)
}

/// What a request is told that was broken off before its answer.
pub(crate) fn broken_off(model: &ModelHandle, reason: BreakReason) -> ApiError {
    if reason == BreakReason::Cancelled { cancelled(model) } else { stopped(model) }
}

/// What a request is told that an operator has cancelled.
pub(crate) fn cancelled(model: &ModelHandle) -> ApiError {
    let message = format!("the request to model `{}` was cancelled by an operator", model.spec.name);
    ApiError { hopeless: true, ..ApiError::new(ApiErrorKind::RequestCancelled, message) }
}

pub(crate) fn stopped(model: &ModelHandle) -> ApiError {
    let message = format!("model `{}` was stopped before it could answer", model.spec.name);
    ApiError::new(ApiErrorKind::ModelStopped, message)
}
