//! `/api/requests/running`: whom the backends serve now.

#[cfg(test)]
use super::openapi::operation::{Operation, Schemas, get};
use crate::http::gateway::in_flight::InFlight;
use crate::http::gateway::worker::Gateways;
use crate::http::route::{at, read};
use actix_web::web::ServiceConfig;
use actix_web::{HttpResponse, web};
use serde::Serialize;
use std::time::Duration;

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(at("/requests/running", read().to(running)));
}

#[cfg(test)]
pub(super) fn operations(schemas: &mut Schemas) -> Vec<Operation> {
    vec![
        get("/api/requests/running", "Requests that backends serve now", schemas.list::<RunningView>())
            .words(
                "requests that a backend has and whose response has not ended, the oldest first: `[{id, \
                 model, api_key, class, variant, run_id, queue_seconds, seconds}]`; `seconds` since the \
                 backend got it, `queue_seconds` before that",
            ),
    ]
}

/// A request that a backend has, whose answer has not ended. Times are seconds.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "RunningRequest"), schemars(rename = "RunningRequest"))]
pub(crate) struct RunningView {
    id: String,
    model: String,
    /// The name of its key; empty: none is wanted.
    api_key: String,
    class: &'static str,
    variant: String,
    /// The run that serves it; null: without a ledger.
    run_id: Option<i64>,
    /// How long it waited for its backend.
    queue_seconds: f64,
    /// Since the backend got it.
    seconds: f64,
}

impl RunningView {
    /// `None`: its model has left the configuration, and nobody finds it by a name.
    fn of(one: &InFlight) -> Option<Self> {
        Some(Self {
            id: String::from_utf8_lossy(one.id.as_bytes()).into_owned(),
            model: one.model.upgrade()?.spec.name.clone(),
            api_key: one.api_key.to_string(),
            class: one.class.text(),
            variant: one.variant.to_string(),
            run_id: one.run,
            queue_seconds: millis(one.queued),
            seconds: millis(one.since.elapsed()),
        })
    }
}

fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}

/// `GET /api/requests/running`: the oldest first.
async fn running(gateways: web::Data<Gateways>) -> HttpResponse {
    let mut all = gateways.in_flight().await;
    all.sort_by_key(|one| one.since);
    let rows: Vec<RunningView> = all.iter().filter_map(|one| RunningView::of(one)).collect();
    HttpResponse::Ok().json(rows)
}
