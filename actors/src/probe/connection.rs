//! One connection to a backend that starts, kept from question to question while the backend allows it.

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use llm_manager_policy::readiness::ProbeQuestion;
use llm_manager_process::{BackendAddress, BackendStream};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// To a server elsewhere it is a longer way.
const FAR_TIMEOUT: Duration = Duration::from_secs(3);
const QUESTION_TIMEOUT: Duration = Duration::from_secs(5);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
const LARGEST_ANSWER: usize = 1 << 20;

type Driver = http1::Connection<TokioIo<BackendStream>, Full<Bytes>>;

/// Asks one backend.
pub(super) struct ProbeConnection {
    endpoint: Arc<BackendAddress>,
    open: Option<Open>,
}

type Open = (SendRequest<Full<Bytes>>, Driver);

impl ProbeConnection {
    pub(super) fn new(endpoint: Arc<BackendAddress>) -> Self {
        Self { endpoint, open: None }
    }

    pub(super) fn endpoint(&self) -> &Arc<BackendAddress> {
        &self.endpoint
    }

    /// Sees to it that there is a connection, perhaps one that was closed since the last question.
    pub(super) async fn connect(&mut self) -> Result<(), String> {
        if self.open.is_none() {
            self.open = Some(self.dial().await?);
        }
        Ok(())
    }

    /// The status and the body of the answer, or why there is none.
    pub(super) async fn ask(&mut self, question: &ProbeQuestion) -> Result<(u16, Bytes), String> {
        let limit = if question.body.is_some() { REQUEST_TIMEOUT } else { QUESTION_TIMEOUT };
        self.ask_within(question, limit).await
    }

    /// The same, of one that may take so long.
    pub(super) async fn ask_within(
        &mut self,
        question: &ProbeQuestion,
        limit: Duration,
    ) -> Result<(u16, Bytes), String> {
        if let Some(open) = self.open.take()
            && let Ok(answer) = self.ask_on(open, question, limit).await
        {
            return Ok(answer);
        }
        // A kept connection may have been closed meanwhile: that says nothing.
        let open = self.dial().await?;
        self.ask_on(open, question, limit).await
    }

    async fn dial(&self) -> Result<Open, String> {
        let endpoint = &self.endpoint;
        let cannot = |error: &dyn std::fmt::Display| format!("no connection to {endpoint}: {error}");
        let limit = if endpoint.local_address().is_some() { CONNECT_TIMEOUT } else { FAR_TIMEOUT };
        let stream = match tokio::time::timeout(limit, endpoint.connect()).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(cannot(&error)),
            Err(_) => return Err(cannot(&format!("no answer within {} s", limit.as_secs()))),
        };
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| cannot(&error))
    }

    async fn ask_on(
        &mut self,
        (mut sender, mut driver): Open,
        question: &ProbeQuestion,
        limit: Duration,
    ) -> Result<(u16, Bytes), String> {
        let request = self.request(question)?;
        let exchange = Box::pin(async {
            sender.ready().await.map_err(|error| no_answer(&error))?;
            let answer = sender.send_request(request).await.map_err(|error| no_answer(&error))?;
            let status = answer.status().as_u16();
            let body = Limited::new(answer.into_body(), LARGEST_ANSWER).collect().await;
            let body = body.map_err(|error| format!("an answer that breaks off: {error}"))?;
            Ok((status, body.to_bytes()))
        });
        let asking = async {
            match futures_util::future::select(&mut driver, exchange).await {
                // The connection has ended; what came before is still to be read.
                futures_util::future::Either::Left((_, exchange)) => (exchange.await, false),
                futures_util::future::Either::Right((answer, _)) => (answer, true),
            }
        };
        let asked = tokio::time::timeout(limit, asking).await;
        let (answer, goes_on) = asked
            .map_err(|_| format!("no answer: {} took longer than {} s", question.path, limit.as_secs()))?;
        if goes_on && answer.is_ok() {
            self.open = Some((sender, driver));
        }
        answer
    }

    fn request(&self, question: &ProbeQuestion) -> Result<Request<Full<Bytes>>, String> {
        let cannot = |error: &dyn std::fmt::Display| format!("the probe can't be sent: {error}");
        let method = Method::from_bytes(question.method.as_bytes()).map_err(|error| cannot(&error))?;
        let mut request =
            Request::builder().method(method).uri(&question.path).header(USER_AGENT, "llm-manager");
        let body = question.body.as_ref().map(|body| {
            let name = serde_json::Value::from(question.name.as_str()).to_string();
            body.replace("{model}", &name)
        });
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let mut request =
            request.body(Full::from(body.unwrap_or_default())).map_err(|error| cannot(&error))?;
        self.endpoint.dress(request.headers_mut());
        for (name, value) in &question.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| cannot(&error))?;
            let mut value = HeaderValue::from_str(value).map_err(|error| cannot(&error))?;
            value.set_sensitive(true);
            request.headers_mut().insert(name, value);
        }
        Ok(request)
    }
}

/// hyper's words with the cause, which it leaves out.
fn no_answer(error: &hyper::Error) -> String {
    match error.source() {
        Some(cause) => format!("no answer: {error}: {cause}"),
        None => format!("no answer: {error}"),
    }
}
