//! One connection to the backend: opening it, asking on it, waiting for its answer.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use llm_manager_process::{BackendAddress, BackendStream};

use super::UpstreamError;
use super::body_decoder::{BodyData, BodyDecoder};
use super::request_head::WireRequest;
use super::response_head::{Arrival, AwaitedHead};
use super::wire::{ConnectionScope, Wire};

/// A backend takes a connection at once, or something is wrong.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// While the limit of open files is reached, a request looks this often, and for so long, for one that was
/// closed.
const FILES_PAUSE: Duration = Duration::from_millis(20);
const FILES_TRIES: u32 = 3000;
const CLOSED: &str = "it was closed";

/// How an answer failed to come.
#[derive(Debug)]
pub(super) enum Broken {
    /// The connection ended.
    Lost(String),
    /// Bytes came which are no answer.
    Garbled(String),
}

pub(super) struct BackendConnection {
    wire: Wire,
    awaited: AwaitedHead,
    /// The last answer leaves room for another request.
    keeps: bool,
}

impl fmt::Debug for BackendConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackendConnection")
            .field("awaited", &self.awaited)
            .field("keeps", &self.keeps)
            .finish_non_exhaustive()
    }
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
    pub(super) async fn open(
        backend: &BackendAddress,
        scope: ConnectionScope,
    ) -> Result<Self, UpstreamError> {
        let stream = connect(backend).await.map_err(UpstreamError::Connect)?;
        Ok(Self { wire: Wire::new(stream, scope), awaited: AwaitedHead::default(), keeps: false })
    }

    /// Takes a request; `answer` sends it.
    pub(super) fn ask(&mut self, request: WireRequest) {
        self.keeps = false;
        self.awaited = AwaitedHead::new(request.is_head);
        self.wire.send(request.head, request.body);
    }

    /// Writes and reads until the head of the answer is there; a large body may still be on its way then.
    pub(super) async fn answer(&mut self) -> Result<Arrival, Broken> {
        poll_fn(|cx| self.poll_answer(cx)).await
    }

    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<Arrival, Broken>> {
        let Self { wire, awaited, keeps } = self;
        loop {
            let came = ready!(wire.poll_read(cx, |came| awaited.accept(came)));
            return Poll::Ready(match came {
                Ok(Some(Ok(None))) => continue,
                Ok(Some(Ok(Some(arrival)))) => {
                    *keeps = arrival.keeps_connection;
                    Ok(arrival)
                }
                Ok(Some(Err(why))) => Err(Broken::Garbled(why.into_owned())),
                Ok(None) => Err(Broken::Lost(CLOSED.to_owned())),
                Err(error) => Err(Broken::Lost(error.to_string())),
            });
        }
    }

    /// The next bytes of the answer's body, up to what is malformed; `None`: the connection has ended.
    pub(super) fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
        decoder: &mut BodyDecoder,
    ) -> Poll<io::Result<Option<BodyData>>> {
        self.wire.poll_read(cx, |came| decoder.decode(came))
    }

    /// Whether it ends because its Gateway is gone.
    pub(super) fn is_orphan(&self) -> bool {
        self.wire.is_orphan()
    }

    /// Whether any byte came back for the last request.
    pub(super) fn heard_anything(&self) -> bool {
        self.wire.heard
    }

    /// Whether the backend may have read any of the last request.
    pub(super) fn told_anything(&self) -> bool {
        self.wire.told
    }

    /// Whether another request may be sent once the answer is whole: the request is, and neither side wants to close.
    pub(super) fn is_reusable(&self) -> bool {
        self.keeps && self.wire.has_sent()
    }

    /// Whether the backend, which has nothing to say now, has neither closed it nor said something.
    pub(super) fn is_alive(&mut self) -> bool {
        self.wire.is_quiet()
    }
}
