//! What is kept of a request whose model says `capture: true`: shown to admins, and every look is in the audit.

#[cfg(test)]
use super::openapi::operation;
#[cfg(test)]
use super::openapi::operation::{Operation, Schemas, get, object};
use super::query::{invalid, rfc3339};
use super::{audit, config};
use crate::http::api::management::{Management, ManagementState};
use crate::http::error::{ApiError, ApiErrorKind, quoted};
use crate::http::gateway::assembly::{StreamFormat, assembled};
use crate::http::route::{at, read};
use actix_web::web::ServiceConfig;
use actix_web::{HttpRequest, HttpResponse, web};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use llm_manager_actors::captures::{Capture, CaptureSelection, CapturedBody, Unanswered};
use llm_manager_policy::rights::Scope;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(at("/requests/{id:.+}/capture", read().to(show)).route(web::delete().to(delete)));
}

#[cfg(test)]
pub(super) fn operations(schemas: &mut Schemas) -> Vec<Operation> {
    vec![
        get(
            "/api/requests/{id}/capture",
            "What is kept of a request to a model with `capture: true`; admins only",
            schemas.of::<CaptureView<'static>>(),
        )
        .refused("request_not_found")
        .query("started_at")
        .words(
            "what is kept of a request to a model with `capture: true`: [both bodies and \
                 headers](../operations/captures.md), and the whole answer that a stream comes to; `id` \
                 is its `x-request-id`, `started_at` tells apart those that share one; admins only, and \
                 in the audit; 404 `request_not_found` if nothing is kept",
        ),
        operation::delete(
            "/api/requests/{id}/capture",
            "Deletes what is kept of a request; admins only",
            object(&[("request_id", "string"), ("deleted", "integer")]),
        )
        .refused("request_not_found")
        .words("deletes what is kept of a request: `{request_id, deleted}`; admins only"),
    ]
}

/// Query of one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Query {
    /// Of several requests with the same id, the one that began then; otherwise the newest.
    started_at: Option<String>,
}

/// `GET /api/requests/{id}/capture`
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "Capture"), schemars(rename = "Capture"))]
pub(crate) struct CaptureView<'a> {
    request_id: &'a str,
    model: &'a str,
    endpoint: &'a str,
    method: &'a str,
    path: &'a str,
    #[cfg_attr(test, ts(type = "string"))]
    started_at: Option<Timestamp>,
    /// When it is deleted at the latest.
    #[cfg_attr(test, ts(type = "string"))]
    deleted_at: Option<Timestamp>,
    status: u16,
    outcome: &'a str,
    error: Option<&'a str>,
    /// What the client sent.
    request: SideView<'a>,
    /// What the backend answered, as it came.
    answer: SideView<'a>,
    /// False: the answer broke off, or its client left.
    answer_ended: bool,
    /// Of a stream: how many events came.
    events: Option<usize>,
    /// Of a stream: the answer that its events come to.
    #[cfg_attr(test, ts(type = "unknown"))]
    whole: Option<Value>,
}

/// One of the two.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "CaptureSide"), schemars(rename = "CaptureSide"))]
struct SideView<'a> {
    /// In their order; what is secret in them is `***`.
    headers: &'a [(String, String)],
    /// Of the whole body.
    bytes: u64,
    /// Of them, those that are kept.
    kept_bytes: usize,
    /// The body, if it is a text.
    text: Option<&'a str>,
    /// Otherwise.
    base64: Option<String>,
}

impl<'a> SideView<'a> {
    fn of(side: &'a CapturedBody, body: &'a [u8]) -> Self {
        let text = text_of(body, side.bytes > body.len() as u64);
        Self {
            headers: &side.headers,
            bytes: side.bytes,
            kept_bytes: side.kept,
            text,
            base64: text.is_none().then(|| STANDARD.encode(body)),
        }
    }
}

/// The body as a text; what is cut may end within a letter.
fn text_of(body: &[u8], is_cut: bool) -> Option<&str> {
    match std::str::from_utf8(body) {
        Ok(text) => Some(text),
        Err(error) if is_cut && error.error_len().is_none() => {
            std::str::from_utf8(body.get(..error.valid_up_to())?).ok()
        }
        Err(_) => None,
    }
}

impl<'a> CaptureView<'a> {
    fn of(capture: &'a Capture) -> Self {
        let head = &capture.head;
        let kind = head.answer.headers.iter().find(|(name, _)| name == "content-type");
        let is_stream = kind.is_some_and(|(_, kind)| kind.trim_start().starts_with("text/event-stream"));
        let (events, whole) = if is_stream {
            let (events, whole) = assembled(StreamFormat::of_path(&head.endpoint), &capture.answer);
            (Some(events), whole)
        } else {
            (None, None)
        };
        Self {
            request_id: &head.request_id,
            model: &head.model,
            endpoint: &head.endpoint,
            method: &head.method,
            path: &head.path,
            started_at: rfc3339(head.started_us),
            deleted_at: rfc3339(capture.due_us),
            status: head.status,
            outcome: &head.outcome,
            error: head.error.as_deref(),
            request: SideView::of(&head.request, &capture.request),
            answer: SideView::of(&head.answer, &capture.answer),
            answer_ended: head.ended,
            events,
            whole,
        }
    }
}

pub(super) fn silent(_: Unanswered) -> ApiError {
    ApiError::new(
        ApiErrorKind::Internal,
        "the thread that keeps requests does not answer; see the manager's log",
    )
}

/// Bodies are other people's: whoever may only read reports doesn't see them, however the path is written. Without keys,
/// nobody does who isn't at this computer.
fn admins_only(shared: &Management, request: &HttpRequest) -> Result<(), ApiError> {
    if !config::is_trusted(shared, request) {
        let message = "what people sent and got is nobody else's business, so without `program.api_keys` only this computer \
                       itself may read it: set `program.api_keys`";
        return Err(ApiError::new(ApiErrorKind::ApiKeysNeeded, message));
    }
    shared.access.allow(shared.access.caller(request.headers()), Scope::Admin)
}

fn not_kept(id: &str) -> ApiError {
    let message = format!(
        "nothing is kept of a request `{}`: its model needs `capture: true` before it comes, and what is kept is deleted \
         after a time (`program.captures`)",
        quoted(id)
    );
    ApiError::new(ApiErrorKind::RequestNotFound, message)
}

/// `GET /api/requests/{id}/capture`
async fn show(
    shared: ManagementState,
    id: web::Path<String>,
    query: web::Query<Query>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    admins_only(&shared, &request)?;
    let started = match &query.started_at {
        Some(time) => {
            let time: Result<Timestamp, _> = time.parse();
            Some(time.map_err(|error| invalid(format!("`started_at`: {error}")))?.as_microsecond())
        }
        None => None,
    };
    let found = shared.captures.read(&id, started).await.map_err(silent)?;
    let capture = found.ok_or_else(|| not_kept(&id))?;
    audit::note(&request);
    // Putting events together takes a while where there are many.
    let body = web::block(move || serde_json::to_vec(&CaptureView::of(&capture))).await;
    let broken = |error: &dyn std::fmt::Display| {
        ApiError::new(ApiErrorKind::Internal, format!("the capture: {error}"))
    };
    let body = body.map_err(|error| broken(&error))?.map_err(|error| broken(&error))?;
    Ok(HttpResponse::Ok().content_type("application/json").body(body))
}

/// `DELETE /api/requests/{id}/capture`
async fn delete(
    shared: ManagementState,
    id: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    admins_only(&shared, &request)?;
    let deleted = shared.captures.forget(CaptureSelection::Request(id.clone())).await.map_err(silent)?;
    if deleted == 0 {
        return Err(not_kept(&id));
    }
    Ok(HttpResponse::Ok().json(json!({"request_id": *id, "deleted": deleted})))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_cut_ends_before_half_a_letter() {
        assert_eq!(text_of("aé".as_bytes(), false), Some("aé"));
        assert_eq!(text_of(&"aé".as_bytes()[..2], true), Some("a"));
        assert_eq!(text_of(&"aé".as_bytes()[..2], false), None);
        assert_eq!(text_of(b"a\xffb", true), None);
    }
}
