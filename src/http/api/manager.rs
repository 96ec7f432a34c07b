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
