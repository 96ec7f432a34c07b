//! Server-sent events: logs that are followed, and everything that the dashboard shows.
//!
//! A watcher never holds anybody up. One that falls behind misses log lines, and is told how many; the event
//! feed gives it a fresh snapshot instead.

use super::broadcast::EventBroadcast;
use super::devices;
#[cfg(test)]
use super::openapi::operation::{Operation, Schemas, get};
use super::run_logs;
use super::server_event::{ServerEvent, event};
use super::views::LineView;
use crate::http::api::management::{Management, ManagementState};
use crate::http::error::{ApiError, ApiErrorKind};
use crate::http::route::{at, read};
use crate::http::state::Current;
use actix_web::http::header::{CACHE_CONTROL, HeaderName};
use actix_web::web::ServiceConfig;
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use llm_manager_actors::logs::{Follow, Followed, LogEntry, MANAGER};
use llm_manager_actors::supervisor::ask;
use serde::Deserialize;
use serde_json::json;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .service(at("/models/{name:.+}/logs", read().to(model_logs)))
        .service(at("/logs", read().to(manager_logs)))
        .service(at("/events", read().to(events)));
}

#[cfg(test)]
pub(super) fn operations(schemas: &mut Schemas) -> Vec<Operation> {
    let lines = schemas.list::<LineView<'static>>();
    vec![
        get(
            "/api/models/{name}/logs",
            "What its backend printed; with `follow`, as server-sent events",
            lines.clone(),
        )
        .refused("model_not_found,run_not_found")
        .query("tail,follow,since,grep")
        .words("what its backend printed: the last 200 lines, `?tail=N`; `?follow=true` continues as SSE"),
        get("/api/logs", "The manager's own log", lines)
            .query("tail,follow")
            .words("the manager's own log, with the same parameters"),
        get(
            "/api/events",
            "Everything that the dashboard shows, as server-sent events; each one's data",
            schemas.of::<ServerEvent>(),
        )
        .content("text/event-stream")
        .words(
            "SSE: a `snapshot` first, then `model` and `supervision` as they change (changes of \
                 leases or waiting alone: once a second), `devices` and `throughput` once a second",
        ),
    ]
}

const DEFAULT_TAIL: usize = 200;
/// Comments keep proxies from closing a quiet stream, and find out watchers that are gone.
const PING_EVERY: Duration = Duration::from_secs(15);

/// Query of the logs.
#[derive(Deserialize)]
pub(crate) struct LogOptions {
    tail: Option<usize>,
    #[serde(default)]
    follow: bool,
    since: Option<String>,
    grep: Option<String>,
}

/// `GET /api/models/{name}/logs`
async fn model_logs(
    shared: ManagementState,
    name: web::Path<String>,
    options: web::Query<LogOptions>,
) -> Result<HttpResponse, ApiError> {
    let source: Arc<str> = match shared.directory.replica(&name) {
        Some(replica) => replica.spec.name.as_str().into(),
        None => shared.find(&name)?.spec.name.as_str().into(),
    };
    if options.since.is_some() || options.grep.is_some() {
        // What is in memory ends with the manager, and may begin later.
        let grep = options.grep.as_deref();
        return run_logs::of_model(&shared, &source, options.tail, options.since.as_ref(), grep).await;
    }
    logs(&shared, source, &options).await
}

/// `GET /api/logs`
async fn manager_logs(
    shared: ManagementState,
    options: web::Query<LogOptions>,
) -> Result<HttpResponse, ApiError> {
    logs(&shared, MANAGER.into(), &options).await
}

async fn logs(shared: &Management, source: Arc<str>, options: &LogOptions) -> Result<HttpResponse, ApiError> {
    let down = || {
        ApiError::new(ApiErrorKind::Internal, "the log hub does not answer; see the manager's standard error")
    };
    let addr = shared.logs.addr().ok_or_else(down)?;
    let tail = options.tail.unwrap_or(DEFAULT_TAIL);
    let followed = ask(&addr, Follow { source, tail }).await.ok_or_else(down)?;
    if !options.follow {
        let lines: Vec<LineView<'_>> = followed.lines.iter().map(|entry| LineView::of(entry)).collect();
        return Ok(HttpResponse::Ok().json(lines));
    }
    Ok(event_stream(follow(followed), shared.stopping.clone()))
}

fn follow(followed: Followed) -> impl Stream<Item = Bytes> {
    let past = stream::iter(followed.lines).map(|entry| line_event(&entry));
    let future = stream::unfold(followed.next, |mut next| async move {
        match next.recv().await {
            Ok(entry) => Some((line_event(&entry), next)),
            Err(RecvError::Lagged(missed)) => Some((event(Some("missed"), &json!({"lines": missed})), next)),
            Err(RecvError::Closed) => None,
        }
    });
    past.chain(future)
}

fn line_event(entry: &LogEntry) -> Bytes {
    event(None, &LineView::of(entry))
}

/// `GET /api/events`: first everything, then what changes; after a gap everything again.
async fn events(
    request: HttpRequest,
    shared: ManagementState,
    pulse: web::Data<EventBroadcast>,
) -> Result<HttpResponse, actix_web::Error> {
    let in_force = Current::<Management>::of(&request)?.clone();
    let watcher = pulse.watch();
    let first = ServerEvent::snapshot(&shared).event();
    let stopping = shared.stopping.clone();
    // Whoever opens the page wants to see the devices before the next second.
    let devices = ServerEvent::Devices(devices::device_views(&shared).await).event();
    let next = stream::unfold((watcher, in_force), |(mut watcher, in_force)| async move {
        let bytes = match watcher.recv().await {
            Ok(bytes) => bytes,
            Err(RecvError::Lagged(_)) => ServerEvent::snapshot(&in_force.now()).event(),
            Err(RecvError::Closed) => return None,
        };
        Some((bytes, (watcher, in_force)))
    });
    Ok(event_stream(stream::iter([first, devices]).chain(next), stopping))
}

/// The stream as an answer, with a comment now and then, until the program stops.
fn event_stream(events: impl Stream<Item = Bytes> + 'static, stopping: CancellationToken) -> HttpResponse {
    let pings = stream::unfold((), |()| async {
        tokio::time::sleep(PING_EVERY).await;
        Some((Bytes::from_static(b": ping\n\n"), ()))
    });
    let both = stream::select(events.boxed_local(), pings.boxed_local());
    let bytes = both.take_until(stopping.cancelled_owned()).map(Ok::<_, Infallible>);
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((HeaderName::from_static("x-accel-buffering"), "no"))
        .streaming(bytes)
}
