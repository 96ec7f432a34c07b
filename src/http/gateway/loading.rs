//! A stream that waits for its model and says so: comments, or Anthropic's pings, so that neither a proxy nor the
//! client takes the silence for a broken connection. Only with `loading_comments`, of the program or the key: once the first byte has
//! gone, a failure can't have a status any more and is an event.

use super::account::RequestAccount;
use super::client_api::ClientApi;
use super::error_text;
use super::forward::BackendResponse;
use super::headers;
use super::respond::unchunked;
use crate::http::error::{ApiError, ApiErrorKind};
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse};
use bytes::{Bytes, BytesMut};
use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// A failure that comes within this time still has its status.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);
/// Proxies give up after 30 to 100 s without a byte.
const PAUSE: Duration = Duration::from_secs(5);

/// How a request went, with its account.
pub(crate) type Exchanged = (RequestAccount, Result<BackendResponse, ApiError>);
/// A request that is being served.
pub(crate) type Exchanging = Pin<Box<dyn Future<Output = Exchanged>>>;
/// Makes the body of an answer.
type Respond = Box<dyn FnOnce(BackendResponse, RequestAccount) -> BoxBody>;

/// The body of a stream whose model isn't there yet.
pub(crate) struct Loading {
    form: ClientApi,
    state: State,
    respond: Option<Respond>,
    timer: Pin<Box<tokio::time::Sleep>>,
}

enum State {
    Waiting(Exchanging),
    /// The backend answers, as it should.
    Answering(BoxBody),
    /// The backend refuses; its words are gathered.
    Refusing(BoxBody, BytesMut, u16),
    Ended,
}

impl Loading {
    /// The head of a stream, and its body.
    pub(crate) fn respond(
        request: &HttpRequest,
        form: ClientApi,
        exchanging: Exchanging,
        respond: impl FnOnce(BackendResponse, RequestAccount) -> BoxBody + 'static,
    ) -> HttpResponse {
        let body = Self {
            form,
            state: State::Waiting(exchanging),
            respond: Some(Box::new(respond)),
            // The first one at once.
            timer: Box::pin(tokio::time::sleep(Duration::ZERO)),
        };
        let mut builder = HttpResponse::Ok();
        builder.insert_header((CONTENT_TYPE, "text/event-stream; charset=utf-8"));
        builder.insert_header((CACHE_CONTROL, "no-cache"));
        builder.insert_header(("x-accel-buffering", "no"));
        let mut response = builder.message_body(body).map_or_else(
            |error| {
                actix_web::ResponseError::error_response(&ApiError::new(
                    ApiErrorKind::Internal,
                    error.to_string(),
                ))
            },
            HttpResponse::map_into_boxed_body,
        );
        unchunked(request, &mut response);
        response
    }

    fn exchanged(&mut self, (mut account, result): Exchanged) -> Option<Bytes> {
        match (result, self.respond.take()) {
            (Ok(reply), Some(respond)) => {
                let status = reply.response.status.as_u16();
                let is_stream = headers::is_event_stream(&reply.response.headers);
                let answer = respond(reply, account);
                self.state = match is_stream && (200..300).contains(&status) {
                    true => State::Answering(answer),
                    false => State::Refusing(answer, BytesMut::new(), status),
                };
                None
            }
            (Err(error), _) => {
                account.failed(&error);
                self.state = State::Ended;
                Some(self.form.event(&error))
            }
            (Ok(_), None) => {
                self.state = State::Ended;
                None
            }
        }
    }

    /// What the backend said instead of a stream, as an event.
    fn refusal(&self, said: &[u8], status: u16) -> Bytes {
        let said = error_text::of_error(said);
        let said = said.as_deref().unwrap_or("it gave no reason");
        let message = format!("the backend answered with status {status} instead of a stream: {said}");
        self.form.event(&ApiError::new(ApiErrorKind::BackendError, message))
    }
}

impl MessageBody for Loading {
    type Error = Box<dyn Error>;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let loading = self.get_mut();
        loop {
            match &mut loading.state {
                State::Waiting(exchanging) => match exchanging.as_mut().poll(context) {
                    Poll::Ready(exchanged) => {
                        if let Some(event) = loading.exchanged(exchanged) {
                            return Poll::Ready(Some(Ok(event)));
                        }
                    }
                    Poll::Pending if loading.timer.as_mut().poll(context).is_ready() => {
                        loading.timer.as_mut().reset(tokio::time::Instant::now() + PAUSE);
                        return Poll::Ready(Some(Ok(loading.form.ping())));
                    }
                    Poll::Pending => return Poll::Pending,
                },
                State::Answering(answer) => return Pin::new(answer).poll_next(context),
                State::Refusing(answer, said, status) => match Pin::new(&mut *answer).poll_next(context) {
                    // A stream under another name, or one that was packed.
                    Poll::Ready(Some(Ok(bytes)))
                        if said.is_empty()
                            && (200..300).contains(&*status)
                            && headers::begins_stream(&bytes) =>
                    {
                        let answer = std::mem::replace(answer, BoxBody::new(()));
                        loading.state = State::Answering(answer);
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                    Poll::Ready(Some(Ok(bytes))) => {
                        let room = error_text::LONGEST.saturating_sub(said.len());
                        said.extend_from_slice(bytes.get(..room).unwrap_or(&bytes));
                    }
                    Poll::Ready(_) => {
                        let (said, status) = (said.split(), *status);
                        loading.state = State::Ended;
                        return Poll::Ready(Some(Ok(loading.refusal(&said, status))));
                    }
                    Poll::Pending => return Poll::Pending,
                },
                State::Ended => return Poll::Ready(None),
            }
        }
    }
}
