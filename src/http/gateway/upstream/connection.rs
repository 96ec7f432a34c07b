//! One connection to the backend: opening it, asking on it, driving it.

use std::error::Error as _;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use llm_manager_process::{BackendAddress, BackendStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::coop;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::{Payload, UpstreamError};

/// A backend takes a connection at once, or something is wrong.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// While the limit of open files is reached, a request looks this often, and for so long, for one that was
/// closed.
const FILES_PAUSE: Duration = Duration::from_millis(20);
const FILES_TRIES: u32 = 3000;
/// The largest head, and the most that is read ahead of the client.
const BUFFER: usize = 64 * 1024;
/// What may come before the head of the answer itself: interim answers (1xx), of which a client hears nothing.
const INTERIM: usize = 256 * 1024;

/// How an answer failed to come.
#[derive(Debug)]
pub(super) enum Broken {
    /// The connection ended.
    Lost(String),
    /// Bytes came which are no answer.
    Garbled(String),
}

/// What ties a connection to the Gateway that opened it.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionScope {
    /// Cancelled when the Gateway is gone: its connections end with it, wherever they are.
    pub(crate) gone: CancellationToken,
    /// Cloned into each of them, which counts them.
    pub(crate) _count: Arc<()>,
}

/// An answer on its way.
type Answering = Pin<Box<dyn Future<Output = Result<http::Response<Incoming>, hyper::Error>> + Send>>;

pub(super) struct BackendConnection {
    sender: http1::SendRequest<Payload>,
    answer: Option<Answering>,
    driver: http1::Connection<TokioIo<Socket>, Payload>,
    /// How the driver has finished; it must not be polled any more then.
    end: Option<Result<(), hyper::Error>>,
    seen: Arc<Seen>,
    ties: ConnectionScope,
}

impl std::fmt::Debug for BackendConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("end", &self.end).field("seen", &self.seen).finish_non_exhaustive()
    }
}

/// What happened on the socket, which the driver does not tell. One thread uses it; it is atomic because connections
/// travel in messages.
#[derive(Debug, Default)]
struct Seen {
    /// Bytes came since the last request was given to the driver.
    read: AtomicBool,
    /// The backend takes no more bytes.
    write_failed: AtomicBool,
    /// It has taken some of the last request.
    written: AtomicBool,
    /// The head of the answer is awaited.
    awaited: AtomicBool,
    /// Bytes that came meanwhile.
    before_head: AtomicUsize,
}

/// Connects; while the limit of open files is reached, waits for one to be closed.
async fn connect(backend: &BackendAddress) -> io::Result<BackendStream> {
    const EMFILE: i32 = 24;
    const ENFILE: i32 = 23;
    let mut tries = 0;
    loop {
        let connected = tokio::time::timeout(CONNECT_DEADLINE, backend.connect()).await;
        let error = match connected.map_err(|_| io::Error::from(io::ErrorKind::TimedOut)).flatten() {
            Ok(stream) => return Ok(stream),
            Err(error) => error,
        };
        if tries == FILES_TRIES || !matches!(error.raw_os_error(), Some(EMFILE | ENFILE)) {
            return Err(error);
        }
        tries += 1;
        tokio::time::sleep(FILES_PAUSE).await;
    }
}

impl BackendConnection {
    pub(super) async fn open(backend: &BackendAddress, ties: ConnectionScope) -> Result<Self, UpstreamError> {
        let stream = connect(backend).await.map_err(UpstreamError::Connect)?;
        let seen = Arc::new(Seen::default());
        let gone = Box::pin(ties.gone.clone().cancelled_owned());
        let socket = TokioIo::new(Socket { stream, seen: Arc::clone(&seen), gone });
        let (sender, driver) = http1::Builder::new()
            .max_buf_size(BUFFER)
            .handshake(socket)
            .await
            .map_err(|error| UpstreamError::Connect(io::Error::other(error)))?;
        Ok(Self { sender, answer: None, driver, end: None, seen, ties })
    }

    /// Takes a request; `answer` sends it.
    pub(super) fn ask(&mut self, request: http::Request<Payload>) {
        self.seen.read.store(false, Relaxed);
        self.seen.written.store(false, Relaxed);
        self.seen.before_head.store(0, Relaxed);
        self.seen.awaited.store(true, Relaxed);
        self.answer = Some(Box::pin(self.sender.send_request(request)));
    }

    /// Drives the connection until the head of the answer is there; a large body may still be on its way then.
    pub(super) async fn answer(&mut self) -> Result<http::Response<Incoming>, Broken> {
        let Some(mut answer) = self.answer.take() else {
            return Err(Broken::Lost("nothing was asked".to_owned()));
        };
        let answer = poll_fn(|cx| {
            self.drive(cx);
            // Only the driver brings the answer, and it was just polled with the real waker; a second
            // one would wake this task for what it has in hand already.
            match answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(answer) => Poll::Ready(answer.map_err(|error| broken(&error))),
                Poll::Pending if self.has_ended() => Poll::Ready(Err(self
                    .failure()
                    .map_or_else(|| Broken::Lost("connection closed".to_owned()), broken))),
                Poll::Pending => {
                    // The pause that tokio asked for was told to no one.
                    if !coop::has_budget_remaining() {
                        cx.waker().wake_by_ref();
                    }
                    Poll::Pending
                }
            }
        });
        let answer = answer.await;
        self.seen.awaited.store(false, Relaxed);
        if self.seen.before_head.load(Relaxed) > INTERIM && answer.is_err() {
            let why = format!("more than {} KiB came before an answer", INTERIM >> 10);
            return Err(Broken::Garbled(why));
        }
        answer
    }

    /// Lets the connection read and write. Afterwards either it has ended or `cx` is woken when there is
    /// more to do.
    pub(super) fn drive(&mut self, cx: &mut Context<'_>) {
        if self.end.is_none()
            && let Poll::Ready(result) = Pin::new(&mut self.driver).poll(cx)
        {
            self.end = Some(result);
        }
    }

    pub(super) fn failure(&self) -> Option<&hyper::Error> {
        self.end.as_ref()?.as_ref().err()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.end.is_some()
    }

    /// Whether it ends because its Gateway is gone.
    pub(super) fn is_orphan(&self) -> bool {
        self.ties.gone.is_cancelled()
    }

    /// Whether any byte came back for the last request.
    pub(super) fn heard_anything(&self) -> bool {
        self.seen.read.load(Relaxed)
    }

    /// Whether the backend may have read any of the last request.
    pub(super) fn told_anything(&self) -> bool {
        self.seen.written.load(Relaxed)
    }

    /// Whether another request may be sent: the last one and its answer are complete and neither side
    /// wants to close.
    pub(super) fn is_reusable(&mut self) -> bool {
        if !self.seen.write_failed.load(Relaxed) {
            self.drive(&mut Context::from_waker(Waker::noop()));
        }
        !self.has_ended() && !self.seen.write_failed.load(Relaxed) && self.sender.is_ready()
    }
}

fn broken(error: &hyper::Error) -> Broken {
    let why = describe(error);
    if error.is_parse() { Broken::Garbled(why) } else { Broken::Lost(why) }
}

/// hyper's words with the cause, which it leaves out.
pub(super) fn describe(error: &hyper::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// The socket, with one difference: when the backend takes no more bytes, writing goes on into nothing.
/// It may have answered (413, 400) before it closed, and hyper would not look for that any more.
struct Socket {
    stream: BackendStream,
    seen: Arc<Seen>,
    gone: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Socket {
    fn written(&self, wrote: io::Result<usize>, length: usize) -> io::Result<usize> {
        wrote.or_else(|error| match error.kind() {
            io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::NotConnected => {
                self.seen.write_failed.store(true, Relaxed);
                Ok(length)
            }
            _ => Err(error),
        })
    }

    fn note_written(&self, wrote: &io::Result<usize>) {
        if matches!(wrote, Ok(length) if *length > 0) {
            self.seen.written.store(true, Relaxed);
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut self.stream).poll_read(cx, buffer) {
            Poll::Ready(read) => read?,
            Poll::Pending => {
                ready!(self.gone.as_mut().poll(cx));
                return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
            }
        }
        let came = buffer.filled().len() - before;
        if came > 0 {
            self.seen.read.store(true, Relaxed);
        }
        if self.seen.awaited.load(Relaxed) {
            let bytes = self.seen.before_head.load(Relaxed) + came;
            self.seen.before_head.store(bytes, Relaxed);
            if bytes > INTERIM {
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.seen.write_failed.load(Relaxed) {
            return Poll::Ready(Ok(bytes.len()));
        }
        let wrote = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes));
        self.note_written(&wrote);
        Poll::Ready(self.written(wrote, bytes.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = slices.iter().map(|slice| slice.len()).sum();
        if self.seen.write_failed.load(Relaxed) {
            return Poll::Ready(Ok(length));
        }
        let wrote = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, slices));
        self.note_written(&wrote);
        Poll::Ready(self.written(wrote, length))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.seen.write_failed.load(Relaxed) {
            return Poll::Ready(Ok(()));
        }
        let flushed = ready!(Pin::new(&mut self.stream).poll_flush(cx)).map(|()| 0);
        Poll::Ready(self.written(flushed, 0).map(|_| ()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
