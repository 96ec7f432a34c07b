//! The body that goes to the client while the backend sends it. It holds the lease, so that the end,
//! an error and a client who leaves all give it back, and close the backend's connection.

use super::account::RequestAccount;
use super::client_api::ClientApi;
use super::forward::{BackendResponse, cancelled, crashed};
use super::headers;
use super::in_flight::InFlight;
use super::request_id::RequestId;
use super::socket::ConnectionState;
use super::unpack::{BITE, Coding, UnpackError, Unpacker};
use super::upstream::Body;
use crate::http::error::{ApiError, ApiErrorKind};
use actix_web::HttpRequest;
use actix_web::body::{BodySize, MessageBody};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_ENCODING, HeaderName, HeaderValue};
use bytes::Bytes;
use llm_manager_actors::model::{BreakReason, Lease, ModelHandle};
use llm_manager_policy::usage::{OutputPart, StreamOutput};
use std::collections::VecDeque;
use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

mod timed;

pub(super) use timed::served;

/// More than this never comes out of one bite of a packed answer.
const LARGEST_BITE: usize = 16 << 20;
type Waiting = Pin<Box<dyn Future<Output = BreakReason>>>;

/// How far an answer has come.
enum Progress {
    /// The backend sends.
    Running,
    /// Nothing is left to send.
    Ended,
    /// To be told to the server, so that it cuts the connection.
    Failing(Box<ApiError>),
}

/// The body of an answer.
pub(crate) struct ResponseBody {
    size: BodySize,
    body: Option<Body>,
    /// The backend compresses what has to be read: the client gets it unpacked.
    unpacker: Option<Box<Unpacker>>,
    /// What is still to be unpacked.
    packed: Bytes,
    /// Holds the backend until the answer has ended.
    _lease: Lease,
    told: Arc<InFlight>,
    /// Parts of a chunk from which something was taken out.
    ready: VecDeque<Bytes>,
    progress: Progress,
    broken: Option<Waiting>,
    break_noticed: bool,
    silence: Option<(Duration, Pin<Box<tokio::time::Sleep>>)>,
    /// The backend has been silent for too long.
    silent: bool,
    /// Nothing goes to the client before all is there.
    gathered: bool,
    bytes: u64,
    id: RequestId,
    model: Arc<ModelHandle>,
    account: RequestAccount,
}

impl ResponseBody {
    /// Tells the client's connection for whose memory it is.
    pub(super) fn watched_by(&self, request: &HttpRequest) {
        ConnectionState::watch(request, &self.told, None);
    }

    /// The backend's headers, and its body on the way.
    pub(super) fn new(
        reply: BackendResponse,
        id: RequestId,
        mut account: RequestAccount,
    ) -> (Vec<(HeaderName, HeaderValue)>, Self) {
        let BackendResponse { response, lease, told, hide_usage, gather } = reply;
        if gather.is_some() {
            account.goes_as_stream();
        }
        let model = Arc::clone(account.model());
        let status = response.status;
        let coding = headers::coding(&response.headers);
        let unpacker = Coding::of(coding).and_then(|coding| Unpacker::new(coding, LARGEST_BITE).ok());
        let readable = coding.is_empty() || unpacker.is_some();
        lease.answered(status.as_u16());
        account.answered_with(status, &response.headers);
        account.answered(status.as_u16(), headers::content_type(&response.headers), readable, hide_usage);
        // What nobody needs to read goes to the client as it comes; after HEAD there is nothing.
        let unpacker = unpacker.filter(|_| account.reads() && !response.body.is_whole()).map(Box::new);
        let mut headers = response.headers;
        if unpacker.is_some() {
            headers.retain(|(name, _)| *name != CONTENT_ENCODING);
        }
        let size = match response.body.size() {
            _ if status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED => BodySize::None,
            // An event may be taken out, or one that tells of a failure put in.
            BodySize::Sized(_) if account.may_be_stream() || unpacker.is_some() => BodySize::Stream,
            size => size,
        };
        if size.is_eof() {
            // Nobody will ask for the next part of nothing.
            account.completed();
        }
        let silence = model.spec.idle_timeout.map(|limit| (limit, Box::pin(tokio::time::sleep(limit))));
        let answer = Self {
            size,
            body: Some(response.body),
            unpacker,
            packed: Bytes::new(),
            _lease: lease,
            told,
            ready: VecDeque::new(),
            progress: Progress::Running,
            broken: None,
            break_noticed: false,
            silence,
            silent: false,
            gathered: false,
            bytes: 0,
            id,
            model,
            account,
        };
        log::debug!(
            "request {}: {} answers {status} after {:.3} s",
            answer.id,
            answer.model.spec.name,
            answer.account.elapsed().as_secs_f64()
        );
        (headers, answer)
    }

    /// The client asked for no stream: it gets what this comes to, and an error as an error.
    pub(super) fn is_gathered(&mut self) {
        self.gathered = true;
    }

    /// It has come whole, and nothing can be made of it.
    pub(super) fn fails(&mut self, error: &ApiError) {
        self.account.failed(error);
    }

    /// The words of an error that it has told so far, though it began well.
    pub(super) fn told(&self) -> Option<String> {
        self.account.told()
    }

    /// The status that the client gets, which is not the backend's.
    pub(super) fn answers_with(&mut self, status: StatusCode) {
        self.account.answers_with(status.as_u16());
    }

    fn pass(&mut self, chunk: Bytes) -> Option<Bytes> {
        match self.account.read(&chunk) {
            StreamOutput::All => Some(chunk),
            StreamOutput::Parts(parts) => {
                self.ready.extend(parts.into_iter().map(|part| match part {
                    OutputPart::Bytes(bytes) => bytes.into(),
                    OutputPart::Range(range) => chunk.slice(range),
                }));
                self.ready.pop_front()
            }
        }
    }

    /// Closes the backend's side; the lease goes with the answer.
    fn end(&mut self) {
        self.body = None;
        self.broken = None;
        self.progress = Progress::Ended;
    }

    /// The backend has sent all that it will send.
    fn end_well(&mut self) -> Option<Bytes> {
        let rest = match self.unpacker.take().map(|unpacker| unpacker.end()) {
            Some(Ok(rest)) => self.pass(rest),
            Some(Err(refused)) => return self.end_badly(&self.unreadable(&refused)),
            None => None,
        };
        let with_connection = self.body.as_ref().is_some_and(|body| body.ends_with_connection);
        let held = match self.account.closes(with_connection) {
            Ok(held) => held,
            Err(error) => return self.end_badly(&error),
        };
        self.account.completed();
        self.end();
        if let Some(first) = rest {
            self.ready.push_front(first);
        }
        self.ready.push_back(held.into());
        self.ready.retain(|bytes| !bytes.is_empty());
        self.ready.pop_front()
    }

    fn unreadable(&self, refused: &UnpackError) -> ApiError {
        let message =
            format!("the backend of model `{}` packs its answer, but {refused}", self.model.spec.name);
        ApiError::new(ApiErrorKind::BackendError, message)
    }

    /// The next bytes of the answer as the client gets them; `None`: the backend has to send more first.
    fn unpack(&mut self) -> Option<Result<Bytes, ApiError>> {
        while !self.packed.is_empty() {
            let bite = self.packed.split_to(self.packed.len().min(BITE));
            match self.unpacker.as_mut()?.pass(&bite) {
                Ok(bytes) if bytes.is_empty() => {}
                Ok(bytes) => return Some(Ok(bytes)),
                Err(refused) => return Some(Err(self.unreadable(&refused))),
            }
        }
        None
    }

    /// A stream ends with an event that says what happened; anything else is cut off, so that nobody takes
    /// the part for the whole.
    fn end_badly(&mut self, error: &ApiError) -> Option<Bytes> {
        if self.account.has_ended() {
            // The client has all of it: how the connection went afterwards is nobody's concern.
            let missing = self.account.missing_end();
            self.account.completed();
            self.end();
            return missing.filter(|_| !self.gathered).map(Bytes::from_static);
        }
        log::warn!("request {}: {error}; {} bytes had been sent", self.id, self.bytes);
        self.account.failed(error);
        self.end();
        self.ready.clear();
        if self.account.is_stream() && !self.gathered {
            // The empty line first: the stream may have broken off in the middle of an event.
            let event = ClientApi::of_path(self.account.endpoint()).event(error);
            return Some([b"\n\n".as_slice(), &event].concat().into());
        }
        self.progress = Progress::Failing(Box::new(error.clone()));
        None
    }

    fn poll_break(&mut self, context: &mut Context<'_>) -> Option<ApiError> {
        if self.break_noticed {
            return None;
        }
        let broken = self.broken.get_or_insert_with(|| Box::pin(self.told.broken()));
        let Poll::Ready(reason) = broken.as_mut().poll(context) else { return None };
        self.break_noticed = true;
        let name = &self.model.spec.name;
        match reason {
            // Its sockets are closed: what is still to be read will be read, and then the end.
            BreakReason::BackendGone => None,
            BreakReason::Cancelled => Some(cancelled(&self.model)),
            BreakReason::Stopped => Some(ApiError::new(
                ApiErrorKind::ModelStopped,
                format!("model `{name}` was stopped during the answer"),
            )),
        }
    }

    fn poll_silence(&mut self, context: &mut Context<'_>) -> Option<ApiError> {
        let (limit, timer) = self.silence.as_mut()?;
        if timer.as_mut().poll(context).is_pending() {
            return None;
        }
        let (name, seconds) = (&self.model.spec.name, limit.as_secs_f64());
        self.silent = true;
        let message = format!("model `{name}` sent nothing for longer than its idle_timeout ({seconds} s)");
        Some(ApiError::new(ApiErrorKind::BackendTimeout, message))
    }

    fn heard(&mut self) {
        if let Some((limit, timer)) = &mut self.silence {
            timer.as_mut().reset(tokio::time::Instant::now() + *limit);
        }
    }

    fn poll_backend(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        // A backend that always has more to say must not be asked first.
        if self.told.is_cancelled() && !self.break_noticed {
            self.break_noticed = true;
            let error = cancelled(&self.model);
            return Poll::Ready(self.end_badly(&error));
        }
        loop {
            let unpacked = self.unpack();
            let Some(body) = &mut self.body else { return Poll::Ready(None) };
            let next = match unpacked {
                Some(Ok(chunk)) => Poll::Ready(Some(Ok(chunk))),
                Some(Err(error)) => return Poll::Ready(self.end_badly(&error)),
                None => match (body.poll_next(context), &self.unpacker) {
                    (Poll::Ready(Some(Ok(chunk))), Some(_)) => {
                        self.packed = chunk;
                        self.heard();
                        continue;
                    }
                    (next, _) => next,
                },
            };
            match next {
                Poll::Ready(Some(Ok(chunk))) => {
                    self.heard();
                    let chunk = self.pass(chunk);
                    let is_last = self.unpacker.is_none() && self.body.as_ref().is_some_and(Body::is_whole);
                    if !self.account.is_stream() && is_last {
                        // The client has all that there is: it may go now.
                        self.account.completed();
                    }
                    if let Some(chunk) = chunk {
                        return Poll::Ready(Some(chunk));
                    }
                }
                Poll::Ready(None) => return Poll::Ready(self.end_well()),
                Poll::Ready(Some(Err(error))) => {
                    let name = &self.model.spec.name;
                    let error = match error.crashed {
                        true => crashed(&self.model),
                        false => {
                            let message = format!(
                                "the backend of model `{name}` broke off in the middle of its answer: {error}"
                            );
                            ApiError::new(ApiErrorKind::BackendError, message)
                        }
                    };
                    return Poll::Ready(self.end_badly(&error));
                }
                Poll::Pending => {
                    let error = self.poll_break(context).or_else(|| self.poll_silence(context));
                    return match error {
                        Some(error) => Poll::Ready(self.end_badly(&error)),
                        None => Poll::Pending,
                    };
                }
            }
        }
    }
}

impl MessageBody for ResponseBody {
    type Error = Box<dyn Error>;

    fn size(&self) -> BodySize {
        self.size
    }

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let answer = self.get_mut();
        if let Some(chunk) = answer.ready.pop_front() {
            answer.bytes += chunk.len() as u64;
            return Poll::Ready(Some(Ok(chunk)));
        }
        match std::mem::replace(&mut answer.progress, Progress::Running) {
            Progress::Running => (),
            Progress::Ended => {
                answer.progress = Progress::Ended;
                return Poll::Ready(None);
            }
            Progress::Failing(error) => {
                answer.progress = Progress::Ended;
                return Poll::Ready(Some(Err(error)));
            }
        }
        match answer.poll_backend(context) {
            Poll::Ready(Some(chunk)) => {
                answer.bytes += chunk.len() as u64;
                Poll::Ready(Some(Ok(chunk)))
            }
            Poll::Ready(None) if matches!(answer.progress, Progress::Failing(_)) => {
                // actix-http drops what it has not flushed when a body fails: the head and the chunks before
                // the failure must reach the client first.
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        let (name, seconds) = (&self.model.spec.name, self.account.elapsed().as_secs_f64());
        let has_ended = matches!(self.progress, Progress::Ended);
        if !has_ended && self.told.is_cancelled() {
            // Its client took nothing, and has not even heard of it.
            self.account.failed(&cancelled(&self.model));
        }
        let how = if has_ended { "ended" } else { "left by its client" };
        log::debug!("request {}: {name} {how} after {} bytes and {seconds:.3} s", self.id, self.bytes);
    }
}
