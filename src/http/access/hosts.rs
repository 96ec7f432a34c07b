//! Under which names the manager may be reached by browsers.
//!
//! A page whose own name was turned to this address (DNS rebinding) is of the same origin for the browser; only
//! the name in `Host` gives it away. Addresses can't be turned, so they need no list.

use crate::http::error::{ApiError, ApiErrorKind, quoted};
use actix_web::http::header::{HOST, HeaderMap, HeaderName, ORIGIN};
use std::net::{IpAddr, Ipv6Addr};

/// What browsers add, and nobody else.
pub(super) const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const BY_BROWSERS: [HeaderName; 4] = [
    ORIGIN,
    SEC_FETCH_SITE,
    HeaderName::from_static("sec-fetch-mode"),
    HeaderName::from_static("sec-fetch-dest"),
];

/// The names that are good.
pub struct Hosts {
    /// In lower case; `*.x` stands for everything below `x`, `*` for all.
    names: Vec<String>,
}

impl Hosts {
    /// The machine's own names, where the program listens, and what the configuration adds.
    pub fn new(listening: &str, allowed: &[String]) -> Self {
        let mut names = vec!["localhost".to_owned(), "*.localhost".to_owned(), lower(listening)];
        if let Some(own) = sysinfo::System::host_name().map(|own| lower(&own)).filter(|own| !own.is_empty()) {
            let short = own.split('.').next().unwrap_or_default().to_owned();
            names.extend([format!("{short}.local"), short, own]);
        }
        names.extend(allowed.iter().map(|name| lower(name)));
        Self { names }
    }

    /// Refuses a request for a name that is not ours. Without `Host` it isn't a browser's.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let Some(host) = headers.get(HOST) else { return Ok(()) };
        let host = host.to_str().unwrap_or("?");
        if self.holds(host) {
            return Ok(());
        }
        let message = format!(
            "browsers and key-less programs may not use the manager under the name `{}`: add it to \
             `program.allowed_hosts`, or use an IP address or localhost",
            quoted(bare(host))
        );
        Err(ApiError::new(ApiErrorKind::HostNotAllowed, message))
    }

    /// The same for what programs use under any name: only where a browser has sent the request.
    pub(crate) fn check_browser(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        if BY_BROWSERS.iter().any(|name| headers.contains_key(name)) { self.check(headers) } else { Ok(()) }
    }

    fn holds(&self, host: &str) -> bool {
        let host = lower(bare(host));
        if host.parse::<IpAddr>().is_ok() {
            return true;
        }
        if let Some(inner) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            return inner.parse::<Ipv6Addr>().is_ok();
        }
        let fits = |name: &String| match name.strip_prefix('*') {
            Some("") => true,
            Some(end) => host.len() > end.len() && host.ends_with(end),
            None => *name == host,
        };
        !host.is_empty() && self.names.iter().any(fits)
    }
}

/// Without the port.
fn bare(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// A name may end with the dot of the root.
fn lower(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_own_names_are_good() {
        let hosts = Hosts::new("llm.example", &["*.lan".to_owned(), "Gate.example".to_owned()]);
        for host in [
            "127.0.0.1:8080",
            "10.0.0.7",
            "[::1]:8080",
            "[fe80::1]",
            "localhost:8080",
            "LOCALHOST",
            "a.localhost:1",
            "llm.example:8080",
            "box.lan",
            "gate.example.",
            "a.b.lan:80",
        ] {
            assert!(hosts.holds(host), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "lan",
            ".lan",
            "[evil]:80",
            "",
            ":80",
            "notlocalhost",
            "xgate.example",
        ] {
            assert!(!hosts.holds(host), "{host}");
        }
        assert!(Hosts::new("127.0.0.1", &["*".to_owned()]).holds("any.thing"));
    }
}
