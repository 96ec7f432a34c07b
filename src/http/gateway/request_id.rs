//! Request ids: kept when the client sends one, made otherwise; in the log, before the backend and in the
//! answer.

use super::headers;
use actix_web::HttpRequest;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;
use jiff::Timestamp;
use std::fmt;

const NAME: HeaderName = HeaderName::from_static("x-request-id");
/// Digits of the milliseconds since 1970, which come first in an id of ours: enough until the year 2527.
const TIME_DIGITS: usize = 11;
/// Random ones after them: 36 bits within a millisecond.
const RANDOM_DIGITS: usize = 9;
/// Zeros behind both, before a backend: some want a UUID, 32 digits (llama-cpp-python), and answer all else with a bare 400. Our id
/// is found in their logs all the same.
const ZEROS: usize = 12;
/// A longer one is the client's joke, not an id.
const LONGEST: usize = 200;

/// The id of one request.
#[derive(Clone)]
pub(crate) struct RequestId {
    value: HeaderValue,
    to_backend: HeaderValue,
}

impl RequestId {
    /// The client's own id, or a fresh one: its time and a random number.
    pub(crate) fn of(request: &HttpRequest) -> Self {
        let given = request.headers().get(&NAME).filter(|value| !value.is_empty() && value.len() <= LONGEST);
        if let Some(value) = given {
            return Self { value: value.clone(), to_backend: value.clone() };
        }
        let fresh = fresh(Timestamp::now(), fastrand::u64(..));
        let value = |digits: Bytes| {
            HeaderValue::from_maybe_shared(digits).unwrap_or_else(|_| HeaderValue::from_static("0"))
        };
        Self { value: value(fresh.slice(..TIME_DIGITS + RANDOM_DIGITS)), to_backend: value(fresh) }
    }

    /// As a header's value.
    pub(crate) fn value(&self) -> &HeaderValue {
        &self.value
    }

    /// As a backend is told: the client's own as it is.
    pub(crate) fn to_backend(&self) -> &HeaderValue {
        &self.to_backend
    }

    /// Puts it into an answer, instead of the backend's own if need be: it is the one in our log.
    pub(crate) fn write_to(&self, headers: &mut HeaderMap) {
        headers::put(headers, NAME, self.value.clone());
    }
}

/// The digits of both numbers, the highest ones first, and zeros; as bytes, for there is one per request.
fn fresh(time: Timestamp, random: u64) -> Bytes {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let millis = time.as_millisecond().max(0).cast_unsigned();
    let digit = |number: u64, place: usize| HEX[(number >> (4 * place) & 15) as usize];
    let id: [u8; TIME_DIGITS + RANDOM_DIGITS + ZEROS] =
        std::array::from_fn(|at| match TIME_DIGITS.checked_sub(at + 1) {
            Some(place) => digit(millis, place),
            None if at < TIME_DIGITS + RANDOM_DIGITS => digit(random, at - TIME_DIGITS),
            None => b'0',
        });
    Bytes::copy_from_slice(&id)
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.value.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_ours_tells_its_time() {
        let time: Timestamp = "2026-11-25T19:43:24.567Z".parse().unwrap();
        let before_backends = String::from_utf8(fresh(time, u64::MAX).to_vec()).unwrap();
        let (id, zeros) = before_backends.split_at(20);
        // The ledger reads it so, and stores but the rest.
        let millis = i64::from_str_radix(&id[..TIME_DIGITS], 16).unwrap();
        assert_eq!((zeros, millis), ("000000000000", time.as_millisecond()));
        assert!(fresh(time, 1) != fresh(time, 2));
    }
}
