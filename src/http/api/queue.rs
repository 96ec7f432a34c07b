//! `/api/queue`: who waits, in order; and the order that ends a request, be it waiting or running.

#[cfg(test)]
use super::openapi::operation::{Operation, Schemas, get, object, post};
use super::query::millis;
use crate::http::api::management::{Management, ManagementState};
use crate::http::error::{ApiError, ApiErrorKind, quoted};
use crate::http::gateway::worker::Gateways;
use crate::http::requester::Requester;
use crate::http::route::{at, read};
use actix_web::web::ServiceConfig;
use actix_web::{HttpResponse, web};
use futures_util::future::join_all;
use jiff::Timestamp;
use llm_manager_actors::model::{Cancel, GetWaiting, ModelHandle, ModelStatus, WaitingRequest};
use llm_manager_policy::model_state::ModelState;
use serde::Serialize;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .service(at("/queue", read().to(queue)))
        .service(at("/requests/{id:.+}/cancel", web::post().to(cancel)));
}

#[cfg(test)]
pub(super) fn operations(schemas: &mut Schemas) -> Vec<Operation> {
    vec![
        get("/api/queue", "Requests that wait, in order", schemas.list::<QueuedView>()).words(
            "requests that wait, in order: `[{id, model, api_key, class, place, waits_for, seconds, \
                 estimate_seconds}]`; `place` counts from 1 within a model; the estimate is what is left \
                 of a start by the model's last one, null if nobody knows",
        ),
        post(
            "/api/requests/{id}/cancel",
            "Ends a request that waits or runs",
            object(&[("id", "string"), ("was", "string")]),
        )
        .refused("request_not_found")
        .words(
            "ends a request that waits or runs: `{id, was}`, `was` is `waiting` or `running`; its \
                 client gets `request_cancelled`, in a stream as an error event; `id` is its \
                 `x-request-id`; 404 `request_not_found` if none is heard of within a second",
        ),
    ]
}

/// A request that doesn't wait any more may take so long to be in a Gateway's hands.
const ON_ITS_WAY: Duration = Duration::from_millis(50);

/// A request that waits. Times are seconds.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
#[cfg_attr(test, ts(rename = "QueuedRequest"), schemars(rename = "QueuedRequest"))]
pub(crate) struct QueuedView {
    id: String,
    model: String,
    /// The name of its key; empty: none is wanted.
    api_key: String,
    class: String,
    /// Its place among those who wait for this model, from 1.
    place: usize,
    waits_for: String,
    seconds: f64,
    /// What is left, by the last start of this model, or by what its requests have taken; null: nobody knows.
    estimate_seconds: Option<f64>,
}

impl QueuedView {
    fn of(model: &ModelHandle, status: &ModelStatus, index: usize, waiting: &WaitingRequest) -> Self {
        Self {
            id: waiting.client.id.to_string(),
            model: model.spec.name.clone(),
            api_key: waiting.client.api_key.to_string(),
            class: waiting.class.text().to_owned(),
            place: index + 1,
            waits_for: waits_for(model, status),
            seconds: millis(waiting.waited),
            estimate_seconds: estimate(model, status, index).map(millis),
        }
    }
}

/// What keeps those who wait for a model.
fn waits_for(model: &ModelHandle, status: &ModelStatus) -> String {
    match status.state {
        ModelState::Queued => "memory".to_owned(),
        ModelState::Starting => match &status.waits_for {
            Some(what) => format!("its start: {what}"),
            None => "its start".to_owned(),
        },
        ModelState::Ready => match model.spec.max_concurrency {
            Some(most) => format!("one of the {most} requests that it serves at once"),
            None => "its turn".to_owned(),
        },
        ModelState::Draining | ModelState::Stopping => "the end of its last run".to_owned(),
        ModelState::Stopped | ModelState::Failed => "a start".to_owned(),
        ModelState::Parking | ModelState::Parked => "its backend to wake".to_owned(),
        ModelState::Waking => status.waits_for.as_deref().unwrap_or("its backend to wake").to_owned(),
    }
}

/// What is left of a start, if it takes as long as the last one; of one that waits for memory, at least all of it.
fn estimate(model: &ModelHandle, status: &ModelStatus, index: usize) -> Option<Duration> {
    if matches!(status.state, ModelState::Parking | ModelState::Parked | ModelState::Waking) {
        return model.last_wake();
    }
    if status.state == ModelState::Ready {
        return turn(model, index);
    }
    let last = model.last_start()?;
    match status.state {
        ModelState::Starting => {
            let since = status.started_at.map_or(Duration::ZERO, |at| {
                Duration::try_from(Timestamp::now().duration_since(at)).unwrap_or_default()
            });
            Some(last.saturating_sub(since))
        }
        ModelState::Queued | ModelState::Stopped => Some(last),
        _ => None,
    }
}

/// When so many in front of it have had their turn, if they take as long as this model's requests have so far.
fn turn(model: &ModelHandle, in_front: usize) -> Option<Duration> {
    let took = model.traffic.look().duration;
    let ended = u32::try_from(took.bins.iter().sum::<u64>()).ok().filter(|ended| *ended > 0)?;
    let turns = u32::try_from(in_front + 1).ok()?;
    Some(Duration::from_micros(took.sum_us) / ended * turns / model.spec.max_concurrency?.max(1))
}

/// `GET /api/queue`: those who have waited longest first; within a model, as they are served.
async fn queue(shared: ManagementState) -> HttpResponse {
    let models = shared.directory.models().iter().filter(|model| model.waiting() > 0);
    let mut lines = join_all(models.map(|model| async move {
        let line = match model.actor().addr() {
            Some(addr) => addr.send(GetWaiting).await.unwrap_or_default().0,
            None => Vec::new(),
        };
        let status = model.status();
        let longest = line.iter().map(|waiting| waiting.waited).max().unwrap_or_default();
        let views = line.iter().enumerate();
        let views: Vec<_> = views.map(|(index, one)| QueuedView::of(model, &status, index, one)).collect();
        (longest, views)
    }))
    .await;
    lines.sort_by_key(|(longest, _)| std::cmp::Reverse(*longest));
    let rows: Vec<QueuedView> = lines.into_iter().flat_map(|(_, views)| views).collect();
    HttpResponse::Ok().json(rows)
}

/// `POST /api/requests/{id}/cancel`
async fn cancel(
    shared: ManagementState,
    gateways: web::Data<Gateways>,
    id: web::Path<String>,
    who: Requester,
) -> Result<HttpResponse, ApiError> {
    let id: Arc<str> = id.into_inner().into();
    match end(&shared, &gateways, &id, &who).await {
        Some(was) => {
            log::info!("request {id}: cancelled while {was}, by {}", who.words());
            Ok(HttpResponse::Ok().json(json!({"id": &*id, "was": was})))
        }
        None => {
            let message = format!(
                "no request `{}` waits or runs; `GET /api/queue` lists those that wait, `GET /api/requests/running` those that run",
                quoted(&id)
            );
            Err(ApiError::new(ApiErrorKind::RequestNotFound, message))
        }
    }
}

/// Ends it, wherever it is; what it did.
async fn end(
    shared: &Management,
    gateways: &Gateways,
    id: &Arc<str>,
    who: &Requester,
) -> Option<&'static str> {
    for attempt in 0..2 {
        if attempt > 0 {
            // It may just have gone from the one to the other.
            tokio::time::sleep(ON_ITS_WAY).await;
        }
        let models = shared.directory.models().iter().filter(|model| model.waiting() > 0);
        let asked = models.filter_map(|model| {
            let addr = model.actor().addr()?;
            let order = Cancel { id: Arc::clone(id), by: who.words() };
            Some(async move { addr.send(order).await.unwrap_or(false) })
        });
        if join_all(asked).await.contains(&true) {
            return Some("waiting");
        }
        let running = gateways.in_flight().await.into_iter().filter(|one| one.id.as_bytes() == id.as_bytes());
        let cancelled = running.inspect(|one| one.cancel()).count();
        if cancelled > 0 {
            return Some("running");
        }
    }
    None
}
