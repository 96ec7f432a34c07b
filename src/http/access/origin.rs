//! What browsers say of the page that sends a request.

use super::hosts::SEC_FETCH_SITE;
use crate::http::error::{ApiError, ApiErrorKind, quoted};
use actix_web::http::header::{HOST, HeaderMap, HeaderValue, ORIGIN};

/// Refuses what a page of another site makes a browser send: it could stop models. Programs send no `Origin`.
/// A page whose own name leads here (DNS rebinding) is `Hosts`' business.
pub(crate) fn check_origin(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let origin = origin.to_str().unwrap_or_default();
    let site = origin.split_once("://").map_or("", |(_, site)| site);
    if !host.is_empty() && site.eq_ignore_ascii_case(host) {
        return Ok(());
    }
    let message = format!("a page of {} may not use {}", quoted(origin), quoted(host));
    Err(ApiError::new(ApiErrorKind::ForeignOrigin, message))
}

/// Refuses a browser that a page of another site leads to a backend, by a link or an image: such a request starts the model,
/// and may evict others. It carries no `Origin`.
pub(crate) fn check_link(headers: &HeaderMap) -> Result<(), ApiError> {
    check_origin(headers)?;
    if headers.get(SEC_FETCH_SITE).map(HeaderValue::as_bytes) != Some(b"cross-site") {
        return Ok(());
    }
    let message = "a page of another site may not lead to a backend, for that would start it: type the address, open it \
                   from the manager's own page, or send a key in a header";
    Err(ApiError::new(ApiErrorKind::ForeignOrigin, message))
}

/// The same for an order, which changes something: whatever a browser leaves out, it says from where it is led.
pub(crate) fn check_order(headers: &HeaderMap) -> Result<(), ApiError> {
    check_origin(headers)?;
    if is_led_by_ours(headers) {
        return Ok(());
    }
    let message = "a page of another address may not give orders here: use the manager's own page";
    Err(ApiError::new(ApiErrorKind::ForeignOrigin, message))
}

/// The same, and without `Origin` by what browsers say of the sender: a page on another port of this computer is of
/// the same site, so it would be sent our cookie.
pub(crate) fn check_site(headers: &HeaderMap) -> Result<(), ApiError> {
    check_origin(headers)?;
    if is_led_by_ours(headers) {
        return Ok(());
    }
    let message =
        "a page of another address may not use the session of this one: open the manager's own page";
    Err(ApiError::new(ApiErrorKind::ForeignOrigin, message))
}

/// Whether it is a program, a page of ours, or somebody who has typed the address.
fn is_led_by_ours(headers: &HeaderMap) -> bool {
    matches!(headers.get(SEC_FETCH_SITE).map(HeaderValue::as_bytes), None | Some(b"same-origin" | b"none"))
}
