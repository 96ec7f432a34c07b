//! Request ids: kept when the client sends one, made otherwise; in the log, before the backend and in the
//! answer.

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use std::fmt;

const NAME: HeaderName = HeaderName::from_static("x-request-id");
const HEX: &[u8; 16] = b"0123456789abcdef";
/// A longer one is the client's joke, not an id.
const LONGEST: usize = 200;

/// The id of one request.
#[derive(Clone)]
pub(super) struct RequestId(HeaderValue);

impl RequestId {
    /// The client's own id, or a fresh one of 64 random bits.
    pub(super) fn of(request: &HttpRequest) -> Self {
        let given = request.headers().get(&NAME).filter(|value| !value.is_empty() && value.len() <= LONGEST);
        if let Some(value) = given {
            return Self(value.clone());
        }
        let number = fastrand::u64(..);
        let fresh: [u8; 16] = std::array::from_fn(|place| HEX[(number >> (60 - 4 * place) & 15) as usize]);
        let fresh = bytes::Bytes::copy_from_slice(&fresh);
        Self(HeaderValue::from_maybe_shared(fresh).unwrap_or_else(|_| HeaderValue::from_static("0")))
    }

    /// As a header's value.
    pub(super) fn value(&self) -> &HeaderValue {
        &self.0
    }

    /// Puts it into an answer, instead of the backend's own if need be: it is the one in our log.
    pub(super) fn write_to(&self, headers: &mut HeaderMap) {
        headers.insert(NAME, self.0.clone());
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.0.as_bytes()))
    }
}
