//! Which headers cross the gateway, and their translation: actix speaks http 0.2, hyper speaks http 1.
//!
//! Headers about one connection stay on it (RFC 9110, 7.6.1). All others pass, repeated ones in their
//! order.

use super::unpack::Coding;
use actix_web::http::header::{self as outer, HeaderMap, HeaderName, HeaderValue};
use bytes::{Bytes, BytesMut};
use llm_manager_policy::usage::Framing;

/// The client's headers as the backend gets them. `Content-Length` is left to the connection, which knows
/// the body.
pub(crate) fn to_backend(client: &HeaderMap, host: &http::HeaderValue) -> http::HeaderMap {
    let named = Named::new(client.get_all(outer::CONNECTION).map(HeaderValue::as_bytes));
    let passes = |name: &HeaderName| {
        !matches!(*name, outer::HOST | outer::EXPECT | outer::CONTENT_LENGTH)
            && !is_of_connection(name.as_str())
            && !named.contains(name.as_str())
    };
    let mut values = Values::new(client.iter().map(|(_, value)| value.as_bytes()));
    let mut headers = http::HeaderMap::with_capacity(client.len() + 2);
    headers.insert(http::header::HOST, host.clone());
    for (name, value) in client.iter().filter(|(name, _)| passes(name)) {
        let name = http::HeaderName::from_bytes(name.as_str().as_bytes());
        let value = http::HeaderValue::from_maybe_shared(values.share(value.as_bytes()));
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    headers
}

/// The backend's headers as the client gets them, but for `Content-Length`, which goes with the body, and for those
/// that speak for our origin: the backend is not it.
pub(crate) fn to_client(backend: &http::HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
    let connection = backend.get_all(http::header::CONNECTION);
    let named = Named::new(connection.iter().map(http::HeaderValue::as_bytes));
    let passes = |name: &http::HeaderName| {
        *name != http::header::CONTENT_LENGTH
            && !is_of_connection(name.as_str())
            && !speaks_for_origin(name.as_str())
            && !named.contains(name.as_str())
    };
    let mut values = Values::new(backend.values().map(http::HeaderValue::as_bytes));
    let mut headers = Vec::with_capacity(backend.len());
    for (name, value) in backend.iter().filter(|(name, _)| passes(name)) {
        let name = HeaderName::from_bytes(name.as_str().as_bytes());
        let value = HeaderValue::from_maybe_shared(values.share(value.as_bytes()));
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.push((name, value));
        }
    }
    headers
}

/// Puts a header in place of all others of its name. As a rule there are none, and looking costs less than replacing.
pub(crate) fn put(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    if headers.contains_key(&name) {
        headers.insert(name, value);
    } else {
        headers.append(name, value);
    }
}

/// How the body is compressed; empty: it isn't.
pub(crate) fn coding(headers: &[(HeaderName, HeaderValue)]) -> &str {
    let encoding = headers.iter().find(|(name, _)| *name == outer::CONTENT_ENCODING);
    let name = encoding.map_or("", |(_, value)| value.to_str().unwrap_or("?").trim());
    if name.eq_ignore_ascii_case("identity") { "" } else { name }
}

/// Whether these are the headers of a stream of server-sent events that can be read, and added to: one that
/// is compressed can't.
pub(crate) fn is_event_stream(headers: &[(HeaderName, HeaderValue)]) -> bool {
    let content_type = headers.iter().find(|(name, _)| *name == outer::CONTENT_TYPE);
    let is_of_events = content_type.is_some_and(|(_, value)| {
        let start = value.as_bytes().get(.."text/event-stream".len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(b"text/event-stream"))
    });
    is_of_events && coding(headers).is_empty()
}

/// Whether what was asked for as a stream may be one that can be read, whatever it is called: its first bytes will tell.
pub(crate) fn may_stream(headers: &[(HeaderName, HeaderValue)]) -> bool {
    let (kind, coding) = (content_type(headers), coding(headers));
    let is_json = Framing::of_content_type(kind, false) == Some(Framing::Json);
    let is_open = coding.is_empty() || Coding::of(coding).is_some();
    is_open && !is_json && Framing::of_content_type(kind, true).is_some()
}

/// Whether these bytes begin a stream of server-sent events.
pub(crate) fn begins_stream(bytes: &[u8]) -> bool {
    Framing::of_bytes(bytes, true) == Some(Framing::Sse)
}

/// Whether the bytes are JSON or server-sent events that are not compressed.
pub(crate) fn is_readable(headers: &[(HeaderName, HeaderValue)]) -> bool {
    coding(headers).is_empty()
        && (is_event_stream(headers) || content_type(headers).to_ascii_lowercase().contains("json"))
}

/// The content type; empty when there is none, or it is no text.
pub(crate) fn content_type(headers: &[(HeaderName, HeaderValue)]) -> &str {
    let found = headers.iter().find(|(name, _)| *name == outer::CONTENT_TYPE);
    found.and_then(|(_, value)| value.to_str().ok()).unwrap_or_default()
}

/// Whether a header of this name, in lower case, speaks of one connection only.
fn is_of_connection(name: &str) -> bool {
    match name.as_bytes().first() {
        Some(b'c') => name == "connection",
        Some(b'k') => name == "keep-alive",
        Some(b'p') => name.starts_with("proxy-"),
        Some(b't') => matches!(name, "te" | "trailer" | "transfer-encoding"),
        Some(b'u') => name == "upgrade",
        _ => false,
    }
}

/// Whether a header of this name, in lower case, tells a browser what pages of this origin may do, what it shall
/// keep for it, or what others may do with its answers.
fn speaks_for_origin(name: &str) -> bool {
    match name.as_bytes().first() {
        Some(b'a') => name.starts_with("access-control-") || matches!(name, "alt-svc" | "accept-ch"),
        Some(b'c') => {
            matches!(
                name,
                "content-security-policy"
                    | "content-security-policy-report-only"
                    | "clear-site-data"
                    | "critical-ch"
            ) || name.starts_with("cross-origin-")
        }
        Some(b'd') => name == "document-policy",
        Some(b'e') => name == "expect-ct",
        Some(b'f') => name == "feature-policy",
        Some(b'n') => name == "nel",
        Some(b'o') => name == "origin-agent-cluster",
        Some(b'p') => {
            matches!(name, "permissions-policy" | "public-key-pins" | "public-key-pins-report-only")
        }
        Some(b'r') => matches!(name, "referrer-policy" | "refresh" | "report-to" | "reporting-endpoints"),
        Some(b's') => {
            matches!(
                name,
                "set-cookie"
                    | "set-cookie2"
                    | "strict-transport-security"
                    | "service-worker-allowed"
                    | "sourcemap"
                    | "speculation-rules"
            )
        }
        Some(b't') => name == "timing-allow-origin",
        Some(b'x') => {
            // The last two have a proxy before the manager answer with a file of its own.
            matches!(
                name,
                "x-frame-options"
                    | "x-xss-protection"
                    | "x-permitted-cross-domain-policies"
                    | "x-accel-redirect"
                    | "x-sendfile"
            )
        }
        _ => false,
    }
}

/// The headers which `Connection` names as its own.
struct Named<'a>(Vec<&'a [u8]>);

impl<'a> Named<'a> {
    fn new(connection: impl Iterator<Item = &'a [u8]>) -> Self {
        let tokens = connection.flat_map(|value| value.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
        // These two come with almost every message and name no header that would pass.
        let usual =
            |token: &&[u8]| token.eq_ignore_ascii_case(b"keep-alive") || token.eq_ignore_ascii_case(b"close");
        Self(tokens.filter(|token| !token.is_empty() && !usual(token)).collect())
    }

    fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|token| token.eq_ignore_ascii_case(name.as_bytes()))
    }
}

/// All values of one message in one allocation, of which each value gets its share.
struct Values(BytesMut);

impl Values {
    fn new<'a>(values: impl Iterator<Item = &'a [u8]>) -> Self {
        Self(BytesMut::with_capacity(values.map(<[u8]>::len).sum()))
    }

    fn share(&mut self, value: &[u8]) -> Bytes {
        self.0.extend_from_slice(value);
        self.0.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: http::HeaderValue = http::HeaderValue::from_static("127.0.0.1:9");

    fn client(headers: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        map
    }

    #[test]
    fn headers_of_the_connection_stay_behind() {
        let sent = to_backend(
            &client(&[
                ("host", "gateway"),
                ("connection", "keep-alive, X-Hop"),
                ("connection", "te"),
                ("x-hop", "1"),
                ("keep-alive", "timeout=5"),
                ("te", "trailers"),
                ("trailer", "x"),
                ("transfer-encoding", "chunked"),
                ("upgrade", "h2c"),
                ("proxy-authorization", "secret"),
                ("proxy-connection", "close"),
                ("expect", "100-continue"),
                ("content-length", "7"),
                ("accept-encoding", "gzip"),
                ("authorization", "Bearer x"),
            ]),
            &HOST,
        );
        let mut names: Vec<_> = sent.keys().map(http::HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["accept-encoding", "authorization", "host"]);
        assert_eq!(sent["host"], "127.0.0.1:9");
    }

    #[test]
    fn repeated_headers_and_odd_bytes_pass_in_order() {
        let mut headers = client(&[("x-a", "1"), ("x-b", ""), ("x-a", "2"), ("x-a", "1")]);
        headers.append(HeaderName::from_static("x-c"), HeaderValue::from_bytes(b"\xff\xfe").unwrap());
        let sent = to_backend(&headers, &HOST);
        assert_eq!(sent.get_all("x-a").iter().collect::<Vec<_>>(), ["1", "2", "1"]);
        assert_eq!(sent["x-b"], "");
        let back = to_client(&sent);
        let values: Vec<_> = back.iter().filter(|(name, _)| name == "x-a").map(|(_, value)| value).collect();
        assert_eq!(values, ["1", "2", "1"]);
        assert!(back.iter().any(|(_, value)| value.as_bytes() == b"\xff\xfe"));
    }

    #[test]
    fn the_way_back_drops_the_length_and_what_connection_names() {
        let mut headers = http::HeaderMap::new();
        for (name, value) in
            [("connection", "close, x-hop"), ("x-hop", "1"), ("content-length", "3"), ("date", "now")]
        {
            headers.append(name, http::HeaderValue::from_static(value));
        }
        headers.append("x-a", http::HeaderValue::from_static("a"));
        headers.append("x-a", http::HeaderValue::from_static("b"));
        let names: Vec<_> = to_client(&headers).iter().map(|(name, _)| name.to_string()).collect();
        assert_eq!(names, ["date", "x-a", "x-a"]);
    }

    #[test]
    fn a_backend_does_not_speak_for_our_origin() {
        let mut headers = http::HeaderMap::new();
        for name in [
            "access-control-allow-origin",
            "access-control-allow-credentials",
            "set-cookie",
            "strict-transport-security",
            "content-security-policy",
            "cross-origin-opener-policy",
            "permissions-policy",
            "x-frame-options",
            "x-accel-redirect",
            "refresh",
            "clear-site-data",
            "alt-svc",
            "accept-ranges",
            "cache-control",
            "content-type",
            "content-disposition",
            "x-accel-buffering",
            "server",
            "retry-after",
            "vary",
            "openai-processing-ms",
            "x-ratelimit-limit-requests",
        ] {
            headers.append(name, http::HeaderValue::from_static("x"));
        }
        let mut names: Vec<_> = to_client(&headers).iter().map(|(name, _)| name.to_string()).collect();
        names.sort_unstable();
        let kept = "accept-ranges cache-control content-disposition content-type openai-processing-ms retry-after \
                    server vary x-accel-buffering x-ratelimit-limit-requests";
        assert_eq!(names.join(" "), kept);
    }
}
