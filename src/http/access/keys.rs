//! API keys: who may come in, and which header may not go on to a backend.

use super::sessions::{Sessions, hex};
use crate::http::error::{ApiError, ApiErrorKind};
use actix_web::http::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use llm_manager_actors::quotas::Quota;
use llm_manager_policy::rights::{self, Scope};
use llm_manager_policy::spec::{Class, KeySpec, ModelSpec};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// The keys of the configuration; none: everybody may come in.
pub struct Keys {
    keys: Vec<ApiKey>,
    /// By the SHA-256 of the secret. Whoever tries keys can't choose the hash of what they try, so the time that a look
    /// takes tells them nothing.
    places: HashMap<[u8; 32], usize>,
    /// How long secrets are, as far as that is known.
    lengths: HashSet<usize>,
    /// By what a session knows its key: another secret is another key.
    marks: Vec<Arc<str>>,
    pub(crate) sessions: Arc<Sessions>,
}

/// One key, and what it may do.
pub(crate) struct ApiKey {
    /// What reports call it.
    pub(crate) label: Arc<str>,
    pub(crate) source: KeyOrigin,
    scopes: Vec<Scope>,
    models: Vec<String>,
    expires: Option<i64>,
    /// For whoever counts what it uses; `None`: as much as it likes.
    pub(crate) quota: Option<Arc<Quota>>,
    pub(crate) class: Option<Class>,
    /// The highest class that its requests may ask for; `None`: its own.
    pub(crate) most: Option<Class>,
    /// Whether its streams say that they wait; `None`: as the program says.
    pub(crate) loading_comments: Option<bool>,
}

/// Where a key comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyOrigin {
    /// `program.api_keys`
    ApiKeys,
    /// `keys` of the configuration
    Keys,
    /// Made while the manager ran; the only kind that can be rotated and revoked.
    Made,
}

impl KeyOrigin {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::ApiKeys => "api_keys",
            Self::Keys => "keys",
            Self::Made => "made",
        }
    }
}

impl ApiKey {
    pub(crate) fn scopes(&self) -> &[Scope] {
        &self.scopes
    }

    pub(crate) fn models(&self) -> &[String] {
        &self.models
    }

    pub(crate) fn expires(&self) -> Option<i64> {
        self.expires
    }

    /// One of `program.api_keys`.
    fn almighty(label: Arc<str>) -> Self {
        let source = KeyOrigin::ApiKeys;
        Self {
            label,
            source,
            scopes: vec![Scope::Admin],
            models: Vec::new(),
            expires: None,
            quota: None,
            class: None,
            most: Some(Class::Interactive),
            loading_comments: None,
        }
    }

    fn of(spec: &KeySpec) -> Self {
        let label: Arc<str> = spec.name.as_str().into();
        let KeySpec { requests_per_minute, tokens_per_minute, budget, .. } = *spec;
        let limited = requests_per_minute.is_some() || tokens_per_minute.is_some() || budget.is_some();
        let quota = Quota { key: Arc::clone(&label), requests_per_minute, tokens_per_minute, budget };
        Self {
            label,
            source: if spec.made { KeyOrigin::Made } else { KeyOrigin::Keys },
            scopes: spec.scopes.clone(),
            models: spec.models.clone(),
            expires: spec.expires,
            quota: limited.then(|| Arc::new(quota)),
            class: spec.priority,
            most: spec.max_priority,
            loading_comments: spec.loading_comments,
        }
    }
}

impl Keys {
    /// Asks for one of these keys from now on. `label_key` makes the labels of `api_keys`; the sessions outlive a change
    /// of the keys.
    pub fn new(
        api_keys: &[String],
        specs: &[KeySpec],
        label_key: &[u8; 32],
        sessions: Arc<Sessions>,
    ) -> Result<Self, String> {
        let (mut keys, mut places, mut marks) = (Vec::new(), HashMap::new(), Vec::new());
        let lengths = api_keys.iter().map(String::len).collect();
        let mut add = |digest: [u8; 32], key: ApiKey| {
            // The same key twice is once.
            if let Entry::Vacant(place) = places.entry(digest) {
                place.insert(keys.len());
                marks.push(Arc::from(hex(digest.get(..8).unwrap_or_default())));
                keys.push(key);
            }
        };
        for key in api_keys {
            add(digest(key.as_bytes()), ApiKey::almighty(label_of(label_key, key)?));
        }
        for spec in specs {
            add(spec.secret, ApiKey::of(spec));
        }
        Ok(Self { keys, places, lengths, marks, sessions })
    }

    /// Every key.
    pub(crate) fn all(&self) -> &[ApiKey] {
        &self.keys
    }

    /// The key at this place.
    pub(crate) fn at(&self, place: usize) -> Option<&ApiKey> {
        self.keys.get(place)
    }

    /// Refuses a key that is over.
    pub(crate) fn check(&self, place: usize) -> Result<(), ApiError> {
        let Some(expires) = self.at(place).and_then(|key| key.expires) else { return Ok(()) };
        if Timestamp::now().as_second() < expires {
            return Ok(());
        }
        let at =
            Timestamp::from_second(expires).map_or_else(|_| "before now".to_owned(), |at| at.to_string());
        Err(ApiError::new(
            ApiErrorKind::InvalidApiKey,
            format!("this API key has expired ({at}); ask for a new one"),
        ))
    }

    /// Refuses a key that may not do this.
    pub(crate) fn allow(&self, place: usize, wanted: Scope) -> Result<(), ApiError> {
        let Some(key) = self.at(place) else { return Ok(()) };
        if key.scopes.iter().any(|scope| scope.includes(wanted)) {
            return Ok(());
        }
        let has: Vec<_> = key.scopes.iter().map(|scope| scope.text()).collect();
        let message = format!(
            "this needs a key with the scope `{}`; the key `{}` has {}",
            wanted.text(),
            key.label,
            has.join(", ")
        );
        Err(ApiError::new(ApiErrorKind::Forbidden, message))
    }

    /// Refuses a key that may not use this model.
    pub(crate) fn allow_model(&self, place: usize, model: &ModelSpec) -> Result<(), ApiError> {
        match self.at(place) {
            Some(key) if !key.may_use(model) => {
                let message = format!("the key `{}` may not use the model `{}`", key.label, model.name);
                Err(ApiError::new(ApiErrorKind::Forbidden, message))
            }
            _ => Ok(()),
        }
    }

    /// What the place of a key is called in sessions.
    pub(crate) fn mark_of(&self, place: usize) -> Option<&Arc<str>> {
        self.marks.get(place)
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
        if self.wanted() { self.sessions.of(headers, &self.marks) } else { None }
    }

    /// Says what is wrong with a request that has no key of ours.
    pub(crate) fn refuse(headers: &HeaderMap) -> ApiError {
        let given =
            [AUTHORIZATION.as_str(), "x-api-key", "api-key"].iter().any(|name| headers.contains_key(*name));
        let message = if given {
            "this API key is not known here; see `keys` and `program.api_keys`"
        } else {
            "an API key is required: send `Authorization: Bearer KEY`"
        };
        ApiError::new(ApiErrorKind::InvalidApiKey, message)
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
        self.keys.get(place).map(|key| &key.label)
    }

    /// Where this key stands.
    pub(crate) fn place(&self, key: &[u8]) -> Option<usize> {
        self.places.get(&digest(key)).copied()
    }

    fn is_ours(&self, name: &HeaderName, value: &HeaderValue) -> bool {
        let value = value.as_bytes();
        // Whatever the header is called: a key of ours is a key of ours. Where only the hash is known, it is looked for in
        // those that are for keys.
        let plain = value.trim_ascii();
        let is_for_keys = matches!(name.as_str(), "x-api-key" | "api-key" | "x-goog-api-key");
        if (is_for_keys || self.lengths.contains(&plain.len())) && self.place(plain).is_some() {
            return true;
        }
        *name == AUTHORIZATION
            && (bearer(value).is_some_and(|key| self.place(key).is_some())
                || basic(value).is_some_and(|pair| {
                    pair.splitn(2, |byte| *byte == b':').any(|part| self.place(part).is_some())
                }))
    }
}

impl ApiKey {
    pub(crate) fn may_use(&self, model: &ModelSpec) -> bool {
        let names = std::iter::once(&model.name).chain(&model.aliases);
        rights::may_use(&self.models, names.map(String::as_str))
    }
}

fn digest(key: &[u8]) -> [u8; 32] {
    Sha256::digest(key).into()
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
mod tests;
