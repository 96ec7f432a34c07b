//! The body of a request, read into memory and unpacked: only so is a client's leaving noticed while it waits, and
//! only so can the request be sent again to a fresh backend.
//!
//! It is held once. Memory grows with what came, not with what was announced.

use super::grow::grow;
use super::unpack::{Coding, Unpacker};
use crate::http::error::{ApiError, Kind, quoted};
use actix_web::http::header::{self, HeaderMap};
use actix_web::{HttpRequest, web};
use bytes::Bytes;
use futures_util::StreamExt;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Longest pause within a request's body; the server has a limit for the head.
const SILENCE: Duration = Duration::from_secs(60);
/// What a body must bring each second, once it has had `SILENCE`.
const SLOWEST: u64 = 1024;

/// A body as it goes on.
#[derive(Debug)]
pub(crate) struct Received {
    /// Without a byte order mark, which no engine needs and some refuse.
    pub(crate) bytes: Bytes,
    /// It came with a content coding that it no longer has.
    pub(crate) unpacked: bool,
}

/// Reads the body of a request.
pub(crate) async fn read(
    request: &HttpRequest,
    mut payload: web::Payload,
    limit: usize,
    stopping: &CancellationToken,
) -> Result<Received, ApiError> {
    let coding = coding(request.headers())?;
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()).and_then(|text| text.parse::<usize>().ok());
    if length.is_some_and(|length| length > limit) {
        return Err(too_large(limit, None));
    }
    let mut came = Gathered { first: Bytes::new(), rest: Vec::new(), announced: length.unwrap_or(0) };
    let mut unpacker = coding.map(|coding| Unpacker::new(coding, limit)).transpose().map_err(refused)?;
    let (began, mut total) = (Instant::now(), 0_u64);
    loop {
        let patience = SILENCE.min(deadline(total).saturating_sub(began.elapsed()));
        let next = tokio::select! {
            next = tokio::time::timeout(patience, payload.next()) => next,
            () = stopping.cancelled() => return Err(ApiError::shutting_down()),
        };
        let Some(chunk) = next.map_err(|_| too_slow(patience))? else { break };
        let chunk = chunk.map_err(|error| {
            ApiError::new(Kind::InvalidRequest, format!("the body could not be read: {error}"))
        })?;
        total += chunk.len() as u64;
        match &mut unpacker {
            Some(unpacker) => unpacker.push(&chunk).await.map_err(refused)?,
            None if came.len() + chunk.len() > limit => return Err(too_large(limit, None)),
            None => came.push(chunk)?,
        }
    }
    let unpacked = unpacker.is_some();
    let mut bytes = match unpacker {
        Some(unpacker) => unpacker.finish().map_err(refused)?,
        None => came.bytes(),
    };
    if bytes.starts_with(b"\xef\xbb\xbf") {
        bytes = bytes.slice(3..);
    }
    Ok(Received { bytes, unpacked })
}

/// When so many bytes must have come at the latest, since the beginning.
fn deadline(bytes: u64) -> Duration {
    SILENCE + Duration::from_secs(bytes / SLOWEST)
}

/// The one coding of the body; `None`: it has none.
fn coding(headers: &HeaderMap) -> Result<Option<Coding>, ApiError> {
    let mut found = None;
    for value in headers.get_all(header::CONTENT_ENCODING) {
        let names = value.to_str().unwrap_or("?").split(',').map(str::trim);
        for name in names.filter(|name| !name.is_empty() && !name.eq_ignore_ascii_case("identity")) {
            let Some(coding) = Coding::of(name).filter(|_| found.is_none()) else {
                let message = format!(
                    "a body with `Content-Encoding: {}` is not understood: send it plain, or with one of gzip, \
                     deflate, zstd and br",
                    quoted(value.to_str().unwrap_or("?"))
                );
                return Err(ApiError::new(Kind::UnsupportedEncoding, message));
            };
            found = Some(coding);
        }
    }
    Ok(found)
}

fn too_large(limit: usize, coding: Option<Coding>) -> ApiError {
    let unpacked =
        coding.map_or_else(String::new, |coding| format!(", once unpacked from {}", coding.name()));
    let message = format!("the body is larger than `program.max_body_mb` ({} MiB){unpacked}", limit >> 20);
    ApiError::new(Kind::RequestTooLarge, message)
}

fn too_slow(patience: Duration) -> ApiError {
    let message = if patience == SILENCE {
        format!("no byte of the body came for {} s", SILENCE.as_secs())
    } else {
        format!("the body came slower than {SLOWEST} bytes a second")
    };
    ApiError::new(Kind::RequestTimeout, message)
}

fn no_memory() -> ApiError {
    let message = "there is no memory left for the body of this request; try again later";
    ApiError { retry_after: Some(Duration::from_secs(5)), ..ApiError::new(Kind::Overloaded, message) }
}

fn refused(error: super::unpack::Refused) -> ApiError {
    use super::unpack::Refused;
    match error {
        Refused::TooLarge { limit, coding } => too_large(limit, Some(coding)),
        Refused::NoMemory => no_memory(),
        Refused::Broken { coding, why } => {
            let message = format!("the body is not valid {}: {why}", coding.name());
            ApiError::new(Kind::InvalidRequest, message)
        }
    }
}

/// What has come of a plain body. One that came in one piece, as most do, is not copied.
struct Gathered {
    first: Bytes,
    rest: Vec<u8>,
    announced: usize,
}

impl Gathered {
    fn len(&self) -> usize {
        self.first.len() + self.rest.len()
    }

    fn push(&mut self, chunk: Bytes) -> Result<(), ApiError> {
        if self.rest.is_empty() && self.first.is_empty() {
            self.first = chunk;
            return Ok(());
        }
        let first = std::mem::take(&mut self.first);
        grow(&mut self.rest, first.len() + chunk.len(), self.announced).map_err(|_| no_memory())?;
        self.rest.extend_from_slice(&first);
        self.rest.extend_from_slice(&chunk);
        Ok(())
    }

    fn bytes(self) -> Bytes {
        if self.rest.is_empty() { self.first } else { self.rest.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_must_bring_something() {
        assert_eq!(deadline(0), SILENCE);
        assert_eq!(deadline(10 * 1024), SILENCE + Duration::from_secs(10));
        assert!(too_slow(SILENCE).message.contains("no byte"));
        assert!(too_slow(Duration::from_secs(1)).message.contains("slower"));
    }

    #[test]
    fn one_coding_is_understood() {
        let coding_of = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::CONTENT_ENCODING, header::HeaderValue::from_static(value));
            }
            coding(&headers)
        };
        assert_eq!(coding_of(&[]).unwrap(), None);
        assert_eq!(coding_of(&["identity", ""]).unwrap(), None);
        assert_eq!(coding_of(&["GZIP"]).unwrap(), Some(Coding::Gzip));
        assert_eq!(coding_of(&["identity, zstd"]).unwrap(), Some(Coding::Zstd));
        for wrong in [&["compress"][..], &["gzip, br"], &["gzip", "gzip"]] {
            assert_eq!(coding_of(wrong).unwrap_err().kind, Kind::UnsupportedEncoding);
        }
    }
}
