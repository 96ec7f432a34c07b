//! Connection: a client's socket, with TLS or without.

use super::gateway::socket::{ClientSocket, ConnectionState};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A client that has not agreed on TLS by then is gone.
const HANDSHAKE: Duration = Duration::from_secs(30);

pub(super) enum ClientConnection {
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
        let Some(tls) = tls else { return Ok(Self::Plain(socket)) };
        // On the heap: a connection without TLS has no room for a handshake.
        match Box::pin(tokio::time::timeout(HANDSHAKE, tls.accept(socket))).await {
            Ok(accepted) => Ok(Self::Tls(Box::new(accepted?))),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    /// For the answers that go through it.
    pub(super) fn pace(&self) -> Rc<ConnectionState> {
        match self {
            Self::Plain(socket) => socket.pace(),
            Self::Tls(stream) => stream.get_ref().0.pace(),
        }
    }
}

impl AsyncRead for ClientConnection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for ClientConnection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write_vectored(context, parts),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_write_vectored(context, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(socket) => socket.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_flush(context),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_shutdown(context),
        }
    }
}
