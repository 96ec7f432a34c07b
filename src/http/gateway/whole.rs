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
use actix_web::HttpResponse;
use actix_web::HttpResponseBuilder;
use actix_web::body::MessageBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use bytes::BytesMut;
use serde_json::Value;
use std::future::poll_fn;
use std::pin::pin;

/// A longer event is none, and a longer answer neither.
const LONGEST_EVENT: usize = 64 << 20;
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
    let (headers, mut answer) = Answer::new(reply, exchange.id.clone(), account);
    answer.is_gathered();
    let mut events = Events::new(form);
    let mut body = pin!(answer);
    while let Some(chunk) = poll_fn(|context| body.as_mut().poll_next(context)).await {
        let chunk = chunk.map_err(|error| match error.downcast::<ApiError>() {
            Ok(error) => *error,
            Err(error) => ApiError::new(Kind::BackendError, error.to_string()),
        })?;
        events.push(&chunk);
    }
    let (status, mut document) = match events.finish() {
        Ok(document) => (StatusCode::OK, document),
        Err(error) => (status_of(&error), error),
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
    body.as_mut().get_mut().answers_with(status);
    Ok(builder.body(document.to_string()))
}

/// The status with which the engine would have answered: llama.cpp says it in its error.
fn status_of(error: &Value) -> StatusCode {
    let code = error.pointer("/error/code").and_then(Value::as_u64);
    let code = code.and_then(|code| u16::try_from(code).ok()).filter(|code| (400..600).contains(code));
    code.and_then(|code| StatusCode::from_u16(code).ok()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// Takes the data out of the events of a stream.
struct Events {
    assembly: Assembly,
    /// The line that has no end yet.
    line: BytesMut,
    data: BytesMut,
    /// A line feed right after the last line belongs to its end.
    after_cr: bool,
}

impl Events {
    fn new(form: Form) -> Self {
        Self { assembly: Assembly::new(form), line: BytesMut::new(), data: BytesMut::new(), after_cr: false }
    }

    fn push(&mut self, chunk: &[u8]) {
        self.line.extend_from_slice(chunk);
        while let Some(end) = memchr::memchr2(b'\n', b'\r', &self.line) {
            let line = self.line.split_to(end + 1);
            let second = std::mem::replace(&mut self.after_cr, line.ends_with(b"\r"));
            if !(second && line.as_ref() == b"\n") {
                self.take(line.get(..end).unwrap_or_default());
            }
        }
    }

    fn take(&mut self, line: &[u8]) {
        if line.is_empty() {
            self.assembly.add(&self.data);
            self.data.clear();
            return;
        }
        let Some(data) = line.strip_prefix(b"data:") else { return };
        let data = data.strip_prefix(b" ").unwrap_or(data);
        if self.data.len() + data.len() < LONGEST_EVENT {
            self.data.extend_from_slice(data);
            self.data.extend_from_slice(b"\n");
        }
    }

    fn finish(mut self) -> Result<Value, Value> {
        let rest = self.line.split();
        self.take(&rest);
        self.take(b"");
        self.assembly.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn events_are_read_however_they_are_cut() {
        for end in ["\n", "\r\n", "\r"] {
            let stream = [
                ": comment",
                "",
                "event: x",
                "data: {\"id\":1,",
                "data:\"choices\":[{\"index\":0,\"text\":\"a\"}]}",
                "",
                "data: {\"choices\":[{\"index\":0,\"text\":\"b\"}]}",
            ]
            .join(end);
            for step in [1, 2, 3, 1000] {
                let mut events = Events::new(Form::Choices);
                stream.as_bytes().chunks(step).for_each(|chunk| events.push(chunk));
                let wanted = json!({"id": 1, "choices": [{"index": 0, "text": "ab"}]});
                assert_eq!(events.finish(), Ok(wanted), "{end:?} {step}");
            }
        }
    }

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
