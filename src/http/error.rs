//! The errors that the manager itself makes: one table of status, code and type, one form of body.

#[cfg(test)]
pub(super) mod reference;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT_ENCODING, ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::{HttpResponse, ResponseError};
use llm_manager_actors::model::{Refused, RefusedReason};
use serde_json::{Value, json};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What a handler answers.
pub(crate) type Answered = Result<HttpResponse, ApiError>;

/// The longest pause, in seconds, that is told to a client which may wait for it by itself.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What kind of error; each has one row in `ApiErrorKind::row`. `docs/reference/errors.md` says of each what is written here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiErrorKind {
    /// Missing or malformed JSON, no `model`, nested deeper than 128, an invalid query.
    InvalidRequest,
    /// Wrong or missing key.
    InvalidApiKey,
    /// The key may not do this, or not use this model.
    Forbidden,
    /// More requests or tokens in a minute than the key may use; `x-ratelimit-*` say what is left; with `Retry-After`.
    RateLimited,
    /// The request may take more than is left of the key's budget; with `Retry-After`.
    BudgetExhausted,
    /// Unknown model.
    ModelNotFound,
    /// The ledger has no such run.
    RunNotFound,
    /// Unknown path.
    UnknownEndpoint,
    /// The model is served by another manager, which has sent the request back.
    LoopDetected,
    /// Known path, wrong method; `Allow` lists the accepted ones.
    MethodNotAllowed,
    /// The model's mode does not serve this endpoint.
    ModeMismatch,
    /// The body is larger than `max_body_mb`, as received or decompressed.
    RequestTooLarge,
    /// A `Content-Encoding` other than gzip, deflate, zstd and br.
    UnsupportedEncoding,
    /// A WebSocket at an endpoint that has none.
    WebSocketUnsupported,
    /// A variant's devices are offline or paused, no variant fits, or `queue_timeout` has passed; the message has the
    /// numbers; with `Retry-After`: 5 s, or the rest of the pause.
    InsufficientResources,
    /// No device has this name or id.
    DeviceNotFound,
    /// No entry of `notify` has this name.
    NotifyNotFound,
    /// No key of this name was made; one of the configuration is changed there.
    KeyNotFound,
    /// No folder of this machine that can be read has this name.
    FolderNotFound,
    /// The backend failed to start, or crashed and is in its pause; the message has its last lines; with
    /// `Retry-After`.
    ModelStartFailed,
    /// `max_waiting` requests are already waiting, or no memory is left for the body; with `Retry-After`: 1 s.
    Overloaded,
    /// Not ready within `start_timeout`.
    ModelStartTimeout,
    /// Stopped by an operator before a response.
    ModelStopped,
    /// A stop that did not end the backend within `stop_timeout` + 5 s.
    StopFailed,
    /// An operator has cancelled the request while it waited or was answered; with `x-should-retry: false`.
    RequestCancelled,
    /// No waiting or running request has this id.
    RequestNotFound,
    /// The manager is shutting down; with `Retry-After`: 5 s (not for calls of `/api`).
    ShuttingDown,
    /// The backend closed the connection before a response, or returned something that isn't HTTP.
    BackendError,
    /// `first_byte_timeout` has passed.
    BackendTimeout,
    /// The ledger can't be read or changed right now; with `Retry-After`.
    LedgerUnavailable,
    /// A part of the manager is down.
    Internal,
    /// No byte of the body arrived for 60 s, or less than 1 KiB per second.
    RequestTimeout,
    /// The request conflicts with what is there: a rename with existing data, a new key with a name that is taken, a park
    /// with a model that can't be parked.
    Conflict,
    /// A page of another site calls `/api` (its `Origin` doesn't match `Host`), or calls `/v1` without a key in a
    /// header and isn't one of `allowed_origins`.
    ForeignOrigin,
    /// The name in `Host` isn't one of the manager's (dashboard, `/api`; `/v1` from browsers).
    HostNotAllowed,
    /// The configuration, from another computer, without `api_keys`.
    ApiKeysNeeded,
    /// The configuration can't be written by this user.
    ConfigNotWritable,
    /// The new configuration has errors, listed in `error.problems` (409 for a restart).
    InvalidConfig,
    /// The configuration was changed by somebody else in the meantime.
    ConfigChanged,
    /// Too many sign-in attempts within a second; with `Retry-After`.
    TooManyAttempts,
    /// This system can't do it: a restart through the API, except on Linux.
    NotSupported,
}

/// A client's word as it may stand in a message: short, and without characters that a terminal obeys.
pub(super) fn quoted(word: &str) -> String {
    const LONGEST: usize = 100;
    let mut quoted: String = word.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if word.chars().nth(LONGEST).is_some() {
        quoted.push_str("...");
    }
    quoted
}

impl ApiErrorKind {
    fn row(self) -> (StatusCode, &'static str, &'static str) {
        const REQUEST: &str = "invalid_request_error";
        const SERVER: &str = "server_error";
        match self {
            ApiErrorKind::InvalidRequest => (StatusCode::BAD_REQUEST, "invalid_request", REQUEST),
            ApiErrorKind::InvalidApiKey => {
                (StatusCode::UNAUTHORIZED, "invalid_api_key", "authentication_error")
            }
            ApiErrorKind::Forbidden => (StatusCode::FORBIDDEN, "forbidden", "permission_error"),
            ApiErrorKind::RateLimited => (StatusCode::TOO_MANY_REQUESTS, "rate_limited", "rate_limit_error"),
            ApiErrorKind::BudgetExhausted => {
                (StatusCode::TOO_MANY_REQUESTS, "budget_exhausted", "insufficient_quota")
            }
            ApiErrorKind::ModelNotFound => (StatusCode::NOT_FOUND, "model_not_found", REQUEST),
            ApiErrorKind::RunNotFound => (StatusCode::NOT_FOUND, "run_not_found", REQUEST),
            ApiErrorKind::UnknownEndpoint => (StatusCode::NOT_FOUND, "unknown_endpoint", REQUEST),
            ApiErrorKind::LoopDetected => (StatusCode::LOOP_DETECTED, "loop_detected", SERVER),
            ApiErrorKind::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", REQUEST),
            ApiErrorKind::ModeMismatch => (StatusCode::BAD_REQUEST, "mode_mismatch", REQUEST),
            ApiErrorKind::RequestTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "request_too_large", REQUEST),
            ApiErrorKind::UnsupportedEncoding => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding", REQUEST)
            }
            ApiErrorKind::WebSocketUnsupported => (StatusCode::BAD_REQUEST, "websocket_unsupported", REQUEST),
            ApiErrorKind::InsufficientResources => {
                (StatusCode::SERVICE_UNAVAILABLE, "insufficient_resources", SERVER)
            }
            ApiErrorKind::DeviceNotFound => (StatusCode::NOT_FOUND, "device_not_found", REQUEST),
            ApiErrorKind::NotifyNotFound => (StatusCode::NOT_FOUND, "notify_not_found", REQUEST),
            ApiErrorKind::KeyNotFound => (StatusCode::NOT_FOUND, "key_not_found", REQUEST),
            ApiErrorKind::FolderNotFound => (StatusCode::NOT_FOUND, "folder_not_found", REQUEST),
            ApiErrorKind::ModelStartFailed => (StatusCode::SERVICE_UNAVAILABLE, "model_start_failed", SERVER),
            ApiErrorKind::Overloaded => (StatusCode::SERVICE_UNAVAILABLE, "overloaded", "overloaded_error"),
            ApiErrorKind::ModelStartTimeout => (StatusCode::GATEWAY_TIMEOUT, "model_start_timeout", SERVER),
            ApiErrorKind::ModelStopped => (StatusCode::SERVICE_UNAVAILABLE, "model_stopped", SERVER),
            ApiErrorKind::StopFailed => (StatusCode::GATEWAY_TIMEOUT, "stop_failed", SERVER),
            ApiErrorKind::RequestCancelled => (StatusCode::SERVICE_UNAVAILABLE, "request_cancelled", SERVER),
            ApiErrorKind::RequestNotFound => (StatusCode::NOT_FOUND, "request_not_found", REQUEST),
            ApiErrorKind::ShuttingDown => (StatusCode::SERVICE_UNAVAILABLE, "shutting_down", SERVER),
            ApiErrorKind::BackendError => (StatusCode::BAD_GATEWAY, "backend_error", SERVER),
            ApiErrorKind::BackendTimeout => (StatusCode::GATEWAY_TIMEOUT, "backend_timeout", SERVER),
            ApiErrorKind::RequestTimeout => (StatusCode::REQUEST_TIMEOUT, "request_timeout", REQUEST),
            ApiErrorKind::Conflict => (StatusCode::CONFLICT, "conflict", REQUEST),
            ApiErrorKind::ForeignOrigin => (StatusCode::FORBIDDEN, "foreign_origin", REQUEST),
            ApiErrorKind::HostNotAllowed => (StatusCode::FORBIDDEN, "host_not_allowed", REQUEST),
            ApiErrorKind::ApiKeysNeeded => (StatusCode::FORBIDDEN, "api_keys_needed", REQUEST),
            ApiErrorKind::ConfigNotWritable => (StatusCode::FORBIDDEN, "config_not_writable", REQUEST),
            ApiErrorKind::InvalidConfig => (StatusCode::BAD_REQUEST, "invalid_config", REQUEST),
            ApiErrorKind::ConfigChanged => (StatusCode::CONFLICT, "config_changed", REQUEST),
            ApiErrorKind::TooManyAttempts => (StatusCode::TOO_MANY_REQUESTS, "too_many_attempts", REQUEST),
            ApiErrorKind::NotSupported => (StatusCode::NOT_IMPLEMENTED, "not_supported", REQUEST),
            ApiErrorKind::LedgerUnavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, "ledger_unavailable", SERVER)
            }
            ApiErrorKind::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal_error", SERVER),
        }
    }
}

/// An error on its way to the client.
#[derive(Clone, Debug)]
pub struct ApiError {
    /// What kind.
    pub kind: ApiErrorKind,
    /// Names the thing, the cause and the way out.
    pub message: Arc<str>,
    /// When it is worth trying again.
    pub retry_after: Option<Duration>,
    /// Methods that are taken, where this one isn't.
    pub allow: Option<Arc<str>>,
    /// True: trying again soon can't help, and clients that try by themselves should not.
    pub hopeless: bool,
}

impl ApiError {
    /// An error without a time to try again.
    pub fn new(kind: ApiErrorKind, message: impl Into<Arc<str>>) -> Self {
        Self { kind, message: message.into(), retry_after: None, allow: None, hopeless: false }
    }

    /// The manager takes nothing new.
    pub fn shutting_down() -> Self {
        let message = "the manager is shutting down; try again when it is back";
        Self { retry_after: Some(Duration::from_secs(5)), ..Self::new(ApiErrorKind::ShuttingDown, message) }
    }

    /// The body that clients of OpenAI's API know.
    pub fn body(&self) -> String {
        self.json().to_string()
    }

    /// The same, for those who add to it.
    pub(super) fn json(&self) -> Value {
        let (_, code, kind) = self.kind.row();
        json!({"error": {"message": &*self.message, "type": kind, "code": code, "param": null}})
    }

    /// Its code, for the log.
    pub fn code(&self) -> &'static str {
        self.kind.row().1
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code(), self.message)
    }
}

impl std::error::Error for ApiError {}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.kind.row().0
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        response.insert_header((CONTENT_TYPE, "application/json"));
        response.insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"));
        if self.kind == ApiErrorKind::InvalidApiKey {
            response.insert_header((WWW_AUTHENTICATE, "Bearer"));
        }
        if let Some(pause) = self.retry_after {
            // Whole seconds, never 0: "at once" would be a busy loop. Clients take more than a minute for nonsense, or
            // sleep that long without a word, unless they are told not to try again by themselves.
            let longest = if self.hopeless { f64::MAX } else { LONGEST_PAUSE.as_secs_f64() };
            let seconds = pause.as_secs_f64().ceil().clamp(1.0, longest);
            response.insert_header((RETRY_AFTER, seconds.to_string()));
        }
        if self.hopeless {
            response.insert_header(("x-should-retry", "false"));
        }
        if let Some(allow) = &self.allow {
            response.insert_header((ALLOW, &**allow));
        }
        if self.kind == ApiErrorKind::UnsupportedEncoding {
            response.insert_header((ACCEPT_ENCODING, "gzip, deflate, zstd, br"));
        }
        response.body(self.body())
    }
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        let kind = match refused.reason {
            RefusedReason::Stopped => ApiErrorKind::ModelStopped,
            RefusedReason::StartFailed => ApiErrorKind::ModelStartFailed,
            RefusedReason::StartTimeout => ApiErrorKind::ModelStartTimeout,
            RefusedReason::NoMemory => ApiErrorKind::InsufficientResources,
            RefusedReason::Overloaded => ApiErrorKind::Overloaded,
            RefusedReason::StopFailed => ApiErrorKind::StopFailed,
            RefusedReason::Cancelled => ApiErrorKind::RequestCancelled,
            RefusedReason::NotParked => ApiErrorKind::Conflict,
        };
        Self { retry_after: refused.retry_after, ..Self::new(kind, refused.message) }
    }
}
