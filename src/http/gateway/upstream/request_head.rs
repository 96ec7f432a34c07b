//! How a request is written down: its head, and a small body behind it, in one piece.

use super::{Payload, UpstreamError};
use crate::http::gateway::headers;
use actix_web::http::Method;
use actix_web::http::header::{HeaderMap, HeaderValue};
use llm_manager_process::BackendAddress;

/// Up to this size a body is copied behind its head: that costs less than writing two pieces.
const SMALL_BODY: usize = 16 * 1024;
const REQUEST_ID: &str = "x-request-id";
/// Room for what is written beside the client's own headers.
const ADDITIONS: usize = 256;

/// One request to the backend. The headers are the client's: those which must not pass are left out here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestParts<'a> {
    pub method: &'a Method,
    pub path_and_query: &'a str,
    pub headers: &'a HeaderMap,
    /// Sent as `x-request-id`.
    pub request_id: &'a HeaderValue,
}

/// A request as it goes over the wire.
#[derive(Debug)]
pub(crate) struct WireRequest {
    /// The head, and a small body.
    pub(super) head: Vec<u8>,
    /// A large one.
    pub(super) body: Payload,
    /// An answer to it has no body.
    pub(super) is_head: bool,
}

impl RequestParts<'_> {
    /// The request as this backend gets it.
    pub(crate) fn to(self, backend: &BackendAddress, body: &Payload) -> Result<WireRequest, UpstreamError> {
        let length = body.len();
        let is_small = length <= SMALL_BODY;
        let mut head = self.begin(backend, if is_small { length } else { 0 })?;
        if length > 0 || matches!(*self.method, Method::POST | Method::PUT | Method::PATCH) {
            head.extend_from_slice(b"content-length: ");
            head.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        let body = if is_small {
            body.write_to(&mut head);
            Payload::default()
        } else {
            body.clone()
        };
        Ok(WireRequest { head, body, is_head: *self.method == Method::HEAD })
    }

    /// The request line and the headers of the client, the backend's own and ours; what tells how the body ends, and the
    /// empty line, are still to come. `room`: for so many bytes behind them.
    pub(crate) fn begin(self, backend: &BackendAddress, room: usize) -> Result<Vec<u8>, UpstreamError> {
        let path = target(self.path_and_query)?;
        if *self.method == Method::CONNECT {
            return Err(UpstreamError::BadRequest("CONNECT is not for backends".to_owned()));
        }
        let lines = self.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
        let mut head = Vec::with_capacity(lines.sum::<usize>() + path.len() + ADDITIONS + room);
        for part in [self.method.as_str(), " ", path, " HTTP/1.1\r\n"] {
            head.extend_from_slice(part.as_bytes());
        }
        put_line(&mut head, "host", backend.host().as_bytes());
        for (name, value) in headers::to_backend(self.headers) {
            let name = name.as_str();
            if name != REQUEST_ID && backend.takes(name) {
                put_line(&mut head, name, value.as_bytes());
            }
        }
        // Behind the client's: each manager on the way names itself as the last one.
        for (name, value) in backend.own_headers() {
            put_line(&mut head, name.as_str(), value.as_bytes());
        }
        put_line(&mut head, REQUEST_ID, self.request_id.as_bytes());
        Ok(head)
    }
}

/// What is asked for, if it can stand in a request line. A fragment is the client's own.
fn target(path_and_query: &str) -> Result<&str, UpstreamError> {
    let path = path_and_query.split('#').next().unwrap_or_default();
    let is_plain = path.bytes().all(|byte| byte > b' ' && byte != 0x7f);
    if is_plain && (path.starts_with('/') || path == "*") {
        return Ok(path);
    }
    Err(UpstreamError::BadRequest(format!("{path_and_query:?} is no path")))
}

/// Names and values of either version of `http` have no byte that could end their line.
fn put_line(head: &mut Vec<u8>, name: &str, value: &[u8]) {
    head.extend_from_slice(name.as_bytes());
    head.extend_from_slice(b": ");
    head.extend_from_slice(value);
    head.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderName;
    use bytes::Bytes;
    use proptest::prelude::*;

    fn here() -> BackendAddress {
        BackendAddress::local(([127, 0, 0, 1], 9).into())
    }

    fn client(headers: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        map
    }

    /// Head and body as they go to a backend, a large body behind the rest.
    fn written(
        backend: &BackendAddress,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Vec<u8> {
        let request_id = HeaderValue::from_static("made-here");
        let parts = RequestParts { method, path_and_query: path, headers, request_id: &request_id };
        let request = parts.to(backend, &Bytes::copy_from_slice(body).into()).unwrap();
        let mut all = request.head;
        request.body.write_to(&mut all);
        all
    }

    fn lines(head: &[u8]) -> Vec<String> {
        String::from_utf8_lossy(head).lines().map(str::to_owned).collect()
    }

    #[test]
    fn headers_of_the_connection_stay_behind() {
        let headers = client(&[
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
            ("x-request-id", "of the client"),
            ("accept-encoding", "gzip"),
            ("authorization", "Bearer x"),
        ]);
        let mut lines = lines(&written(&here(), &Method::GET, "/v1/x?y=1", &headers, b""));
        assert_eq!(lines[..2], ["GET /v1/x?y=1 HTTP/1.1", "host: 127.0.0.1:9"]);
        lines.drain(..2);
        lines.sort_unstable();
        assert_eq!(
            lines,
            ["", "accept-encoding: gzip", "authorization: Bearer x", "x-request-id: made-here"]
        );
    }

    #[test]
    fn a_node_gets_its_own_key() {
        let node = BackendAddress::node("n1", 80, "secret").unwrap();
        let headers = client(&[("authorization", "Bearer x"), ("x-a", "1")]);
        let lines = lines(&written(&node, &Method::GET, "/", &headers, b""));
        assert_eq!(
            lines[1..],
            ["host: n1:80", "x-a: 1", "authorization: Bearer secret", "x-request-id: made-here", ""]
        );
    }

    #[test]
    fn repeated_headers_and_odd_bytes_pass_in_order() {
        let mut headers = client(&[("x-a", "1"), ("x-b", ""), ("x-a", "2"), ("x-a", "1")]);
        headers.append(HeaderName::from_static("x-c"), HeaderValue::from_bytes(b"\xff\xfe").unwrap());
        let head = written(&here(), &Method::GET, "/", &headers, b"");
        let has = |part: &[u8]| memchr::memmem::find(&head, part).is_some();
        assert!(has(b"\r\nx-a: 1\r\nx-a: 2\r\nx-a: 1\r\n"));
        assert!(has(b"\r\nx-b: \r\n") && has(b"\r\nx-c: \xff\xfe\r\n"));
    }

    #[test]
    fn a_length_is_told_where_it_says_something() {
        let none = HeaderMap::new();
        for (method, body, told) in [
            (Method::GET, "", None),
            (Method::DELETE, "", None),
            (Method::POST, "", Some("content-length: 0")),
            (Method::PUT, "", Some("content-length: 0")),
            (Method::DELETE, "{}", Some("content-length: 2")),
        ] {
            let lines = lines(&written(&here(), &method, "/", &none, body.as_bytes()));
            let length = lines.iter().find(|line| line.starts_with("content-length"));
            assert_eq!(length.map(String::as_str), told, "{method} {body}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        let (headers, request_id) = (HeaderMap::new(), HeaderValue::from_static("1"));
        let send = |method: &Method, path_and_query: &str| {
            let parts = RequestParts { method, path_and_query, headers: &headers, request_id: &request_id };
            parts.begin(&here(), 0).map(|head| lines(&head)[0].clone())
        };
        for path in ["", "x", "/a b", "/a\r\nx: y", "/\u{7f}", "http://x/"] {
            assert!(matches!(send(&Method::GET, path), Err(UpstreamError::BadRequest(_))), "{path:?}");
        }
        assert!(send(&Method::CONNECT, "/").is_err());
        assert_eq!(send(&Method::OPTIONS, "*").unwrap(), "OPTIONS * HTTP/1.1");
        assert_eq!(send(&Method::GET, "/a?b#c").unwrap(), "GET /a?b HTTP/1.1");
        assert_eq!(send(&Method::GET, "/\u{fc}{|}").unwrap(), "GET /\u{fc}{|} HTTP/1.1");
    }

    proptest! {
        #[test]
        fn what_is_written_can_be_read(
            path in "/[!-\"$-~]{0,40}",
            values in proptest::collection::vec(proptest::collection::vec(prop_oneof![Just(b'\t'), 32_u8..127, 128_u8..], 0..60), 0..20),
            body in proptest::collection::vec(any::<u8>(), 0..50),
            padding in prop_oneof![Just(0), SMALL_BODY - 60..SMALL_BODY + 60],
        ) {
            let body = [body, vec![b'x'; padding]].concat();
            let mut headers = HeaderMap::new();
            for value in &values {
                headers.append(HeaderName::from_static("x-a"), HeaderValue::from_bytes(value).unwrap());
            }
            let all = written(&here(), &Method::POST, &path, &headers, &body);
            let mut found = [httparse::EMPTY_HEADER; 30];
            let mut request = httparse::Request::new(&mut found);
            let httparse::Status::Complete(length) = request.parse(&all).unwrap() else { panic!("no end") };
            prop_assert_eq!(request.path, Some(path.as_str()));
            prop_assert_eq!(&all[length..], body.as_slice());
            let own = request.headers.iter().filter(|header| header.name == "x-a");
            let read: Vec<&[u8]> = own.map(|header| header.value.trim_ascii()).collect();
            let sent: Vec<&[u8]> = values.iter().map(|value| value.trim_ascii()).collect();
            prop_assert_eq!(read, sent);
            let length = body.len().to_string();
            prop_assert!(request.headers.iter().any(|header| header.name == "content-length" && header.value == length.as_bytes()));
        }
    }
}
