//! Which headers cross the gateway.
//!
//! Headers about one connection stay on it (RFC 9110, 7.6.1). All others pass, repeated ones in their
//! order.

use super::unpack::Coding;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;
use llm_manager_policy::usage::Framing;

/// The client's headers as the backend gets them. `Content-Length` is left to the connection, which knows
/// the body.
pub(crate) fn to_backend(client: &HeaderMap) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
    let named = Named::new(client.get_all(header::CONNECTION).map(HeaderValue::as_bytes));
    client.iter().filter(move |(name, _)| {
        !matches!(**name, header::HOST | header::EXPECT | header::CONTENT_LENGTH)
            && !is_of_connection(name.as_str())
            && !named.contains(name.as_str())
    })
}

/// The backend's headers, which stand in `head`, as the client gets them, but for `Content-Length`, which goes with the
/// body, and for those that speak for our origin: the backend is not it.
pub(crate) fn to_client(head: &[u8], backend: &[httparse::Header<'_>]) -> Vec<(HeaderName, HeaderValue)> {
    let connection = backend.iter().filter(|header| header.name.eq_ignore_ascii_case("connection"));
    let named = Named::new(connection.map(|header| header.value));
    let passes = |name: &HeaderName| {
        *name != header::CONTENT_LENGTH
            && !is_of_connection(name.as_str())
            && !speaks_for_origin(name.as_str())
            && !named.contains(name.as_str())
    };
    let values = SharedValues::of(head);
    let mut headers = Vec::with_capacity(backend.len());
    for found in backend {
        if let Ok(name) = HeaderName::from_bytes(found.name.as_bytes())
            && passes(&name)
            && let Ok(value) = HeaderValue::from_maybe_shared(values.share(found.value))
        {
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
    let encoding = headers.iter().find(|(name, _)| *name == header::CONTENT_ENCODING);
    let name = encoding.map_or("", |(_, value)| value.to_str().unwrap_or("?").trim());
    if name.eq_ignore_ascii_case("identity") { "" } else { name }
}

/// Whether these are the headers of a stream of server-sent events that can be read, and added to: one that
/// is compressed can't.
pub(crate) fn is_event_stream(headers: &[(HeaderName, HeaderValue)]) -> bool {
    let content_type = headers.iter().find(|(name, _)| *name == header::CONTENT_TYPE);
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
    let found = headers.iter().find(|(name, _)| *name == header::CONTENT_TYPE);
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

/// One copy of a head, of which each value gets its share.
struct SharedValues<'a> {
    head: &'a [u8],
    copy: Bytes,
}

impl<'a> SharedValues<'a> {
    fn of(head: &'a [u8]) -> Self {
        Self { head, copy: Bytes::copy_from_slice(head) }
    }

    fn share(&self, value: &[u8]) -> Bytes {
        let start = value.as_ptr().addr().wrapping_sub(self.head.as_ptr().addr());
        match start.checked_add(value.len()) {
            Some(end) if end <= self.copy.len() && !value.is_empty() => self.copy.slice(start..end),
            _ => Bytes::copy_from_slice(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names and values as a client gets them.
    fn passed(head: &[u8]) -> Vec<(String, Vec<u8>)> {
        let mut found = [httparse::EMPTY_HEADER; 40];
        let Ok(httparse::Status::Complete((_, found))) = httparse::parse_headers(head, &mut found) else {
            panic!("no head")
        };
        let headers = to_client(head, found);
        headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect()
    }

    fn names(head: &str) -> Vec<String> {
        passed(head.as_bytes()).into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn the_way_back_drops_the_length_and_what_connection_names() {
        let head = "Connection: close, X-Hop\r\nX-hop: 1\r\nContent-Length: 3\r\nDate: now\r\nX-A: a\r\nx-a: b\r\n\r\n";
        assert_eq!(names(head), ["date", "x-a", "x-a"]);
    }

    #[test]
    fn repeated_headers_and_odd_bytes_come_back_in_order() {
        let back = passed(b"X-A: 1\r\nx-b:\r\nX-C: \xff\xfe\r\nx-a:  2 \r\nX-A: 1\r\n\r\n");
        let wanted: [(&str, &[u8]); 5] =
            [("x-a", b"1"), ("x-b", b""), ("x-c", b"\xff\xfe"), ("x-a", b"2"), ("x-a", b"1")];
        let wanted = wanted.map(|(name, value)| (name.to_owned(), value.to_vec()));
        assert_eq!(back, wanted);
    }

    #[test]
    fn a_backend_does_not_speak_for_our_origin() {
        let all = [
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
        ];
        let head: String = all.iter().map(|name| format!("{name}: x\r\n")).collect();
        let mut names = names(&format!("{head}\r\n"));
        names.sort_unstable();
        let kept = "accept-ranges cache-control content-disposition content-type openai-processing-ms retry-after \
                    server vary x-accel-buffering x-ratelimit-limit-requests";
        assert_eq!(names.join(" "), kept);
    }
}
