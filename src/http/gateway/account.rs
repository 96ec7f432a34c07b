//! What one request took and what became of it, from its start to its one row in the ledger.
//!
//! A request that names a known model has an account. Whatever becomes of it, dropping the account records it
//! once: an answer that ended, an error, or a client who left.

mod prompt_text;
mod response_reader;
mod row;

use super::access_log::AccessLogLine;
use super::admission::{self, Admission};
use super::capture;
use super::error_text;
use super::exchange::Exchange;
use crate::http::error::{ApiError, ApiErrorKind};
use crate::traces::Trace;
use actix_web::http::header::{HeaderName, HeaderValue, LOCATION};
use actix_web::http::{Method, StatusCode};
use llm_manager_actors::billing::Ledger;
use llm_manager_actors::captures::CaptureDraft;
use llm_manager_actors::model::{Lease, ModelHandle, StartTrace as Start};
use llm_manager_ledger::{Outcome, RequestRow, now_us};
use llm_manager_policy::endpoints::Endpoint;
use llm_manager_policy::spec::Class;
use llm_manager_policy::usage::Meter;
pub(super) use prompt_text::Question;
use prompt_text::Text;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// No start takes less.
const A_START: Duration = Duration::from_millis(5);

/// What is known so far.
pub(crate) struct RequestAccount {
    ledger: Ledger,
    model: Arc<ModelHandle>,
    /// On the heap from the start: the answer moves about, and the row goes to the ledger as it is. `None`: nothing is
    /// recorded.
    row: Option<Box<RequestRow>>,
    began: Instant,
    question: Text,
    endpoint: Arc<Endpoint>,
    api_key: Arc<str>,
    variant: Option<Arc<str>>,
    served: Option<Served>,
    /// In which class it is, if the client asked for one.
    class: Option<Class>,
    /// The client wants a stream.
    stream: bool,
    meter: Option<Box<Meter>>,
    /// A whole answer is one JSON document.
    document: bool,
    /// Where the backend sends the client instead of answering.
    moved: Option<String>,
    /// How a stream of this kind ends, in words.
    end_of_stream: Option<&'static str>,
    /// The beginning of an error's body.
    error_body: Vec<u8>,
    /// Pieces of text that the model's traffic was told of.
    pieces: u64,
    /// What was reserved for it.
    admission: Option<Admission>,
    /// It shall have a line in the log.
    line: Option<AccessLogLine>,
    /// Its bodies are kept.
    draft: Option<Box<CaptureDraft>>,
    trace: Option<Box<Traced>>,
}

/// What a trace tells that the row doesn't.
struct Traced {
    trace: Rc<Trace>,
    method: Method,
    /// The start of its model that it waited for.
    start: Option<Start>,
}

/// By whom a request was served, and what it waited for.
struct Served {
    queued: Duration,
    start: Duration,
    variant: Arc<str>,
    run: Option<i64>,
}

impl RequestAccount {
    /// Opens the account of a request.
    pub(super) fn open(
        exchange: &Exchange,
        model: &Arc<ModelHandle>,
        question: Question<'_>,
        endpoint: &Arc<Endpoint>,
    ) -> Self {
        let Exchange { shared, id, began, caller, .. } = exchange;
        let row = || RequestRow {
            request_id: id.to_string(),
            sender: Some(exchange.sender(question.model, question.stream)),
            started_us: now_us() - micros(began.elapsed()),
            outcome: Outcome::ClientLeft,
            ..RequestRow::default()
        };
        Self {
            ledger: shared.ledger.clone(),
            model: Arc::clone(model),
            row: shared.ledger.records().then(|| Box::new(row())),
            began: *began,
            stream: question.stream,
            question: question.text,
            endpoint: Arc::clone(endpoint),
            api_key: shared.access.label(*caller),
            variant: None,
            served: None,
            class: exchange.asked_class.map(|_| exchange.class(&model.spec)),
            meter: None,
            document: false,
            moved: None,
            end_of_stream: None,
            error_body: Vec::new(),
            pieces: 0,
            admission: None,
            line: shared.log_requests.then(|| AccessLogLine::of(exchange.request.headers())),
            trace: exchange.trace.as_ref().map(|trace| {
                let method = exchange.request.method().clone();
                Box::new(Traced { trace: Rc::clone(trace), method, start: None })
            }),
            draft: None,
        }
    }

    /// Keeps it from here on, where its model says so. `body`: as the client sent it.
    pub(super) fn capture(&mut self, exchange: &Exchange, body: &[u8]) {
        if self.model.spec.capture
            && let Some(row) = &self.row
        {
            self.draft = capture::begin(exchange, &self.model, &self.endpoint.path, row, body);
        }
    }

    /// The head of the backend's answer: what of it is kept.
    pub(super) fn answered_with(&mut self, status: StatusCode, headers: &[(HeaderName, HeaderValue)]) {
        // What people add may well send its clients on.
        if status.is_redirection() && self.endpoint.built_in && self.endpoint.counted {
            let place =
                headers.iter().find(|(name, _)| *name == LOCATION).and_then(|(_, value)| value.to_str().ok());
            self.moved = place.map(str::to_owned);
        }
        if let Some(draft) = &mut self.draft {
            draft.answered(capture::headers(headers.iter().map(|(name, value)| (name, value))));
        }
    }

    /// Reserves what it may take, where its key has limits. Once, however often it is sent.
    pub(super) async fn admit(&mut self, exchange: &Exchange, body: &[u8]) -> Result<(), ApiError> {
        let Some(limited) = exchange.limited.as_ref().filter(|_| self.admission.is_none()) else {
            return Ok(());
        };
        let (shared, path) = (&exchange.shared, &self.endpoint.path);
        let admission = Admission::ask(shared, limited, &self.model.spec, path, body).await?;
        self.admission = Some(admission);
        Ok(())
    }

    /// Tokens that it may take, by which keys take turns.
    pub(super) fn cost(&self, body: &[u8]) -> u64 {
        admission::cost(&self.model.spec, &self.endpoint.path, body, self.question.read().tokens())
    }

    /// The model that it asks for.
    pub(super) fn model(&self) -> &Arc<ModelHandle> {
        &self.model
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
        let queued = self.began.elapsed();
        // Of a start that was over before the request came, nothing was waited for.
        let start = if queued < A_START { None } else { lease.took_off() };
        if let Some(traced) = self.trace.as_mut().filter(|_| start.is_some()) {
            traced.start = lease.start();
        }
        self.served = Some(Served {
            queued,
            start: start.unwrap_or_default().min(queued),
            variant: Arc::clone(lease.variant()),
            run: lease.run_id(),
        });
        let Some(row) = &mut self.row else { return };
        row.queue_us = micros(queued);
        row.run_id = lease.run_id();
        self.variant = Some(Arc::clone(lease.variant()));
    }

    /// What tells the client how long it has waited, and who has served it.
    pub(super) fn served_by(&self) -> [Option<(HeaderName, HeaderValue)>; 5] {
        const NAMES: [HeaderName; 5] = [
            HeaderName::from_static("x-llm-manager-queue-ms"),
            HeaderName::from_static("x-llm-manager-start-ms"),
            HeaderName::from_static("x-llm-manager-variant"),
            HeaderName::from_static("x-llm-manager-run"),
            HeaderName::from_static("x-llm-manager-class"),
        ];
        let Some(served) = &self.served else { return Default::default() };
        let millis = |time: Duration| match time.as_millis() {
            // Almost all.
            0 => HeaderValue::from_static("0"),
            millis => HeaderValue::from(u64::try_from(millis).unwrap_or(u64::MAX)),
        };
        let values = [
            Some(millis(served.queued)),
            Some(millis(served.start)),
            // A name that is no ASCII is none of a header.
            HeaderValue::from_str(&served.variant).ok(),
            served.run.map(HeaderValue::from),
            self.class.map(|class| HeaderValue::from_static(class.text())),
        ];
        let mut names = NAMES.into_iter();
        values.map(|value| names.next().zip(value))
    }

    /// It goes to a backend for the second time.
    pub(crate) fn replayed(&mut self) {
        if let Some(row) = &mut self.row {
            row.replayed = true;
        }
    }

    /// The client wants no stream, but the backend was asked for one.
    pub(super) fn goes_as_stream(&mut self) {
        self.stream = true;
    }

    /// What the client gets is not the status that the backend began with.
    pub(super) fn answers_with(&mut self, status: u16) {
        let Some(row) = &mut self.row else { return };
        row.status = status;
        if (400..500).contains(&status) {
            row.outcome = Outcome::Rejected;
        }
    }

    /// The whole answer has come.
    pub(crate) fn completed(&mut self) {
        if let Some(draft) = &mut self.draft {
            draft.ended();
        }
        let Some(row) = &mut self.row else { return };
        row.outcome = match row.status {
            500.. => Outcome::BackendError,
            400.. => Outcome::Rejected,
            _ => Outcome::Ok,
        };
        if row.status >= 400 {
            let without_words = || format!("the backend answered with status {} and no words", row.status);
            row.error = error_text::of_error(&self.error_body).or_else(|| Some(without_words()));
        }
        self.note_error();
    }

    /// An error that the backend has told of in an answer that began well, or an answer that is none.
    fn note_error(&mut self) {
        let moved = || {
            self.moved.as_ref().map(|place| format!("the backend redirects to {place} instead of responding"))
        };
        let no_document = || self.meter.as_ref().filter(|_| self.document)?.no_document();
        let told = self.told().or_else(no_document).or_else(moved);
        if let (Some(row), Some(words)) = (&mut self.row, told) {
            row.outcome = Outcome::BackendError;
            row.error = Some(words);
        }
    }

    /// It ended with an error of the manager's.
    pub(crate) fn failed(&mut self, error: &ApiError) {
        let Some(row) = &mut self.row else { return };
        row.error = Some(error.message.lines().next().unwrap_or_default().to_owned());
        row.outcome = match (row.run_id, error.code()) {
            (Some(_), "backend_error" | "backend_timeout") => Outcome::BackendError,
            _ if error.kind == ApiErrorKind::Internal => Outcome::Failed,
            _ if error.kind == ApiErrorKind::RequestCancelled => Outcome::Cancelled,
            (_, code) => Outcome::Refused(code.into()),
        };
        if row.status == 0 {
            row.status = actix_web::ResponseError::status_code(error).as_u16();
        }
    }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}
