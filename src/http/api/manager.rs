//! Starts that an operator has paused, and the end of the manager by order: for the tray, and for scripts.

use super::config::{Answered, trusted};
use crate::http::error::ApiError;
use crate::http::standby::Standby;
use crate::http::state::Now;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

fn paused(standby: &Standby) -> HttpResponse {
    HttpResponse::Ok().json(json!({"paused": standby.is_paused()}))
}

/// `GET /api/pause`
pub(crate) async fn show(shared: Now) -> HttpResponse {
    paused(&shared.standby)
}

/// `POST /api/pause`: what runs goes on, and an operator's own start is obeyed.
pub(crate) async fn pause(shared: Now) -> HttpResponse {
    shared.standby.set(true);
    paused(&shared.standby)
}

/// `POST /api/resume`
pub(crate) async fn resume(shared: Now) -> HttpResponse {
    shared.standby.set(false);
    paused(&shared.standby)
}

/// `POST /api/shutdown`: as on SIGTERM.
pub(crate) async fn shutdown(shared: Now, request: HttpRequest) -> Answered {
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
pub(crate) async fn leadership(shared: Now) -> HttpResponse {
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
