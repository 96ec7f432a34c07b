//! `/api/supervision`: the tree of actors; and panics on purpose, for tests.

#[cfg(test)]
use super::openapi::operation::{Operation, Schemas, get, object, post};
use super::views::NodeView;
use crate::http::api::management::ManagementState;
use crate::http::error::{Answered, ApiError, ApiErrorKind};
use crate::http::gateway::worker::Gateways;
use crate::http::route::{at, read};
use actix_web::web::ServiceConfig;
use actix_web::{HttpResponse, web};
use llm_manager_actors::ActorRef;
use llm_manager_actors::fault::Panic;
use llm_manager_actors::supervisor::{GetTree, SupervisionNode, ask};
use llm_manager_actors::tell;
use serde_json::json;
use std::sync::Arc;

pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .service(at("/supervision", read().to(supervision)))
        .service(at("/debug/panic/{name:.+}", web::post().to(panic)));
}

#[cfg(test)]
pub(super) fn operations(schemas: &mut Schemas) -> Vec<Operation> {
    vec![
        get("/api/supervision", "The tree of actors", schemas.of::<NodeView>())
            .words("the tree of actors: state, restarts, the reason of each one's last exit"),
        post("/api/debug/panic/{name}", "Makes an actor panic; only with fault injection", object(&[("actor", "string")]))
            .refused("unknown_endpoint,model_not_found")
            .status("202")
            .words("makes the model's actor panic (`scheduler`, `devices`, `gateway-0`: these); only with `LLM_MANAGER_FAULT_INJECTION` set; for tests"),
    ]
}

/// `GET /api/supervision`
async fn supervision(shared: ManagementState) -> Answered {
    let down = || {
        ApiError::new(ApiErrorKind::Internal, "the root supervisor does not answer; see the manager's log")
    };
    let addr = shared.supervisor.addr().ok_or_else(down)?;
    let children = ask(&addr, GetTree).await.ok_or_else(down)?;
    Ok(HttpResponse::Ok().json(NodeView::of(SupervisionNode {
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
async fn panic(shared: ManagementState, gateways: web::Data<Gateways>, name: web::Path<String>) -> Answered {
    if !shared.fault_injection {
        return Err(ApiError::new(ApiErrorKind::UnknownEndpoint, "fault injection is switched off"));
    }
    if let Some(gateway) = gateways.find(&name) {
        tell(&gateway, Panic);
        return Ok(HttpResponse::Accepted().json(json!({"actor": *name})));
    }
    match (name.as_str(), shared.directory.find(&name)) {
        ("scheduler", None) => {
            if let Some(addr) = shared.scheduler.as_ref().and_then(ActorRef::addr) {
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
                None => Arc::clone(shared.find(&name)?),
            };
            if let Some(addr) = replica.actor().addr() {
                tell(&addr, Panic);
            }
        }
    }
    Ok(HttpResponse::Accepted().json(json!({"actor": *name})))
}
