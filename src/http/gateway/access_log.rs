//! The line of a request that has ended, for those who want one (`program.log_requests`).

use crate::logging::{self, Finished};
use actix_web::http::header::{HeaderMap, HeaderValue};
use llm_manager_ledger::RequestRow;
use llm_manager_policy::trace_context::trace_id;

/// What the line says beside the row.
pub(super) struct AccessLogLine {
    trace_id: Option<Box<str>>,
}

/// Who and what, as the row's labels have them.
pub(super) struct RequestNames<'a> {
    pub(super) api_key: &'a str,
    pub(super) model: &'a str,
    pub(super) endpoint: &'a str,
}

impl AccessLogLine {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let parent = headers.get("traceparent").map(HeaderValue::to_str);
        Self { trace_id: parent.and_then(|parent| trace_id(parent.ok()?)).map(Into::into) }
    }

    pub(super) fn write(&self, row: &RequestRow, names: &RequestNames<'_>) {
        let seconds = |micros: i64| micros as f64 / 1e6;
        logging::request(&Finished {
            request_id: &row.request_id,
            api_key: names.api_key,
            model: names.model,
            endpoint: names.endpoint,
            status: row.status,
            outcome: &row.outcome.text(),
            input_tokens: row.tokens.input,
            cached_tokens: row.tokens.cached,
            output_tokens: row.tokens.output,
            queue_seconds: seconds(row.queue_us),
            first_byte_seconds: row.first_byte_us.map(seconds),
            seconds: seconds(row.duration_us),
            run_id: row.run_id,
            trace_id: self.trace_id.as_deref(),
        });
    }
}
