//! Exchange: a request from its first byte to its answer, and what every step of its life needs.

use super::admission::Limited;
use super::client_api::ClientApi;
use super::in_flight::InFlight;
use super::request_id::RequestId;
use super::sender;
use super::unrouted;
use super::worker::Worker;
use crate::http::access::wrong_keys::slow_down;
use crate::http::access::{AccessArea, Caller};
use crate::http::error::{ApiError, ApiErrorKind, quoted};
use crate::http::gateway::forwarding::ForwardingState;
use crate::traces::Trace;
use actix_web::http::header::{HeaderMap, HeaderName};
use actix_web::{HttpRequest, HttpResponse, web};
use llm_manager_actors::model::{Lease, ModelHandle, WaitingClient};
use llm_manager_ledger::Sender;
use llm_manager_policy::fair_queue::class_of;
use llm_manager_policy::spec::{Class, ModelSpec};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

/// Names the class that a client asks for.
const PRIORITY: HeaderName = HeaderName::from_static("x-llm-manager-priority");

/// A request on its way.
#[derive(Clone)]
pub(crate) struct Exchange {
    pub(crate) request: HttpRequest,
    pub(crate) shared: ForwardingState,
    pub(crate) worker: web::Data<Worker>,
    pub(crate) id: RequestId,
    pub(crate) began: Instant,
    /// Who sends it, once they are let in.
    pub(crate) caller: Caller,
    /// The class that the client asks for.
    pub(crate) asked_class: Option<Class>,
    /// What becomes of it is traced.
    pub(crate) trace: Option<Rc<Trace>>,
    /// Their key has limits, and this request counts.
    pub(crate) limited: Option<Rc<Limited>>,
}

impl Exchange {
    /// A request that has just come.
    pub(crate) fn begin(request: HttpRequest, shared: ForwardingState, worker: web::Data<Worker>) -> Self {
        let began = Instant::now();
        let id = RequestId::of(&request);
        let caller = Caller::default();
        let trace = shared.tracer.as_ref().and_then(|tracer| tracer.begin(request.headers())).map(Rc::new);
        Self { request, shared, worker, id, began, caller, asked_class: None, trace, limited: None }
    }

    /// Lets its sender in, or says why not.
    pub(crate) async fn enter(&mut self, door: AccessArea) -> Result<(), ApiError> {
        self.caller = match self.shared.access.enter(self.request.headers(), door) {
            Ok(caller) => caller,
            Err(error) => return Err(slow_down(&self.request, &self.shared.trusted_proxies, error).await),
        };
        self.asked_class = asked_class(self.request.headers())?;
        if door == AccessArea::Programs {
            self.limited = Limited::of(self.shared.access.key(self.caller));
        }
        Ok(())
    }

    /// Who sends it, and how it asks.
    pub(super) fn sender(&self, model: &str, stream: bool) -> Arc<Sender> {
        sender::of(&self.request, &self.shared.trusted_proxies, model, stream)
    }

    /// Before whom it goes while it waits for this model.
    pub(crate) fn class(&self, model: &ModelSpec) -> Class {
        let key = self.shared.access.key(self.caller);
        // Without keys everybody may do everything.
        let most = key.map_or(Some(Class::Interactive), |key| key.most);
        class_of(key.and_then(|key| key.class), model.priority, most, self.asked_class)
    }

    /// Whether its stream says that it waits for its model.
    pub(super) fn tells_of_loading(&self) -> bool {
        let key = self.shared.access.key(self.caller);
        key.and_then(|key| key.loading_comments).unwrap_or(self.shared.loading_comments)
    }

    /// As people are told of it. `cost`: tokens that it may take.
    pub(crate) fn client(&self, cost: u64) -> WaitingClient {
        WaitingClient { id: self.id.to_string().into(), api_key: self.shared.access.label(self.caller), cost }
    }

    /// The same, once a backend serves it.
    pub(crate) fn in_flight(&self, model: &Arc<ModelHandle>, lease: &Lease) -> Arc<InFlight> {
        Arc::new(InFlight {
            id: self.id.value().clone(),
            model: Arc::downgrade(model),
            api_key: self.shared.access.label(self.caller),
            class: self.class(&model.spec),
            variant: Arc::clone(lease.variant()),
            run: lease.run_id(),
            queued: self.began.elapsed(),
            since: Instant::now(),
            cancelled: AtomicBool::new(false),
            backend: lease.backend(),
        })
    }

    /// Its answer; a refusal is told where it belongs, and answered in the client's form.
    pub(crate) fn end(
        &self,
        result: Result<HttpResponse, ApiError>,
        form: impl FnOnce(&HttpRequest) -> ClientApi,
    ) -> HttpResponse {
        let mut response = result.unwrap_or_else(|error| {
            self.log_refusal(&error);
            unrouted::note(&self.shared, &self.request, &self.id, self.began, &error);
            form(&self.request).respond(&error)
        });
        self.id.write_to(response.headers_mut());
        if let Some(limited) = &self.limited {
            limited.write_to(response.headers_mut());
        }
        response
    }

    /// One line: what the backend printed is told once, where the start failed. A stray request for a page that
    /// isn't there is nobody's concern.
    fn log_refusal(&self, error: &ApiError) {
        let level =
            if error.kind == ApiErrorKind::UnknownEndpoint { log::Level::Debug } else { log::Level::Warn };
        let reason = error.message.lines().next().unwrap_or_default();
        log::log!(
            level,
            "request {}: {} {} refused after {:.3} s: {}: {reason}",
            self.id,
            self.request.method(),
            self.request.path(),
            self.began.elapsed().as_secs_f64(),
            error.code()
        );
    }
}

fn asked_class(headers: &HeaderMap) -> Result<Option<Class>, ApiError> {
    let Some(value) = headers.get(PRIORITY) else { return Ok(None) };
    let word = value.to_str().unwrap_or("?").trim();
    Class::of(word).map(Some).ok_or_else(|| {
        let message = format!(
            "the header `{PRIORITY}` is {:?}; it is `interactive`, `normal` or `batch`",
            quoted(word)
        );
        ApiError::new(ApiErrorKind::InvalidRequest, message)
    })
}
