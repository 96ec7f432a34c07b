//! API keys: who may come in, and which header may not go on to a backend.

use super::error::{ApiError, Kind, quoted};
use actix_web::dev::RequestHead;
use actix_web::http::header::{AUTHORIZATION, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN};
use std::borrow::Cow;
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// The keys of the configuration; none: everybody may come in.
pub struct Keys(Vec<String>);

impl Keys {
    /// Asks for one of these keys from now on.
    pub fn new(keys: Vec<String>) -> Self {
        Self(keys)
    }

    /// Looks for a key in `Authorization: Bearer KEY`, or in `x-api-key` as Anthropic's clients send it.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        if self.0.is_empty() || headers.iter().any(|(name, value)| self.is_ours(name, value)) {
            return Ok(());
        }
        let given = headers.contains_key(AUTHORIZATION) || headers.contains_key("x-api-key");
        let message = if given {
            "this API key is not one of `program.api_keys`"
        } else {
            "an API key is wanted: send `Authorization: Bearer KEY` with one of `program.api_keys`"
        };
        Err(ApiError::new(Kind::InvalidApiKey, message))
    }

    /// The headers without those that carry a key of the manager: it is no business of the backend's.
    pub fn withhold<'a>(&self, headers: &'a HeaderMap) -> Cow<'a, HeaderMap> {
        if self.0.is_empty() {
            return Cow::Borrowed(headers);
        }
        let kept = headers.iter().filter(|(name, value)| !self.is_ours(name, value));
        Cow::Owned(kept.map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    /// What a report calls the key that opened the door: its place in the configuration and its last letters.
    pub fn label(&self, headers: &HeaderMap) -> Arc<str> {
        let place = |(at, ours): (usize, &String)| {
            let bearer = headers.get(AUTHORIZATION).and_then(|value| bearer(value.as_bytes()));
            let given = [bearer, headers.get("x-api-key").map(HeaderValue::as_bytes)];
            let is_this = given.into_iter().flatten().any(|key| ours.as_bytes().ct_eq(key).into());
            // Of a short key, the last letters would be much of the secret.
            let tail = ours.get(ours.len().saturating_sub(4)..).filter(|_| ours.len() >= 16);
            is_this.then(|| {
                format!("#{}{}", at + 1, tail.map_or_else(String::new, |tail| format!(" ...{tail}")))
            })
        };
        self.0.iter().enumerate().find_map(place).unwrap_or_default().into()
    }

    fn is_ours(&self, name: &HeaderName, value: &HeaderValue) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let key = if *name == AUTHORIZATION {
            bearer(value.as_bytes())
        } else if name.as_str() == "x-api-key" {
            Some(value.as_bytes())
        } else {
            None
        };
        key.is_some_and(|key| self.holds(key))
    }

    fn holds(&self, key: &[u8]) -> bool {
        // All keys are compared, and each in constant time: the answer's delay tells nothing.
        self.0.iter().fold(false, |found, ours| found | bool::from(ours.as_bytes().ct_eq(key)))
    }
}

/// Refuses what a page of another site makes a browser send: it could stop models. Programs send no `Origin`.
/// A page whose own name leads here (DNS rebinding) is not noticed; keys keep it out.
pub(super) fn check_origin(request: &RequestHead) -> Result<(), ApiError> {
    let Some(origin) = request.headers().get(ORIGIN) else { return Ok(()) };
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let origin = origin.to_str().unwrap_or_default();
    let site = origin.split_once("://").map_or("", |(_, site)| site);
    if !host.is_empty() && site.eq_ignore_ascii_case(host) {
        return Ok(());
    }
    let message = format!("a page of {} may not use the management of {}", quoted(origin), quoted(host));
    Err(ApiError::new(Kind::ForeignOrigin, message))
}

/// The token of a `Bearer` header; the scheme's name is case-insensitive (RFC 9110, 11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(header: Option<(&'static str, &'static str)>) -> bool {
        let mut headers = HeaderMap::new();
        if let Some((name, value)) = header {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        Keys::new(vec!["first".into(), "second".into()]).check(&headers).is_ok()
    }

    #[test]
    fn a_key_comes_in_either_header() {
        assert!(check(Some(("authorization", "Bearer second"))));
        assert!(check(Some(("authorization", "bearer  first "))));
        assert!(check(Some(("x-api-key", "first"))));
    }

    #[test]
    fn everything_else_stays_out() {
        assert!(!check(None));
        assert!(!check(Some(("authorization", "Bearer third"))));
        assert!(!check(Some(("authorization", "Bearer"))));
        assert!(!check(Some(("authorization", "Basic first"))));
        assert!(!check(Some(("x-api-key", "firs"))));
        assert!(!check(Some(("x-api-key", ""))));
    }

    #[test]
    fn without_keys_everybody_may_come_in() {
        assert!(Keys::new(Vec::new()).check(&HeaderMap::new()).is_ok());
    }
}
