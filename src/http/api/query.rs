//! What the queries of the reports have in common, and how times are written.

use crate::http::api::management::Management;
use crate::http::error::{ApiError, ApiErrorKind, quoted};
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::{FromRequest, HttpRequest, web};
use futures_util::future::{FutureExt, LocalBoxFuture};
use jiff::Timestamp;
use llm_manager_ledger::{Micros, StoreError};
use serde::de::DeserializeOwned;
use std::fmt::Display;
use std::time::Duration;

/// A refusal of what the client has written.
pub(crate) fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new(ApiErrorKind::InvalidRequest, message.into())
}

/// Parameters that are numbers, and those that are switches, wherever they may stand.
const NUMBERS: [&str; 5] = ["before", "limit", "run_id", "status", "tail"];
const FLAGS: [&str; 5] = ["dry_run", "follow", "now", "shares", "wait"];

/// A query that can't be read: which of its parameters is wrong, as far as it can be told.
pub(crate) fn unreadable(query: &str, error: &dyn Display) -> ApiError {
    let pairs = web::Query::<Vec<(String, String)>>::from_query(query);
    for (name, value) in pairs.map(web::Query::into_inner).unwrap_or_default() {
        let is_one_of = |names: &[&str]| names.contains(&name.as_str());
        let expected = if is_one_of(&NUMBERS) && value.parse::<u64>().is_err() {
            "a whole number"
        } else if name == "minutes" && value.parse::<f64>().is_err() {
            "a number"
        } else if is_one_of(&FLAGS) && value.parse::<bool>().is_err() {
            "true or false"
        } else {
            continue;
        };
        return invalid(format!("`{name}`: expected {expected}, got \"{}\"", quoted(&value)));
    }
    let error = error.to_string();
    invalid(format!("the query: {}", error.strip_prefix("Query deserialize error: ").unwrap_or(&error)))
}

/// A body that is read whole, or refused in the form of all errors: the route has a `PayloadConfig` with its bound.
pub(crate) struct WholeBody(pub(crate) web::Bytes);

impl FromRequest for WholeBody {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let read = web::Bytes::from_request(request, payload);
        async move {
            read.await.map(Self).map_err(|error| {
                let is_too_large = matches!(error.as_error(), Some(PayloadError::Overflow));
                let kind =
                    if is_too_large { ApiErrorKind::RequestTooLarge } else { ApiErrorKind::InvalidRequest };
                ApiError::new(kind, format!("the body: {error}"))
            })
        }
        .boxed_local()
    }
}

/// Reads a body. Files that Windows' PowerShell has written begin with a byte order mark.
pub(crate) fn from_json<T: DeserializeOwned>(body: &[u8]) -> serde_json::Result<T> {
    serde_json::from_slice(body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body))
}

/// What the ledger says when it can't do something.
pub(crate) fn from_store(error: StoreError) -> ApiError {
    match error {
        StoreError::Refused(message) => invalid(message),
        StoreError::Conflict(message) => ApiError::new(ApiErrorKind::Conflict, message),
        error => {
            // Billing's own line has said so once; a dashboard that asks every second must not fill the log.
            log::debug!("a report: {error}");
            let retry_after = Some(Duration::from_secs(5));
            ApiError { retry_after, ..ApiError::new(ApiErrorKind::LedgerUnavailable, error.to_string()) }
        }
    }
}

/// A time of the query, in microseconds since 1970.
pub(crate) fn time(name: &str, text: Option<&String>) -> Result<Option<Micros>, ApiError> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let parsed: Result<Timestamp, _> = text.parse();
    parsed.map(|time| Some(time.as_microsecond())).map_err(|_| {
        let text = quoted(text);
        invalid(format!(
            "`{name}`: \"{text}\" is not a time of RFC 3339 like 2026-01-31T00:00:00Z (a `+` is %2B in a URL)"
        ))
    })
}

/// As the API shows times.
pub(crate) fn rfc3339(time: Micros) -> Option<Timestamp> {
    Timestamp::from_microsecond(time).ok()
}

/// The values of a list with commas.
pub(crate) fn list(text: Option<&String>) -> Vec<String> {
    let values = text.map_or("", String::as_str).split(',').map(str::trim);
    values.filter(|value| !value.is_empty()).map(str::to_owned).collect()
}

/// The list of models, where an alias of the configuration stands for its model.
pub(crate) fn models(shared: &Management, text: Option<&String>) -> Vec<String> {
    let known = |name: String| shared.directory.find(&name).map_or(name, |model| model.spec.name.clone());
    list(text).into_iter().map(known).collect()
}

pub(crate) fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}

/// Seconds, exact to the millisecond.
pub(crate) fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::unreadable;

    #[test]
    fn what_is_wrong_with_a_query_is_named() {
        for (query, words) in [
            ("from=x&limit=ten", "`limit`: expected a whole number, got \"ten\""),
            ("limit=5&tail=-1", "`tail`: expected a whole number, got \"-1\""),
            ("wait=maybe", "`wait`: expected true or false, got \"maybe\""),
            ("minutes=two%20hours", "`minutes`: expected a number, got \"two hours\""),
            ("limit=5&colour=red", "the query: unknown field"),
        ] {
            let told = unreadable(query, &"Query deserialize error: unknown field");
            assert_eq!(&*told.message, words);
        }
    }
}
