//! Connection: a client's socket, with TLS or without, which hands up so many requests at once.

use super::gateway::socket::{ClientSocket, ConnectionState};
use super::pipeline::{Pipeline, RequestLineScanner};
use bytes::{Buf, Bytes};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A client that has not agreed on TLS by then is gone.
const HANDSHAKE: Duration = Duration::from_secs(30);

pub(super) struct ClientConnection {
    link: Link,
    lines: RequestLineScanner,
    pipeline: Rc<Pipeline>,
    /// What was read, and may not be handed up yet.
    held: Bytes,
}

enum Link {
    Plain(ClientSocket),
    /// The socket below it still knows whether its client takes bytes.
    Tls(Box<TlsStream<ClientSocket>>),
}

impl ClientConnection {
    /// A connection that has just come.
    pub(super) async fn accept(
        stream: TcpStream,
        write_timeout: Duration,
        tls: Option<TlsAcceptor>,
    ) -> io::Result<Self> {
        let socket = ClientSocket::new(stream, write_timeout);
        let link = match tls {
            None => Link::Plain(socket),
            Some(tls) => match tokio::time::timeout(HANDSHAKE, tls.accept(socket)).await {
                Ok(accepted) => Link::Tls(Box::new(accepted?)),
                Err(_) => return Err(io::ErrorKind::TimedOut.into()),
            },
        };
        Ok(Self { link, lines: RequestLineScanner::default(), pipeline: Rc::default(), held: Bytes::new() })
    }

    /// For the answers that go through it.
    pub(super) fn pace(&self) -> Rc<ConnectionState> {
        match &self.link {
            Link::Plain(socket) => socket.pace(),
            Link::Tls(stream) => stream.get_ref().0.pace(),
        }
    }

    /// For the requests that come through it.
    pub(super) fn pipeline(&self) -> Rc<Pipeline> {
        Rc::clone(&self.pipeline)
    }
}

impl AsyncRead for ClientConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.pipeline.is_full(context) {
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        if this.held.is_empty() {
            ready!(match &mut this.link {
                Link::Plain(socket) => Pin::new(socket).poll_read(context, buffer),
                Link::Tls(stream) => Pin::new(&mut **stream).poll_read(context, buffer),
            })?;
        } else {
            let length = this.held.len().min(buffer.remaining());
            buffer.put_slice(&this.held[..length]);
            this.held.advance(length);
        }
        let read = &buffer.filled()[before..];
        let admitted = this.lines.admit(read, &this.pipeline);
        if admitted < read.len() {
            let mut held = Vec::with_capacity(read.len() - admitted + this.held.len());
            held.extend_from_slice(&read[admitted..]);
            held.extend_from_slice(&this.held);
            this.held = held.into();
            buffer.set_filled(before + admitted);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientConnection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.link {
            Link::Plain(socket) => Pin::new(socket).poll_write(context, bytes),
            Link::Tls(stream) => Pin::new(&mut **stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.link {
            Link::Plain(socket) => Pin::new(socket).poll_write_vectored(context, parts),
            Link::Tls(stream) => Pin::new(&mut **stream).poll_write_vectored(context, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.link {
            Link::Plain(socket) => socket.is_write_vectored(),
            Link::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.link {
            Link::Plain(socket) => Pin::new(socket).poll_flush(context),
            Link::Tls(stream) => Pin::new(&mut **stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.link {
            Link::Plain(socket) => Pin::new(socket).poll_shutdown(context),
            Link::Tls(stream) => Pin::new(&mut **stream).poll_shutdown(context),
        }
    }
}
