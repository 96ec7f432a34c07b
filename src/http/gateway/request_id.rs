//! Request ids: kept when the client sends one, made otherwise; in the log, before the backend and in the
//! answer.

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
/// A longer one is the client's joke, not an id.
const LONGEST: usize = 200;

/// The id of one request.
#[derive(Clone)]
pub(crate) struct RequestId(HeaderValue);

impl RequestId {
    /// The client's own id, or a fresh one: its time and a random number.
    pub(crate) fn of(request: &HttpRequest) -> Self {
        let given = request.headers().get(&NAME).filter(|value| !value.is_empty() && value.len() <= LONGEST);
        if let Some(value) = given {
            return Self(value.clone());
        }
        let fresh = fresh(Timestamp::now(), fastrand::u64(..));
        Self(HeaderValue::from_maybe_shared(fresh).unwrap_or_else(|_| HeaderValue::from_static("0")))
    }

    /// As a header's value.
    pub(crate) fn value(&self) -> &HeaderValue {
        &self.0
    }

    /// Puts it into an answer, instead of the backend's own if need be: it is the one in our log.
    pub(crate) fn write_to(&self, headers: &mut HeaderMap) {
        headers.insert(NAME, self.0.clone());
    }
}

/// The digits of both numbers, the highest ones first; as bytes, for there is one per request.
fn fresh(time: Timestamp, random: u64) -> Bytes {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let millis = time.as_millisecond().max(0).cast_unsigned();
    let digit = |number: u64, place: usize| HEX[(number >> (4 * place) & 15) as usize];
    let id: [u8; TIME_DIGITS + RANDOM_DIGITS] =
        std::array::from_fn(|at| match TIME_DIGITS.checked_sub(at + 1) {
            Some(place) => digit(millis, place),
            None => digit(random, at - TIME_DIGITS),
        });
    Bytes::copy_from_slice(&id)
}

/// When an id of ours was made; `None`: a client may have made it.
pub(crate) fn time_of(id: &str) -> Option<Timestamp> {
    let is_ours = id.len() == TIME_DIGITS + RANDOM_DIGITS
        && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let millis = i64::from_str_radix(id.get(..TIME_DIGITS).filter(|_| is_ours)?, 16).ok()?;
    Timestamp::from_millisecond(millis).ok()
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.0.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_ours_tells_its_time() {
        let time: Timestamp = "2026-11-25T19:43:24.567Z".parse().unwrap();
        let id = String::from_utf8(fresh(time, u64::MAX).to_vec()).unwrap();
        assert_eq!((id.len(), time_of(&id)), (20, Some(time)));
        assert!(fresh(time, 1) != fresh(time, 2));
        for other in
            ["", "id-of-mine-7", &id[1..], &format!("{id}0"), &id.to_uppercase(), "ffffffffffffffffffff"]
        {
            assert!(time_of(other).is_none_or(|time| time.as_millisecond() > 0), "{other}");
        }
        assert_eq!(time_of("id-of-mine-0123456789"), None);
    }
}
