//! The body of an answer. It owns its connection, drives it, and gives it back to the pool at its end.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use actix_web::body::BodySize;
use bytes::Bytes;
use hyper::body::{Body as _, Incoming};

use super::connection::{BackendConnection, describe};
use super::pool::Home;

/// The bytes of an answer as they come. Dropping it before its end closes the connection.
#[derive(Debug)]
pub(crate) struct Body {
    size: BodySize,
    incoming: Incoming,
    /// What a declared length still lacks.
    missing: Option<u64>,
    /// Nothing but the end of the connection ends it: a backend that died looks the same as one that has said all.
    pub ends_with_connection: bool,
    /// Until the end, or an error.
    open: Option<(Box<BackendConnection>, Home)>,
    /// What has been looked at, and is still to be told.
    begun: VecDeque<Result<Bytes, BodyError>>,
}

/// The backend broke the answer off.
#[derive(Debug, thiserror::Error)]
#[error("the backend cut its response off: {why}")]
pub(crate) struct BodyError {
    /// It didn't: the Gateway that had the connection crashed.
    pub crashed: bool,
    why: String,
}

impl Body {
    pub(super) fn new(
        incoming: Incoming,
        bodiless: bool,
        announced: Option<u64>,
        connection: Box<BackendConnection>,
        home: Home,
    ) -> Self {
        let length = incoming.size_hint().exact();
        let size = match (bodiless, announced, length) {
            (true, Some(length), _) | (false, _, Some(length)) => BodySize::Sized(length),
            (true, None, _) => BodySize::None,
            (false, _, None) => BodySize::Stream,
        };
        let open = Some((connection, home));
        let begun = VecDeque::new();
        let mut body = Self { size, incoming, missing: length, ends_with_connection: false, open, begun };
        if body.incoming.is_end_stream() {
            body.finish();
        }
        body
    }

    /// Whether its last byte has come.
    pub(crate) fn is_whole(&self) -> bool {
        self.open.is_none() && self.begun.is_empty()
    }

    /// For the client's answer. After HEAD, the length that GET would have: no byte of it comes.
    pub(crate) fn size(&self) -> BodySize {
        self.size
    }

    /// Its beginning, at least so many bytes if there are as many; whoever reads it gets them all the same.
    pub(crate) async fn beginning(&mut self, wanted: usize) -> Vec<u8> {
        let mut beginning = Vec::new();
        while beginning.len() < wanted {
            let Some(next) = std::future::poll_fn(|cx| self.poll_more(cx)).await else { break };
            let failed = next.is_err();
            beginning.extend_from_slice(next.as_deref().unwrap_or_default());
            self.begun.push_back(next);
            if failed {
                break;
            }
        }
        beginning
    }

    /// The next bytes. `None` is the true end: an answer that breaks off ends with an error.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        match self.begun.pop_front() {
            Some(next) => Poll::Ready(Some(next)),
            None => self.poll_more(cx),
        }
    }

    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let mut driven = false;
        loop {
            let Some((connection, _)) = &mut self.open else { return Poll::Ready(None) };
            // Only the connection brings bytes, and it wakes this task; see `BackendConnection::ask`.
            match Pin::new(&mut self.incoming).poll_frame(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(Some(Ok(frame))) => {
                    // Trailers say nothing to our clients.
                    let Ok(bytes) = frame.into_data() else { continue };
                    self.missing = self.missing.map(|missing| missing.saturating_sub(bytes.len() as u64));
                    if self.incoming.is_end_stream() {
                        self.finish();
                    }
                    if !bytes.is_empty() {
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                }
                Poll::Ready(Some(Err(error))) => return self.fail(describe(&error)),
                Poll::Ready(None) if self.missing.is_some_and(|missing| missing > 0) => {
                    return self.fail("it is shorter than its length".to_owned());
                }
                Poll::Ready(None) if connection.failure().is_some() => return self.fail_as_connection(),
                Poll::Ready(None) => {
                    self.finish();
                    return Poll::Ready(None);
                }
                Poll::Pending if connection.has_ended() => return self.fail_as_connection(),
                Poll::Pending if driven => return Poll::Pending,
                Poll::Pending => {
                    connection.drive(cx);
                    driven = true;
                }
            }
        }
    }

    fn finish(&mut self) {
        if let Some((connection, home)) = self.open.take() {
            home.take_back(connection);
        }
    }

    fn fail_as_connection(&mut self) -> Poll<Option<Result<Bytes, BodyError>>> {
        let failure = self.open.as_ref().and_then(|(connection, _)| connection.failure());
        let why = failure.map_or_else(|| "connection closed".to_owned(), describe);
        self.fail(why)
    }

    fn fail(&mut self, why: String) -> Poll<Option<Result<Bytes, BodyError>>> {
        let crashed = self.open.take().is_some_and(|(connection, _)| connection.is_orphan());
        Poll::Ready(Some(Err(BodyError { crashed, why })))
    }
}
