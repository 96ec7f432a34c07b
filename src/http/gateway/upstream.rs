//! Connections to backends: a pooled HTTP/1.1 client of our own.
//!
//! A connection has no task of its own: whoever waits for an answer or its body drives it. So dropping
//! either closes the socket at once, and no other task has to be woken for a byte to pass. One that waits keeps no
//! buffer. Heads and bodies are written and read without any IO (`request_head`, `response_head`, `body_decoder`); `wire`
//! is the socket. Why not awc or hyper: they take a broken stream for a whole one, lose early answers, race with a
//! backend that closes idle connections, or keep 22 KiB for each stream and translate all headers twice.

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};

mod body;
mod body_decoder;
mod connection;
mod error;
mod payload;
mod pool;
mod request_head;
mod response_head;
mod sent;
#[cfg(test)]
mod tests;
mod wire;

pub(crate) use body::Body;
#[cfg(test)]
pub(crate) use body::BodyError;
pub(crate) use error::UpstreamError;
pub(crate) use payload::{Edit, Payload};
pub(crate) use pool::{Home, MAX_IDLE, Pool, Returned};
pub(crate) use request_head::{RequestParts, WireRequest};
pub(crate) use response_head::ResponseHead;
pub(crate) use sent::SentRequest;
pub(crate) use wire::ConnectionScope;

/// The answer's head, with the headers that the client may see, and its body still to come.
#[derive(Debug)]
pub(crate) struct Response {
    pub status: StatusCode,
    /// Without `Content-Length`, which [`Body::size`] knows.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub body: Body,
}
