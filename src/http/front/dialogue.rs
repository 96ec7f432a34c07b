//! One client's connection: reads its plain requests, has them answered, writes the answers. The first that isn't plain
//! goes, with the connection, to actix's own dispatcher.
//!
//! Memory is held for what is on its way only: reading and writing borrow a buffer from the thread.

use super::request::{self, Sent};
use super::response::{self, BodyFraming};
use crate::http::base_path;
use crate::http::connection::ClientConnection;
use crate::http::pipeline::PipelinedConnection;
use crate::http::read_buffer;
use actix_http::{HttpMessage, Request, Response};
use actix_service::Service;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::http::StatusCode;
use bytes::{Buf, Bytes};
use std::cell::Cell;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::io::AsyncWrite;
use tokio::sync::Notify;
use tokio::time::Sleep;

/// How long the rest of a request may take to come before it isn't plain any more.
const PATIENCE: Duration = Duration::from_millis(200);
/// What a client may send ahead of its answers. More stays in its own system.
const AHEAD: usize = 64 << 10;
/// An answer is written at the latest when so much of it is there.
const FULL: usize = 32 << 10;

thread_local! {
    /// What answers are written into, lent to one connection at a time.
    static WRITING: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Its limits.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) struct ClientPatience {
    /// Until the first byte.
    pub(in crate::http) first: Duration,
    /// Between an answer and the next request.
    pub(in crate::http) quiet: Duration,
    /// For the end.
    pub(in crate::http) linger: Duration,
}

/// Tells the connections of a worker that the server ends.
#[derive(Debug, Default)]
pub(in crate::http) struct ServerEnding {
    begun: Cell<bool>,
    news: Notify,
}

impl ServerEnding {
    /// Tells them, once `signal` says so.
    pub(in crate::http) async fn follow(self: Rc<Self>, signal: impl Future<Output = ()>) {
        signal.await;
        self.begun.set(true);
        self.news.notify_waiters();
    }
}

/// What all connections of a worker share.
pub(in crate::http) struct Shared<S, H> {
    /// Answers requests.
    pub(in crate::http) service: Rc<S>,
    /// actix's dispatcher, for connections with requests that aren't plain.
    pub(in crate::http) dispatcher: H,
    /// What a proxy puts before all paths.
    pub(in crate::http) base: Arc<str>,
    pub(in crate::http) patience: ClientPatience,
    pub(in crate::http) ending: Rc<ServerEnding>,
}

/// The connection of one client.
pub(super) struct Dialogue<S: Service<Request>, H> {
    shared: Rc<Shared<S, H>>,
    peer: Option<SocketAddr>,
    connection: ClientConnection,
    /// What has come and is not yet taken, and what came behind it; nothing can be made of both before so much is there.
    came: Bytes,
    more: Vec<u8>,
    wanted: usize,
    /// What is still to be written, from there on.
    out: Vec<u8>,
    written: usize,
    turn: Turn<S::Future>,
    /// Wakes it when the server ends, once it was polled.
    ending: Pin<Box<dyn Future<Output = ()>>>,
    listening: bool,
    /// Since when it is quiet, and what looks whether that was long enough.
    quiet: Instant,
    look: Pin<Box<Sleep>>,
    fresh: bool,
    /// Until when the rest of a request must be there.
    rest: Option<Pin<Box<Sleep>>>,
}

/// Whose turn it is.
enum Turn<F> {
    /// The client's.
    Reading,
    /// Ours: the answer is not there yet.
    Serving(F),
    /// The answer's: it is on its way.
    Answering(BoxBody, BodyFraming, After),
    /// What is written must leave.
    Flushing(After),
    Closing(Pin<Box<Sleep>>),
}

/// What follows an answer.
#[derive(Clone, Copy)]
enum After {
    Next,
    Close,
    /// It broke off, and nobody may take the part for the whole.
    Cut(io::ErrorKind),
}

/// How a dialogue ended.
pub(super) enum DialogueEnd {
    Closed,
    /// It goes on in actix's dispatcher, with [`Dialogue::rest`].
    Other,
}

/// What reading brought.
enum Read {
    Bytes,
    /// The client has closed its side.
    End,
}

impl<S, H> Dialogue<S, H>
where
    S: Service<Request>,
    S::Response: Into<Response<BoxBody>>,
    S::Error: Into<Response<BoxBody>>,
    S::Future: Unpin,
{
    pub(super) fn new(
        shared: Rc<Shared<S, H>>,
        connection: ClientConnection,
        peer: Option<SocketAddr>,
    ) -> Self {
        let ending = Rc::clone(&shared.ending);
        let ending: Pin<Box<dyn Future<Output = ()>>> = Box::pin(async move { ending.news.notified().await });
        let look = Box::pin(tokio::time::sleep(shared.patience.first));
        Self {
            shared,
            peer,
            connection,
            came: Bytes::new(),
            more: Vec::new(),
            wanted: 1,
            out: Vec::new(),
            written: 0,
            turn: Turn::Reading,
            ending,
            listening: false,
            quiet: Instant::now(),
            look,
            fresh: true,
            rest: None,
        }
    }

    /// The connection, and what has come of a request that is not plain.
    pub(super) fn rest(mut self) -> PipelinedConnection {
        self.join();
        PipelinedConnection::new(self.connection, self.came)
    }

    /// Until it ends. An error: the connection is cut.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Result<DialogueEnd>> {
        if !self.listening {
            // It wakes this task, which looks at `ServerEnding::begun` then.
            self.listening = self.ending.as_mut().poll(context).is_pending();
        }
        loop {
            match &mut self.turn {
                Turn::Reading => match self.poll_request(context)? {
                    Poll::Ready(Some(Sent::Plain(request, _))) => {
                        self.turn = Turn::Serving(self.shared.service.call(request));
                    }
                    Poll::Ready(Some(_)) => return Poll::Ready(Ok(DialogueEnd::Other)),
                    Poll::Ready(None) => self.close(),
                    Poll::Pending if self.ends() => self.last(),
                    Poll::Pending => return Poll::Pending,
                },
                Turn::Serving(answer) => match Pin::new(answer).poll(context) {
                    Poll::Ready(answer) => {
                        let answer = answer.map_or_else(Into::into, Into::into);
                        self.begin(answer);
                    }
                    Poll::Pending => {
                        if self.poll_gone(context) {
                            return Poll::Ready(Ok(DialogueEnd::Closed));
                        }
                        return Poll::Pending;
                    }
                },
                Turn::Answering(..) => {
                    if self.poll_answer(context)?.is_pending() {
                        if self.poll_gone(context) {
                            return Poll::Ready(Ok(DialogueEnd::Closed));
                        }
                        return Poll::Pending;
                    }
                }
                Turn::Flushing(after) => {
                    let after = *after;
                    if self.poll_write(context)?.is_pending() {
                        if self.poll_gone(context) {
                            return Poll::Ready(Ok(DialogueEnd::Closed));
                        }
                        return Poll::Pending;
                    }
                    match after {
                        After::Next => {
                            self.quiet = Instant::now();
                            self.turn = Turn::Reading;
                        }
                        After::Close => self.close(),
                        After::Cut(kind) => return Poll::Ready(Err(kind.into())),
                    }
                }
                Turn::Closing(limit) => {
                    if limit.as_mut().poll(context).is_ready() {
                        return Poll::Ready(Ok(DialogueEnd::Closed));
                    }
                    ready!(self.poll_write(context))?;
                    ready!(Pin::new(&mut self.connection).poll_shutdown(context))?;
                    return Poll::Ready(Ok(DialogueEnd::Closed));
                }
            }
        }
    }

    /// The server ends: whoever has begun a request is told so.
    fn last(&mut self) {
        self.join();
        match request::look(&self.came, true) {
            Sent::Plain(mut request, taken) => {
                self.took(taken);
                self.prepare(&mut request);
                self.turn = Turn::Serving(self.shared.service.call(request));
            }
            _ => self.close(),
        }
    }

    fn close(&mut self) {
        self.turn = Turn::Closing(Box::pin(tokio::time::sleep(self.shared.patience.linger)));
    }

    /// The next request. `None`: there will be none.
    fn poll_request(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Option<Sent>>> {
        loop {
            if self.came.len() + self.more.len() >= self.wanted {
                self.join();
                match request::look(&self.came, false) {
                    Sent::Plain(mut request, taken) => {
                        self.took(taken);
                        self.prepare(&mut request);
                        return Poll::Ready(Ok(Some(Sent::Plain(request, taken))));
                    }
                    Sent::Beginning(wanted) => self.wanted = wanted,
                    Sent::Other => return Poll::Ready(Ok(Some(Sent::Other))),
                }
            }
            match self.poll_read(context)? {
                Poll::Ready(Read::Bytes) => (),
                Poll::Ready(Read::End) => return Poll::Ready(Ok(None)),
                Poll::Pending => {
                    return match self.poll_quiet(context) {
                        Poll::Ready(next) => Poll::Ready(Ok(next)),
                        Poll::Pending => Poll::Pending,
                    };
                }
            }
        }
    }

    /// The client says nothing: for how long?
    fn poll_quiet(&mut self, context: &mut Context<'_>) -> Poll<Option<Sent>> {
        if self.came.len() + self.more.len() > 0 {
            let rest = self.rest.get_or_insert_with(|| Box::pin(tokio::time::sleep(PATIENCE)));
            return rest.as_mut().poll(context).map(|()| Some(Sent::Other));
        }
        let limit = if self.fresh { self.shared.patience.first } else { self.shared.patience.quiet };
        // Set anew only when it goes off: a timer for each request costs more than the request.
        while self.look.as_mut().poll(context).is_ready() {
            let left = limit.saturating_sub(self.quiet.elapsed());
            if left.is_zero() {
                if self.fresh {
                    self.begin(Response::with_body(StatusCode::REQUEST_TIMEOUT, BoxBody::new(())));
                }
                return Poll::Ready(None);
            }
            self.look.as_mut().reset(tokio::time::Instant::now() + left);
        }
        Poll::Pending
    }

    /// Takes what has come into hand.
    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Read>> {
        let Self { connection, more, .. } = self;
        let read = read_buffer::poll_read(Pin::new(connection), context, |came| {
            // Most requests come in one piece: exactly their size is kept.
            more.reserve_exact(came.len());
            more.extend_from_slice(came);
        });
        read.map_ok(|read| read.map_or(Read::End, |()| Read::Bytes))
    }

    /// What has come and is not yet taken, in one piece.
    fn join(&mut self) {
        if self.came.is_empty() {
            self.came = Bytes::from(std::mem::take(&mut self.more));
        } else if !self.more.is_empty() {
            self.came = Bytes::from([&self.came[..], &self.more].concat());
            self.more = Vec::new();
        }
    }

    /// Whether the client has gone, while it is not its turn. What it sends ahead is kept.
    fn poll_gone(&mut self, context: &mut Context<'_>) -> bool {
        while self.came.len() + self.more.len() < AHEAD {
            match self.poll_read(context) {
                Poll::Ready(Ok(Read::Bytes)) => (),
                Poll::Ready(Ok(Read::End) | Err(_)) => return true,
                Poll::Pending => return false,
            }
        }
        false
    }

    /// Whether the server ends: an answer is the last one then.
    fn ends(&self) -> bool {
        self.shared.ending.begun.get()
    }

    /// So much has been used.
    fn took(&mut self, length: usize) {
        self.came.advance(length);
        if self.came.is_empty() {
            // Not even a share of what was before it.
            self.came = Bytes::new();
        }
        self.wanted = 1;
    }

    fn prepare(&mut self, request: &mut Request) {
        (self.rest, self.fresh) = (None, false);
        request.head_mut().peer_addr = self.peer;
        request.extensions_mut().insert(self.connection.pace());
        base_path::take_off(request, &self.shared.base);
    }

    /// The head of an answer, and its body to follow.
    fn begin(&mut self, answer: Response<BoxBody>) {
        let (head, body) = answer.into_parts();
        let size = body.size();
        let unbounded = matches!(size, BodySize::Stream) && !head.head().chunked();
        let closes = self.ends() || unbounded || !head.head().keep_alive();
        if self.out.capacity() == 0 {
            self.out = WRITING.take();
        }
        let framing = response::write_head(&head, size, closes, &mut self.out);
        let after = if closes { After::Close } else { After::Next };
        self.turn = match size {
            BodySize::None | BodySize::Sized(0) => Turn::Flushing(after),
            _ => Turn::Answering(body, framing, after),
        };
    }

    /// Writes what is there of an answer, until its end is written.
    fn poll_answer(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Turn::Answering(body, framing, after) = &mut self.turn else { return Poll::Ready(Ok(())) };
        loop {
            if self.out.capacity() == 0 {
                self.out = WRITING.take();
            }
            if self.out.len() - self.written >= FULL {
                ready!(write(&mut self.connection, &mut self.out, &mut self.written, context))?;
                continue;
            }
            match Pin::new(&mut *body).poll_next(context) {
                Poll::Ready(Some(Ok(part))) => response::write_part(framing, &part, &mut self.out),
                Poll::Ready(Some(Err(error))) => {
                    log::debug!("a response was cut off: {error}");
                    self.turn = Turn::Flushing(After::Cut(io::ErrorKind::ConnectionAborted));
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(None) => {
                    let ended = response::write_end(*framing, &mut self.out);
                    let short = After::Cut(io::ErrorKind::UnexpectedEof);
                    self.turn = Turn::Flushing(ended.map_or(short, |()| *after));
                    return Poll::Ready(Ok(()));
                }
                Poll::Pending => {
                    ready!(write(&mut self.connection, &mut self.out, &mut self.written, context))?;
                    return Poll::Pending;
                }
            }
        }
    }

    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        write(&mut self.connection, &mut self.out, &mut self.written, context)
    }
}

/// Writes what is there; the buffer goes back to the thread once it is empty.
fn write(
    connection: &mut ClientConnection,
    out: &mut Vec<u8>,
    written: &mut usize,
    context: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    while *written < out.len() {
        match ready!(Pin::new(&mut *connection).poll_write(context, &out[*written..]))? {
            0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            length => *written += length,
        }
    }
    *written = 0;
    let mut place = std::mem::take(out);
    place.clear();
    if place.capacity() <= 4 * FULL {
        WRITING.set(place);
    }
    Pin::new(connection).poll_flush(context)
}
