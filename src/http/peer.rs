//! From where a request comes, behind the proxies that are trusted.

use actix_web::HttpRequest;
use actix_web::http::header::HeaderValue;
use llm_manager_policy::proxies::{self, Network};
use std::net::IpAddr;

/// The client's address; `None`: its connection is gone.
pub(crate) fn address(request: &HttpRequest, trusted: &[Network]) -> Option<IpAddr> {
    let peer = request.peer_addr()?.ip().to_canonical();
    if trusted.is_empty() {
        return Some(peer);
    }
    let forwarded: Vec<&str> = request
        .headers()
        .get_all("x-forwarded-for")
        .map(HeaderValue::to_str)
        // A header that is no text is no address: what stands before it can't be trusted either.
        .map(Result::unwrap_or_default)
        .collect();
    Some(proxies::client(peer, trusted, forwarded.into_iter()))
}
