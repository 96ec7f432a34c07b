//! What an account reads of the answer on its way: its pieces, its end, and the words of an error.

use super::super::error_text;
use super::{RequestAccount, micros};
use crate::http::error::{ApiError, ApiErrorKind};
use llm_manager_policy::usage::{Dialect, Framing, Meter, StreamOutput};
use std::sync::Arc;

impl RequestAccount {
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
        self.document = self.endpoint.answers_document(content_type);
        let Some(shape) = Framing::of_content_type(content_type, self.stream) else { return };
        let dialect = match &self.model.spec.mode.usage {
            Some(pointers) => Dialect::Pointers(Arc::clone(pointers)),
            None => Dialect::of_endpoint(&self.endpoint.path),
        };
        self.end_of_stream = dialect.end_of_stream(&self.endpoint.path);
        let meter = Meter::new(shape, dialect).hiding(hide_usage).asked_for_stream(self.stream);
        self.meter = Some(Box::new(meter));
    }

    /// Bytes of the backend's answer, as they came; what to send of them.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> StreamOutput {
        if let Some(draft) = &mut self.draft {
            draft.push(bytes);
        }
        let Some(meter) = &mut self.meter else {
            if self.row.as_ref().is_some_and(|row| row.status >= 400) {
                let room = error_text::LONGEST.saturating_sub(self.error_body.len());
                self.error_body.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
            }
            return StreamOutput::All;
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
    pub(in crate::http::gateway) fn is_stream(&self) -> bool {
        self.meter.as_ref().is_some_and(|meter| meter.is_stream())
    }

    /// Whether it is one, or its first bytes may yet say so.
    pub(in crate::http::gateway) fn may_be_stream(&self) -> bool {
        self.meter.as_ref().is_some_and(|meter| meter.is_stream() || meter.may_be_stream())
    }

    /// Whether the end of a stream has come, good or bad: what follows changes nothing.
    pub(in crate::http::gateway) fn has_ended(&self) -> bool {
        self.meter
            .as_ref()
            .is_some_and(|meter| meter.is_stream() && (meter.has_ended() || meter.error().is_some()))
    }

    /// What a stream lacks that has come whole, though its backend was lost before it said so.
    pub(in crate::http::gateway) fn missing_end(&self) -> Option<&'static [u8]> {
        self.end_of_stream.and(self.meter.as_ref())?.missing_end()
    }

    /// The backend has sent its last byte. What was held back of the answer, or what is wrong with its end.
    /// `with_connection`: only the end of the connection has ended it.
    pub(in crate::http::gateway) fn closes(&mut self, with_connection: bool) -> Result<Vec<u8>, ApiError> {
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
        Err(ApiError::new(ApiErrorKind::BackendError, message))
    }

    /// The words of such an error, as far as the answer has come.
    pub(in crate::http::gateway) fn told(&self) -> Option<String> {
        let meter = self.meter.as_ref()?;
        // What an endpoint of the user's own means by `error` in a whole answer, nobody knows.
        let known = meter.is_stream() || self.endpoint.built_in || self.end_of_stream.is_some();
        let words = meter.error().or_else(|| meter.error_line()).filter(|_| known)?;
        Some(if words.is_empty() { "an error event without words".to_owned() } else { words })
    }
}
