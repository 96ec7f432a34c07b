//! API keys: who may come in, and which header may not go on to a backend.

use super::sessions::{Sessions, hex};
use crate::http::error::{ApiError, Kind};
use actix_web::http::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::borrow::Cow;
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// The keys of the configuration; none: everybody may come in.
pub struct Keys {
    keys: Vec<String>,
    /// What reports call them.
    labels: Vec<Arc<str>>,
    pub(crate) sessions: Arc<Sessions>,
}

impl Keys {
    /// Asks for one of these keys from now on. `label_key` makes their labels; the sessions outlive a change of the keys.
    pub fn new(keys: Vec<String>, label_key: &[u8; 32], sessions: Arc<Sessions>) -> Result<Self, String> {
        let labels: Result<_, _> = keys.iter().map(|key| label_of(label_key, key)).collect();
        Ok(Self { keys, labels: labels?, sessions })
    }

    /// Whether a key is asked for.
    pub fn wanted(&self) -> bool {
        !self.keys.is_empty()
    }

    /// The place of the key that came in a header, which no page can make a browser add for it: `Authorization: Bearer
    /// KEY`, `x-api-key` as Anthropic's clients send it, or `api-key` as Azure's do.
    pub(crate) fn in_header(&self, headers: &HeaderMap) -> Option<usize> {
        if self.wanted() { given(headers).find_map(|key| self.place(key)) } else { None }
    }

    /// The place of the key with which this browser has signed in.
    pub(crate) fn in_session(&self, headers: &HeaderMap) -> Option<usize> {
        if self.wanted() { self.sessions.of(headers, &self.labels) } else { None }
    }

    /// Says what is wrong with a request that has no key of ours.
    pub(crate) fn refuse(headers: &HeaderMap) -> ApiError {
        let given =
            [AUTHORIZATION.as_str(), "x-api-key", "api-key"].iter().any(|name| headers.contains_key(*name));
        let message = if given {
            "this API key is not one of `program.api_keys`"
        } else {
            "an API key is wanted: send `Authorization: Bearer KEY` with one of `program.api_keys`"
        };
        ApiError::new(Kind::InvalidApiKey, message)
    }

    /// The headers without those that carry a key of the manager: it is no business of the backend's.
    pub fn withhold<'a>(&self, headers: &'a HeaderMap) -> Cow<'a, HeaderMap> {
        if !self.wanted() {
            return Cow::Borrowed(headers);
        }
        let kept = headers.iter().filter(|(name, value)| !self.is_ours(name, value));
        let kept = kept.filter_map(|(name, value)| match *name == COOKIE {
            true => Some((name.clone(), self.sessions.withhold(value)?)),
            false => Some((name.clone(), value.clone())),
        });
        Cow::Owned(kept.collect())
    }

    /// What a report calls the key at this place.
    pub(crate) fn label_of(&self, place: usize) -> Option<&Arc<str>> {
        self.labels.get(place)
    }

    /// Where this key stands. All keys are compared, and each in constant time: the answer's delay tells nothing.
    pub(crate) fn place(&self, key: &[u8]) -> Option<usize> {
        let places = self.keys.iter().enumerate();
        places.fold(None, |found, (place, ours)| {
            let is_this = bool::from(ours.as_bytes().ct_eq(key));
            found.or(is_this.then_some(place))
        })
    }

    fn is_ours(&self, name: &HeaderName, value: &HeaderValue) -> bool {
        let value = value.as_bytes();
        // Whatever the header is called (`x-api-key`, `api-key`, ...): a key of ours is a key of ours.
        if self.place(value.trim_ascii()).is_some() {
            return true;
        }
        *name == AUTHORIZATION
            && (bearer(value).is_some_and(|key| self.place(key).is_some())
                || basic(value).is_some_and(|pair| {
                    pair.splitn(2, |byte| *byte == b':').any(|part| self.place(part).is_some())
                }))
    }
}

/// Who pays must not depend on the key's place in the file, and a report must not tell the key. A plain hash would: short
/// keys can be tried out.
fn label_of(label_key: &[u8; 32], key: &str) -> Result<Arc<str>, String> {
    let mac = Hmac::<Sha256>::new_from_slice(label_key);
    let mut mac = mac.map_err(|error| format!("the label of a key: {error}"))?;
    mac.update(key.as_bytes());
    let hash = hex(&mac.finalize().into_bytes());
    Ok(format!("key-{}", hash.get(..8).unwrap_or_default()).into())
}

/// Name and password of HTTP's Basic scheme, with the colon between them.
fn basic(value: &[u8]) -> Option<Vec<u8>> {
    let (scheme, pair) = value.split_at_checked("basic ".len())?;
    let is_basic = scheme.eq_ignore_ascii_case(b"basic ");
    is_basic.then(|| BASE64_STANDARD.decode(pair.trim_ascii()).ok()).flatten()
}

/// What is given for a key, in the headers that clients use for it.
fn given(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let token = headers.get(AUTHORIZATION).and_then(|value| bearer(value.as_bytes()));
    let plain = ["x-api-key", "api-key"].into_iter().filter_map(|name| headers.get(name));
    token.into_iter().chain(plain.map(HeaderValue::as_bytes))
}

/// The token of a `Bearer` header; the scheme's name is case-insensitive (RFC 9110, 11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions() -> Arc<Sessions> {
        Arc::new(Sessions::new(1).unwrap())
    }

    fn check(header: Option<(&'static str, &'static str)>) -> bool {
        let mut headers = HeaderMap::new();
        if let Some((name, value)) = header {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        Keys::new(vec!["first".into(), "second".into()], &[0; 32], sessions())
            .unwrap()
            .in_header(&headers)
            .is_some()
    }

    #[test]
    fn a_key_comes_in_either_header() {
        assert!(check(Some(("authorization", "Bearer second"))));
        assert!(check(Some(("authorization", "bearer  first "))));
        assert!(check(Some(("x-api-key", "first"))));
        assert!(check(Some(("api-key", "second"))));
    }

    #[test]
    fn everything_else_stays_out() {
        assert!(!check(None));
        assert!(!check(Some(("authorization", "Bearer third"))));
        assert!(!check(Some(("authorization", "Bearer"))));
        assert!(!check(Some(("authorization", "Basic first"))));
        assert!(!check(Some(("x-api-key", "firs"))));
        assert!(!check(Some(("x-api-key", ""))));
        assert!(!check(Some(("authorization", "first"))));
        assert!(!check(Some(("x-other", "first"))));
    }

    #[test]
    fn a_label_follows_its_key_and_not_its_place() {
        let labels = |keys: &[&str], secret| {
            let keys =
                Keys::new(keys.iter().map(|key| (*key).to_owned()).collect(), &[secret; 32], sessions())
                    .unwrap();
            (0..2).map(|place| keys.label_of(place).unwrap().to_string()).collect::<Vec<_>>()
        };
        let first = labels(&["alice-pw", "bob-pw"], 1);
        assert_eq!(labels(&["bob-pw", "alice-pw"], 1), [first[1].as_str(), first[0].as_str()]);
        assert_ne!(first[0], first[1]);
        // Known beforehand, a short key could be found by trying.
        assert_ne!(labels(&["alice-pw", "bob-pw"], 2), first);
        let digits = first[0].strip_prefix("key-").unwrap();
        assert!(digits.len() == 8 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()), "{first:?}");
    }
}
