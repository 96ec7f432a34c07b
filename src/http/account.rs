//! Account: what one request took, from its start to its one row in the ledger.
//!
//! A request that names a known model has an account. Whatever becomes of it, dropping the account records it
//! once: an answer that ended, an error, or a client who left.

use super::error::ApiError;
use super::request_id::RequestId;
use super::state::Shared;
use actix_web::HttpRequest;
use llm_manager_actors::billing::Ledger;
use llm_manager_actors::ledger::{Labels, Outcome, RequestRow, Tokens, UsageSource, now_us};
use llm_manager_actors::model::{Lease, ModelHandle};
use llm_manager_policy::usage::{self, Dialect, End, Meter, Shape, Usage};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What is known so far.
pub(super) struct Account {
    ledger: Ledger,
    model: Arc<ModelHandle>,
    row: RequestRow,
    began: Instant,
    body_bytes: usize,
    endpoint: Arc<str>,
    meter: Option<Meter>,
    /// Pieces of text that the model's traffic was told of.
    pieces: u64,
}

impl Account {
    /// Opens the account of a request.
    pub(super) fn open(
        shared: &Shared,
        request: &HttpRequest,
        model: &Arc<ModelHandle>,
        id: &RequestId,
        began: Instant,
        body_bytes: usize,
    ) -> Self {
        let since = micros(began.elapsed());
        let endpoint: Arc<str> = request.path().into();
        let labels = Labels {
            model: model.spec.name.as_str().into(),
            mode: model.spec.mode.name.as_str().into(),
            endpoint: Arc::clone(&endpoint),
            api_key: shared.keys.label(request.headers()),
            ..Labels::default()
        };
        let row = RequestRow {
            request_id: id.to_string(),
            labels,
            started_us: now_us() - since,
            outcome: Outcome::ClientLeft,
            ..RequestRow::default()
        };
        Self {
            ledger: shared.ledger.clone(),
            model: Arc::clone(model),
            row,
            began,
            body_bytes,
            endpoint,
            meter: None,
            pieces: 0,
        }
    }

    /// Since its start.
    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// A backend has taken it.
    pub(super) fn leased(&mut self, lease: &Lease) {
        self.row.queue_us = micros(self.began.elapsed());
        self.row.labels.variant = Arc::clone(lease.variant());
        self.row.run_id = lease.run_id();
    }

    /// It goes to a backend for the second time.
    pub(super) fn replayed(&mut self) {
        self.row.replayed = true;
    }

    /// The head of the backend's answer is there.
    pub(super) fn answered(&mut self, status: u16, content_type: &str) {
        self.row.status = status;
        self.row.first_byte_us = Some(micros(self.began.elapsed()));
        let shape = Shape::of_content_type(content_type).filter(|_| (200..300).contains(&status));
        let dialect = || match &self.model.spec.mode.usage {
            Some(pointers) => Dialect::Pointers(Arc::clone(pointers)),
            None => Dialect::of_endpoint(&self.endpoint),
        };
        self.meter = shape.map(|shape| Meter::new(shape, dialect()));
    }

    /// Bytes of the backend's answer, as they came.
    pub(super) fn read(&mut self, bytes: &[u8]) {
        let Some(meter) = &mut self.meter else { return };
        if meter.push(bytes) {
            self.row.first_byte_us = Some(micros(self.began.elapsed()));
        }
        let pieces = meter.deltas();
        if pieces > self.pieces {
            self.model.traffic.streamed(pieces - self.pieces);
            self.pieces = pieces;
        }
    }

    /// The whole answer has come.
    pub(super) fn completed(&mut self) {
        self.row.outcome = Outcome::Ok;
    }

    /// It ended with an error of the manager's.
    pub(super) fn failed(&mut self, error: &ApiError) {
        self.row.error = Some(error.message.lines().next().unwrap_or_default().to_owned());
        self.row.outcome = match (self.row.run_id, error.code()) {
            (Some(_), "backend_error" | "backend_timeout") => Outcome::BackendError,
            (_, code) => Outcome::Refused(code.into()),
        };
        if self.row.status == 0 {
            self.row.status = actix_web::ResponseError::status_code(error).as_u16();
        }
    }

    fn count(&mut self) {
        let end = match self.row.outcome {
            Outcome::Ok => End::Complete,
            Outcome::ClientLeft => End::ClientLeft,
            _ => End::Broken,
        };
        let Some(meter) = self.meter.take() else { return };
        let estimate = usage::estimate_input(self.body_bytes as u64);
        let usage = meter.finish(end).or_input(estimate);
        self.row.usage_source = match usage.source {
            usage::Source::Backend => UsageSource::Backend,
            usage::Source::Estimated => UsageSource::Estimated,
            usage::Source::None => UsageSource::None,
        };
        self.row.tokens = tokens(&usage);
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.row.duration_us = micros(self.began.elapsed());
        self.count();
        self.model.traffic.count(&self.row, self.pieces);
        self.ledger.record(std::mem::take(&mut self.row));
    }
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
