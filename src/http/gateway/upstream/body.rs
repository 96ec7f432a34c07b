//! The body of an answer. It owns its connection, drives it, and gives it back to the pool at its end.

use std::collections::VecDeque;
use std::task::{Context, Poll, ready};

use actix_web::body::BodySize;
use bytes::Bytes;

use super::body_decoder::{BodyData, BodyDecoder};
use super::connection::BackendConnection;
use super::pool::Home;

/// The bytes of an answer as they come. Dropping it before its end closes the connection.
#[derive(Debug)]
pub(crate) struct Body {
    size: BodySize,
    decoder: BodyDecoder,
    /// Nothing but the end of the connection ends it: a backend that died looks the same as one that has said all.
    pub ends_with_connection: bool,
    /// Until the end, or an error.
    open: Option<(Box<BackendConnection>, Home)>,
    /// What came with the head.
    first: Option<BodyData>,
    /// What has been looked at, and is still to be told.
    begun: VecDeque<Result<Bytes, BodyError>>,
    /// How it has ended, to be told behind the bytes that came before.
    failed: Option<BodyError>,
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
    /// `first` has come with the head.
    pub(super) fn new(
        size: BodySize,
        decoder: BodyDecoder,
        first: BodyData,
        connection: Box<BackendConnection>,
        home: Home,
    ) -> Self {
        let ends_with_connection = decoder.ends_with_connection();
        let (open, begun) = (Some((connection, home)), VecDeque::new());
        let mut body = Self { size, decoder, ends_with_connection, open, first: None, begun, failed: None };
        if first.bytes.is_empty() {
            body.take(first);
        } else {
            body.first = Some(first);
        }
        body
    }

    /// Whether its last byte has come.
    pub(crate) fn is_whole(&self) -> bool {
        self.open.is_none() && self.begun.is_empty() && self.failed.is_none()
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
        if let Some(first) = self.first.take() {
            return Poll::Ready(self.take(first).map(Ok));
        }
        loop {
            let Some((connection, _)) = &mut self.open else {
                return Poll::Ready(self.failed.take().map(Err));
            };
            match ready!(connection.poll_data(cx, &mut self.decoder)) {
                Ok(Some(data)) => {
                    if let Some(bytes) = self.take(data) {
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                }
                Ok(None) if self.ends_with_connection => {
                    self.open = None;
                    return Poll::Ready(None);
                }
                Ok(None) => {
                    return Poll::Ready(Some(Err(self.fail("the connection was closed before its end"))));
                }
                Err(error) => return Poll::Ready(Some(Err(self.fail(&error.to_string())))),
            }
        }
    }

    /// Takes what came, and ends the exchange if that was all, or something is wrong: that is told behind it.
    fn take(&mut self, data: BodyData) -> Option<Bytes> {
        if let Some(why) = data.malformed {
            self.failed = Some(self.fail(why));
        } else if self.decoder.is_done()
            && let Some((connection, home)) = self.open.take()
            && !self.decoder.has_surplus()
        {
            home.take_back(connection);
        }
        (!data.bytes.is_empty()).then_some(data.bytes)
    }

    fn fail(&mut self, why: &str) -> BodyError {
        let crashed = self.open.take().is_some_and(|(connection, _)| connection.is_orphan());
        BodyError { crashed, why: why.to_owned() }
    }
}
