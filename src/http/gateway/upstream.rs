//! Connections to backends: a pooled HTTP/1.1 client on hyper's bare connection.
//!
//! A connection has no task of its own: whoever waits for an answer or its body drives it. So dropping
//! either closes the socket at once, and no other task has to be woken for a byte to pass. Why not awc or
//! hyper's own pool: they take a broken stream for a whole one, lose early answers, or race with a
//! backend that closes idle connections.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::http::gateway::headers;

mod body;
mod connection;
mod error;
mod payload;
mod pool;
mod sent;
#[cfg(test)]
mod tests;

pub(crate) use body::Body;
#[cfg(test)]
pub(crate) use body::BodyError;
pub(crate) use connection::ConnectionScope;
pub(crate) use error::UpstreamError;
pub(crate) use payload::{Edit, Payload};
pub(crate) use pool::{Home, MAX_IDLE, Pool, Returned};
pub(crate) use sent::SentRequest;

const REQUEST_ID: http::HeaderName = http::HeaderName::from_static("x-request-id");
/// Stands in place of the backend's own, which the Gateway knows.
const HOST: http::HeaderValue = http::HeaderValue::from_static("localhost");

/// One request to the backend. The headers are the client's: those which must not pass are left out here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestParts<'a> {
    pub method: &'a actix_web::http::Method,
    pub path_and_query: &'a str,
    pub headers: &'a HeaderMap,
    /// Sent as `x-request-id`.
    pub request_id: &'a HeaderValue,
}

/// The answer's head, with the headers that the client may see, and its body still to come.
#[derive(Debug)]
pub(crate) struct Response {
    pub status: StatusCode,
    /// Without `Content-Length`, which [`Body::size`] knows.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub body: Body,
}

impl RequestParts<'_> {
    /// The request as hyper sends it.
    pub(crate) fn with(self, body: Payload) -> Result<http::Request<Payload>, UpstreamError> {
        let bad = |error: &dyn fmt::Display| UpstreamError::BadRequest(error.to_string());
        let mut headers = headers::to_backend(self.headers, &HOST);
        let method =
            http::Method::from_bytes(self.method.as_str().as_bytes()).map_err(|error| bad(&error))?;
        if method == http::Method::CONNECT {
            return Err(bad(&"CONNECT is not for backends"));
        }
        if body.is_empty() && matches!(method, http::Method::POST | http::Method::PUT | http::Method::PATCH) {
            headers.insert(http::header::CONTENT_LENGTH, http::HeaderValue::from_static("0"));
        }
        if let Ok(id) = http::HeaderValue::from_bytes(self.request_id.as_bytes()) {
            headers.insert(REQUEST_ID, id);
        }
        let mut request = http::Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = self.path_and_query.parse().map_err(|error| bad(&error))?;
        *request.headers_mut() = headers;
        Ok(request)
    }
}
