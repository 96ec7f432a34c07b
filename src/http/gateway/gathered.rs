//! A plain request that goes up as a stream and comes back in one piece: engines that don't notice the end of a plain
//! request's client (llama.cpp's router generates on to the last token) notice the end of a stream's.
//!
//! Only where it is known that the engine does so, and that its streams say all that its plain answers say; see
//! `end_with_client` in the configuration.

use super::account::RequestAccount;
use super::assembly::{Assembly, StreamFormat};
use super::exchange::Exchange;
use super::forward::BackendResponse;
use super::headers;
use super::response_body::ResponseBody;
use crate::http::error::{ApiError, ApiErrorKind};
use crate::sse::Events;
use actix_web::HttpResponse;
use actix_web::HttpResponseBuilder;
use actix_web::ResponseError;
use actix_web::body::MessageBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};
use std::future::poll_fn;
use std::pin::{Pin, pin};

/// Of an answer that is no stream.
const LARGEST: usize = 256 << 20;
/// nginx's, which llama.cpp sets on streams.
const BUFFERING: &str = "x-accel-buffering";

/// Waits for the whole stream, and answers with what it comes to. `rename`: what the answer shall call its model.
pub(super) async fn respond(
    exchange: &Exchange,
    form: StreamFormat,
    reply: BackendResponse,
    account: RequestAccount,
    rename: Option<&str>,
) -> Result<HttpResponse, ApiError> {
    let served_by = account.served_by();
    let own_status = reply.response.status;
    let (headers, answer) = ResponseBody::new(reply, exchange.id.clone(), account);
    let mut body = pin!(answer);
    let (status, mut document) = match gather(body.as_mut(), form).await? {
        Gathered::Answer(status, document) => (status, document),
        Gathered::Other(bytes) => {
            let mut builder = HttpResponseBuilder::new(own_status);
            for (name, value) in headers {
                builder.append_header((name, value));
            }
            for (name, value) in served_by.into_iter().flatten() {
                builder.insert_header((name, value));
            }
            return Ok(builder.body(bytes.freeze()));
        }
    };
    if let Some(name) = rename.filter(|_| status.is_success())
        && let Some(model) = document.get_mut("model")
    {
        *model = name.into();
    }
    let mut builder = HttpResponseBuilder::new(status);
    for (name, value) in headers {
        if !matches!(name, CONTENT_TYPE | CACHE_CONTROL) && name.as_str() != BUFFERING {
            builder.append_header((name, value));
        }
    }
    for (name, value) in served_by.into_iter().flatten() {
        builder.insert_header((name, value));
    }
    builder.insert_header((CONTENT_TYPE, "application/json; charset=utf-8"));
    Ok(builder.body(document.to_string()))
}

/// What a stream comes to.
pub(super) enum Gathered {
    /// The answer, or the engine's error with its status.
    Answer(StatusCode, Value),
    /// It is no stream, whatever was asked for.
    Other(BytesMut),
}

/// Reads all of it, and puts it together.
pub(super) async fn gather(
    mut body: Pin<&mut ResponseBody>,
    form: StreamFormat,
) -> Result<Gathered, ApiError> {
    body.as_mut().get_mut().is_gathered();
    let (mut events, mut assembly) = (Events::default(), Assembly::new(form));
    let (mut is_stream, mut other) = (false, BytesMut::new());
    while let Some(chunk) = next(body.as_mut()).await {
        let chunk = chunk?;
        is_stream = is_stream || (other.is_empty() && headers::begins_stream(&chunk));
        if is_stream {
            events.push(&chunk, |data| assembly.add(data));
        } else if other.len() + chunk.len() > LARGEST {
            return Err(incomplete(body.get_mut(), "is too long"));
        } else {
            other.extend_from_slice(&chunk);
        }
    }
    if !is_stream {
        return Ok(Gathered::Other(other));
    }
    events.finish(|data| assembly.add(data));
    if events.is_cut() || assembly.has_gap() {
        let what = if events.is_cut() { "is too long" } else { "is no JSON" };
        return Err(incomplete(body.as_mut().get_mut(), what));
    }
    let told = body.as_mut().get_mut().told().filter(|_| form == StreamFormat::Choices);
    let (status, document) = match (assembly.finish(), told) {
        // An error in a form that only the reader of answers knows.
        (Ok(document), Some(words)) if !has_failed_choice(&document) => {
            (StatusCode::INTERNAL_SERVER_ERROR, json!({"error": {"message": words, "type": "server_error"}}))
        }
        (Ok(document), _) => (StatusCode::OK, document),
        (Err(error), _) => (status_of(&error), error),
    };
    body.get_mut().answers_with(status);
    Ok(Gathered::Answer(status, document))
}

/// The next bytes of an answer that is gathered. If it fails, that is the client's status, too.
pub(super) async fn next(mut body: Pin<&mut ResponseBody>) -> Option<Result<Bytes, ApiError>> {
    let chunk = poll_fn(|context| body.as_mut().poll_next(context)).await?;
    Some(chunk.map_err(|error| {
        let error = match error.downcast::<ApiError>() {
            Ok(error) => *error,
            Err(error) => ApiError::new(ApiErrorKind::BackendError, error.to_string()),
        };
        body.get_mut().answers_with(error.status_code());
        error
    }))
}

/// Whether an answer tells of its failure itself, where a choice ends.
fn has_failed_choice(answer: &Value) -> bool {
    let choices = answer.get("choices").and_then(Value::as_array);
    let failed = |choice: &Value| choice.get("finish_reason").and_then(Value::as_str) == Some("error");
    choices.into_iter().flatten().any(failed)
}

/// A part of it is missing: that is no answer.
pub(super) fn incomplete(answer: &mut ResponseBody, what: &str) -> ApiError {
    let message = format!("a part of the backend's answer {what}, so it can't be put together");
    let error = ApiError::new(ApiErrorKind::BackendError, message);
    answer.fails(&error);
    answer.answers_with(error.status_code());
    error
}

/// The status with which the engine would have answered: llama.cpp says it in its error.
pub(super) fn status_of(error: &Value) -> StatusCode {
    let code = error.pointer("/error/code").and_then(Value::as_u64);
    let code = code.and_then(|code| u16::try_from(code).ok()).filter(|code| (400..600).contains(code));
    code.and_then(|code| StatusCode::from_u16(code).ok()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_the_status_that_it_names() {
        let status = |error: Value| status_of(&json!({ "error": error })).as_u16();
        assert_eq!(status(json!({"code": 400})), 400);
        assert_eq!(status(json!({"code": 503, "message": "x"})), 503);
        for odd in [json!({"code": 200}), json!({"code": "x"}), json!("words"), json!({"code": 70_000})] {
            assert_eq!(status(odd), 500);
        }
    }
}
