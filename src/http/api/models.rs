//! Management: what an operator sees of the models, and what they may order.

use super::views::{ModelDetails, ModelView, NodeView};
use crate::http::error::{ApiError, Kind};
use crate::http::gateway::forms::Form;
use crate::http::gateway::paths;
use crate::http::gateway::request_id::RequestId;
use crate::http::gateway::stray;
use crate::http::gateway::worker::Gateways;
use crate::http::state::{MODELS, Now, Shared};
use crate::http::who::Who;
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::future::join_all;
use llm_manager_actors::Live;
use llm_manager_actors::fault::Panic;
use llm_manager_actors::model::{ModelHandle, Verb};
use llm_manager_actors::supervisor::{Node, Tree, ask};
use llm_manager_actors::tell;
use llm_manager_policy::lifecycle::Urgency;
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use std::time::Instant;

type Answered = Result<HttpResponse, ApiError>;

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

/// `GET /health`
pub(crate) async fn health() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "ok"}))
}

/// `GET /api/models`
pub(crate) async fn models(shared: Now) -> HttpResponse {
    HttpResponse::Ok().json(all(&shared))
}

fn all(shared: &Shared) -> Vec<ModelView> {
    shared.directory.models().iter().map(|model| ModelView::of(model)).collect()
}

/// `GET /api/models/{name}`
pub(crate) async fn model(shared: Now, name: web::Path<String>) -> Answered {
    Ok(HttpResponse::Ok().json(ModelDetails::of(shared.find(&name, MODELS)?)))
}

/// `POST /api/models/{name}/start`, and `/wake`: a start wakes a model that is parked.
pub(crate) async fn start(
    shared: Now,
    name: web::Path<String>,
    options: web::Query<OrderOptions>,
    who: Who,
) -> Answered {
    order(&shared, &name, Verb::Start, options.wait, &who).await
}

/// `POST /api/models/{name}/stop`
pub(crate) async fn stop(
    shared: Now,
    name: web::Path<String>,
    options: web::Query<OrderOptions>,
    who: Who,
) -> Answered {
    let urgency = if options.now { Urgency::Now } else { Urgency::Drain };
    order(&shared, &name, Verb::Stop(urgency), options.wait, &who).await
}

/// `POST /api/models/{name}/restart`
pub(crate) async fn restart(
    shared: Now,
    name: web::Path<String>,
    options: web::Query<OrderOptions>,
    who: Who,
) -> Answered {
    order(&shared, &name, Verb::Restart, options.wait, &who).await
}

/// `POST /api/models/{name}/park`
pub(crate) async fn park(
    shared: Now,
    name: web::Path<String>,
    options: web::Query<OrderOptions>,
    who: Who,
) -> Answered {
    order(&shared, &name, Verb::Park, options.wait, &who).await
}

async fn order(shared: &Shared, name: &str, verb: Verb, wait: bool, who: &Who) -> Answered {
    let model = shared.find(name, MODELS)?;
    refuse_while_stopping(shared, verb)?;
    if wait {
        model.operate_for(verb, Some(who.by())).await?;
        return Ok(HttpResponse::Ok().json(ModelView::of(model)));
    }
    model.order(verb, Some(who.by()))?;
    Ok(HttpResponse::Accepted().json(ModelView::of(model)))
}

/// `POST /api/models/stop-all`
pub(crate) async fn stop_all(shared: Now, options: web::Query<OrderOptions>, who: Who) -> Answered {
    let urgency = if options.now { Urgency::Now } else { Urgency::Drain };
    let models = shared.directory.models().iter();
    order_many(&shared, models.collect(), Verb::Stop(urgency), options.wait, &who).await
}

/// `POST /api/models/restart-autostart`
pub(crate) async fn restart_autostart(shared: Now, options: web::Query<OrderOptions>, who: Who) -> Answered {
    let models = shared.directory.models().iter().filter(|model| model.spec.auto_start);
    order_many(&shared, models.collect(), Verb::Restart, options.wait, &who).await
}

fn refuse_while_stopping(shared: &Shared, verb: Verb) -> Result<(), ApiError> {
    match verb {
        Verb::Start | Verb::Restart if shared.stopping.is_cancelled() => Err(ApiError::shutting_down()),
        _ => Ok(()),
    }
}

/// All at once; the first that fails is the answer, after all of them have ended.
async fn order_many(
    shared: &Shared,
    models: Vec<&Arc<ModelHandle>>,
    verb: Verb,
    wait: bool,
    who: &Who,
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

/// `GET /api/supervision`
pub(crate) async fn supervision(shared: Now) -> Answered {
    let down = || ApiError::new(Kind::Internal, "the root supervisor does not answer; see the manager's log");
    let addr = shared.supervisor.addr().ok_or_else(down)?;
    let children = ask(&addr, Tree).await.ok_or_else(down)?;
    Ok(HttpResponse::Ok().json(NodeView::of(Node {
        name: "llm-manager".to_owned(),
        path: String::new(),
        state: "running",
        detail: Some(format!("pid {}", std::process::id())),
        restarts: 0,
        since: shared.started_at,
        last_exit: None,
        children,
    })))
}

/// `POST /api/debug/panic/{name}`, with fault injection switched on: a model, `scheduler`, `devices` or `gateway-0`.
pub(crate) async fn panic(shared: Now, gateways: web::Data<Gateways>, name: web::Path<String>) -> Answered {
    if !shared.fault_injection {
        return Err(ApiError::new(Kind::UnknownEndpoint, "fault injection is switched off"));
    }
    if let Some(gateway) = gateways.find(&name) {
        tell(&gateway, Panic);
        return Ok(HttpResponse::Accepted().json(json!({"actor": *name})));
    }
    match (name.as_str(), shared.directory.find(&name)) {
        ("scheduler", None) => {
            if let Some(addr) = shared.scheduler.as_ref().and_then(Live::addr) {
                tell(&addr, Panic);
            }
        }
        ("notify", None) => {
            if let Some(addr) = shared.notifications.live().addr() {
                tell(&addr, Panic);
            }
        }
        ("devices", None) => {
            if let Some(addr) = shared.devices.live().addr() {
                tell(&addr, Panic);
            }
        }
        _ => {
            let replica = match shared.directory.replica(&name) {
                Some(replica) => replica,
                None => Arc::clone(shared.find(&name, MODELS)?),
            };
            if let Some(addr) = replica.actor().addr() {
                tell(&addr, Panic);
            }
        }
    }
    Ok(HttpResponse::Accepted().json(json!({"actor": *name})))
}

/// Any other path below `/api`.
pub(crate) async fn unknown(shared: Now, request: HttpRequest) -> Answered {
    let answered = stray(&shared, &request, paths::unknown(&shared, &request));
    // Ollama's clients read a text.
    match answered {
        Err(error) if paths::is_of_ollama(request.path()) => Ok(Form::Ollama.respond(&error)),
        answered => answered,
    }
}

/// A known path with a method that it does not take.
pub(crate) async fn wrong_method(shared: Now, request: HttpRequest) -> Answered {
    if request.path().starts_with("/v1/")
        && let Some(answer) = shared.access.origins.preflight(&request)
    {
        return Ok(answer);
    }
    stray(&shared, &request, paths::wrong_method(&request))
}

fn stray(shared: &Shared, request: &HttpRequest, error: ApiError) -> Answered {
    if shared.access.is_known(request.headers()) {
        stray::note(shared, request, &RequestId::of(request), Instant::now(), &error);
    }
    Err(error)
}
