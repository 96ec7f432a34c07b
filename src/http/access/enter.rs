//! Enter: the one way in. Key or session, then the name in `Host`, then the page that sends.

use super::cors::Origins;
use super::hosts::Hosts;
use super::keys::{ApiKey, Keys};
use super::origin::{check_link, check_order, check_origin, check_site};
use crate::http::error::ApiError;
use actix_web::http::header::HeaderMap;
use llm_manager_policy::rights::Scope;
use llm_manager_policy::spec::ModelSpec;
use std::sync::Arc;

/// All that is asked of those who come.
pub struct Access {
    /// Who may come in.
    pub keys: Keys,
    /// Under which names browsers may come.
    pub hosts: Hosts,
    /// Pages of other sites that may call `/v1`.
    pub origins: Origins,
}

/// Where somebody wants to come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AccessArea {
    /// What programs use: `/v1` and Ollama's paths.
    Programs,
    /// What watches the manager: `/metrics`.
    Metrics,
    /// The management, `/api`, to look.
    Management,
    /// The same, to change something.
    Orders,
    /// The rest of a backend, `/upstream`.
    Backend,
    /// The sign-in, which is open without a key: to a program, or to a page of ours.
    SignIn,
    /// The files of the dashboard, which are open to all.
    Page,
}

/// Somebody who may come in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Caller {
    /// Where their key stands in the configuration; `None`: none is wanted.
    key: Option<usize>,
}

impl Access {
    /// Answers who it is, or why they may not come in.
    pub(crate) fn enter(&self, headers: &HeaderMap, door: AccessArea) -> Result<Caller, ApiError> {
        if matches!(door, AccessArea::SignIn | AccessArea::Page) {
            self.hosts.check(headers)?;
            if door == AccessArea::SignIn {
                check_site(headers)?;
            }
            return Ok(Caller { key: None });
        }
        let mut key = self.keys.in_header(headers);
        if key.is_none() {
            if self.keys.wanted() {
                key = Some(self.keys.in_session(headers).ok_or_else(|| Keys::refuse(headers))?);
                // Browsers send cookies on their own: the sender must be our own page.
                check_site(headers)?;
            }
            // Who shows no key in a header may be a browser that was led here by another name.
            match door {
                AccessArea::Programs | AccessArea::Metrics => {
                    self.hosts.check_browser(headers)?;
                    self.origins.check(headers)?;
                }
                AccessArea::Backend => {
                    self.hosts.check(headers)?;
                    check_link(headers)?;
                }
                _ => self.hosts.check(headers)?,
            }
        }
        match door {
            AccessArea::Management | AccessArea::Backend => check_origin(headers)?,
            AccessArea::Orders => check_order(headers)?,
            _ => (),
        }
        let caller = Caller { key };
        if let Some(place) = key {
            self.keys.check(place)?;
        }
        match door {
            AccessArea::Programs => self.allow(caller, Scope::Infer)?,
            AccessArea::Metrics => self.allow(caller, Scope::Read)?,
            // It depends on what is wanted there.
            _ => (),
        }
        Ok(caller)
    }

    /// Refuses a caller who may not do this.
    pub(crate) fn allow(&self, caller: Caller, wanted: Scope) -> Result<(), ApiError> {
        caller.key.map_or(Ok(()), |place| self.keys.allow(place, wanted))
    }

    /// Refuses a caller who may not use this model.
    pub(crate) fn allow_model(&self, caller: Caller, model: &ModelSpec) -> Result<(), ApiError> {
        caller.key.map_or(Ok(()), |place| self.keys.allow_model(place, model))
    }

    /// The key of a caller.
    pub(crate) fn key(&self, caller: Caller) -> Option<&ApiKey> {
        caller.key.and_then(|place| self.keys.at(place))
    }

    /// Whether they need no key, or have one.
    pub(crate) fn is_known(&self, headers: &HeaderMap) -> bool {
        !self.keys.wanted() || self.caller(headers).key.is_some()
    }

    /// Who has sent this, whether or not they may come in.
    pub(crate) fn caller(&self, headers: &HeaderMap) -> Caller {
        Caller { key: self.keys.in_header(headers).or_else(|| self.keys.in_session(headers)) }
    }

    /// What a report calls the caller's key.
    pub(crate) fn label(&self, caller: Caller) -> Arc<str> {
        caller.key.and_then(|place| self.keys.label_of(place)).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::access::sessions::Sessions;
    use actix_web::http::header::{HeaderName, HeaderValue};

    fn access(keys: &[&str]) -> Access {
        let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        Access {
            keys: Keys::new(&keys, &[], &[0; 32], Arc::new(Sessions::new(1).unwrap())).unwrap(),
            hosts: Hosts::new("127.0.0.1", &[]),
            origins: Origins::default(),
        }
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn the_caller_is_the_key_that_opened() {
        let access = access(&["first", "second"]);
        let enter = |pairs: &[_]| access.enter(&headers(pairs), AccessArea::Programs);
        assert_eq!(enter(&[("authorization", "Bearer second")]).unwrap(), Caller { key: Some(1) });
        let first = enter(&[("x-api-key", "first")]).unwrap();
        assert_eq!(first, Caller { key: Some(0) });
        assert_eq!(Some(&access.label(first)), access.keys.label_of(0));
        for wrong in [&[][..], &[("authorization", "Bearer third")], &[("authorization", "Basic first")]] {
            assert_eq!(enter(wrong).unwrap_err().code(), "invalid_api_key");
        }
    }

    #[test]
    fn without_keys_everybody_may_come_in_but_foreign_pages() {
        let access = access(&[]);
        let enter = |pairs: &[_], door| access.enter(&headers(pairs), door).map_err(|error| error.code());
        assert_eq!(enter(&[], AccessArea::Programs), Ok(Caller { key: None }));
        let led = [("host", "evil.example"), ("origin", "http://evil.example")];
        for door in [AccessArea::Programs, AccessArea::Management, AccessArea::SignIn] {
            assert_eq!(enter(&led, door), Err("host_not_allowed"));
        }
        assert!(
            enter(&[("host", "any.example")], AccessArea::Programs).is_ok(),
            "a program may use any name"
        );
        let foreign = [("host", "localhost"), ("origin", "http://localhost:1")];
        assert_eq!(enter(&foreign, AccessArea::Management), Err("foreign_origin"));
        assert_eq!(enter(&foreign, AccessArea::SignIn), Err("foreign_origin"));
        assert_eq!(enter(&foreign, AccessArea::Programs), Err("foreign_origin"));
        assert_eq!(enter(&foreign, AccessArea::Backend), Err("foreign_origin"));
        let link = |site| [("host", "localhost"), ("sec-fetch-site", site)];
        for site in ["cross-site", "same-site"] {
            assert_eq!(enter(&link(site), AccessArea::Orders), Err("foreign_origin"));
            assert!(
                enter(&link(site), AccessArea::Management).is_ok(),
                "nothing is done, and nobody there can read it"
            );
        }
        assert!(enter(&link("same-origin"), AccessArea::Orders).is_ok());
        assert_eq!(enter(&foreign, AccessArea::Orders), Err("foreign_origin"));
        assert_eq!(enter(&link("cross-site"), AccessArea::Backend), Err("foreign_origin"));
        for site in ["same-origin", "same-site", "none"] {
            assert!(enter(&link(site), AccessArea::Backend).is_ok(), "{site}");
        }
    }

    #[test]
    fn a_key_in_a_header_opens_under_any_name() {
        let access = access(&["first"]);
        let with_key = headers(&[("host", "any.example"), ("authorization", "Bearer first")]);
        assert!(access.enter(&with_key, AccessArea::Management).is_ok());
    }
}
