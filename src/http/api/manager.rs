//! Starts that an operator has paused, and the end of the manager by order: for the tray, and for scripts.

use super::config::trusted;
#[cfg(test)]
use super::openapi::operation::{Operation, Schemas, get, object, post};
use crate::http::api::management::ManagementState;
use crate::http::error::{Answered, ApiError};
use crate::http::route::{at, read};
use crate::http::standby::Standby;
use actix_web::web::ServiceConfig;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .service(at("/pause", read().to(show)).route(web::post().to(pause)))
        .service(at("/resume", web::post().to(resume)))
        .service(at("/leadership", read().to(leadership)))
        .service(at("/shutdown", web::post().to(shutdown)));
}

#[cfg(test)]
pub(super) fn operations(schemas: &mut Schemas) -> Vec<Operation> {
    let paused = object(&[("paused", "boolean")]);
    vec![
        get("/api/pause", "Whether starts by requests are paused", paused.clone())
            .words("whether requests may start models"),
        post("/api/pause", "Pauses starts by requests", paused.clone()).words(
            "pauses starts: a request for a model that isn't running is refused with `model_stopped`; \
                 an operator's own start still works",
        ),
        post("/api/resume", "Requests may start models again", paused)
            .words("requests may start models again"),
        get("/api/leadership", "Which of several managers leads", schemas.of::<LeadershipView>()).words(
            "of managers that share a ledger and a cluster (`program.shared`): whether this one leads \
                 and may start and stop models now, and where the one that leads and the others are \
                 ([more](../operations/several-managers.md))",
        ),
        post("/api/shutdown", "Ends the manager", object(&[("stopping", "boolean")]))
            .refused("shutting_down")
            .status("202")
            .words("ends the manager, as SIGTERM does"),
    ]
}

fn paused(standby: &Standby) -> HttpResponse {
    HttpResponse::Ok().json(json!({"paused": standby.is_paused()}))
}

/// `GET /api/pause`
async fn show(shared: ManagementState) -> HttpResponse {
    paused(&shared.standby)
}

/// `POST /api/pause`: what runs goes on, and an operator's own start is obeyed.
async fn pause(shared: ManagementState) -> HttpResponse {
    shared.standby.set(true);
    paused(&shared.standby)
}

/// `POST /api/resume`
async fn resume(shared: ManagementState) -> HttpResponse {
    shared.standby.set(false);
    paused(&shared.standby)
}

/// `POST /api/shutdown`: as on SIGTERM.
async fn shutdown(shared: ManagementState, request: HttpRequest) -> Answered {
    trusted(&shared, &request)?;
    if shared.stopping.is_cancelled() {
        return Err(ApiError::shutting_down());
    }
    shared.standby.shutdown.cancel();
    Ok(HttpResponse::Accepted().json(json!({"stopping": true})))
}

/// Who of several managers leads.
#[derive(serde::Serialize)]
#[cfg_attr(test, derive(ts_rs::TS, schemars::JsonSchema))]
pub(crate) struct LeadershipView {
    /// Several managers share this one's ledger and cluster (`program.shared`).
    shared: bool,
    /// This manager leads, as far as it knows.
    leads: bool,
    /// It may start and stop models at this moment.
    acts: bool,
    /// Where this manager is reached.
    address: Option<String>,
    /// Where the one that leads is reached.
    leader: Option<String>,
    /// Where the others are.
    others: Vec<String>,
    /// What is wrong.
    trouble: Option<String>,
}

/// `GET /api/leadership`
async fn leadership(shared: ManagementState) -> HttpResponse {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    HttpResponse::Ok().json(match &shared.leadership {
        None => LeadershipView {
            shared: false,
            leads: true,
            acts: true,
            address: None,
            leader: None,
            others: Vec::new(),
            trouble: None,
        },
        Some(leadership) => {
            let standing = leadership.standing();
            let standing = standing.borrow();
            LeadershipView {
                shared: true,
                leads: standing.token.is_some(),
                acts: leadership.may_act(),
                address: Some(leadership.address().to_owned()),
                leader: some(&standing.address),
                others: standing.others.to_vec(),
                trouble: some(&standing.trouble),
            }
        }
    })
}
