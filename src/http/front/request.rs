//! What a client sends, as far as it is plain: one request of HTTP/1.1 whose head is small, and whose body is there and has
//! a length. Whatever else it may be, a mistake too, is not decided here.

use actix_http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_http::{Payload, Request};
use actix_web::error::PayloadError;
use actix_web::http::{Method, Uri};
use bytes::Bytes;
use futures_util::Stream;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Lines of a plain head.
const MOST_HEADERS: usize = 64;
/// A map for so many is small.
const FEW: usize = 14;
/// Bytes of a plain head.
pub(super) const LARGEST_HEAD: usize = 16 << 10;
/// Bytes of a plain body. A larger one is read piece by piece, and counted as it comes.
const LARGEST_BODY: usize = 256 << 10;

/// What the bytes of a client are so far.
pub(super) enum Sent {
    /// The beginning of something. It isn't more than that before so many bytes are there.
    Beginning(usize),
    /// A plain request, and how many bytes it takes.
    Plain(Request, usize),
    /// Something else, or nothing that can be understood.
    Other,
}

/// Looks at what has come since the last request. `last`: nothing more will come; a body that is not whole has no end then, and
/// whoever reads it decides how long to wait.
pub(super) fn look(came: &Bytes, last: bool) -> Sent {
    let mut lines = [const { MaybeUninit::uninit() }; MOST_HEADERS];
    let mut parsed = httparse::Request::new(&mut []);
    let head = match parsed.parse_with_uninit_headers(came, &mut lines) {
        Ok(httparse::Status::Complete(head)) if head <= LARGEST_HEAD => head,
        Ok(httparse::Status::Partial) if came.len() < LARGEST_HEAD => return Sent::Beginning(came.len() + 1),
        _ => return Sent::Other,
    };
    let Some(length) = plain_length(&parsed) else { return Sent::Other };
    let all = head + length;
    if came.len() < all && !last {
        return Sent::Beginning(all);
    }
    let body = Whole { bytes: Some(came.slice(head..all.min(came.len()))), ends: came.len() >= all };
    let payload: Payload = match length {
        0 => Payload::None,
        _ => Payload::Stream { payload: Box::pin(body) },
    };
    let request = request(came, &parsed, payload);
    request.map_or(Sent::Other, |request| Sent::Plain(request, all.min(came.len())))
}

/// How long the body of a plain request is; `None`: it isn't plain.
fn plain_length(parsed: &httparse::Request<'_, '_>) -> Option<usize> {
    // The answer to HEAD has a length and no body, which is another kind of answer.
    let method = matches!(parsed.method?, "GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS");
    if parsed.version != Some(1) || !method || !parsed.path?.starts_with('/') {
        return None;
    }
    let (mut hosts, mut length) = (0, None);
    for line in &*parsed.headers {
        let is = |name: &str| line.name.eq_ignore_ascii_case(name);
        match line.name.as_bytes().first()?.to_ascii_lowercase() {
            b'h' if is("host") => hosts += 1,
            b'c' if is("content-length") => {
                let digits = Some(line.value).filter(|digits| digits.iter().all(u8::is_ascii_digit));
                let told = digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok())?;
                if length.replace(told).is_some() {
                    return None;
                }
            }
            b'c' if is("connection") && !line.value.eq_ignore_ascii_case(b"keep-alive") => return None,
            b't' if is("transfer-encoding") => return None,
            b'u' if is("upgrade") => return None,
            b'e' if is("expect") => return None,
            _ => (),
        }
    }
    (hosts == 1).then_some(length.unwrap_or(0)).filter(|length| *length <= LARGEST_BODY)
}

fn request(came: &Bytes, parsed: &httparse::Request<'_, '_>, payload: Payload) -> Option<Request> {
    let part = |part: &[u8]| came.slice_ref(part);
    let mut request = Request::with_payload(payload);
    let head = request.head_mut();
    head.method = Method::from_bytes(parsed.method?.as_bytes()).ok()?;
    head.uri = Uri::from_maybe_shared(part(parsed.path?.as_bytes())).ok()?;
    // Those of a request that waits are kept, and the map that comes with a head may be one for many lines: 200 bytes each.
    let lines = parsed.headers.len();
    if head.headers.capacity() < lines || head.headers.capacity() > (2 * lines).max(FEW) {
        head.headers = HeaderMap::with_capacity(lines);
    }
    for line in &*parsed.headers {
        let name = HeaderName::from_bytes(line.name.as_bytes()).ok()?;
        head.headers.append(name, HeaderValue::from_maybe_shared(part(line.value)).ok()?);
    }
    Some(request)
}

/// A body that is there.
struct Whole {
    bytes: Option<Bytes>,
    /// All of it is.
    ends: bool,
}

impl Stream for Whole {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.bytes.take() {
            Some(bytes) => Poll::Ready(Some(Ok(bytes))),
            None if self.ends => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_http::HttpMessage;
    use actix_http::h1::{self, Codec};
    use bytes::BytesMut;
    use futures_util::{FutureExt, StreamExt};
    use proptest::prelude::*;
    use tokio_util::codec::Decoder;

    fn seen(sent: &str) -> Sent {
        look(&Bytes::copy_from_slice(sent.as_bytes()), false)
    }

    fn body(request: &mut Request) -> Vec<u8> {
        let mut payload = request.take_payload();
        let mut bytes = Vec::new();
        while let Some(Some(part)) = payload.next().now_or_never() {
            bytes.extend_from_slice(&part.unwrap());
        }
        bytes
    }

    /// What actix's decoder reads: the request, its body, what is left, and whether the connection goes on.
    fn decoded(sent: &str) -> (Request, Vec<u8>, Vec<u8>, bool) {
        // The decoder keeps the time of day in a task of its own.
        actix_rt::System::new().block_on(async {
            let mut bytes = BytesMut::from(sent.as_bytes());
            let (mut codec, mut request, mut body) = (Codec::default(), None, Vec::new());
            while let Some(message) = codec.decode(&mut bytes).unwrap() {
                match message {
                    h1::Message::Item(head) => request = Some(head),
                    h1::Message::Chunk(Some(part)) => body.extend_from_slice(&part),
                    h1::Message::Chunk(None) => break,
                }
                if codec.message_type() == h1::MessageType::None {
                    break;
                }
            }
            (request.unwrap(), body, bytes.to_vec(), codec.keep_alive())
        })
    }

    #[test]
    fn a_plain_request_is_read_whole() {
        let sent =
            "POST /v1/x?a=b HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nx-a:  2 \r\nContent-Length: 3\r\n\r\nabcGET";
        let Sent::Plain(mut request, taken) = seen(sent) else { panic!("it is plain") };
        assert_eq!(&sent[taken..], "GET");
        assert_eq!((request.method(), request.uri().to_string()), (&Method::POST, "/v1/x?a=b".to_owned()));
        let values: Vec<_> = request.headers().get_all("x-a").collect();
        assert_eq!(values, ["1", "2"]);
        assert_eq!(body(&mut request), b"abc");
    }

    #[test]
    fn a_beginning_says_how_much_is_wanted() {
        for (sent, more) in [
            ("", 1),
            ("GET /", 1),
            ("GET / HTTP/1.1\r\nHost: a\r\n", 1),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab", 3),
        ] {
            let Sent::Beginning(wanted) = seen(sent) else { panic!("{sent:?} is a beginning") };
            assert_eq!(wanted, sent.len() + more, "{sent:?}");
        }
    }

    #[test]
    fn at_the_end_a_body_that_is_not_whole_has_no_end() {
        let sent = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab";
        let Sent::Plain(mut request, taken) = look(&Bytes::from(sent), true) else { panic!("it is plain") };
        assert_eq!(taken, sent.len());
        let mut payload = request.take_payload();
        assert_eq!(payload.next().now_or_never().unwrap().unwrap().unwrap(), "ab");
        assert!(payload.next().now_or_never().is_none());
        assert!(matches!(look(&Bytes::from_static(b"POST / HT"), true), Sent::Beginning(_)));
    }

    #[test]
    fn whatever_else_it_may_be_is_left_to_others() {
        let long = "x".repeat(LARGEST_HEAD);
        for sent in [
            "GET / HTTP/1.0\r\nHost: a\r\n\r\n",
            "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
            "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\na",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\na",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999\r\n\r\na",
            "GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\n 2\r\n\r\n",
            "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
            "\x16\x03\x01",
            &format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"),
            &format!("GET /{long}"),
        ] {
            assert!(matches!(seen(sent), Sent::Other), "{:?}", &sent[..sent.len().min(200)]);
        }
    }

    proptest! {
        /// What is plain here is the same request to actix's own decoder.
        #[test]
        fn it_is_what_the_dispatcher_would_read(
            method in prop_oneof![Just("GET"), Just("POST"), Just("DELETE"), Just("FOO"), Just("HEAD")],
            path in "/[a-z%20?=&./-]{0,20}",
            version in prop_oneof![4 => Just("1.1"), 1 => Just("1.0")],
            headers in prop::collection::vec(("[hH]ost|[a-zA-Z-]{1,12}|[cC]ontent-[lL]ength|connection", "[ -~]{0,12}|keep-alive|close|[0-9]{1,2}"), 0..6),
            host in any::<bool>(),
            rest in "[a-z]{0,40}",
        ) {
            let mut sent = format!("{method} {path} HTTP/{version}\r\n");
            if host {
                sent.push_str("Host: here\r\n");
            }
            for (name, value) in &headers {
                sent.push_str(&format!("{name}: {value}\r\n"));
            }
            sent.push_str("\r\n");
            sent.push_str(&rest);
            let Sent::Plain(mut ours, taken) = seen(&sent) else { return Ok(()) };
            let (theirs, their_body, left, keep_alive) = decoded(&sent);
            prop_assert!(keep_alive);
            prop_assert_eq!(ours.method(), theirs.method());
            prop_assert_eq!(ours.uri(), theirs.uri());
            prop_assert_eq!(left, &sent.as_bytes()[taken..]);
            prop_assert_eq!(body(&mut ours), their_body);
            let lines = |request: &Request| {
                let mut lines: Vec<_> = request.headers().iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
                lines.sort_by(|a, b| a.0.cmp(&b.0));
                lines
            };
            prop_assert_eq!(lines(&ours), lines(&theirs));
        }

        #[test]
        fn a_request_is_not_seen_before_it_is_whole(cut in 0_usize..100) {
            let sent = "POST /v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: 30\r\n\r\nabcdefghijklmnopqrstuvwxyzabcd";
            let cut = cut.min(sent.len());
            match seen(&sent[..cut]) {
                Sent::Beginning(wanted) => prop_assert!(cut < wanted && wanted <= sent.len()),
                Sent::Plain(..) => prop_assert_eq!(cut, sent.len()),
                Sent::Other => prop_assert!(false),
            }
        }
    }
}
