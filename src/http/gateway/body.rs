//! The body of a request, read into memory and unpacked: only so is a client's leaving noticed while it waits, and
//! only so can the request be sent again to a fresh backend.
//!
//! It is held once. Memory grows with what came, not with what was announced.

use super::body_buffer::grow;
use super::unpack::{Coding, Unpacker};
use crate::http::error::{ApiError, ApiErrorKind, quoted};
use actix_web::http::header::{self, HeaderMap};
use actix_web::{HttpRequest, web};
use bytes::Bytes;
use futures_util::{FutureExt, Stream, StreamExt};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Longest pause within a request's body, and how fast it must come in the long run; the server has a limit for the
/// head.
const PACE: Pace = Pace { silence: Duration::from_secs(60), slowest: 1024 };

/// How slowly a body may come.
#[derive(Clone, Copy)]
struct Pace {
    /// A pause must be shorter.
    silence: Duration,
    /// What it must bring each second, once it has had `silence`.
    slowest: u64,
}

/// A body as it goes on.
#[derive(Debug)]
pub(crate) struct ReceivedBody {
    /// Without a byte order mark, which no engine needs and some refuse.
    pub(crate) bytes: Bytes,
    /// It came with a content coding that it no longer has.
    pub(crate) unpacked: bool,
}

/// Reads the body of a request.
pub(crate) async fn read(
    request: &HttpRequest,
    payload: web::Payload,
    limit: usize,
    stopping: &CancellationToken,
) -> Result<ReceivedBody, ApiError> {
    let coding = coding(request.headers())?;
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()).and_then(|text| text.parse::<usize>().ok());
    if length.is_some_and(|length| length > limit) {
        return Err(too_large(limit, None));
    }
    let came = Gathered { first: Bytes::new(), rest: Vec::new(), announced: length.unwrap_or(0) };
    let unpacker = coding.map(|coding| Unpacker::new(coding, limit)).transpose().map_err(refused)?;
    let gathering = gather(payload, PACE, limit, came, unpacker);
    tokio::select! {
        biased;
        received = gathering => received,
        () = stopping.cancelled() => Err(ApiError::shutting_down()),
    }
}

/// Reads all that comes, as long as it comes fast enough.
async fn gather<E: std::fmt::Display>(
    mut payload: impl Stream<Item = Result<Bytes, E>> + Unpin,
    pace: Pace,
    limit: usize,
    mut came: Gathered,
    mut unpacker: Option<Unpacker>,
) -> Result<ReceivedBody, ApiError> {
    let (began, mut total) = (Instant::now(), 0_u64);
    loop {
        // What is there needs no clock.
        let next = match payload.next().now_or_never() {
            Some(next) => next,
            None => {
                let patience = pace.silence.min(pace.deadline(total).saturating_sub(began.elapsed()));
                let next = tokio::time::timeout(patience, payload.next()).await;
                next.map_err(|_| pace.too_slow(total == 0 || patience == pace.silence))?
            }
        };
        let Some(chunk) = next else { break };
        let chunk = chunk.map_err(|error| {
            ApiError::new(ApiErrorKind::InvalidRequest, format!("the body could not be read: {error}"))
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
    Ok(ReceivedBody { bytes, unpacked })
}

impl Pace {
    /// When so many bytes must have come at the latest, since the beginning.
    fn deadline(self, bytes: u64) -> Duration {
        self.silence + Duration::from_secs(bytes / self.slowest)
    }

    fn too_slow(self, silent: bool) -> ApiError {
        let message = if silent {
            format!("no byte of the body came for {} s", self.silence.as_secs())
        } else {
            format!("the body came slower than {} bytes a second", self.slowest)
        };
        ApiError::new(ApiErrorKind::RequestTimeout, message)
    }
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
                return Err(ApiError::new(ApiErrorKind::UnsupportedEncoding, message));
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
    ApiError::new(ApiErrorKind::RequestTooLarge, message)
}

fn no_memory() -> ApiError {
    let message = "there is no memory left for the body of this request; try again later";
    ApiError { retry_after: Some(Duration::from_secs(5)), ..ApiError::new(ApiErrorKind::Overloaded, message) }
}

fn refused(error: super::unpack::UnpackError) -> ApiError {
    use super::unpack::UnpackError;
    match error {
        UnpackError::TooLarge { limit, coding } => too_large(limit, Some(coding)),
        UnpackError::NoMemory => no_memory(),
        UnpackError::Broken { coding, why } => {
            let message = format!("the body is not valid {}: {why}", coding.name());
            ApiError::new(ApiErrorKind::InvalidRequest, message)
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
    use std::convert::Infallible;
    use std::pin::Pin;

    /// A body of which a chunk comes after each pause, and then nothing more, or its end.
    fn comes(
        chunks: &'static [(u64, &'static str)],
        ends: bool,
    ) -> Pin<Box<impl Stream<Item = Result<Bytes, Infallible>>>> {
        let chunks = futures_util::stream::iter(chunks).then(|(pause, chunk)| async move {
            tokio::time::sleep(Duration::from_millis(*pause)).await;
            Ok(Bytes::from_static(chunk.as_bytes()))
        });
        let end = futures_util::stream::once(async move {
            if !ends {
                std::future::pending::<()>().await;
            }
        });
        Box::pin(chunks.chain(end.filter_map(|()| async { None })))
    }

    async fn read(
        pace: Pace,
        body: impl Stream<Item = Result<Bytes, Infallible>> + Unpin,
    ) -> Result<ReceivedBody, ApiError> {
        let came = Gathered { first: Bytes::new(), rest: Vec::new(), announced: 0 };
        gather(body, pace, 1 << 20, came, None).await
    }

    #[actix_rt::test]
    async fn a_body_that_stops_is_not_waited_for() {
        let pace = Pace { silence: Duration::from_millis(50), slowest: 1 };
        for start in [&[][..], &[(0, "half")]] {
            let error = read(pace, comes(start, false)).await.unwrap_err();
            assert_eq!(error.kind, ApiErrorKind::RequestTimeout);
            assert!(error.message.starts_with("no byte of the body came"), "{}", error.message);
        }
    }

    #[actix_rt::test]
    async fn a_body_that_trickles_is_not_waited_for() {
        const DROPS: &[(u64, &str)] = &[(10, "."); 1000];
        let pace = Pace { silence: Duration::from_millis(200), slowest: 1024 };
        let began = Instant::now();
        let error = read(pace, comes(DROPS, true)).await.unwrap_err();
        assert_eq!(error.kind, ApiErrorKind::RequestTimeout);
        assert!(error.message.contains("slower than 1024 bytes a second"), "{}", error.message);
        assert!(began.elapsed() < Duration::from_secs(9), "all of it was awaited");
    }

    #[actix_rt::test]
    async fn a_body_that_comes_fast_enough_may_take_its_time() {
        // In the long run 100 bytes a second; ten times the longest pause.
        const STEADY: &[(u64, &str)] = &[(50, "twelve bytes"); 40];
        let pace = Pace { silence: Duration::from_millis(200), slowest: 10 };
        let came = read(pace, comes(STEADY, true)).await.unwrap();
        assert_eq!(came.bytes.len(), 40 * 12);
    }

    #[test]
    fn a_body_must_bring_a_kibibyte_a_second_after_a_minute() {
        let minute = Duration::from_secs(60);
        assert_eq!(PACE.deadline(0), minute);
        assert_eq!(PACE.deadline(10 * 1024), minute + Duration::from_secs(10));
        assert!(PACE.too_slow(true).message.contains("no byte of the body came for 60 s"));
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
            assert_eq!(coding_of(wrong).unwrap_err().kind, ApiErrorKind::UnsupportedEncoding);
        }
    }
}
