//! The Exporter: gathers spans and gives them to the collector, OTLP over HTTP.
//!
//! The form: <https://opentelemetry.io/docs/specs/otlp/#otlphttp>, 1.5: a POST of protobuf to `/v1/traces`; 429, 502, 503 and
//! 504 may be tried again, everything else may not.

use super::spans::attribute;
use actix::{
    Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, ResponseFuture, SpawnHandle, WrapFuture,
};
use awc::http::StatusCode;
use awc::{Client, Connector};
use llm_manager_policy::spec::TracesSpec;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, TracesData};
use prost::Message as _;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio_rustls::rustls::ClientConfig;

/// Requests that may wait to be looked at; those beyond are not traced, and are counted.
const MAILBOX: usize = 4096;
/// Spans that wait for the collector; beyond, the oldest go, and are counted.
const MOST: usize = 8192;
/// Spans in one request.
const BATCH: usize = 512;
/// A span waits so long for others.
const GATHERING: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Spans of one request.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Offer(pub(super) Vec<Span>);

/// Answered when what is there has been sent, or can't be.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct CloseExporter;

pub(super) struct Exporter {
    spec: Arc<TracesSpec>,
    client: Client,
    waiting: VecDeque<Span>,
    /// A request is under way.
    sending: bool,
    timer: Option<SpawnHandle>,
    /// In a row.
    failures: u32,
    lost: Arc<AtomicU64>,
}

/// Why spans were not taken.
enum Refused {
    /// It may take them later.
    Later(String),
    Never(String),
}

impl Exporter {
    pub(super) fn new(spec: Arc<TracesSpec>, tls: Option<Arc<ClientConfig>>, lost: Arc<AtomicU64>) -> Self {
        Self {
            client: client(&spec, tls),
            spec,
            waiting: VecDeque::new(),
            sending: false,
            timer: None,
            failures: 0,
            lost,
        }
    }

    /// What has waited for long enough, or is enough for a request, goes now.
    fn drive(&mut self, ctx: &mut Context<Self>) {
        if self.sending || self.waiting.is_empty() {
            return;
        }
        if self.failures == 0 && self.waiting.len() >= BATCH {
            self.send(ctx);
        } else if self.timer.is_none() {
            let pause = match self.failures {
                0 => GATHERING,
                failures => Duration::from_secs(1 << failures.min(6)).min(LONGEST_PAUSE),
            };
            self.timer = Some(ctx.run_later(pause, |exporter, ctx| {
                exporter.timer = None;
                exporter.send(ctx);
            }));
        }
    }

    fn send(&mut self, ctx: &mut Context<Self>) {
        if self.sending {
            return;
        }
        let batch: Vec<Span> = self.waiting.drain(..self.waiting.len().min(BATCH)).collect();
        self.sending = true;
        let posting = post(self.client.clone(), Arc::clone(&self.spec), batch);
        ctx.spawn(posting.into_actor(self).map(|(batch, result), exporter, ctx| {
            exporter.sending = false;
            exporter.heard(batch, result);
            exporter.drive(ctx);
        }));
    }

    fn heard(&mut self, batch: Vec<Span>, result: Result<(), Refused>) {
        let url = &self.spec.url;
        match result {
            Ok(()) => {
                let lost = self.lost.swap(0, Ordering::Relaxed);
                if self.failures > 0 || lost > 0 {
                    log::warn!("traces: {url} takes them; {lost} spans were lost before");
                }
                self.failures = 0;
            }
            Err(Refused::Later(why)) => {
                if self.failures == 0 {
                    log::warn!("traces: {why}; up to {MOST} spans are kept until it takes them, the newest");
                }
                self.failures = self.failures.saturating_add(1);
                for span in batch.into_iter().rev() {
                    self.waiting.push_front(span);
                }
                self.bound();
            }
            Err(Refused::Never(why)) => {
                self.lost.fetch_add(batch.len() as u64, Ordering::Relaxed);
                if self.failures == 0 {
                    log::warn!("traces: {why}; these are lost");
                }
                self.failures = self.failures.saturating_add(1);
            }
        }
    }

    fn bound(&mut self) {
        let excess = self.waiting.len().saturating_sub(MOST);
        self.waiting.drain(..excess);
        self.lost.fetch_add(excess as u64, Ordering::Relaxed);
    }
}

fn client(spec: &TracesSpec, tls: Option<Arc<ClientConfig>>) -> Client {
    let mut connector = Connector::new().timeout(PATIENCE);
    if let Some(tls) = tls {
        connector = connector.rustls_0_23(tls);
    }
    let mut client = Client::builder().connector(connector).timeout(PATIENCE);
    for (name, value) in &spec.headers {
        client = client.add_default_header((name.as_str(), value.as_str()));
    }
    client.add_default_header(("Content-Type", "application/x-protobuf")).finish()
}

async fn post(client: Client, spec: Arc<TracesSpec>, batch: Vec<Span>) -> (Vec<Span>, Result<(), Refused>) {
    let (body, batch) = encode(batch);
    let result = async {
        let refused = |why: String| Refused::Later(format!("{}: {why}", spec.url));
        let sent = client.post(&spec.url).send_body(body).await;
        let response = sent.map_err(|error| refused(error.to_string()))?;
        match response.status() {
            status if status.is_success() => Ok(()),
            status @ (StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT) => Err(refused(format!("it answers {status}"))),
            status => Err(Refused::Never(format!("{} answers {status}", spec.url))),
        }
    };
    let result = result.await;
    (batch, result)
}

/// The request's body; and the spans, which may have to be sent again.
fn encode(batch: Vec<Span>) -> (Vec<u8>, Vec<Span>) {
    let (name, version) = ("llm-manager", env!("CARGO_PKG_VERSION"));
    let text = |text: &str| Value::StringValue(text.to_owned());
    let resource = Resource {
        attributes: vec![attribute("service.name", text(name)), attribute("service.version", text(version))],
        ..Resource::default()
    };
    let scope = InstrumentationScope {
        name: name.to_owned(),
        version: version.to_owned(),
        ..InstrumentationScope::default()
    };
    let spans = ScopeSpans { scope: Some(scope), spans: batch, ..ScopeSpans::default() };
    let all =
        ResourceSpans { resource: Some(resource), scope_spans: vec![spans], ..ResourceSpans::default() };
    let data = TracesData { resource_spans: vec![all] };
    let body = data.encode_to_vec();
    let scopes = data.resource_spans.into_iter().flat_map(|all| all.scope_spans);
    (body, scopes.flat_map(|scope| scope.spans).collect())
}

impl Actor for Exporter {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX);
    }
}

impl Handler<Offer> for Exporter {
    type Result = ();

    fn handle(&mut self, Offer(spans): Offer, ctx: &mut Self::Context) {
        self.waiting.extend(spans);
        self.bound();
        self.drive(ctx);
    }
}

impl Handler<CloseExporter> for Exporter {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, CloseExporter: CloseExporter, _ctx: &mut Self::Context) -> Self::Result {
        let batch: Vec<Span> = self.waiting.drain(..).collect();
        let posting = post(self.client.clone(), Arc::clone(&self.spec), batch);
        Box::pin(async move {
            let (batch, result) = posting.await;
            if let Err(Refused::Later(why) | Refused::Never(why)) = result {
                log::warn!("traces: {why}; {} spans are lost", batch.len());
            }
        })
    }
}
