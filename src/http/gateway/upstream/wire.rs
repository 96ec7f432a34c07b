//! The socket of a connection to a backend: writing what is to be sent, and reading what comes.

use super::payload::Payload;
use crate::http::read_buffer;
use llm_manager_process::BackendStream;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Pieces that are written at once.
const PIECES: usize = 16;

/// What ties a connection to the Gateway that opened it.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionScope {
    /// Cancelled when the Gateway is gone: its connections end with it, wherever they are.
    pub(crate) gone: CancellationToken,
    /// Cloned into each of them, which counts them.
    pub(crate) _count: Arc<()>,
}

/// One connection, and what is still to be written on it.
pub(super) struct Wire {
    stream: BackendStream,
    unsent: Option<Unsent>,
    /// Bytes came since the last request was given to it.
    pub(super) heard: bool,
    /// The backend has taken some of the last request.
    pub(super) told: bool,
    /// It takes no more bytes.
    deaf: bool,
    scope: ConnectionScope,
    /// Made when it first has to wait.
    gone: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

/// The part of a request that has not been written yet.
struct Unsent {
    head: Vec<u8>,
    /// So much of it has been.
    at: usize,
    body: Payload,
}

impl Wire {
    pub(super) fn new(stream: BackendStream, scope: ConnectionScope) -> Self {
        Self { stream, unsent: None, heard: false, told: false, deaf: false, scope, gone: None }
    }

    /// Takes a request, of which it writes as much as it can whenever it is asked for what has come.
    pub(super) fn send(&mut self, head: Vec<u8>, body: Payload) {
        self.heard = false;
        self.told = false;
        self.unsent = Some(Unsent { head, at: 0, body });
    }

    /// Whether all of the request was written.
    pub(super) fn has_sent(&self) -> bool {
        self.unsent.is_none() && !self.deaf
    }

    /// Whether it ends because its Gateway is gone.
    pub(super) fn is_orphan(&self) -> bool {
        self.scope.gone.is_cancelled()
    }

    /// Writes what it can, and hands over what has come; `None`: the backend has ended the connection. A pause that tokio asks
    /// for is kept: a backend that always has more doesn't hold up others.
    pub(super) fn poll_read<T>(
        &mut self,
        cx: &mut Context<'_>,
        take: impl FnOnce(&[u8]) -> T,
    ) -> Poll<io::Result<Option<T>>> {
        // What can't be written now is no reason not to read: the answer may come before the request is whole.
        if self.unsent.is_some()
            && let Poll::Ready(Err(error)) = self.poll_send(cx)
        {
            return Poll::Ready(Err(error));
        }
        let Self { stream, heard, .. } = self;
        let read = read_buffer::poll_read(Pin::new(stream), cx, |came| {
            *heard = true;
            take(came)
        });
        if read.is_pending() && self.poll_gone(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        read
    }

    /// Whether it is as quiet as it has to be between two requests: neither a byte has come nor its end.
    pub(super) fn is_quiet(&mut self) -> bool {
        let mut byte = [0];
        let mut buffer = ReadBuf::new(&mut byte);
        let mut cx = Context::from_waker(Waker::noop());
        Pin::new(&mut self.stream).poll_read(&mut cx, &mut buffer).is_pending()
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let gone = self.gone.get_or_insert_with(|| Box::pin(self.scope.gone.clone().cancelled_owned()));
        gone.as_mut().poll(cx)
    }

    /// Writes until all is written. When the backend takes no more bytes, the rest is dropped: it may have answered (413,
    /// 400) before it closed, and that is still to be read.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(unsent) = &mut self.unsent else { return Poll::Ready(Ok(())) };
        let sent = loop {
            let stream = Pin::new(&mut self.stream);
            let wrote = match (&unsent.head[unsent.at..], unsent.body.is_empty()) {
                // What encrypts keeps some bytes to itself.
                ([], true) => break ready!(stream.poll_flush(cx)),
                (head, true) => ready!(stream.poll_write(cx, head)),
                (head, false) => {
                    let mut pieces = [IoSlice::new(&[]); PIECES];
                    pieces[0] = IoSlice::new(head);
                    unsent.body.pieces(&mut pieces[1..]);
                    ready!(stream.poll_write_vectored(cx, &pieces))
                }
            };
            match wrote {
                Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                Ok(wrote) => {
                    self.told = true;
                    unsent.advance(wrote);
                }
                Err(error) => break Err(error),
            }
        };
        self.unsent = None;
        Poll::Ready(sent.or_else(|error| match error.kind() {
            io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::NotConnected => {
                self.deaf = true;
                Ok(())
            }
            _ => Err(error),
        }))
    }
}

impl Unsent {
    fn advance(&mut self, wrote: usize) {
        let of_head = wrote.min(self.head.len() - self.at);
        self.at += of_head;
        self.body.advance(wrote - of_head);
    }
}
