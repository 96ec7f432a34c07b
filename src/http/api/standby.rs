//! Starts that an operator has paused, and the end of the manager by order: for the tray, and for scripts.

use super::config::{Answered, trusted};
use crate::http::{ApiError, Shared};
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio_util::sync::CancellationToken;

/// What was ordered of the manager as a whole.
#[derive(Clone, Debug, Default)]
pub struct Standby {
    paused: Arc<AtomicBool>,
    /// Cancelled when the manager is to end.
    pub(crate) shutdown: CancellationToken,
}

impl Standby {
    /// Whether requests start no model now.
    pub(crate) fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Relaxed)
    }

    fn set(&self, paused: bool) -> HttpResponse {
        if self.paused.swap(paused, Ordering::Relaxed) != paused {
            let what = if paused { "paused: requests start no model" } else { "no longer paused" };
            log::info!("starts are {what}");
        }
        self.show()
    }

    fn show(&self) -> HttpResponse {
        HttpResponse::Ok().json(json!({"paused": self.is_paused()}))
    }
}

/// `GET /api/pause`
pub(crate) async fn show(shared: web::Data<Shared>) -> HttpResponse {
    shared.standby.show()
}

/// `POST /api/pause`: what runs goes on, and an operator's own start is obeyed.
pub(crate) async fn pause(shared: web::Data<Shared>) -> HttpResponse {
    shared.standby.set(true)
}

/// `POST /api/resume`
pub(crate) async fn resume(shared: web::Data<Shared>) -> HttpResponse {
    shared.standby.set(false)
}

/// `POST /api/shutdown`: as on SIGTERM.
pub(crate) async fn shutdown(shared: web::Data<Shared>, request: HttpRequest) -> Answered {
    trusted(&shared, &request)?;
    if shared.stopping.is_cancelled() {
        return Err(ApiError::shutting_down());
    }
    shared.standby.shutdown.cancel();
    Ok(HttpResponse::Accepted().json(json!({"stopping": true})))
}
