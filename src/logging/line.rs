//! A line of the log: how it looks as JSON, and what the line of a finished request says.

use jiff::Timestamp;
use serde::Serialize;
use std::fmt;

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LogFormat {
    Text,
    Json,
}

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    level: &'a str,
    target: &'a str,
    message: &'a str,
    #[serde(flatten)]
    request: Option<&'a Finished<'a>>,
}

/// A request that has ended.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Finished<'a> {
    pub(crate) request_id: &'a str,
    /// The key's name; empty: none was wanted.
    pub(crate) api_key: &'a str,
    pub(crate) model: &'a str,
    pub(crate) endpoint: &'a str,
    pub(crate) status: u16,
    pub(crate) outcome: &'a str,
    pub(crate) input_tokens: Option<i64>,
    pub(crate) cached_tokens: Option<i64>,
    pub(crate) output_tokens: Option<i64>,
    /// Until a backend took it.
    pub(crate) queue_seconds: f64,
    pub(crate) first_byte_seconds: Option<f64>,
    pub(crate) seconds: f64,
    pub(crate) run_id: Option<i64>,
    /// Of its `traceparent`.
    pub(crate) trace_id: Option<&'a str>,
}

impl fmt::Display for Finished<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { request_id, model, endpoint, status, outcome, .. } = self;
        write!(f, "request {request_id}: {model} {endpoint}: {outcome}, status {status}")?;
        if !self.api_key.is_empty() {
            write!(f, ", key {}", self.api_key)?;
        }
        if let Some(input) = self.input_tokens {
            write!(f, ", {input} input tokens")?;
        }
        if let Some(cached) = self.cached_tokens.filter(|cached| *cached > 0) {
            write!(f, " ({cached} cached)")?;
        }
        if let Some(output) = self.output_tokens {
            write!(f, ", {output} output tokens")?;
        }
        write!(f, ", queue {:.3} s", self.queue_seconds)?;
        if let Some(first_byte) = self.first_byte_seconds {
            write!(f, ", first byte {first_byte:.3} s")?;
        }
        write!(f, ", total {:.3} s", self.seconds)?;
        self.trace_id.map_or(Ok(()), |trace| write!(f, ", trace {trace}"))
    }
}

/// One object, with the end of the line.
pub(super) fn json(level: log::Level, target: &str, message: &str, request: Option<&Finished<'_>>) -> String {
    let time = format!("{:.3}", Timestamp::now());
    let line = Line { time, level: level.as_str(), target, message, request };
    // Texts and numbers can't fail.
    let mut text = serde_json::to_string(&line).unwrap_or_default();
    text.push('\n');
    text
}

impl LogFormat {
    /// A line about the log itself.
    pub(super) fn note(self, text: &str) -> String {
        match self {
            Self::Text => format!("{text}\n"),
            Self::Json => json(log::Level::Warn, module_path!(), text, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_json_is_one_object() {
        let text = json(log::Level::Warn, "t", "a \"word\"\nand more", None);
        assert!(text.ends_with("}\n") && text.lines().count() == 1, "{text}");
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&line["level"], &line["message"]), (&"WARN".into(), &"a \"word\"\nand more".into()));
        let time = line["time"].as_str().unwrap();
        assert!(
            time.parse::<Timestamp>().is_ok() && time.len() == "2026-11-29T06:18:15.123Z".len(),
            "{time}"
        );
    }

    #[test]
    fn a_request_is_a_sentence_or_fields() {
        let finished = Finished {
            request_id: "r1",
            api_key: "workshop",
            model: "qwen",
            endpoint: "/v1/chat/completions",
            status: 200,
            outcome: "ok",
            input_tokens: Some(12),
            cached_tokens: Some(3),
            output_tokens: Some(4),
            queue_seconds: 0.5,
            first_byte_seconds: Some(0.75),
            seconds: 1.0,
            run_id: Some(7),
            trace_id: None,
        };
        let text = finished.to_string();
        let said = "request r1: qwen /v1/chat/completions: ok, status 200, key workshop, 12 input tokens (3 cached), \
                    4 output tokens, queue 0.500 s, first byte 0.750 s, total 1.000 s";
        assert_eq!(text, said);
        let line: serde_json::Value =
            serde_json::from_str(&json(log::Level::Info, "t", &text, Some(&finished))).unwrap();
        assert_eq!(
            (&line["message"], &line["api_key"], &line["run_id"]),
            (&said.into(), &"workshop".into(), &7.into())
        );
    }
}
