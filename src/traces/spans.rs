//! The spans of a request that has ended. Pure.
//!
//! Names of attributes: OpenTelemetry's semantic conventions for HTTP servers and for generative AI; what they don't have
//! begins with `llm_manager.`.

use super::EndedRequest;
use jiff::Timestamp;
use llm_manager_ledger::Outcome;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};

/// Under which ids a trace is told.
#[derive(Clone, Copy)]
pub(super) struct Ids {
    pub(super) trace: [u8; 16],
    /// The client's span.
    pub(super) parent: Option<[u8; 8]>,
    /// Ours.
    pub(super) span: [u8; 8],
    /// That of the backend's part.
    pub(super) call: [u8; 8],
}

/// The request itself; within it what it waited for (`wait`, with `placement` and `start` if its model had to be
/// started), and what the backend did (`backend`, with `first byte` and `stream`).
pub(super) fn of(ids: &Ids, ended: &EndedRequest<'_>, mut id: impl FnMut() -> [u8; 8]) -> Vec<Span> {
    let EndedRequest { row, .. } = ended;
    let began = row.started_us;
    let end = began + row.duration_us;
    let mut spans = vec![Span {
        kind: SpanKind::Server.into(),
        parent_span_id: ids.parent.map(Vec::from).unwrap_or_default(),
        attributes: attributes(ended),
        status: status(ended),
        ..span(ids, ids.span, None, format!("{} {}", ended.method, ended.endpoint), [began, end])
    }];
    let served = row.run_id.is_some() || row.queue_us > 0;
    let leased = if served { began + row.queue_us } else { end };
    let wait = id();
    spans.push(span(ids, wait, Some(ids.span), "wait".to_owned(), [began, leased]));
    if let Some(start) = ended.start {
        let micros = |moment: Option<Timestamp>| moment.map(Timestamp::as_microsecond);
        let asked = start.asked.as_microsecond().clamp(began, leased);
        let placed = micros(start.placed).map(|placed| placed.clamp(began, leased));
        let ready = micros(start.ready).map_or(leased, |ready| ready.clamp(began, leased));
        if let Some(placed) = placed {
            spans.push(span(ids, id(), Some(wait), "placement".to_owned(), [asked, placed]));
            spans.push(span(ids, id(), Some(wait), "start".to_owned(), [placed, ready]));
        }
    }
    if served {
        spans.push(Span {
            kind: SpanKind::Client.into(),
            ..span(ids, ids.call, Some(ids.span), "backend".to_owned(), [leased, end])
        });
        if let Some(first) = row.first_byte_us.map(|first| (began + first).clamp(leased, end)) {
            spans.push(span(ids, id(), Some(ids.call), "first byte".to_owned(), [leased, first]));
            spans.push(span(ids, id(), Some(ids.call), "stream".to_owned(), [first, end]));
        }
    }
    spans
}

fn span(ids: &Ids, id: [u8; 8], parent: Option<[u8; 8]>, name: String, [from, to]: [i64; 2]) -> Span {
    let nanos = |micros: i64| u64::try_from(micros).unwrap_or_default().saturating_mul(1000);
    Span {
        trace_id: ids.trace.to_vec(),
        span_id: id.to_vec(),
        parent_span_id: parent.map(Vec::from).unwrap_or_default(),
        name,
        kind: SpanKind::Internal.into(),
        start_time_unix_nano: nanos(from),
        end_time_unix_nano: nanos(to.max(from)),
        ..Span::default()
    }
}

/// A client's mistake is no error of the server's.
fn status(ended: &EndedRequest<'_>) -> Option<Status> {
    let failed =
        matches!(ended.row.outcome, Outcome::BackendError | Outcome::Failed) || ended.row.status >= 500;
    failed.then(|| Status {
        message: ended.row.error.clone().unwrap_or_default(),
        code: StatusCode::Error.into(),
    })
}

fn attributes(ended: &EndedRequest<'_>) -> Vec<KeyValue> {
    let EndedRequest { row, method, endpoint, model, variant, api_key, .. } = *ended;
    let text = |text: &str| (!text.is_empty()).then(|| Value::StringValue(text.to_owned()));
    let outcome = row.outcome.text();
    let operation = match endpoint.rsplit('/').next().unwrap_or_default() {
        "completions" if endpoint.ends_with("chat/completions") => "chat",
        "completions" => "text_completion",
        "responses" | "messages" => "chat",
        "embeddings" => "embeddings",
        _ => "",
    };
    let wrong = row.status >= 500 || status(ended).is_some();
    [
        ("http.request.method", text(method)),
        ("http.route", text(endpoint)),
        ("http.response.status_code", (row.status > 0).then(|| Value::IntValue(row.status.into()))),
        ("error.type", text(if wrong { &outcome } else { "" })),
        ("gen_ai.operation.name", text(operation)),
        ("gen_ai.request.model", text(model)),
        ("gen_ai.usage.input_tokens", row.tokens.input.map(Value::IntValue)),
        ("gen_ai.usage.output_tokens", row.tokens.output.map(Value::IntValue)),
        ("llm_manager.request_id", text(&row.request_id)),
        ("llm_manager.outcome", text(&outcome)),
        ("llm_manager.variant", text(variant)),
        ("llm_manager.run_id", row.run_id.map(Value::IntValue)),
        ("llm_manager.api_key", text(api_key)),
    ]
    .into_iter()
    .filter_map(|(key, value)| Some(attribute(key, value?)))
    .collect()
}

pub(super) fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}
