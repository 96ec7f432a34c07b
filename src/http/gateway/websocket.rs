//! WebSocket: the handshake goes to the backend as it came, and after it bytes pass both ways, unread. The lease is
//! held until the connection ends.
//!
//! One task drives both directions: whoever drops the answer closes the backend's side and gives the lease back.

use super::account::{Question, RequestAccount};
use super::actor::Tunnel;
use super::exchange::Exchange;
use super::form_body;
use super::forward::{NEWS_OF_DEATH, broken_off, check_circle, crashed, path_and_query};
use super::in_flight::InFlight;
use super::lease::take_lease;
use super::lookup::{mismatch, serving};
use super::upstream::{RequestParts, ResponseHead};
use crate::http::error::{ApiError, ApiErrorKind};
use actix_web::body::{BodySize, MessageBody};
use actix_web::http::header::{self, HeaderMap};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpResponse, web};
use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use llm_manager_actors::model::{BreakReason, Lease, ModelHandle};
use llm_manager_policy::endpoints::{Endpoint, EndpointMatch};
use std::borrow::Cow;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

/// Largest refusal that is passed on.
const LARGEST_REFUSAL: usize = 64 * 1024;
/// What is read from the backend at once.
const PIECE: usize = 16 * 1024;
/// How long the rest of a refusal may take.
const REFUSAL_DEADLINE: Duration = Duration::from_secs(2);

/// Whether a request asks for a WebSocket.
pub(crate) fn is_asked_for(headers: &HeaderMap) -> bool {
    // `contains_key` first: it is all that other requests pay.
    headers.contains_key(header::UPGRADE)
        && headers.get_all(header::UPGRADE).any(|value| {
            value
                .as_bytes()
                .split(|byte| *byte == b',')
                .any(|name| name.trim_ascii().eq_ignore_ascii_case(b"websocket"))
        })
}

/// A handshake for an endpoint of a mode.
pub(crate) async fn serve(
    exchange: &Exchange,
    payload: web::Payload,
    found: &EndpointMatch<'_>,
) -> Result<HttpResponse, ApiError> {
    let Exchange { request, shared, .. } = exchange;
    if *request.method() != Method::GET || !found.endpoint.takes("GET") {
        let message = format!(
            "`{}` is no WebSocket: send plain HTTP requests; `\"stream\": true` streams",
            found.endpoint.path
        );
        return Err(ApiError::new(ApiErrorKind::WebSocketUnsupported, message));
    }
    let named = form_body::in_query(request.query_string()).ok_or_else(|| {
        let message = "a WebSocket names its model in the query: `?model=NAME`";
        ApiError::new(ApiErrorKind::InvalidRequest, message)
    })?;
    let model = shared.find(&named)?;
    shared.access.allow_model(exchange.caller, &model.spec)?;
    let endpoint = serving(model, found);
    let opening = Handshake { exchange, model, asked: Some(named.clone()) };
    match endpoint {
        Some(endpoint) => opening.open(payload, endpoint, found.path.as_deref()).await,
        None => {
            let mut account = opening.account(found.endpoint);
            let error = mismatch(model, request.path());
            account.failed(&error);
            Err(error)
        }
    }
}

/// A handshake on its way.
pub(crate) struct Handshake<'a> {
    pub(crate) exchange: &'a Exchange,
    pub(crate) model: &'a Arc<ModelHandle>,
    /// The name in the query; `None` where the path has it.
    pub(crate) asked: Option<Cow<'a, str>>,
}

impl Handshake<'_> {
    fn account(&self, endpoint: &Arc<Endpoint>) -> RequestAccount {
        let asked = self.asked.as_deref().unwrap_or(&self.model.spec.name);
        RequestAccount::open(self.exchange, self.model, Question::unread(asked), endpoint)
    }

    /// Takes a lease and opens the way. `path` is the backend's, where it isn't the client's.
    pub(crate) async fn open(
        &self,
        payload: web::Payload,
        endpoint: &Arc<Endpoint>,
        path: Option<&str>,
    ) -> Result<HttpResponse, ApiError> {
        let mut account = self.account(endpoint);
        match self.shake_hands(path, &mut account).await {
            Ok((answer, lease)) => Ok(self.respond(payload, answer, lease, account).await),
            Err(error) => {
                account.failed(&error);
                Err(error)
            }
        }
    }

    async fn shake_hands(
        &self,
        path: Option<&str>,
        account: &mut RequestAccount,
    ) -> Result<(Answered, Lease), ApiError> {
        account.admit(self.exchange, &[]).await?;
        let lease = take_lease(self.exchange, self.model, || 1).await?;
        check_circle(self.exchange, self.model, &lease)?;
        account.leased(&lease);
        let head = self.head(path, &lease)?;
        let late = async {
            match self.model.spec.first_byte_timeout {
                Some(limit) => tokio::time::sleep(limit).await,
                None => std::future::pending().await,
            }
        };
        let told = self.exchange.in_flight(self.model, &lease);
        let answered = tokio::select! {
            biased;
            answered = self.ask(&lease, &told, &head) => answered,
            reason = told.broken() => return Err(broken_off(self.model, reason)),
            () = late => Err(io::Error::other("no answer within its first_byte_timeout")),
        };
        let answered = answered.map_err(|error| {
            let message =
                format!("model `{}`: its backend opened no WebSocket: {error}", self.model.spec.name);
            ApiError::new(ApiErrorKind::BackendError, message)
        })?;
        Ok((answered, lease))
    }

    async fn ask(&self, lease: &Lease, told: &Arc<InFlight>, head: &[u8]) -> io::Result<Answered> {
        let dialled = self.exchange.worker.dial(Arc::clone(lease.endpoint()), Arc::clone(told));
        ask(dialled.await?, head).await
    }

    /// The head for the backend: the client's, with the backend's `Host` and without our key.
    fn head(&self, path: Option<&str>, lease: &Lease) -> Result<Vec<u8>, ApiError> {
        const UPGRADE: &[u8] = b"connection: Upgrade\r\nupgrade: websocket\r\n\r\n";
        let parts = RequestParts {
            method: &Method::GET,
            path_and_query: &path_and_query(&self.exchange.request, path, self.asked.as_deref(), lease),
            headers: &self.exchange.shared.access.keys.withhold(self.exchange.request.headers()),
            request_id: self.exchange.id.value(),
        };
        let mut head = parts.begin(lease.endpoint(), UPGRADE.len()).map_err(|error| {
            let message = format!("model `{}`: {error}", self.model.spec.name);
            ApiError::new(ApiErrorKind::InvalidRequest, message)
        })?;
        head.extend_from_slice(UPGRADE);
        Ok(head)
    }

    async fn respond(
        &self,
        payload: web::Payload,
        answered: Answered,
        lease: Lease,
        mut account: RequestAccount,
    ) -> HttpResponse {
        let Answered { head: ResponseHead { status, headers, length, .. }, mut tunnel, rest } = answered;
        account.answered(status.as_u16(), "", false, false);
        let mut builder = HttpResponse::build(status);
        for (name, value) in headers {
            builder.append_header((name, value));
        }
        if status != StatusCode::SWITCHING_PROTOCOLS {
            let mut body = rest;
            let length = length.and_then(|length| usize::try_from(length).ok());
            let all = length.unwrap_or(LARGEST_REFUSAL).min(LARGEST_REFUSAL);
            let reading = async {
                while body.len() < all
                    && matches!(tunnel.stream.read_buf(&mut body).await, Ok(read) if read > 0)
                {
                }
            };
            // A refusal that does not end is passed on as far as it came.
            let _ = tokio::time::timeout(REFUSAL_DEADLINE, reading).await;
            body.truncate(all);
            account.read(&body);
            account.completed();
            return builder.body(body.freeze());
        }
        log::debug!("request {}: {} opens a WebSocket", self.exchange.id, self.model.spec.name);
        builder.upgrade("websocket");
        let spec = &self.model.spec;
        let silence = spec.idle_timeout.or(spec.alive_time);
        let broken: Pin<Box<dyn Future<Output = BreakReason>>> = Box::pin(tunnel.told.broken());
        let relay = Relay {
            payload,
            crashed: Box::pin(tunnel.gone.clone().cancelled_owned()),
            tunnel,
            first: rest.freeze(),
            pending: Bytes::new(),
            broken,
            silence: silence.map(|limit| (limit, Box::pin(tokio::time::sleep(limit)))),
            hung_up: None,
            ended: false,
            model: Arc::clone(self.model),
            account,
            _lease: lease,
        };
        builder.message_body(relay).map_or_else(
            |error| {
                actix_web::ResponseError::error_response(&ApiError::new(
                    ApiErrorKind::Internal,
                    error.to_string(),
                ))
            },
            HttpResponse::map_into_boxed_body,
        )
    }
}

/// What the backend says to a handshake.
struct Answered {
    head: ResponseHead,
    tunnel: Tunnel,
    /// What came behind the head.
    rest: BytesMut,
}

async fn ask(mut tunnel: Tunnel, head: &[u8]) -> io::Result<Answered> {
    let stream = &mut tunnel.stream;
    stream.write_all(head).await?;
    stream.flush().await?;
    let mut came = BytesMut::with_capacity(PIECE);
    loop {
        if stream.read_buf(&mut came).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some((head, length)) = ResponseHead::parse(&came).map_err(io::Error::other)? {
            let rest = came.split_off(length);
            return Ok(Answered { head, tunnel, rest });
        }
    }
}

/// The bytes in both directions; as a body, those from the backend.
struct Relay {
    payload: web::Payload,
    tunnel: Tunnel,
    /// Its Gateway is gone.
    crashed: Pin<Box<dyn Future<Output = ()>>>,
    /// What the backend sent behind its head.
    first: Bytes,
    /// From the client, not yet written.
    pending: Bytes,
    broken: Pin<Box<dyn Future<Output = BreakReason>>>,
    silence: Option<(Duration, Pin<Box<tokio::time::Sleep>>)>,
    /// The backend has closed its side. It may be the first news of its death: so long the other news may take.
    hung_up: Option<Pin<Box<tokio::time::Sleep>>>,
    ended: bool,
    model: Arc<ModelHandle>,
    account: RequestAccount,
    _lease: Lease,
}

impl Relay {
    fn heard(&mut self) {
        if let Some((limit, timer)) = &mut self.silence {
            timer.as_mut().reset(tokio::time::Instant::now() + *limit);
        }
    }

    /// Brings what the client sends to the backend; ready when the client has ended.
    fn poll_client(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            while !self.pending.is_empty() {
                let written = ready!(Pin::new(&mut self.tunnel.stream).poll_write(context, &self.pending))?;
                drop(self.pending.split_to(written));
            }
            let next = Pin::new(&mut self.payload).poll_next(context);
            if next.is_pending() {
                ready!(Pin::new(&mut self.tunnel.stream).poll_flush(context))?;
            }
            match ready!(next) {
                Some(Ok(chunk)) => {
                    self.heard();
                    self.pending = chunk;
                }
                Some(Err(_)) | None => return Poll::Ready(Ok(())),
            }
        }
    }

    fn poll_backend(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        let mut bytes = BytesMut::zeroed(PIECE);
        let mut buffer = ReadBuf::new(&mut bytes);
        ready!(Pin::new(&mut self.tunnel.stream).poll_read(context, &mut buffer))?;
        let read = buffer.filled().len();
        bytes.truncate(read);
        Poll::Ready(Ok(bytes.freeze()))
    }

    /// It ended; `error` says what was wrong, if anything was.
    fn end(&mut self, error: Option<ApiError>) -> Poll<Option<Result<Bytes, io::Error>>> {
        self.ended = true;
        match error {
            None => self.account.completed(),
            Some(error) => {
                log::warn!("models/{}: a WebSocket was closed: {error}", self.model.spec.name);
                self.account.failed(&error);
            }
        }
        Poll::Ready(None)
    }
}

impl MessageBody for Relay {
    type Error = io::Error;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let relay = self.get_mut();
        if relay.ended {
            return Poll::Ready(None);
        }
        if !relay.first.is_empty() {
            return Poll::Ready(Some(Ok(std::mem::take(&mut relay.first))));
        }
        let name = relay.model.spec.name.clone();
        let failed = |why: &dyn std::fmt::Display| {
            ApiError::new(
                ApiErrorKind::BackendError,
                format!("the backend of model `{name}` broke the WebSocket: {why}"),
            )
        };
        match relay.poll_client(context) {
            // Whoever of the two closes first: that is how WebSockets end.
            Poll::Ready(Ok(())) => return relay.end(None),
            Poll::Ready(Err(error)) => return relay.end(Some(failed(&error))),
            Poll::Pending => {}
        }
        if relay.hung_up.is_none() {
            match relay.poll_backend(context) {
                Poll::Ready(Ok(bytes)) if bytes.is_empty() => {
                    relay.hung_up = Some(Box::pin(tokio::time::sleep(NEWS_OF_DEATH)));
                }
                Poll::Ready(Ok(bytes)) => {
                    relay.heard();
                    return Poll::Ready(Some(Ok(bytes)));
                }
                Poll::Ready(Err(error)) => return relay.end(Some(failed(&error))),
                Poll::Pending => {}
            }
        }
        if relay.crashed.as_mut().poll(context).is_ready() {
            return relay.end(Some(crashed(&relay.model)));
        }
        if let Poll::Ready(reason) = relay.broken.as_mut().poll(context) {
            let error = match reason {
                BreakReason::BackendGone => failed(&"its process has ended"),
                _ => broken_off(&relay.model, reason),
            };
            return relay.end(Some(error));
        }
        if let Some(timer) = &mut relay.hung_up
            && timer.as_mut().poll(context).is_ready()
        {
            return relay.end(None);
        }
        if let Some((limit, timer)) = &mut relay.silence
            && timer.as_mut().poll(context).is_ready()
        {
            let limit = limit.as_secs_f64();
            let message = format!("nothing passed over a WebSocket of model `{name}` for {limit} s");
            return relay.end(Some(ApiError::new(ApiErrorKind::BackendTimeout, message)));
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::{HeaderName, HeaderValue};

    #[test]
    fn a_websocket_is_recognised_by_its_upgrade() {
        let with = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(HeaderName::from_static("upgrade"), HeaderValue::from_static(value));
            is_asked_for(&headers)
        };
        assert!(with("websocket") && with("h2c, WebSocket"));
        assert!(!with("h2c") && !is_asked_for(&HeaderMap::new()));
    }
}
