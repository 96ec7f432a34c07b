//! A plain request that goes up as a stream and comes back in one piece: engines that don't notice the end of a plain
//! request's client (llama.cpp's router generates on to the last token) notice the end of a stream's.
//!
//! Only where it is known that the engine does so, and that its streams say all that its plain answers say; see
//! `end_with_client` in the configuration.

use super::account::Account;
use super::answer::Answer;
use super::assembly::{Assembly, Form};
use super::exchange::Exchange;
use super::forward::Reply;
use crate::http::error::{ApiError, Kind};
use crate::sse::Events;
use actix_web::HttpResponse;
use actix_web::HttpResponseBuilder;
use actix_web::body::MessageBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde_json::Value;
use std::future::poll_fn;
use std::pin::{Pin, pin};

/// nginx's, which llama.cpp sets on streams.
const BUFFERING: &str = "x-accel-buffering";

/// Waits for the whole stream, and answers with what it comes to. `rename`: what the answer shall call its model.
pub(super) async fn respond(
    exchange: &Exchange,
    form: Form,
    reply: Reply,
    account: Account,
    rename: Option<&str>,
) -> Result<HttpResponse, ApiError> {
    let served_by = account.served_by();
    let (headers, answer) = Answer::new(reply, exchange.id.clone(), account);
    let mut body = pin!(answer);
    let (status, mut document) = gather(body.as_mut(), form).await?;
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

/// What the stream comes to: the answer, or the engine's error with its status.
pub(super) async fn gather(mut body: Pin<&mut Answer>, form: Form) -> Result<(StatusCode, Value), ApiError> {
    body.as_mut().get_mut().is_gathered();
    let (mut events, mut assembly) = (Events::default(), Assembly::new(form));
    while let Some(chunk) = poll_fn(|context| body.as_mut().poll_next(context)).await {
        let chunk = chunk.map_err(|error| match error.downcast::<ApiError>() {
            Ok(error) => *error,
            Err(error) => ApiError::new(Kind::BackendError, error.to_string()),
        })?;
        events.push(&chunk, |data| assembly.add(data));
    }
    events.finish(|data| assembly.add(data));
    if events.is_cut() {
        return Err(too_long(body.as_mut().get_mut()));
    }
    let (status, document) = match assembly.finish() {
        Ok(document) => (StatusCode::OK, document),
        Err(error) => (status_of(&error), error),
    };
    body.get_mut().answers_with(status);
    Ok((status, document))
}

/// A part of it is missing: that is no answer.
fn too_long(answer: &mut Answer) -> ApiError {
    let error =
        ApiError::new(Kind::BackendError, "an event of the backend's answer is too long to be put together");
    answer.fails(&error);
    error
}

/// The status with which the engine would have answered: llama.cpp says it in its error.
fn status_of(error: &Value) -> StatusCode {
    let code = error.pointer("/error/code").and_then(Value::as_u64);
    let code = code.and_then(|code| u16::try_from(code).ok()).filter(|code| (400..600).contains(code));
    code.and_then(|code| StatusCode::from_u16(code).ok()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

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
