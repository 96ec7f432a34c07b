//! Account: what one request took, from its start to its one row in the ledger.
//!
//! A request that names a known model has an account. Whatever becomes of it, dropping the account records it
//! once: an answer that ended, an error, or a client who left.

use super::request_id::RequestId;
use super::words;
use crate::http::error::{ApiError, Kind};
use crate::http::state::Shared;
use actix_web::HttpRequest;
use llm_manager_actors::billing::Ledger;
use llm_manager_actors::model::{Lease, ModelHandle};
use llm_manager_ledger::{Labels, Outcome, RequestRow, Tokens, UsageSource, now_us};
use llm_manager_policy::endpoints::Endpoint;
use llm_manager_policy::usage::{self, Dialect, End, Meter, Shape, Usage};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What is known so far.
pub(crate) struct Account {
    ledger: Ledger,
    model: Arc<ModelHandle>,
    /// On the heap from the start: the answer moves about, and the row goes to the ledger as it is. `None`: nothing is
    /// recorded.
    row: Option<Box<RequestRow>>,
    began: Instant,
    body_bytes: usize,
    endpoint: Arc<Endpoint>,
    api_key: Arc<str>,
    variant: Option<Arc<str>>,
    meter: Option<Meter>,
    /// The beginning of an error's body.
    error_body: Vec<u8>,
    /// Pieces of text that the model's traffic was told of.
    pieces: u64,
}

impl Account {
    /// Opens the account of a request.
    pub(crate) fn open(
        shared: &Shared,
        request: &HttpRequest,
        model: &Arc<ModelHandle>,
        id: &RequestId,
        began: Instant,
        body_bytes: usize,
        endpoint: &Arc<Endpoint>,
    ) -> Self {
        let row = || RequestRow {
            request_id: id.to_string(),
            started_us: now_us() - micros(began.elapsed()),
            outcome: Outcome::ClientLeft,
            ..RequestRow::default()
        };
        Self {
            ledger: shared.ledger.clone(),
            model: Arc::clone(model),
            row: shared.ledger.records().then(|| Box::new(row())),
            began,
            body_bytes,
            endpoint: Arc::clone(endpoint),
            api_key: shared.keys.label(request.headers()),
            variant: None,
            meter: None,
            error_body: Vec::new(),
            pieces: 0,
        }
    }

    /// Since its start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Its endpoint, as the mode writes it.
    pub(super) fn endpoint(&self) -> &str {
        &self.endpoint.path
    }

    /// A backend has taken it.
    pub(crate) fn leased(&mut self, lease: &Lease) {
        let Some(row) = &mut self.row else { return };
        row.queue_us = micros(self.began.elapsed());
        row.run_id = lease.run_id();
        self.variant = Some(Arc::clone(lease.variant()));
    }

    /// It goes to a backend for the second time.
    pub(crate) fn replayed(&mut self) {
        if let Some(row) = &mut self.row {
            row.replayed = true;
        }
    }

    /// The head of the backend's answer is there.
    pub(crate) fn answered(&mut self, status: u16, content_type: &str) {
        let Some(row) = &mut self.row else { return };
        row.status = status;
        row.first_byte_us = Some(micros(self.began.elapsed()));
        let shape = Shape::of_content_type(content_type)
            .filter(|_| self.endpoint.counted && (200..300).contains(&status));
        let dialect = || match &self.model.spec.mode.usage {
            Some(pointers) => Dialect::Pointers(Arc::clone(pointers)),
            None => Dialect::of_endpoint(&self.endpoint.path),
        };
        self.meter = shape.map(|shape| Meter::new(shape, dialect()));
    }

    /// Bytes of the backend's answer, as they came.
    pub(crate) fn read(&mut self, bytes: &[u8]) {
        let Some(row) = &mut self.row else { return };
        if row.status >= 400 {
            let room = words::LONGEST.saturating_sub(self.error_body.len());
            self.error_body.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        }
        let Some(meter) = &mut self.meter else { return };
        if meter.push(bytes) {
            row.first_byte_us = Some(micros(self.began.elapsed()));
        }
        let pieces = meter.deltas();
        if pieces > self.pieces {
            self.model.traffic.streamed(pieces - self.pieces);
            self.pieces = pieces;
        }
    }

    /// The whole answer has come.
    pub(crate) fn completed(&mut self) {
        let Some(row) = &mut self.row else { return };
        row.outcome = match row.status {
            500.. => Outcome::BackendError,
            400.. => Outcome::Rejected,
            _ => Outcome::Ok,
        };
        if row.status >= 400 {
            row.error = words::of_error(&self.error_body);
        }
    }

    /// It ended with an error of the manager's.
    pub(crate) fn failed(&mut self, error: &ApiError) {
        let Some(row) = &mut self.row else { return };
        row.error = Some(error.message.lines().next().unwrap_or_default().to_owned());
        row.outcome = match (row.run_id, error.code()) {
            (Some(_), "backend_error" | "backend_timeout") => Outcome::BackendError,
            _ if error.kind == Kind::Internal => Outcome::Failed,
            (_, code) => Outcome::Refused(code.into()),
        };
        if row.status == 0 {
            row.status = actix_web::ResponseError::status_code(error).as_u16();
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let Some(mut row) = self.row.take() else { return };
        row.duration_us = micros(self.began.elapsed());
        if std::thread::panicking() {
            row.outcome = Outcome::Failed;
            row.error = Some("a part of the manager panicked; its log says where".to_owned());
        }
        if let Some(meter) = self.meter.take() {
            count(meter, &mut row, self.body_bytes);
        } else if !self.endpoint.counted {
            // Nothing was generated: that is known, and costs nothing.
            row.tokens = Tokens { input: Some(0), output: Some(0), ..Tokens::default() };
            row.usage_source = UsageSource::Backend;
        }
        let (spec, variant) = (&self.model.spec, self.variant.as_deref().unwrap_or_default());
        row.labels =
            Labels::shared([&spec.name, variant, &spec.mode.name, &self.endpoint.path, &self.api_key, ""]);
        self.model.traffic.count(&row, self.pieces);
        self.ledger.record(row);
    }
}

fn count(meter: Meter, row: &mut RequestRow, body_bytes: usize) {
    let end = match row.outcome {
        Outcome::Ok => End::Complete,
        Outcome::ClientLeft => End::ClientLeft,
        _ => End::Broken,
    };
    let estimate = usage::estimate_input(body_bytes as u64);
    let usage = meter.finish(end).or_input(estimate);
    row.usage_source = match usage.source {
        usage::Source::Backend => UsageSource::Backend,
        usage::Source::Estimated => UsageSource::Estimated,
        usage::Source::None => UsageSource::None,
    };
    row.tokens = tokens(&usage);
}

fn tokens(usage: &Usage) -> Tokens {
    let count = |count: Option<u64>| count.and_then(|count| i64::try_from(count).ok());
    Tokens {
        input: count(usage.input),
        cached: count(usage.cached),
        cache_write: count(usage.cache_write),
        output: count(usage.output),
        reasoning: count(usage.reasoning),
    }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}
