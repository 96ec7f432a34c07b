//! The form of an error is that of the endpoint: each kind of client understands its own.

use crate::http::error::ApiError;
use actix_web::http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use bytes::Bytes;
use serde_json::{Value, json};

/// Whose clients are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientApi {
    OpenAi,
    /// `/v1/responses`: errors like OpenAI's others, events with a `type`.
    Responses,
    Anthropic,
    Ollama,
}

impl ClientApi {
    /// That of a path, in whatever spelling, or of what a client says of itself.
    pub(crate) fn of(path: &str, headers: &HeaderMap) -> Self {
        let form = Self::of_path(path);
        if form == Self::OpenAi && headers.contains_key("anthropic-version") { Self::Anthropic } else { form }
    }

    /// That of a path alone.
    pub(crate) fn of_path(path: &str) -> Self {
        let mut segments = path.split('/').filter(|segment| !segment.is_empty());
        match segments.find(|segment| *segment != "v1") {
            Some("messages") => Self::Anthropic,
            Some("responses") => Self::Responses,
            Some("api") => Self::Ollama,
            _ => Self::OpenAi,
        }
    }

    /// The answer to a request that was refused.
    pub(crate) fn respond(self, error: &ApiError) -> HttpResponse {
        let mut response = error.error_response();
        if matches!(self, Self::OpenAi | Self::Responses) {
            return response;
        }
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response.set_body(actix_web::body::BoxBody::new(self.body(error).to_string()))
    }

    /// What is said of an error.
    fn body(self, error: &ApiError) -> Value {
        match self {
            Self::OpenAi | Self::Responses => error.json(),
            Self::Anthropic => json!({"type": "error", "error": {
                "type": anthropic(error.status_code().as_u16()), "message": &*error.message, "code": error.code(),
            }}),
            Self::Ollama => json!({"error": &*error.message, "code": error.code()}),
        }
    }

    /// An error in the middle of a stream.
    pub(crate) fn event(self, error: &ApiError) -> Bytes {
        match self {
            Self::OpenAi | Self::Anthropic => format!("event: error\ndata: {}\n\n", self.body(error)).into(),
            Self::Responses => {
                let (code, message) = (error.code(), &*error.message);
                let mut event = error.json();
                event["type"] = "error".into();
                event["code"] = code.into();
                event["message"] = message.into();
                event["param"] = Value::Null;
                event["sequence_number"] = 0.into();
                // Clients differ in which of the two they listen to.
                let failed = json!({"type": "response.failed", "sequence_number": 1, "response": {
                    "object": "response", "status": "failed", "output": [],
                    "error": {"code": code, "message": message},
                }});
                format!("event: error\ndata: {event}\n\nevent: response.failed\ndata: {failed}\n\n").into()
            }
            Self::Ollama => line(&self.body(error)).into(),
        }
    }

    /// What keeps a stream alive that has nothing to say yet.
    pub(crate) fn ping(self) -> Bytes {
        match self {
            Self::Anthropic => Bytes::from_static(b"event: ping\ndata: {\"type\": \"ping\"}\n\n"),
            _ => Bytes::from_static(b": loading\n\n"),
        }
    }
}

/// A line of Ollama's streams. JSON may hold Unicode's own ends of a line as they are, but clients that read by httpx's `iter_lines`
/// (ollama-python) would end the line there.
pub(crate) fn line(record: &Value) -> String {
    let mut line = record.to_string();
    for (sign, escaped) in [('\u{85}', "\\u0085"), ('\u{2028}', "\\u2028"), ('\u{2029}', "\\u2029")] {
        if line.contains(sign) {
            line = line.replace(sign, escaped);
        }
    }
    line.push('\n');
    line
}

/// Anthropic's word for a status.
fn anthropic(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 => "overloaded_error",
        504 => "timeout_error",
        400..500 => "invalid_request_error",
        _ => "api_error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::error::ApiErrorKind;

    #[test]
    fn the_path_says_whose_client_it_is() {
        for (path, form) in [
            ("/v1/messages", ClientApi::Anthropic),
            ("/v1/v1/messages/count_tokens", ClientApi::Anthropic),
            ("//messages/", ClientApi::Anthropic),
            ("/v1/responses/x/cancel", ClientApi::Responses),
            ("/api/chat", ClientApi::Ollama),
            ("/v1/chat/completions", ClientApi::OpenAi),
            ("/", ClientApi::OpenAi),
        ] {
            assert_eq!(ClientApi::of_path(path), form, "{path}");
        }
    }

    #[test]
    fn each_client_finds_the_error_where_it_looks() {
        let error = ApiError::new(ApiErrorKind::ModelNotFound, "no such \"model\"");
        let data = |event: Bytes| -> Vec<Value> {
            let text = String::from_utf8(event.to_vec()).unwrap();
            let lines = text.lines().filter_map(|line| line.strip_prefix("data: "));
            lines.map(|line| serde_json::from_str(line).unwrap()).collect()
        };
        let anthropic = &data(ClientApi::Anthropic.event(&error))[0];
        assert_eq!(
            (&anthropic["type"], &anthropic["error"]["type"]),
            (&json!("error"), &json!("not_found_error"))
        );
        let responses = data(ClientApi::Responses.event(&error));
        assert_eq!(
            (&responses[0]["type"], &responses[1]["type"]),
            (&json!("error"), &json!("response.failed"))
        );
        assert_eq!(responses[0]["error"]["code"], "model_not_found");
        assert_eq!(responses[1]["response"]["error"]["message"], "no such \"model\"");
        assert_eq!(data(ClientApi::OpenAi.event(&error))[0]["error"]["code"], "model_not_found");
        let line: Value = serde_json::from_slice(&ClientApi::Ollama.event(&error)).unwrap();
        assert_eq!(line["error"], "no such \"model\"");
    }
}
