//! Whom word goes out to, how that goes, and a test of it.

#[cfg(test)]
use super::openapi::operation::{Operation, Schemas, get, post};
use super::query::rfc3339;
use crate::http::api::management::ManagementState;
use crate::http::error::{ApiError, ApiErrorKind, quoted};
use crate::http::route::{at, read};
use actix_web::web::ServiceConfig;
use actix_web::{HttpResponse, web};
use jiff::Timestamp;
use llm_manager_actors::notifier::{GetOutletStatus, OutletStatus, OutletTestError, Test};
use llm_manager_actors::supervisor::ask;
use serde::Serialize;
use std::time::Duration;

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(at("/notify", read().to(list))).service(at("/notify/{name}/test", web::post().to(test)));
}

#[cfg(test)]
pub(super) fn operations(schemas: &mut Schemas) -> Vec<Operation> {
    vec![
        get("/api/notify", "Whom word goes out to, and how that goes", schemas.list::<OutletView>()).words(
            "the entries of [`notify`](../operations/notify.md): `[{name, format, to, events, \
                 waiting, sent, left_out, last_sent, last_error, next_try_seconds}]`; no secrets",
        ),
        post("/api/notify/{name}/test", "Sends a test there", schemas.of::<TestView>())
            .refused("notify_not_found,conflict")
            .words(
                "sends a test there at once, past what waits: `{name, error}`, `error` null: it has \
                 arrived",
            ),
    ]
}

/// A test takes as long as its command may, and a little more.
const TEST: Duration = Duration::from_secs(45);

/// One entry of `notify`, without its secrets.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "NotifyOutlet"), schemars(rename = "NotifyOutlet"))]
pub(crate) struct OutletView {
    name: String,
    /// `json`, `ntfy`, `slack`, `feishu` or `mail`.
    format: &'static str,
    /// The host of a webhook, the program of a command, the addresses of a mail.
    to: String,
    /// What it is told.
    events: Vec<&'static str>,
    /// How many wait, the one under way included.
    waiting: usize,
    /// Arrived since the manager's start.
    sent: u64,
    /// Left out since the manager's start: too many, too old, or refused.
    left_out: u64,
    #[cfg_attr(test, ts(type = "string | null"))]
    last_sent: Option<Timestamp>,
    /// What went wrong last; null once something has arrived.
    last_error: Option<String>,
    /// Until the next try; null: nothing waits, or it is under way.
    next_try_seconds: Option<f64>,
}

/// How a test went.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "NotifyTest"), schemars(rename = "NotifyTest"))]
pub(crate) struct TestView {
    name: String,
    /// Null: it has arrived.
    error: Option<String>,
}

impl OutletView {
    fn of(standing: OutletStatus) -> Self {
        let OutletStatus { spec, outlet, next_try_in } = standing;
        Self {
            format: spec.way.format(),
            to: spec.way.place(),
            events: spec.events.iter().map(|kind| kind.text()).collect(),
            waiting: outlet.waiting(),
            sent: outlet.sent,
            left_out: outlet.left_out,
            last_sent: outlet.last_sent_us.and_then(rfc3339),
            last_error: outlet.last_error,
            next_try_seconds: next_try_in.map(|time| time.as_secs_f64()),
            name: spec.name,
        }
    }
}

fn down() -> ApiError {
    ApiError::new(ApiErrorKind::Internal, "the notifier does not answer; see the manager's log")
}

/// `GET /api/notify`
async fn list(shared: ManagementState) -> Result<HttpResponse, ApiError> {
    let addr = shared.notifications.live().addr().ok_or_else(down)?;
    let standing = ask(&addr, GetOutletStatus).await.ok_or_else(down)?;
    Ok(HttpResponse::Ok().json(standing.into_iter().map(OutletView::of).collect::<Vec<_>>()))
}

/// `POST /api/notify/{name}/test`
async fn test(shared: ManagementState, name: web::Path<String>) -> Result<HttpResponse, ApiError> {
    let name = name.into_inner();
    let addr = shared.notifications.live().addr().ok_or_else(down)?;
    let sent = addr.send(Test { outlet: name.clone() }).timeout(TEST).await.map_err(|_| down())?;
    match sent {
        Ok(tested) => Ok(HttpResponse::Ok().json(TestView { name, error: tested.err() })),
        Err(OutletTestError::Unknown) => {
            let message = format!(
                "no entry of `notify` has the name `{}`; `GET /api/notify` lists them",
                quoted(&name)
            );
            Err(ApiError::new(ApiErrorKind::NotifyNotFound, message))
        }
        Err(OutletTestError::Busy) => {
            let message = format!("a test of `{}` is under way already; wait for it", quoted(&name));
            Err(ApiError::new(ApiErrorKind::Conflict, message))
        }
    }
}
