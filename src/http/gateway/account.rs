//! Account: what one request took and what became of it, from its start to its one row in the ledger.
//!
//! A request that names a known model has an account. Whatever becomes of it, dropping the account records it
//! once: an answer that ended, an error, or a client who left.

use super::admission::{self, Admission};
use super::capture;
use super::exchange::Exchange;
use super::finished::{Line, Names};
use super::words;
use crate::http::error::{ApiError, Kind};
use crate::traces::{Ended, Trace};
use actix_web::http::Method;
use actix_web::http::header::{HeaderName, HeaderValue};
use bytes::Bytes;
use llm_manager_actors::billing::Ledger;
use llm_manager_actors::captures::Draft;
use llm_manager_actors::model::{Lease, ModelHandle, Trace as Start};
use llm_manager_ledger::{Labels, Outcome, RequestRow, Tokens, UsageSource, now_us};
use llm_manager_policy::endpoints::Endpoint;
use llm_manager_policy::spec::Class;
use llm_manager_policy::usage::prompt::{self, Prompt};
use llm_manager_policy::usage::{self, Dialect, End, Meter, Output, Shape, Usage};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A larger body isn't kept for an estimate that is needed but seldom: it is read at once.
const LARGE: usize = 256 * 1024;
/// No start takes less.
const A_START: Duration = Duration::from_millis(5);

/// What is known so far.
pub(crate) struct Account {
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
    /// How a stream of this kind ends, in words.
    end_of_stream: Option<&'static str>,
    /// The beginning of an error's body.
    error_body: Vec<u8>,
    /// Pieces of text that the model's traffic was told of.
    pieces: u64,
    /// What was reserved for it.
    admission: Option<Admission>,
    /// It shall have a line in the log.
    line: Option<Line>,
    /// Its bodies are kept.
    draft: Option<Box<Draft>>,
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

/// What the request asks with.
pub(super) struct Question<'a> {
    text: Text,
    /// The name or alias by which it asks for the model.
    model: &'a str,
    /// The client wants a stream.
    stream: bool,
}

/// Its text, read or still to be read.
enum Text {
    Body(Bytes),
    Read(Prompt),
}

impl Default for Text {
    fn default() -> Self {
        Self::Read(Prompt::default())
    }
}

impl<'a> Question<'a> {
    /// That of a JSON body.
    pub(super) fn of(body: &Bytes, model: &'a str, stream: bool) -> Self {
        let text = if body.len() > LARGE { Text::Read(prompt::read(body)) } else { Text::Body(body.clone()) };
        Self { text, model, stream }
    }

    /// One of whose text nothing is known.
    pub(super) fn unread(model: &'a str) -> Self {
        Self { text: Text::default(), model, stream: false }
    }
}

impl Text {
    fn read(&self) -> Prompt {
        match self {
            Self::Body(body) => prompt::read(body),
            Self::Read(prompt) => *prompt,
        }
    }
}

impl Account {
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
            end_of_stream: None,
            error_body: Vec::new(),
            pieces: 0,
            admission: None,
            line: shared.log_requests.then(|| Line::of(exchange.request.headers())),
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

    /// The head of the backend's answer, for those who keep it.
    pub(super) fn answered_with(&mut self, headers: &[(HeaderName, HeaderValue)]) {
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

    /// The head of the backend's answer is there. `readable`: its body is not compressed, or can be unpacked; `hide_usage`: the client must
    /// not see the event that the manager has asked for.
    pub(crate) fn answered(&mut self, status: u16, content_type: &str, readable: bool, hide_usage: bool) {
        if let Some(row) = &mut self.row {
            row.status = status;
            row.first_byte_us = Some(micros(self.began.elapsed()));
        }
        if !(200..300).contains(&status) || !readable || !self.endpoint.counted {
            return;
        }
        let Some(shape) = Shape::of_content_type(content_type, self.stream) else { return };
        let dialect = match &self.model.spec.mode.usage {
            Some(pointers) => Dialect::Pointers(Arc::clone(pointers)),
            None => Dialect::of_endpoint(&self.endpoint.path),
        };
        self.end_of_stream = dialect.end_of_stream(&self.endpoint.path);
        let meter = Meter::new(shape, dialect).hiding(hide_usage).asked_for_stream(self.stream);
        self.meter = Some(Box::new(meter));
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

    /// Bytes of the backend's answer, as they came; what to send of them.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Output {
        if let Some(draft) = &mut self.draft {
            draft.push(bytes);
        }
        let Some(meter) = &mut self.meter else {
            if self.row.as_ref().is_some_and(|row| row.status >= 400) {
                let room = words::LONGEST.saturating_sub(self.error_body.len());
                self.error_body.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
            }
            return Output::All;
        };
        let output = meter.push(bytes);
        let pieces = meter.deltas();
        if pieces > self.pieces {
            if let Some(row) = self.row.as_mut().filter(|_| self.pieces == 0) {
                row.first_byte_us = Some(micros(self.began.elapsed()));
            }
            self.model.traffic.streamed(pieces - self.pieces);
            self.pieces = pieces;
        }
        output
    }

    /// Whether the answer is being read: for its tokens, or for the words of an error.
    pub(crate) fn reads(&self) -> bool {
        self.meter.is_some() || self.row.as_ref().is_some_and(|row| row.status >= 400)
    }

    /// Whether the answer is a stream of events.
    pub(super) fn is_stream(&self) -> bool {
        self.meter.as_ref().is_some_and(|meter| meter.is_stream())
    }

    /// Whether it is one, or its first bytes may yet say so.
    pub(super) fn may_be_stream(&self) -> bool {
        self.meter.as_ref().is_some_and(|meter| meter.is_stream() || meter.may_be_stream())
    }

    /// Whether the end of a stream has come, good or bad: what follows changes nothing.
    pub(super) fn has_ended(&self) -> bool {
        self.meter
            .as_ref()
            .is_some_and(|meter| meter.is_stream() && (meter.has_ended() || meter.error().is_some()))
    }

    /// What a stream lacks that has come whole, though its backend was lost before it said so.
    pub(super) fn missing_end(&self) -> Option<&'static [u8]> {
        self.end_of_stream.and(self.meter.as_ref())?.missing_end()
    }

    /// The backend has sent its last byte. What was held back of the answer, or what is wrong with its end.
    /// `with_connection`: only the end of the connection has ended it.
    pub(super) fn closes(&mut self, with_connection: bool) -> Result<Vec<u8>, ApiError> {
        let Some(meter) = &mut self.meter else { return Ok(Vec::new()) };
        let held = meter.close();
        let told = meter.error().is_some();
        let what = if meter.is_stream() {
            match self.end_of_stream {
                _ if told => None,
                _ if !meter.has_events() => Some("ended its stream without an event".to_owned()),
                Some(end) if !meter.has_ended() => Some(format!("ended its stream without {end}")),
                _ => None,
            }
        } else {
            // Nothing at all is a whole answer, too.
            let cut = with_connection && meter.is_cut() && meter.has_begun();
            cut.then(|| "broke off in the middle of its answer: the JSON has no end".to_owned())
        };
        let Some(what) = what else { return Ok(held) };
        let stray = meter.stray().map(|line| format!("; its last line: {line}")).unwrap_or_default();
        let message = format!("the backend of model `{}` {what}{stray}", self.model.spec.name);
        Err(ApiError::new(Kind::BackendError, message))
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
            row.error = words::of_error(&self.error_body).or_else(|| Some(without_words()));
        }
        self.note_error();
    }

    /// An error that the backend has told of in an answer that began well.
    fn note_error(&mut self) {
        let told = self.told();
        if let (Some(row), Some(words)) = (&mut self.row, told) {
            row.outcome = Outcome::BackendError;
            row.error = Some(words);
        }
    }

    /// The words of such an error, as far as the answer has come.
    pub(super) fn told(&self) -> Option<String> {
        let meter = self.meter.as_ref()?;
        // What an endpoint of the user's own means by `error` in a whole answer, nobody knows.
        let known = meter.is_stream() || self.endpoint.built_in || self.end_of_stream.is_some();
        let words = meter.error().or_else(|| meter.error_line()).filter(|_| known)?;
        Some(if words.is_empty() { "an error event without words".to_owned() } else { words })
    }

    /// It ended with an error of the manager's.
    pub(crate) fn failed(&mut self, error: &ApiError) {
        let Some(row) = &mut self.row else { return };
        row.error = Some(error.message.lines().next().unwrap_or_default().to_owned());
        row.outcome = match (row.run_id, error.code()) {
            (Some(_), "backend_error" | "backend_timeout") => Outcome::BackendError,
            _ if error.kind == Kind::Internal => Outcome::Failed,
            _ if error.kind == Kind::RequestCancelled => Outcome::Cancelled,
            (_, code) => Outcome::Refused(code.into()),
        };
        if row.status == 0 {
            row.status = actix_web::ResponseError::status_code(error).as_u16();
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let left = self.row.as_ref().is_some_and(|row| row.outcome == Outcome::ClientLeft);
        if left && self.has_ended() {
            // Nothing was left to come: OpenAI's own client closes its connection at `[DONE]`.
            self.completed();
        }
        let Some(mut row) = self.row.take() else {
            self.settle(&RequestRow::default());
            return;
        };
        row.duration_us = micros(self.began.elapsed());
        if std::thread::panicking() {
            row.outcome = Outcome::Failed;
            row.error = Some("a part of the manager panicked; its log says where".to_owned());
        }
        if let Some(meter) = self.meter.take() {
            self.count(*meter, &mut row);
        } else if !self.endpoint.counted {
            // Nothing was generated: that is known, and costs nothing.
            row.tokens = Tokens { input: Some(0), output: Some(0), ..Tokens::default() };
            row.usage_source = UsageSource::Backend;
        }
        self.settle(&row);
        let (spec, variant) = (&self.model.spec, self.variant.as_deref().unwrap_or_default());
        row.labels =
            Labels::shared([&spec.name, variant, &spec.mode.name, &self.endpoint.path, &self.api_key, ""]);
        if let Some(line) = &self.line {
            let endpoint = &self.endpoint.path;
            line.write(&row, &Names { api_key: &self.api_key, model: &spec.name, endpoint });
        }
        if let Some(traced) = self.trace.take() {
            let Traced { trace, method, start } = *traced;
            let (method, endpoint, api_key) = (method.as_str(), &*self.endpoint.path, &*self.api_key);
            trace.ends(&Ended { row: &row, method, endpoint, model: &spec.name, variant, api_key, start });
        }
        self.model.traffic.count(&row, self.pieces);
        if let Some(draft) = self.draft.take() {
            draft.finish(&row);
        }
        self.ledger.record(row);
    }
}

impl Account {
    fn settle(&mut self, row: &RequestRow) {
        let Some(admission) = self.admission.take() else { return };
        let count = |count: Option<i64>| count.and_then(|count| u64::try_from(count).ok());
        let tokens = [count(row.tokens.input), count(row.tokens.cached), count(row.tokens.output)];
        admission.settle(&self.ledger, &self.model.spec, tokens);
    }

    fn count(&self, meter: Meter, row: &mut RequestRow) {
        let end = match row.outcome {
            Outcome::Ok => End::Complete,
            Outcome::ClientLeft => End::ClientLeft,
            _ => End::Broken,
        };
        let learnt = &self.model.learnt;
        let mut usage = meter.finish(end, &learnt.pace());
        let is_of_one = usage.all_inputs.is_some() || usage.of_first;
        let is_guess = usage.source == usage::Source::Estimated;
        if is_of_one || is_guess || (usage.input.is_none() && usage.output.is_some()) {
            let question = self.question.read();
            usage = usage.of_prompts(&question);
            if question.echoes {
                usage = usage.of_echo();
            }
            if question.tokens() > 0 {
                usage = usage.or_input(question.tokens());
            }
        }
        // What an echo has of text is not all of the output.
        if usage.source == usage::Source::Backend && row.outcome == Outcome::Ok && !is_guess {
            learnt.counted(&usage);
        }
        row.usage_source = match usage.source {
            usage::Source::Backend => UsageSource::Backend,
            usage::Source::Estimated => UsageSource::Estimated,
            usage::Source::None => UsageSource::None,
        };
        row.tokens = tokens(&usage);
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
