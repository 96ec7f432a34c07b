//! The head of an answer: read, and judged for what it says of the body behind it and of the connection (RFC 9112).

use super::body_decoder::{BodyData, BodyDecoder, Malformed};
use crate::http::gateway::headers;
use actix_web::body::BodySize;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use httparse::{Header, ParserConfig, Status};
use std::borrow::Cow;
use std::mem::MaybeUninit;

/// The largest head.
const LARGEST_HEAD: usize = 64 * 1024;
const MOST_HEADERS: usize = 100;
/// What may come before the head of the answer itself: interim answers (1xx), of which a client hears nothing.
const INTERIM: usize = 256 * 1024;
/// A shorter beginning is looked at whenever something is added to it: whoever speaks another protocol may wait.
const SHORT: usize = 1024;

/// The head of an answer.
#[derive(Debug)]
pub(crate) struct ResponseHead {
    pub(crate) status: StatusCode,
    /// Those which a client may see, without `Content-Length`; that of a 304 is the last one.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// What `Content-Length` says.
    pub(crate) length: Option<u64>,
    /// There is one, and it says nothing that can be true.
    bad_length: bool,
    /// The last coding of `Transfer-Encoding` is `chunked`, if there is that header.
    chunked: Option<bool>,
    is_1_0: bool,
    keep_alive: bool,
}

impl ResponseHead {
    /// The head at the beginning of these bytes, and its length; `None`: more of it must come.
    pub(crate) fn parse(came: &[u8]) -> Result<Option<(Self, usize)>, Cow<'static, str>> {
        let mut found = [const { MaybeUninit::uninit() }; MOST_HEADERS];
        let mut response = httparse::Response::new(&mut []);
        let parsed =
            ParserConfig::default().parse_response_with_uninit_headers(&mut response, came, &mut found);
        let length = match parsed {
            Ok(Status::Complete(length)) if length <= LARGEST_HEAD => length,
            Ok(Status::Partial) if came.len() <= LARGEST_HEAD => return Ok(None),
            Ok(_) => return Err(format!("its head is larger than {} KiB", LARGEST_HEAD >> 10).into()),
            Err(error) => return Err(error.to_string().into()),
        };
        let status =
            response.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or("its status is none")?;
        let is_1_0 = response.version == Some(0);
        let mut head = Self {
            status,
            headers: headers::to_client(&came[..length], response.headers),
            length: None,
            bad_length: false,
            chunked: None,
            is_1_0,
            keep_alive: !is_1_0,
        };
        head.judge(response.headers);
        Ok(Some((head, length)))
    }

    /// Reads what is said of the body and of the connection.
    fn judge(&mut self, found: &[Header<'_>]) {
        let (mut closes, mut keeps, mut first_length) = (false, false, None);
        for Header { name, value } in found {
            if name.eq_ignore_ascii_case("connection") {
                closes |= tokens(value).any(|token| token.eq_ignore_ascii_case(b"close"));
                keeps |= tokens(value).any(|token| token.eq_ignore_ascii_case(b"keep-alive"));
            } else if name.eq_ignore_ascii_case("content-length") {
                first_length.get_or_insert(*value);
                for token in tokens(value) {
                    match number(token) {
                        Some(length) if self.length.is_none_or(|other| other == length) => {
                            self.length = Some(length);
                        }
                        _ => self.bad_length = true,
                    }
                }
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                self.chunked =
                    Some(tokens(value).next_back().is_some_and(|last| last.eq_ignore_ascii_case(b"chunked")));
            }
        }
        self.keep_alive = !closes && (keeps || !self.is_1_0);
        if self.status == StatusCode::NOT_MODIFIED
            && let Some(Ok(length)) = first_length.map(HeaderValue::from_bytes)
        {
            // The length of what was not sent again: there is no body that could know it.
            self.headers.push((CONTENT_LENGTH, length));
        }
    }

    /// How the body behind it is told apart; `to_head`: it answers a request that wants none.
    fn body(&self, to_head: bool) -> Result<BodyDecoder, Malformed> {
        Ok(match (self.chunked, self.length) {
            _ if to_head || self.is_bodiless() => BodyDecoder::empty(),
            (Some(_), _) if self.is_1_0 => return Err("it speaks HTTP/1.0 and has a Transfer-Encoding"),
            (Some(true), _) => BodyDecoder::chunked(),
            (Some(false), _) => BodyDecoder::until_close(),
            _ if self.bad_length => return Err("its Content-Length is malformed"),
            (None, Some(length)) => BodyDecoder::of_length(length),
            (None, None) => BodyDecoder::until_close(),
        })
    }

    /// Whether nothing follows an answer with this status.
    fn is_bodiless(&self) -> bool {
        matches!(self.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
    }

    /// Whether the connection may serve another request. hyper keeps one whose answer has both kinds of length, too: by
    /// RFC 9112, 6.3 somebody may try to pass an answer for two.
    fn keeps_connection(&self) -> bool {
        self.keep_alive && (self.chunked.is_none() || self.length.is_none() && !self.bad_length)
    }
}

fn tokens(value: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

/// Digits, and nothing else.
fn number(text: &[u8]) -> Option<u64> {
    let digit = |number: Option<u64>, byte: &u8| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number?.checked_mul(10)?.checked_add(digit)
    };
    if text.is_empty() { None } else { text.iter().fold(Some(0), digit) }
}

/// An answer's head, and what came behind it.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) head: ResponseHead,
    /// For the client's answer. After HEAD, the length that GET would have: no byte of it comes.
    pub(super) size: BodySize,
    pub(super) decoder: BodyDecoder,
    pub(super) first: BodyData,
    /// The connection may serve another request when the body is whole.
    pub(super) keeps_connection: bool,
}

/// Waits for the head of an answer.
#[derive(Debug, Default)]
pub(super) struct AwaitedHead {
    /// What came of it so far.
    partial: Vec<u8>,
    /// Bytes in all, with the interim answers before it.
    came: usize,
    to_head: bool,
}

impl AwaitedHead {
    pub(super) fn new(to_head: bool) -> Self {
        Self { to_head, ..Self::default() }
    }

    /// Takes what came; `None`: more must come.
    pub(super) fn accept(&mut self, came: &[u8]) -> Result<Option<Arrival>, Cow<'static, str>> {
        self.came += came.len();
        let arrival = if self.partial.is_empty() {
            let (arrival, used) = self.read(came)?;
            if arrival.is_none() {
                self.partial = came[used..].to_vec();
            }
            arrival
        } else {
            let mut all = std::mem::take(&mut self.partial);
            all.extend_from_slice(came);
            // A head ends with a line: what comes in pieces isn't read from its beginning for each.
            let (arrival, used) = match all.len() {
                ..=SHORT | LARGEST_HEAD.. => self.read(&all)?,
                _ if came.contains(&b'\n') => self.read(&all)?,
                _ => (None, 0),
            };
            if arrival.is_none() {
                all.drain(..used);
                self.partial = all;
            }
            arrival
        };
        if arrival.is_none() && self.came > INTERIM {
            return Err(format!("more than {} KiB came before an answer", INTERIM >> 10).into());
        }
        Ok(arrival)
    }

    /// The answer among these bytes, or the length of the interim ones before it.
    fn read(&self, came: &[u8]) -> Result<(Option<Arrival>, usize), Cow<'static, str>> {
        let mut used = 0;
        while let Some((head, length)) = ResponseHead::parse(&came[used..])? {
            used += length;
            if head.status == StatusCode::SWITCHING_PROTOCOLS {
                // An answer that switches to another protocol is none.
                return Err("101 Switching Protocols, which nobody asked for".into());
            }
            if head.status.is_informational() {
                continue;
            }
            let mut decoder = head.body(self.to_head)?;
            let keeps_connection = head.keeps_connection() && !decoder.ends_with_connection();
            let size = match decoder.length() {
                _ if self.to_head => {
                    head.length.filter(|_| !head.bad_length).map_or(BodySize::None, BodySize::Sized)
                }
                _ if head.is_bodiless() => BodySize::None,
                length => length.map_or(BodySize::Stream, BodySize::Sized),
            };
            let first = decoder.decode(&came[used..]);
            return Ok((Some(Arrival { head, size, decoder, first, keeps_connection }), used));
        }
        Ok((None, used))
    }
}

#[cfg(test)]
mod tests;
