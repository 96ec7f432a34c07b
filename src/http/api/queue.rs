//! `/api/queue`: who waits, in order; and the order that ends a request, be it waiting or running.

use crate::http::error::{ApiError, Kind, quoted};
use crate::http::state::{Now, Shared};
use crate::http::who::Who;
use actix_web::{HttpResponse, web};
use futures_util::future::join_all;
use jiff::Timestamp;
use llm_manager_actors::model::{Cancel, Found, ModelHandle, Status, Waiting, WhoWaits};
use llm_manager_policy::model_state::ModelState;
use serde::Serialize;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// A running request hears of its end at once, unless it takes nothing from its client's connection now.
const OBEYED_WITHIN: Duration = Duration::from_secs(1);

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
    /// What is left, by the last start of this model; null: nobody knows.
    estimate_seconds: Option<f64>,
}

impl QueuedView {
    fn of(model: &ModelHandle, status: &Status, index: usize, waiting: &Waiting) -> Self {
        Self {
            id: waiting.client.id.to_string(),
            model: model.spec.name.clone(),
            api_key: waiting.client.api_key.to_string(),
            class: waiting.class.text().to_owned(),
            place: index + 1,
            waits_for: waits_for(model, status),
            seconds: millis(waiting.waited),
            estimate_seconds: estimate(model, status).map(millis),
        }
    }
}

fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}

/// What keeps those who wait for a model.
fn waits_for(model: &ModelHandle, status: &Status) -> String {
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
fn estimate(model: &ModelHandle, status: &Status) -> Option<Duration> {
    if matches!(status.state, ModelState::Parking | ModelState::Parked | ModelState::Waking) {
        return model.last_wake();
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

/// `GET /api/queue`: those who have waited longest first; within a model, as they are served.
pub(crate) async fn queue(shared: Now) -> HttpResponse {
    let models = shared.directory.models().iter().filter(|model| model.waiting() > 0);
    let mut lines = join_all(models.map(|model| async move {
        let line = match model.actor().addr() {
            Some(addr) => addr.send(WhoWaits).await.unwrap_or_default().0,
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
pub(crate) async fn cancel(shared: Now, id: web::Path<String>, who: Who) -> Result<HttpResponse, ApiError> {
    let id: Arc<str> = id.into_inner().into();
    match end(&shared, &id, &who).await {
        Some(was) => {
            log::info!("request {id}: cancelled while {was}, by {}", who.words());
            Ok(HttpResponse::Ok().json(json!({"id": &*id, "was": was})))
        }
        None => {
            let message = format!(
                "no request `{}` waits or runs; `GET /api/queue` lists those that wait, `GET /api/requests/running` those that run",
                quoted(&id)
            );
            Err(ApiError::new(Kind::RequestNotFound, message))
        }
    }
}

/// Ends it, wherever it is; what it did.
async fn end(shared: &Shared, id: &Arc<str>, who: &Who) -> Option<&'static str> {
    let models = shared.directory.models();
    let busy = models.iter().filter(|model| model.waiting() > 0 || model.leases() > 0);
    let asked = busy.filter_map(|model| {
        let addr = model.actor().addr()?;
        let order = Cancel { id: Arc::clone(id), by: who.words() };
        Some(async move { addr.send(order).await.unwrap_or(Found::Nowhere) })
    });
    let mut perhaps = Vec::new();
    let mut found = None;
    for answer in join_all(asked).await {
        match answer {
            Found::Waiting => found = Some("waiting"),
            Found::Perhaps(obeyed) => perhaps.push(obeyed),
            Found::Nowhere => (),
        }
    }
    if found.is_some() || perhaps.is_empty() {
        return found;
    }
    let any = futures_util::future::select_all(
        perhaps.into_iter().map(|obeyed| Box::pin(async move { obeyed.cancelled().await })),
    );
    tokio::time::timeout(OBEYED_WITHIN, any).await.ok().map(|_| "running")
}
