//! Requests that a client sends before it has its answers: so many are let in, the rest waits in the client.
//!
//! actix's dispatcher decodes all that a read brings, and holds some 5 KB for each request until its turn comes. A
//! connection counts the request lines that it hands up and the requests that are begun, and hands up no more while
//! [`AHEAD`] of them wait.

use super::connection::ClientConnection;
use super::gateway::socket::ConnectionState;
use actix_http::{Payload, Request};
use actix_web::error::PayloadError;
use actix_web::http::header::CONTENT_TYPE;
use bytes::{Buf, Bytes};
use futures_util::Stream;
use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Requests of one connection that may wait for their turn.
const AHEAD: u32 = 32;
/// The end of a request line.
const LINE: &[u8] = b" HTTP/1.1\r\n";

/// A client's connection as actix's dispatcher gets it: it hands up so many requests at once.
pub(super) struct PipelinedConnection {
    connection: ClientConnection,
    lines: RequestLineScanner,
    pipeline: Rc<Pipeline>,
    /// What was read, and is not yet handed up.
    held: Bytes,
}

impl PipelinedConnection {
    /// `held`: what was read of it already.
    pub(super) fn new(connection: ClientConnection, held: Bytes) -> Self {
        Self { connection, lines: RequestLineScanner::default(), pipeline: Rc::default(), held }
    }

    /// For the answers that go through it.
    pub(super) fn pace(&self) -> Rc<ConnectionState> {
        self.connection.pace()
    }

    /// For the requests that come through it.
    pub(super) fn pipeline(&self) -> Rc<Pipeline> {
        Rc::clone(&self.pipeline)
    }
}

impl AsyncRead for PipelinedConnection {
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
            ready!(Pin::new(&mut this.connection).poll_read(context, buffer))?;
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

impl AsyncWrite for PipelinedConnection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.connection).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.connection).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_shutdown(context)
    }
}

/// What one connection has handed up, and what of it was begun.
#[derive(Debug, Default)]
pub(super) struct Pipeline {
    ahead: Cell<u32>,
    /// Who waits to read on.
    reader: RefCell<Option<Waker>>,
}

impl Pipeline {
    /// Whether a read has to wait; then it is woken.
    pub(super) fn is_full(&self, context: &Context<'_>) -> bool {
        let is_full = self.ahead.get() >= AHEAD;
        if is_full {
            self.reader.replace(Some(context.waker().clone()));
        }
        is_full
    }

    /// So many lines turned out to be no further request.
    fn take(&self, lines: u32) {
        let ahead = self.ahead.get();
        self.ahead.set(ahead.saturating_sub(lines));
        if ahead >= AHEAD
            && ahead - lines.min(ahead) < AHEAD
            && let Some(reader) = self.reader.take()
        {
            reader.wake();
        }
    }

    /// A request is begun.
    pub(super) fn begin(request: &mut Request) {
        let Some(pipeline) = request.conn_data::<Rc<Self>>() else { return };
        pipeline.take(1);
        // No line of JSON ends like a request line. A form may hold a file with many that do.
        if matches!(request.payload(), Payload::None) || is_json(request) {
            return;
        }
        let Some(pipeline) = request.conn_data::<Rc<Self>>().map(Rc::clone) else { return };
        let body = request.take_payload();
        *request.payload() = Payload::Stream {
            payload: Box::pin(Counted { body, lines: RequestLineScanner::default(), pipeline }),
        };
    }
}

fn is_json(request: &Request) -> bool {
    let kind = request.head().headers.get(CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"))
}

/// Finds the ends of request lines in bytes that come in pieces.
#[derive(Debug, Default)]
pub(super) struct RequestLineScanner {
    /// The last bytes before the piece.
    before: [u8; LINE.len()],
}

impl RequestLineScanner {
    /// Looks at the next piece, up to the end of its last line that `pipeline` has room for. Answers how far that is.
    pub(super) fn admit(&mut self, piece: &[u8], pipeline: &Pipeline) -> usize {
        for end in memchr::memchr_iter(b'\n', piece).map(|at| at + 1) {
            if self.is_end_of_line(piece, end) {
                let ahead = pipeline.ahead.get() + 1;
                pipeline.ahead.set(ahead);
                if ahead >= AHEAD {
                    self.pass(&piece[..end]);
                    return end;
                }
            }
        }
        self.pass(piece);
        piece.len()
    }

    fn count(&mut self, piece: &[u8]) -> u32 {
        let ends = memchr::memchr_iter(b'\n', piece).filter(|at| self.is_end_of_line(piece, at + 1)).count();
        self.pass(piece);
        u32::try_from(ends).unwrap_or(u32::MAX)
    }

    /// Whether what ends here, with a line feed, is a request line of HTTP/1.0 or 1.1.
    fn is_end_of_line(&self, piece: &[u8], end: usize) -> bool {
        let mut last = [0; LINE.len()];
        let near = end.min(last.len());
        let (far, at_hand) = last.split_at_mut(LINE.len() - near);
        at_hand.copy_from_slice(&piece[end - near..end]);
        far.copy_from_slice(&self.before[near..]);
        let line = &last[..LINE.len() - 1];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        line.ends_with(b" HTTP/1.1") || line.ends_with(b" HTTP/1.0")
    }

    fn pass(&mut self, piece: &[u8]) {
        let kept = piece.len().min(LINE.len());
        self.before.copy_within(kept.., 0);
        let from = LINE.len() - kept;
        self.before[from..].copy_from_slice(&piece[piece.len() - kept..]);
    }
}

/// A body whose lines may look like those of requests.
struct Counted {
    body: Payload,
    lines: RequestLineScanner,
    pipeline: Rc<Pipeline>,
}

impl Stream for Counted {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        match Pin::new(&mut this.body).poll_next(context) {
            Poll::Ready(piece) => {
                if let Some(Ok(piece)) = &piece {
                    this.pipeline.take(this.lines.count(piece));
                }
                Poll::Ready(piece)
            }
            // All that was handed up has been read.
            Poll::Pending => {
                this.pipeline.take(u32::MAX);
                Poll::Pending
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn admitted(pieces: &[&[u8]]) -> (Vec<usize>, u32) {
        let (mut lines, pipeline) = (RequestLineScanner::default(), Pipeline::default());
        let admitted = pieces.iter().map(|piece| lines.admit(piece, &pipeline)).collect();
        (admitted, pipeline.ahead.get())
    }

    #[test]
    fn request_lines_are_counted_and_nothing_else() {
        for (bytes, expected) in [
            ("GET / HTTP/1.1\r\nhost: a\r\n\r\n", 1),
            ("GET / HTTP/1.0\nhost: a\n\n", 1),
            ("GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n", 2),
            ("x: HTTP/1.1 \r\n HTTP/1.1x\n HTTP/1.2\nHTTP/1.1\n", 0),
            ("{\"log\": \"GET / HTTP/1.1\\r\\n\"}\n", 0),
            ("", 0),
        ] {
            assert_eq!(admitted(&[bytes.as_bytes()]).1, expected, "{bytes:?}");
        }
    }

    #[test]
    fn no_more_than_so_many_are_handed_up() {
        let request = b"GET / HTTP/1.1\r\n\r\n";
        let many = request.repeat(100);
        let (admitted, ahead) = admitted(&[&many]);
        assert_eq!(ahead, AHEAD);
        assert_eq!(admitted, [request.len() * AHEAD as usize - 2], "up to the end of the last one's line");
    }

    proptest! {
        #[test]
        fn cuts_change_nothing(cuts in prop::collection::vec(0_usize..400, 0..20)) {
            let text = b"POST /x HTTP/1.1\r\nhost: a HTTP/1.1\r\n\r\nabc\nPUT /\r HTTP/1.0\n\n HTTP/1.1\r\r\n".repeat(5);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).chain([0, text.len()]).collect();
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &text[cut[0]..cut[1]]).collect();
            prop_assert_eq!(admitted(&pieces).1, admitted(&[&text]).1);
            let mut lines = RequestLineScanner::default();
            let counted: u32 = pieces.iter().map(|piece| lines.count(piece)).sum();
            prop_assert_eq!(counted, admitted(&[&text]).1);
        }
    }
}
