//! An answer as lines of JSON, and what becomes of its model afterwards.

use super::super::respond::unchunked;
use super::super::response_body::ResponseBody;
use super::request::KeepAlive;
use super::translate::Translator;
use crate::http::error::{ApiError, ApiErrorKind};
use actix_web::body::{BodySize, MessageBody};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use llm_manager_actors::model::{By, ModelHandle, Verb};
use llm_manager_policy::lifecycle::StopUrgency;
use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

pub(super) fn ndjson(mut response: HttpResponse) -> HttpResponse {
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    response
}

pub(super) fn streamed(request: &HttpRequest, stream: NdjsonStream) -> HttpResponse {
    let response = HttpResponse::build(StatusCode::OK).message_body(stream);
    let mut response = response.map_or_else(
        |error| {
            actix_web::ResponseError::error_response(&ApiError::new(
                ApiErrorKind::Internal,
                error.to_string(),
            ))
        },
        HttpResponse::map_into_boxed_body,
    );
    unchunked(request, &mut response);
    ndjson(response)
}

/// What becomes of the model when this is dropped, as `keep_alive` has it.
pub(super) struct KeepAliveGuard(pub(super) Arc<ModelHandle>, pub(super) KeepAlive);

impl Drop for KeepAliveGuard {
    fn drop(&mut self) {
        let Self(model, keep) = self;
        match keep {
            KeepAlive::For(time) => model.keep_alive(Some(*time)),
            KeepAlive::Always => model.keep_alive(None),
            // Unless others use it. The request's own lease may still be held: it is given back at this very moment.
            KeepAlive::NoLonger if model.leases() <= 1 && model.waiting() == 0 => {
                if let Err(refused) = model
                    .order(Verb::Stop(StopUrgency::Drain), Some(By::rule("`keep_alive: 0` of a request")))
                {
                    let name = &model.spec.name;
                    log::warn!("models/{name}: keep_alive: 0 could not stop it: {}", refused.message);
                }
            }
            KeepAlive::NoLonger => {}
        }
    }
}

/// The lines of a stream.
pub(super) struct NdjsonStream {
    pub(super) answer: Pin<Box<ResponseBody>>,
    /// Until the final record.
    pub(super) translator: Option<Translator>,
    /// Lines that were there before the head.
    pub(super) ready: Bytes,
    pub(super) _parting: Option<KeepAliveGuard>,
}

impl MessageBody for NdjsonStream {
    type Error = Box<dyn Error>;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let stream = self.get_mut();
        if !stream.ready.is_empty() {
            return Poll::Ready(Some(Ok(std::mem::take(&mut stream.ready))));
        }
        loop {
            let Some(translator) = &mut stream.translator else { return Poll::Ready(None) };
            let lines = match stream.answer.as_mut().poll_next(context) {
                Poll::Ready(Some(Ok(chunk))) => translator.push(&chunk),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => {
                    let last = translator.finish(stream.answer.told());
                    stream.translator = None;
                    last
                }
                Poll::Pending => return Poll::Pending,
            };
            if !lines.is_empty() {
                return Poll::Ready(Some(Ok(lines)));
            }
        }
    }
}
