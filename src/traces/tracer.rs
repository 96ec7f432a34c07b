//! Which requests are traced, and under which ids.

use super::EndedRequest;
use super::exporter::{CloseExporter, Exporter, Offer};
use super::spans::{self, Ids};
use actix_web::http::header::{HeaderMap, HeaderValue};
use llm_manager_actors::actor_ref::ActorRef;
use llm_manager_actors::supervisor::{Child, ChildSpec};
use llm_manager_policy::spec::TracesSpec;
use llm_manager_policy::trace_context::Parent;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio_rustls::rustls::ClientConfig;

/// How long the end of the program waits for the collector.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Begins traces.
#[derive(Clone)]
pub(crate) struct Tracer {
    exporter: ActorRef<Exporter>,
    spec: Arc<TracesSpec>,
    tls: Option<Arc<ClientConfig>>,
    /// Spans that found no room.
    lost: Arc<AtomicU64>,
}

/// The trace of a request.
#[derive(Clone)]
pub(crate) struct Trace {
    tracer: Tracer,
    ids: Ids,
}

impl Tracer {
    /// An error is ready to be printed.
    pub(crate) async fn of(spec: &TracesSpec) -> Result<Self, String> {
        let tls = if spec.url.starts_with("https:") {
            let reading = actix_web::rt::task::spawn_blocking(llm_manager_process::trusting);
            Some(reading.await.map_err(|error| format!("traces: {error}"))??)
        } else {
            None
        };
        Ok(Self { exporter: ActorRef::new(), spec: Arc::new(spec.clone()), tls, lost: Arc::default() })
    }

    pub(crate) fn child_spec(&self) -> ChildSpec {
        let Self { exporter, spec, tls, lost } = self.clone();
        ChildSpec::new("traces", move || {
            Child::start(Exporter::new(Arc::clone(&spec), tls.clone(), Arc::clone(&lost)), &exporter)
        })
    }

    /// A trace of this request, if it shall have one: as its client has decided, else by `percent`.
    pub(crate) fn begin(&self, headers: &HeaderMap) -> Option<Trace> {
        let parent = headers.get("traceparent").and_then(|value| Parent::read(value.to_str().ok()?));
        let wanted = match &parent {
            Some(parent) => parent.sampled,
            None => fastrand::u64(0..100) < self.spec.percent,
        };
        wanted.then(|| Trace {
            tracer: self.clone(),
            ids: Ids {
                trace: parent.as_ref().map_or_else(trace_id, |parent| parent.trace),
                parent: parent.map(|parent| parent.span),
                span: span_id(),
                call: span_id(),
            },
        })
    }

    /// Gives what is left to the collector, if it takes it soon.
    pub(crate) async fn close(&self) {
        let Some(exporter) = self.exporter.addr() else { return };
        // It says itself what it could not send.
        let _ = tokio::time::timeout(LAST_WORDS, exporter.send(CloseExporter)).await;
    }
}

impl Trace {
    /// The `traceparent` for the backend.
    pub(crate) fn header(&self) -> HeaderValue {
        let parent = Parent { trace: self.ids.trace, span: self.ids.call, sampled: true };
        HeaderValue::from_str(&parent.header()).unwrap_or_else(|_| HeaderValue::from_static(""))
    }

    pub(crate) fn ends(&self, ended: &EndedRequest<'_>) {
        let spans = spans::of(&self.ids, ended, span_id);
        let count = spans.len() as u64;
        let taken = self.tracer.exporter.addr().is_some_and(|addr| addr.try_send(Offer(spans)).is_ok());
        if !taken {
            self.tracer.lost.fetch_add(count, Ordering::Relaxed);
        }
    }
}

/// Never zero: that is no id.
fn trace_id() -> [u8; 16] {
    fastrand::u128(1..).to_be_bytes()
}

/// The same.
fn span_id() -> [u8; 8] {
    fastrand::u64(1..).to_be_bytes()
}
