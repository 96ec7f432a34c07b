//! Exchange: a request from its first byte to its answer, and what every step of its life needs.

use super::admission::Limited;
use super::forms::Form;
use super::in_flight::InFlight;
use super::request_id::RequestId;
use super::stray;
use super::worker::Worker;
use crate::http::access::wrong::slow_down;
use crate::http::access::{Caller, Door};
use crate::http::error::{ApiError, Kind};
use crate::http::state::Now;
use actix_web::{HttpRequest, HttpResponse, web};
use llm_manager_actors::model::{Client, Lease, ModelHandle};
use llm_manager_policy::spec::Class;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

/// A request on its way.
#[derive(Clone)]
pub(crate) struct Exchange {
    pub(crate) request: HttpRequest,
    pub(crate) shared: Now,
    pub(crate) worker: web::Data<Worker>,
    pub(crate) id: RequestId,
    pub(crate) began: Instant,
    /// Who sends it, once they are let in.
    pub(crate) caller: Caller,
    /// Their key has limits, and this request counts.
    pub(crate) limited: Option<Rc<Limited>>,
}

impl Exchange {
    /// A request that has just come.
    pub(crate) fn begin(request: HttpRequest, shared: Now, worker: web::Data<Worker>) -> Self {
        let began = Instant::now();
        let id = RequestId::of(&request);
        Self { request, shared, worker, id, began, caller: Caller::default(), limited: None }
    }

    /// Lets its sender in, or says why not.
    pub(crate) async fn enter(&mut self, door: Door) -> Result<(), ApiError> {
        self.caller = match self.shared.access.enter(self.request.headers(), door) {
            Ok(caller) => caller,
            Err(error) => return Err(slow_down(&self.request, &self.shared.trusted_proxies, error).await),
        };
        if door == Door::Programs {
            self.limited = Limited::of(self.shared.access.key(self.caller));
        }
        Ok(())
    }

    /// Whom it may pass while it waits.
    pub(crate) fn class(&self) -> Class {
        self.shared.access.key(self.caller).and_then(|key| key.class).unwrap_or_default()
    }

    /// As people are told of it.
    pub(crate) fn client(&self) -> Client {
        Client { id: self.id.to_string().into(), api_key: self.shared.access.label(self.caller) }
    }

    /// The same, once a backend serves it.
    pub(crate) fn in_flight(&self, model: &Arc<ModelHandle>, lease: &Lease) -> Arc<InFlight> {
        Arc::new(InFlight {
            id: self.id.value().clone(),
            model: Arc::downgrade(model),
            api_key: self.shared.access.label(self.caller),
            class: self.class(),
            variant: Arc::clone(lease.variant()),
            run: lease.run_id(),
            queued: self.began.elapsed(),
            since: Instant::now(),
        })
    }

    /// Its answer; a refusal is told where it belongs, and answered in the client's form.
    pub(crate) fn end(
        &self,
        result: Result<HttpResponse, ApiError>,
        form: impl FnOnce(&HttpRequest) -> Form,
    ) -> HttpResponse {
        let mut response = result.unwrap_or_else(|error| {
            self.log_refusal(&error);
            stray::note(&self.shared, &self.request, &self.id, self.began, &error);
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
        let level = if error.kind == Kind::UnknownEndpoint { log::Level::Debug } else { log::Level::Warn };
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
