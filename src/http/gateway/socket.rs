//! ClientSocket: a client's connection that knows whether its client still takes bytes.
//!
//! The server above it only learns that a write has to wait, and would wait for ever: the answer keeps its lease, and
//! the model its memory, for a client that was suspended. Here a client that takes no byte for `client_write_timeout`
//! has left: writing fails, and with the connection goes all that hangs on it. While a write waits nothing is read
//! either, so that requests whose answers nobody reads don't pile up.

use super::in_flight::InFlight;
use actix_web::{HttpMessage, HttpRequest};
use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::{self, Arc};
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

/// While another model waits for the memory of the one that answers.
const HURRIED: Duration = Duration::from_secs(5);
/// A client that takes nothing is looked at this often.
const LOOK: Duration = Duration::from_millis(250);
/// Bytes in the kernel that wait to be sent. Without a limit it takes megabytes of an answer that nobody reads, and a
/// slow reader makes room for a write only in large steps.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 128 << 10;

/// An answer whose backend has a limit of its own for its silence.
pub(crate) trait TimedAnswer {
    /// Looks at the backend, as nobody else does while the client takes nothing; true when the answer has ended
    /// because the backend was silent for too long.
    fn has_ended(&self) -> bool;
}

/// What a connection knows of the answer on it.
#[derive(Default)]
pub(crate) struct ConnectionState {
    /// The request: it may end long before its connection does.
    told: RefCell<sync::Weak<InFlight>>,
    answer: RefCell<Option<Weak<dyn TimedAnswer>>>,
}

impl ConnectionState {
    /// Has the connection of this request look after its answer.
    pub(crate) fn watch(request: &HttpRequest, told: &Arc<InFlight>, answer: Option<Weak<dyn TimedAnswer>>) {
        // actix's dispatcher keeps it with the connection, the front gives it to each request.
        let given = request.extensions().get::<Rc<Self>>().map(Rc::clone);
        if let Some(pace) = given.or_else(|| request.conn_data::<Rc<Self>>().map(Rc::clone)) {
            pace.told.replace(Arc::downgrade(told));
            pace.answer.replace(answer);
        }
    }

    fn is_wanted(&self) -> bool {
        self.told.borrow().upgrade().is_some_and(|told| told.backend.is_wanted())
    }

    /// Whether an operator has ended the request.
    fn is_cancelled(&self) -> bool {
        self.told.borrow().upgrade().is_some_and(|told| told.is_cancelled())
    }

    fn has_ended(&self) -> bool {
        let answer = self.answer.borrow().as_ref().and_then(Weak::upgrade);
        answer.is_some_and(|answer| answer.has_ended())
    }
}

/// A client's connection.
pub(crate) struct ClientSocket<S = TcpStream> {
    stream: S,
    pace: Rc<ConnectionState>,
    limit: Duration,
    /// While a write waits for the client.
    blocked: Option<Pin<Box<Blocked>>>,
}

struct Blocked {
    since: Instant,
    look: Pin<Box<Sleep>>,
    /// Who wanted to read meanwhile.
    reader: Option<Waker>,
}

impl ClientSocket {
    pub(crate) fn new(stream: TcpStream, limit: Duration) -> Self {
        // Neither is worth a word: without them the connection is slower, or its limit coarser.
        let _ = stream.set_nodelay(true);
        #[cfg(target_os = "linux")]
        let _ = socket2::SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT);
        Self::over(stream, limit)
    }
}

impl<S> ClientSocket<S> {
    fn over(stream: S, limit: Duration) -> Self {
        Self { stream, pace: Rc::default(), limit, blocked: None }
    }

    /// For the answers that go through it.
    pub(crate) fn pace(&self) -> Rc<ConnectionState> {
        Rc::clone(&self.pace)
    }

    /// A write was taken, wholly or in part.
    fn moves_on(&mut self) {
        if let Some(reader) = self.blocked.take().and_then(|mut blocked| blocked.reader.take()) {
            reader.wake();
        }
    }

    /// A write has to wait: for as long as the client has patience left.
    fn poll_blocked<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        let blocked = self.blocked.get_or_insert_with(|| {
            let look = Box::pin(tokio::time::sleep(LOOK));
            Box::pin(Blocked { since: Instant::now(), look, reader: None })
        });
        loop {
            ready!(blocked.look.as_mut().poll(context));
            if self.pace.is_cancelled() {
                log::info!(
                    "a client that accepted no byte had its request cancelled: its connection is closed"
                );
                return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
            }
            if self.pace.has_ended() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            let wanted = self.pace.is_wanted();
            let limit = if wanted { self.limit.min(HURRIED) } else { self.limit };
            if blocked.since.elapsed() >= limit {
                log::info!(
                    "a client accepted no byte for {:.0} s{}: its connection is closed",
                    blocked.since.elapsed().as_secs_f64(),
                    if wanted { ", and another model waits for that memory" } else { "" }
                );
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            blocked.look.as_mut().reset(tokio::time::Instant::now() + LOOK.min(limit));
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ClientSocket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(blocked) = &mut self.blocked {
            blocked.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ClientSocket<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(context, bytes) {
            Poll::Pending => self.poll_blocked(context),
            wrote => {
                self.moves_on();
                wrote
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::timeout;

    struct Ended;

    impl TimedAnswer for Ended {
        fn has_ended(&self) -> bool {
            true
        }
    }

    /// A connection whose client has taken 16 bytes and no more.
    async fn full(limit: Duration) -> (ClientSocket<tokio::io::DuplexStream>, tokio::io::DuplexStream) {
        let (ours, theirs) = duplex(16);
        let mut socket = ClientSocket::over(ours, limit);
        socket.write_all(&[b'x'; 16]).await.unwrap();
        (socket, theirs)
    }

    #[actix_rt::test]
    async fn a_client_that_takes_nothing_has_left() {
        let (mut socket, _theirs) = full(Duration::from_millis(30)).await;
        let wrote = timeout(Duration::from_secs(20), socket.write(b"y")).await.unwrap();
        assert_eq!(wrote.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[actix_rt::test]
    async fn a_byte_now_and_then_is_enough() {
        let (mut socket, mut theirs) = full(Duration::from_secs(3)).await;
        let reading = actix_rt::spawn(async move {
            let mut byte = [0];
            for _ in 0..64 {
                tokio::time::sleep(Duration::from_millis(20)).await;
                theirs.read_exact(&mut byte).await.unwrap();
            }
            theirs
        });
        socket.write_all(&[b'y'; 64]).await.unwrap();
        reading.await.unwrap();
    }

    #[actix_rt::test]
    async fn what_ended_while_its_client_slept_closes_the_connection() {
        let (mut socket, _theirs) = full(Duration::from_secs(3600)).await;
        let answer: Rc<dyn TimedAnswer> = Rc::new(Ended);
        socket.pace().answer.replace(Some(Rc::downgrade(&answer)));
        let wrote = timeout(Duration::from_secs(20), socket.write(b"y")).await.unwrap();
        assert_eq!(wrote.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[actix_rt::test]
    async fn nothing_is_read_while_a_write_waits() {
        let (mut socket, mut theirs) = full(Duration::from_secs(3600)).await;
        theirs.write_all(b"more").await.unwrap();
        let (mut byte, mut room) = ([0; 4], [0; 16]);
        assert!(timeout(Duration::from_millis(20), socket.write(b"y")).await.is_err(), "the write waits");
        assert!(
            timeout(Duration::from_millis(20), socket.read(&mut byte)).await.is_err(),
            "so does the read"
        );
        theirs.read_exact(&mut room).await.unwrap();
        socket.write_all(b"y").await.unwrap();
        socket.read_exact(&mut byte).await.unwrap();
        assert_eq!(&byte, b"more");
    }
}
