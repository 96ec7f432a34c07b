//! Pages of other sites: those of `program.allowed_origins` may call `/v1` from a browser, all others may not.

use super::hosts::SEC_FETCH_SITE;
use crate::http::error::{ApiError, ApiErrorKind, quoted};
use actix_web::http::header::{self, HOST, HeaderMap, HeaderValue, ORIGIN};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse};

/// How long a browser may remember what it was told, in seconds.
const MAX_AGE: &str = "600";
/// What a page may see of an answer besides what browsers show anyway.
const EXPOSED: &str = "x-request-id, retry-after, x-should-retry, x-llm-manager-queue-ms, x-llm-manager-start-ms, \
    x-llm-manager-variant, x-llm-manager-run, x-llm-manager-class, x-ratelimit-limit-requests, x-ratelimit-remaining-requests, \
    x-ratelimit-reset-requests, x-ratelimit-limit-tokens, x-ratelimit-remaining-tokens, x-ratelimit-reset-tokens";

/// The origins of the configuration.
#[derive(Debug, Default)]
pub struct Origins(Vec<String>);

impl Origins {
    /// These; `*` stands for all.
    pub fn new(origins: &[String]) -> Self {
        Self(origins.iter().map(|origin| origin.trim_end_matches('/').to_ascii_lowercase()).collect())
    }

    /// Refuses what a page of another site makes a browser send: it would be obeyed, whoever reads the answer.
    /// Programs send neither of these headers.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let Some(origin) = headers.get(ORIGIN) else {
            return match headers.get(SEC_FETCH_SITE).map(HeaderValue::as_bytes) {
                Some(b"cross-site") => Err(foreign("another site")),
                _ => Ok(()),
            };
        };
        let origin = origin.to_str().unwrap_or_default();
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let site = origin.split_once("://").map_or("", |(_, site)| site);
        let is_ours = !host.is_empty() && site.eq_ignore_ascii_case(host);
        if is_ours || self.holds(origin) { Ok(()) } else { Err(foreign(&quoted(origin))) }
    }

    /// The allowed origin of a request, if there is one.
    fn allowed<'a>(&self, request: &'a HttpRequest) -> Option<&'a HeaderValue> {
        if self.0.is_empty() {
            return None;
        }
        let origin = request.headers().get(ORIGIN)?;
        self.holds(origin.to_str().ok()?).then_some(origin)
    }

    /// Lets a page of an allowed origin read the answer.
    pub(crate) fn allow(&self, request: &HttpRequest, mut response: HttpResponse) -> HttpResponse {
        if let Some(origin) = self.allowed(request).cloned() {
            let headers = response.headers_mut();
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
            headers.append(header::VARY, HeaderValue::from_static("Origin"));
        }
        response
    }

    /// The answer to a browser that asks before it sends (a preflight), which carries no key; `None`: it isn't one, or
    /// not of an allowed origin.
    pub(crate) fn preflight(&self, request: &HttpRequest) -> Option<HttpResponse> {
        if *request.method() != Method::OPTIONS {
            return None;
        }
        self.allowed(request)?;
        let wanted = request.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned();
        let wanted = wanted.unwrap_or(HeaderValue::from_static("authorization, content-type"));
        let mut response = HttpResponse::build(StatusCode::NO_CONTENT);
        response
            .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, POST, PUT, PATCH, DELETE"))
            .insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, wanted))
            .insert_header((header::ACCESS_CONTROL_MAX_AGE, MAX_AGE));
        Some(self.allow(request, response.finish()))
    }

    fn holds(&self, origin: &str) -> bool {
        self.0.iter().any(|known| known == "*" || known.eq_ignore_ascii_case(origin))
    }
}

fn foreign(origin: &str) -> ApiError {
    let message = format!(
        "a page of {origin} may not use the manager without a key: add its origin to `program.allowed_origins`, or \
         send a key of `program.api_keys` in a header"
    );
    ApiError::new(ApiErrorKind::ForeignOrigin, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderName;

    fn check(origins: &[&str], headers: &[(&'static str, &'static str)]) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let origins: Vec<String> = origins.iter().map(|origin| (*origin).to_owned()).collect();
        Origins::new(&origins).check(&map).is_ok()
    }

    #[test]
    fn pages_of_other_sites_stay_out() {
        let host = ("host", "127.0.0.1:8080");
        for headers in [
            &[host][..],
            &[host, ("origin", "http://127.0.0.1:8080"), ("sec-fetch-site", "same-origin")],
            &[host, ("sec-fetch-site", "none")],
            &[host, ("sec-fetch-site", "same-origin")],
        ] {
            assert!(check(&[], headers), "{headers:?}");
        }
        for headers in [
            &[host, ("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")][..],
            &[host, ("origin", "https://evil.example")],
            &[host, ("origin", "null")],
            &[host, ("origin", "http://127.0.0.1:9000"), ("sec-fetch-site", "same-site")],
            &[host, ("sec-fetch-site", "cross-site")],
            &[("origin", "https://evil.example")],
        ] {
            assert!(!check(&[], headers), "{headers:?}");
        }
        let page = [host, ("origin", "https://app.example"), ("sec-fetch-site", "cross-site")];
        assert!(check(&["https://APP.example/"], &page) && check(&["*"], &page));
        assert!(!check(&["https://app.example:8443"], &page));
    }
}
