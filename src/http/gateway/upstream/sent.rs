//! A request that has a connection: whoever holds it drives both, so no other task has to be woken for a byte to pass.

use super::connection::{BackendConnection, Broken, ConnectionScope};
use super::pool::{Home, Pool};
use super::{Body, Payload, Response, UpstreamError};
use crate::http::gateway::headers;
use actix_web::body::BodySize;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_LENGTH, HeaderValue};

/// A request on its way to its backend.
#[derive(Debug)]
pub(crate) struct SentRequest {
    connection: Box<BackendConnection>,
    /// The connection has served another request before.
    kept: bool,
    is_head: bool,
    home: Home,
}

impl SentRequest {
    /// On an idle connection, if there is one that lives.
    #[expect(clippy::result_large_err, reason = "what was not sent goes straight to a fresh connection")]
    pub(crate) fn on_kept(
        pool: &mut Pool,
        request: http::Request<Payload>,
        home: Home,
    ) -> Result<Self, (http::Request<Payload>, Home)> {
        let Some(mut connection) = pool.take() else { return Err((request, home)) };
        let is_head = *request.method() == http::Method::HEAD;
        connection.ask(request);
        Ok(Self { connection, kept: true, is_head, home })
    }

    /// On a connection of its own.
    pub(crate) async fn on_fresh(
        request: http::Request<Payload>,
        home: Home,
        ties: ConnectionScope,
    ) -> Result<Self, UpstreamError> {
        let is_head = *request.method() == http::Method::HEAD;
        let mut connection = Box::new(BackendConnection::open(home.backend.endpoint(), ties).await?);
        connection.ask(request);
        Ok(Self { connection, kept: false, is_head, home })
    }

    /// Sends it, and waits for the head of its answer, as long as it takes.
    pub(crate) async fn response(mut self) -> Result<Response, UpstreamError> {
        match self.connection.answer().await {
            // An answer that switches to another protocol is none: nobody asked for one.
            Ok(answer) if answer.status() == http::StatusCode::SWITCHING_PROTOCOLS => {
                Err(UpstreamError::BadAnswer("101 Switching Protocols, which nobody asked for".to_owned()))
            }
            Ok(answer) => Ok(self.answered(answer)),
            Err(_) if self.connection.is_orphan() => Err(UpstreamError::Crashed),
            // The backend had closed this connection before it could read any of the request.
            Err(_) if self.kept && !self.connection.heard_anything() && !self.connection.told_anything() => {
                Err(UpstreamError::Unsent)
            }
            Err(Broken::Lost(why)) if self.kept && !self.connection.heard_anything() => {
                Err(UpstreamError::Stale(why))
            }
            Err(Broken::Garbled(why)) => Err(UpstreamError::BadAnswer(why)),
            Err(Broken::Lost(why)) => Err(UpstreamError::BeforeAnswer(why)),
        }
    }

    fn answered(self, answer: http::Response<hyper::body::Incoming>) -> Response {
        let (head, incoming) = answer.into_parts();
        let status = StatusCode::from_u16(head.status.as_u16()).unwrap_or(StatusCode::BAD_GATEWAY);
        let mut headers = headers::to_client(&head.headers);
        let length = head.headers.get(http::header::CONTENT_LENGTH);
        if status == StatusCode::NOT_MODIFIED
            && let Some(Ok(length)) = length.map(|value| HeaderValue::from_bytes(value.as_bytes()))
        {
            // The length of what was not sent again: there is no body that could know it.
            headers.push((CONTENT_LENGTH, length));
        }
        let announced = length.and_then(|value| value.to_str().ok()?.parse().ok()).filter(|_| self.is_head);
        let bodiless = self.is_head || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let mut body = Body::new(incoming, bodiless, announced, self.connection, self.home);
        body.ends_with_connection = matches!(body.size(), BodySize::Stream)
            && !head.headers.contains_key(http::header::TRANSFER_ENCODING);
        Response { status, headers, body }
    }
}
