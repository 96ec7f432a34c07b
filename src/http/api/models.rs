//! Management: what an operator sees of the models, and what they may order.

#[cfg(test)]
use super::openapi::operation::{Operation, Schemas, get, post};
use super::views::{ModelDetails, ModelView};
use crate::http::api::management::{Management, ManagementState};
use crate::http::error::{Answered, ApiError, ApiErrorKind};
use crate::http::requester::Requester;
use crate::http::route::{at, read};
use actix_web::web::ServiceConfig;
use actix_web::{HttpResponse, web};
use futures_util::future::join_all;
use llm_manager_actors::model::{By, ModelHandle, Refused, RefusedReason, Verb};
use llm_manager_policy::lifecycle::StopUrgency;
use llm_manager_policy::model_state::ModelState;
use serde::Deserialize;
use std::sync::Arc;

/// What others serve below `/models/{name}` comes before them.
pub(super) fn routes(config: &mut ServiceConfig) {
    let post = web::post;
    config
        .service(at("/models", read().to(models)))
        .service(at("/models/stop-all", post().to(stop_all)))
        .service(at("/models/restart-autostart", post().to(restart_autostart)))
        .service(at("/models/{name:.+}/start", post().to(start)))
        .service(at("/models/{name:.+}/stop", post().to(stop)))
        .service(at("/models/{name:.+}/restart", post().to(restart)))
        .service(at("/models/{name:.+}/park", post().to(park)))
        .service(at("/models/{name:.+}/wake", post().to(start)))
        .service(at("/models/{name:.+}", read().to(model)));
}

#[cfg(test)]
pub(super) fn operations(schemas: &mut Schemas) -> Vec<Operation> {
    const START: &str = "model_stopped,model_start_failed,insufficient_resources,shutting_down,model_start_timeout,stop_failed";
    let (one, all) = (schemas.of::<ModelView>(), schemas.list::<ModelView>());
    let order = |path, summary| post(path, summary, one.clone()).query("wait").refused("model_not_found");
    vec![
        get("/api/models", "All models", all.clone()).words(
            "all models with state, pid, port, leases, waiting, idle time left, last error, and its replicas",
        ),
        get("/api/models/{name}", "One model, its variants and runs", schemas.of::<ModelDetails>())
            .refused("model_not_found")
            .words("one of them, with its variants, why the running one was chosen, and its last 20 runs"),
        order("/api/models/{name}/start", "Makes it ready")
            .refused(START)
            .words("starts it, and returns when it is ready; wakes a parked one"),
        order("/api/models/{name}/stop", "Stops it; aborts a start").query("wait,now").refused("stop_failed").words(
            "stops it, and returns when it has stopped; aborts a start; `?now=true` cuts running responses off",
        ),
        order("/api/models/{name}/restart", "Stops it and starts a fresh backend")
            .refused(START)
            .words("stops it and starts a fresh backend"),
        order("/api/models/{name}/park", "Parks it once its responses have finished").refused("conflict").words(
            "parks it once its responses have finished, and returns when it is parked; 409 if it can't be: no `park`, \
             no room, not ready",
        ),
        order("/api/models/{name}/wake", "Wakes it if it is parked, starts it otherwise")
            .refused(START)
            .words("the same as `start`, in the words of `park`"),
        post("/api/models/stop-all", "Stops every model", all.clone())
            .query("wait,now")
            .refused("stop_failed")
            .words("stops every model"),
        post("/api/models/restart-autostart", "Restarts those with `auto_start`", all)
            .query("wait")
            .refused(START)
            .words(
                "restarts those with `auto_start: true` that run, and starts the others if they fit without another \
                 model being stopped",
            ),
    ]
}

/// Query of the orders.
#[derive(Deserialize)]
pub(crate) struct OrderOptions {
    /// `false`: answer 202 at once.
    #[serde(default = "yes")]
    wait: bool,
    /// `true`: a stop breaks running answers off.
    #[serde(default)]
    now: bool,
}

fn yes() -> bool {
    true
}

/// `GET /api/models`
async fn models(shared: ManagementState) -> HttpResponse {
    HttpResponse::Ok().json(all(&shared))
}

fn all(shared: &Management) -> Vec<ModelView> {
    shared.directory.models().iter().map(|model| ModelView::of(model)).collect()
}

/// `GET /api/models/{name}`
async fn model(shared: ManagementState, name: web::Path<String>) -> Answered {
    Ok(HttpResponse::Ok().json(ModelDetails::of(shared.find(&name)?)))
}

/// `POST /api/models/{name}/start`, and `/wake`: a start wakes a model that is parked.
async fn start(
    shared: ManagementState,
    name: web::Path<String>,
    options: web::Query<OrderOptions>,
    who: Requester,
) -> Answered {
    order(&shared, &name, Verb::Start, options.wait, &who).await
}

/// `POST /api/models/{name}/stop`
async fn stop(
    shared: ManagementState,
    name: web::Path<String>,
    options: web::Query<OrderOptions>,
    who: Requester,
) -> Answered {
    let urgency = if options.now { StopUrgency::Now } else { StopUrgency::Drain };
    order(&shared, &name, Verb::Stop(urgency), options.wait, &who).await
}

/// `POST /api/models/{name}/restart`
async fn restart(
    shared: ManagementState,
    name: web::Path<String>,
    options: web::Query<OrderOptions>,
    who: Requester,
) -> Answered {
    order(&shared, &name, Verb::Restart, options.wait, &who).await
}

/// `POST /api/models/{name}/park`
async fn park(
    shared: ManagementState,
    name: web::Path<String>,
    options: web::Query<OrderOptions>,
    who: Requester,
) -> Answered {
    order(&shared, &name, Verb::Park, options.wait, &who).await
}

async fn order(shared: &Management, name: &str, verb: Verb, wait: bool, who: &Requester) -> Answered {
    let model = shared.find(name)?;
    refuse_while_stopping(shared, verb)?;
    if wait {
        model.operate_for(verb, Some(who.by())).await?;
        return Ok(HttpResponse::Ok().json(ModelView::of(model)));
    }
    model.order(verb, Some(who.by()))?;
    Ok(HttpResponse::Accepted().json(ModelView::of(model)))
}

/// `POST /api/models/stop-all`
async fn stop_all(shared: ManagementState, options: web::Query<OrderOptions>, who: Requester) -> Answered {
    let urgency = if options.now { StopUrgency::Now } else { StopUrgency::Drain };
    let models = shared.directory.models().iter();
    order_many(&shared, models.collect(), Verb::Stop(urgency), options.wait, &who).await
}

/// `POST /api/models/restart-autostart`
async fn restart_autostart(
    shared: ManagementState,
    options: web::Query<OrderOptions>,
    who: Requester,
) -> Answered {
    refuse_while_stopping(&shared, Verb::Restart)?;
    let models = shared.directory.models().iter().filter(|model| model.spec.auto_start);
    // A client that leaves takes nothing back: some would be restarted, and others not.
    let done = actix_web::rt::spawn(restart_all(models.map(Arc::clone).collect(), who.by()));
    if !options.wait {
        return Ok(HttpResponse::Accepted().json(all(&shared)));
    }
    done.await.unwrap_or_else(|_| {
        Err(ApiError::new(ApiErrorKind::Internal, "the restart broke off: see the log"))
    })?;
    Ok(HttpResponse::Ok().json(all(&shared)))
}

/// Those that run, and then the others as at the start of the manager: in the order of the file, and none goes for another.
async fn restart_all(models: Vec<Arc<ModelHandle>>, by: By) -> Result<(), ApiError> {
    let (running, others): (Vec<_>, Vec<_>) = models
        .iter()
        .partition(|model| !matches!(model.status().state, ModelState::Stopped | ModelState::Failed));
    let restarted =
        join_all(running.iter().map(|model| model.operate_for(Verb::Restart, Some(by.clone())))).await;
    let booted = join_all(others.iter().map(|model| model.operate_for(Verb::Boot, Some(by.clone())))).await;
    let has_no_room = |done: &Result<(), Refused>| matches!(done, Err(refused) if refused.reason == RefusedReason::NoMemory);
    let booted = booted.into_iter().filter(|done| !has_no_room(done));
    Ok(restarted.into_iter().chain(booted).collect::<Result<(), _>>()?)
}

fn refuse_while_stopping(shared: &Management, verb: Verb) -> Result<(), ApiError> {
    match verb {
        Verb::Start | Verb::Boot | Verb::Restart if shared.stopping.is_cancelled() => {
            Err(ApiError::shutting_down())
        }
        _ => Ok(()),
    }
}

/// All at once; the first that fails is the answer, after all of them have ended.
async fn order_many(
    shared: &Management,
    models: Vec<&Arc<ModelHandle>>,
    verb: Verb,
    wait: bool,
    who: &Requester,
) -> Answered {
    refuse_while_stopping(shared, verb)?;
    if wait {
        join_all(models.iter().map(|model| model.operate_for(verb, Some(who.by()))))
            .await
            .into_iter()
            .collect::<Result<Vec<()>, _>>()?;
        return Ok(HttpResponse::Ok().json(all(shared)));
    }
    for model in models {
        model.order(verb, Some(who.by()))?;
    }
    Ok(HttpResponse::Accepted().json(all(shared)))
}
