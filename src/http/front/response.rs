//! How the answer to a plain request is written: HTTP/1.1, with a length or in chunks (RFC 9112, sections 4 to 7).

use actix_http::{Response, ResponseHead};
use actix_web::body::BodySize;
use actix_web::http::{StatusCode, header};
use std::cell::Cell;
use std::io::Write;
use std::time::SystemTime;

/// How the bytes of an answer's body are told from what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyFraming {
    /// So many are still to come.
    Length(u64),
    Chunks,
    /// What follows is the end of the connection.
    ToTheEnd,
}

/// Bytes of a chunk's two lines.
const AROUND: usize = 20;

/// Writes the head. `closes`: the connection ends with the answer.
pub(super) fn write_head(
    answer: &Response<()>,
    size: BodySize,
    closes: bool,
    out: &mut Vec<u8>,
) -> BodyFraming {
    let head = answer.head();
    let bodiless = matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let framing = match size {
        _ if bodiless => BodyFraming::Length(0),
        BodySize::None => BodyFraming::Length(0),
        BodySize::Sized(length) => BodyFraming::Length(length),
        BodySize::Stream if head.chunked() => BodyFraming::Chunks,
        BodySize::Stream => BodyFraming::ToTheEnd,
    };
    out.reserve(256 + 32 * head.headers.len());
    write_status(head, out);
    match (framing, size) {
        (BodyFraming::Length(length), BodySize::Sized(_)) if !bodiless => write_length(length, out),
        (BodyFraming::Chunks, _) => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        _ => (),
    }
    if closes {
        out.extend_from_slice(b"connection: close\r\n");
    }
    // The length of what was not sent again stays as it was told.
    let keeps_length = head.status == StatusCode::NOT_MODIFIED || framing == BodyFraming::ToTheEnd;
    let mut dated = false;
    for (name, value) in &head.headers {
        match *name {
            header::CONNECTION | header::TRANSFER_ENCODING => continue,
            header::CONTENT_LENGTH if !keeps_length => continue,
            header::DATE => dated = true,
            _ => (),
        }
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            out.extend_from_slice(part);
        }
    }
    if !dated {
        write_date(out);
    }
    out.extend_from_slice(b"\r\n");
    framing
}

fn write_status(head: &ResponseHead, out: &mut Vec<u8>) {
    if head.status == StatusCode::OK && head.reason.is_none() {
        return out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
    }
    out.extend_from_slice(b"HTTP/1.1 ");
    for part in [head.status.as_str(), " ", head.reason(), "\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
}

fn write_length(length: u64, out: &mut Vec<u8>) {
    for part in ["content-length: ", itoa::Buffer::new().format(length), "\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
}

/// `Date`, computed once a second.
fn write_date(out: &mut Vec<u8>) {
    thread_local! {
        static LAST: Cell<(u64, [u8; 29])> = const { Cell::new((u64::MAX, [0; 29])) };
    }
    let now = SystemTime::now();
    let second = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (of, mut text) = LAST.get();
    if of != second {
        let _ = write!(&mut text[..], "{}", httpdate::HttpDate::from(now));
        LAST.set((second, text));
    }
    for part in [b"date: ".as_slice(), &text, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

/// Writes a part of the body; what is longer than was announced is left out.
pub(super) fn write_part(framing: &mut BodyFraming, part: &[u8], out: &mut Vec<u8>) {
    match framing {
        BodyFraming::Length(left) => {
            let taken = part.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
            out.extend_from_slice(&part[..taken]);
            *left -= taken as u64;
        }
        // A chunk without bytes would be the last one.
        BodyFraming::Chunks if part.is_empty() => (),
        BodyFraming::Chunks => {
            out.reserve(part.len() + AROUND);
            // Writing into memory doesn't fail.
            let _ = write!(out, "{:x}\r\n", part.len());
            out.extend_from_slice(part);
            out.extend_from_slice(b"\r\n");
        }
        BodyFraming::ToTheEnd => out.extend_from_slice(part),
    }
}

/// Writes the end of the body; an error: less has come than was announced.
pub(super) fn write_end(framing: BodyFraming, out: &mut Vec<u8>) -> Result<(), u64> {
    match framing {
        BodyFraming::Length(0) | BodyFraming::ToTheEnd => Ok(()),
        BodyFraming::Length(left) => Err(left),
        BodyFraming::Chunks => {
            out.extend_from_slice(b"0\r\n\r\n");
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    fn head(
        status: StatusCode,
        size: BodySize,
        closes: bool,
        change: impl FnOnce(&mut ResponseHead),
    ) -> (String, BodyFraming) {
        let mut response = Response::with_body(status, ());
        change(response.head_mut());
        let mut out = Vec::new();
        let framing = write_head(&response, size, closes, &mut out);
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<_> = text.split("\r\n").filter(|line| !line.starts_with("date: ")).collect();
        (lines.join("|"), framing)
    }

    #[test]
    fn heads_say_how_long_their_bodies_are() {
        let with = |size, closes| head(StatusCode::OK, size, closes, |_| ());
        for (size, closes, expected, framing) in [
            (BodySize::Sized(7), false, "HTTP/1.1 200 OK|content-length: 7||", BodyFraming::Length(7)),
            (
                BodySize::Sized(0),
                true,
                "HTTP/1.1 200 OK|content-length: 0|connection: close||",
                BodyFraming::Length(0),
            ),
            (BodySize::Stream, false, "HTTP/1.1 200 OK|transfer-encoding: chunked||", BodyFraming::Chunks),
            (BodySize::None, false, "HTTP/1.1 200 OK||", BodyFraming::Length(0)),
        ] {
            assert_eq!(with(size, closes), (expected.to_owned(), framing));
        }
        let no_content = head(StatusCode::NO_CONTENT, BodySize::Sized(0), false, |_| ());
        assert_eq!(no_content.0, "HTTP/1.1 204 No Content||");
        let told = |head: &mut ResponseHead| {
            head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("9"));
            head.headers.append(header::SET_COOKIE, HeaderValue::from_static("a"));
            head.headers.append(header::SET_COOKIE, HeaderValue::from_static("b"));
        };
        let unchanged = head(StatusCode::NOT_MODIFIED, BodySize::None, false, told).0;
        assert!(unchanged.contains("|content-length: 9|"), "{unchanged}");
        assert!(unchanged.contains("set-cookie: a|set-cookie: b|"), "{unchanged}");
        let sized = head(StatusCode::OK, BodySize::Sized(3), false, told).0;
        assert_eq!(sized.matches("content-length").count(), 1, "{sized}");
        let reason = head(StatusCode::OK, BodySize::Sized(3), false, |head| head.reason = Some("Fine")).0;
        assert!(reason.starts_with("HTTP/1.1 200 Fine|"), "{reason}");
        let open = head(StatusCode::OK, BodySize::Stream, true, |head| head.no_chunking(true));
        assert_eq!(open, ("HTTP/1.1 200 OK|connection: close||".to_owned(), BodyFraming::ToTheEnd));
    }

    #[test]
    fn the_date_is_now() {
        let mut out = Vec::new();
        write_date(&mut out);
        let text = String::from_utf8(out).unwrap();
        let told = httpdate::parse_http_date(text.trim().trim_start_matches("date: ")).unwrap();
        assert!(SystemTime::now().duration_since(told).unwrap().as_secs() < 3, "{text}");
    }

    #[test]
    fn bodies_are_as_long_as_their_heads_said() {
        let sent = |mut framing, parts: &[&str]| {
            let mut out = Vec::new();
            parts.iter().for_each(|part| write_part(&mut framing, part.as_bytes(), &mut out));
            let ended = write_end(framing, &mut out);
            (String::from_utf8(out).unwrap(), ended)
        };
        assert_eq!(sent(BodyFraming::Length(4), &["ab", "cd"]), ("abcd".to_owned(), Ok(())));
        assert_eq!(sent(BodyFraming::Length(3), &["ab", "cd"]), ("abc".to_owned(), Ok(())));
        assert_eq!(sent(BodyFraming::Length(5), &["ab", "cd"]), ("abcd".to_owned(), Err(1)));
        let long = "x".repeat(26);
        let chunks = format!("2\r\nab\r\n1a\r\n{long}\r\n0\r\n\r\n");
        assert_eq!(sent(BodyFraming::Chunks, &["ab", "", &long]), (chunks, Ok(())));
        assert_eq!(sent(BodyFraming::ToTheEnd, &["ab", "cd"]), ("abcd".to_owned(), Ok(())));
    }
}
