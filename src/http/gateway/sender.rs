//! Who sends a request, and how: for its row.

use crate::http::peer;
use actix_web::HttpRequest;
use actix_web::http::header::{HeaderValue, USER_AGENT};
use llm_manager_ledger::Sender;
use llm_manager_policy::proxies::Network;
use std::sync::Arc;

/// The sender of this request for that model.
pub(super) fn of(request: &HttpRequest, trusted: &[Network], model: &str, stream: bool) -> Arc<Sender> {
    let agent = request.headers().get(USER_AGENT).map(HeaderValue::as_bytes).unwrap_or_default();
    Sender::shared(peer::address(request, trusted), &String::from_utf8_lossy(agent), model, stream)
}
