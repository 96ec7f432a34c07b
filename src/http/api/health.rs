//! `/health`: whether the manager serves. Open to all, and never in the log.

#[cfg(test)]
use super::openapi::operation::{Operation, get, object};
use crate::http::route::{at, read};
use actix_web::HttpResponse;
use actix_web::web::ServiceConfig;
use serde_json::json;

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(at("/health", read().to(health)));
}

#[cfg(test)]
pub(super) fn operations() -> Vec<Operation> {
    vec![
        get("/health", "Whether it serves", object(&[("status", "string")]))
            .open()
            .words("returns `{\"status\":\"ok\"}` once it serves"),
    ]
}

async fn health() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "ok"}))
}
