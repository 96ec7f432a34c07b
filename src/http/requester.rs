//! Who gives an order: for the audit, the log and whoever is told that a model was stopped.

use super::peer;
use crate::http::access::entrance::Entrance;
use crate::http::state::Current;
use actix_web::dev::Payload;
use actix_web::http::header::HeaderMap;
use actix_web::{FromRequest, HttpRequest};
use llm_manager_actors::model::By;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::IpAddr;
use std::sync::Arc;

/// The user at the command line of this computer, as `llm-manager` itself sends it. It is what the client says: whoever may
/// give orders could also say another name.
pub(crate) const LOCAL_USER: &str = "x-llm-manager-user";

/// Longest name that is kept.
const LONGEST: usize = 64;

/// Somebody, as far as is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Requester {
    /// `key`, `session`, `local` or `anyone`.
    pub(crate) kind: &'static str,
    /// The key's name or the user's; empty: neither is known.
    pub(crate) name: String,
    /// Where it comes from, behind the trusted proxies.
    pub(crate) address: Option<String>,
}

impl Requester {
    /// The sender of a request that was let in.
    pub(crate) fn of(request: &HttpRequest) -> Self {
        match Current::<Entrance>::of(request) {
            Ok(in_force) => {
                let now = in_force.now();
                let client = peer::address(request, &now.trusted_proxies);
                Self::from(&now, request.headers(), client)
            }
            Err(_) => Self { kind: "anyone", name: String::new(), address: None },
        }
    }

    fn from(shared: &Entrance, headers: &HeaderMap, peer: Option<IpAddr>) -> Self {
        let keys = &shared.access.keys;
        let label = |place| keys.label_of(place).map_or_else(String::new, ToString::to_string);
        let address = peer.map(|peer| peer.to_string());
        let user = headers.get(LOCAL_USER).and_then(|user| user.to_str().ok());
        let user = user.filter(|user| !user.is_empty() && peer.is_some_and(|peer| peer.is_loopback()));
        if let Some(user) = user {
            return Self { kind: "local", name: user.chars().take(LONGEST).collect(), address };
        }
        if let Some(place) = keys.in_header(headers) {
            return Self { kind: "key", name: label(place), address };
        }
        match keys.in_session(headers) {
            Some(place) => Self { kind: "session", name: label(place), address },
            None => Self { kind: "anyone", name: String::new(), address },
        }
    }

    /// In a sentence: `alice at the command line`, `key-1a2b3c4d from 10.0.0.7`.
    pub(crate) fn words(&self) -> Arc<str> {
        let from = self.address.as_ref().map_or_else(String::new, |address| format!(" from {address}"));
        match self.kind {
            "local" => format!("{} at the command line", self.name),
            "key" => format!("{}{from}", self.name),
            "session" => format!("a session of {}{from}", self.name),
            _ => format!("somebody{from}"),
        }
        .into()
    }
}

impl Requester {
    /// As a Model is told of it.
    pub(crate) fn by(&self) -> By {
        let name = if self.name.is_empty() { self.address.as_deref().unwrap_or("") } else { &self.name };
        By { words: self.words(), mark: format!("{}:{name}", self.kind).into() }
    }
}

impl FromRequest for Requester {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::of(request)))
    }
}
