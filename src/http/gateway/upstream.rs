//! The connections of one worker to one backend: a pooled HTTP/1.1 client on hyper's bare connection.
//!
//! A connection has no task of its own: whoever waits for an answer or its body drives it. So dropping
//! either closes the socket at once, and no other task has to be woken for a byte to pass. Why not awc or
//! hyper's own pool: they take a broken stream for a whole one, lose early answers, or race with a
//! backend that closes idle connections.

use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;

use actix_web::body::BodySize;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use tokio_util::sync::CancellationToken;

use crate::http::gateway::headers;
use connection::{Broken, Connection};
use idle::Idle;

mod body;
mod connection;
mod error;
mod idle;
mod payload;
#[cfg(test)]
mod tests;

pub(crate) use body::Body;
pub(crate) use error::UpstreamError;
pub(crate) use payload::{Edit, Payload};

const REQUEST_ID: http::HeaderName = http::HeaderName::from_static("x-request-id");

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

/// The pool; clones share it. When the last clone is gone, its idle connections are closed.
#[derive(Clone, Debug)]
pub(crate) struct Pool(Rc<Shared>);

#[derive(Debug)]
struct Shared {
    backend: SocketAddr,
    host: http::HeaderValue,
    idle: Rc<Idle>,
}

impl Pool {
    /// Idle connections are closed as soon as `ending` fires, and none is kept from then on.
    pub(crate) fn new(backend: SocketAddr, ending: CancellationToken) -> Self {
        let host = http::HeaderValue::from_str(&backend.to_string())
            .unwrap_or_else(|_| http::HeaderValue::from_static("localhost"));
        Self(Rc::new(Shared { backend, host, idle: Rc::new(Idle::new(ending)) }))
    }

    /// Sends the request and waits for the head of its answer, as long as it takes. The backend gets it at most
    /// once.
    pub(crate) async fn send(
        &self,
        request: RequestParts<'_>,
        body: impl Into<Payload>,
    ) -> Result<Response, UpstreamError> {
        let body = body.into();
        let is_head = request.method == actix_web::http::Method::HEAD;
        if let Some(mut kept) = self.0.idle.take() {
            match kept.ask(self.head(request, body.clone())?).await {
                Ok(answer) => return self.answer(answer, kept, is_head),
                // The backend had closed this connection before it could read any of the request.
                Err(_) if !kept.heard_anything() && !kept.told_anything() => {}
                Err(Broken::Lost(why)) if !kept.heard_anything() => return Err(UpstreamError::Stale(why)),
                Err(broken) => return Err(broken.into()),
            }
        }
        self.send_afresh(request, body).await
    }

    /// The same, on a connection of its own.
    pub(crate) async fn send_afresh(
        &self,
        request: RequestParts<'_>,
        body: impl Into<Payload>,
    ) -> Result<Response, UpstreamError> {
        let is_head = request.method == actix_web::http::Method::HEAD;
        let request = self.head(request, body.into())?;
        let mut fresh = Box::new(Connection::open(self.0.backend).await?);
        let answer = fresh.ask(request).await?;
        self.answer(answer, fresh, is_head)
    }

    /// An answer that switches to another protocol is none: nobody asked for one.
    fn answer(
        &self,
        answer: http::Response<hyper::body::Incoming>,
        connection: Box<Connection>,
        is_head: bool,
    ) -> Result<Response, UpstreamError> {
        if answer.status() == http::StatusCode::SWITCHING_PROTOCOLS {
            return Err(UpstreamError::BadAnswer(
                "101 Switching Protocols, which nobody asked for".to_owned(),
            ));
        }
        Ok(self.response(answer, connection, is_head))
    }

    fn head(&self, parts: RequestParts<'_>, body: Payload) -> Result<http::Request<Payload>, UpstreamError> {
        let bad = |error: &dyn fmt::Display| UpstreamError::BadRequest(error.to_string());
        let mut headers = headers::to_backend(parts.headers, &self.0.host);
        let method =
            http::Method::from_bytes(parts.method.as_str().as_bytes()).map_err(|error| bad(&error))?;
        if method == http::Method::CONNECT {
            return Err(bad(&"CONNECT is not for backends"));
        }
        if body.is_empty() && matches!(method, http::Method::POST | http::Method::PUT | http::Method::PATCH) {
            headers.insert(http::header::CONTENT_LENGTH, http::HeaderValue::from_static("0"));
        }
        if let Ok(id) = http::HeaderValue::from_bytes(parts.request_id.as_bytes()) {
            headers.insert(REQUEST_ID, id);
        }
        let mut request = http::Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = parts.path_and_query.parse().map_err(|error| bad(&error))?;
        *request.headers_mut() = headers;
        Ok(request)
    }

    fn response(
        &self,
        answer: http::Response<hyper::body::Incoming>,
        connection: Box<Connection>,
        is_head: bool,
    ) -> Response {
        let (head, incoming) = answer.into_parts();
        let status = StatusCode::from_u16(head.status.as_u16()).unwrap_or(StatusCode::BAD_GATEWAY);
        let mut headers = headers::to_client(&head.headers);
        let length = head.headers.get(http::header::CONTENT_LENGTH);
        if status == StatusCode::NOT_MODIFIED
            && let Some(Ok(length)) = length.map(|value| HeaderValue::from_bytes(value.as_bytes()))
        {
            // The length of what was not sent again: there is no body that could know it.
            headers.push((actix_web::http::header::CONTENT_LENGTH, length));
        }
        let announced = length.and_then(|value| value.to_str().ok()?.parse().ok()).filter(|_| is_head);
        let bodiless = is_head || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let mut body = Body::new(incoming, bodiless, announced, connection, Rc::clone(&self.0.idle));
        body.ends_with_connection = matches!(body.size(), BodySize::Stream)
            && !head.headers.contains_key(http::header::TRANSFER_ENCODING);
        Response { status, headers, body }
    }
}

impl From<Broken> for UpstreamError {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Garbled(why) => Self::BadAnswer(why),
            Broken::Lost(why) => Self::BeforeAnswer(why),
        }
    }
}
