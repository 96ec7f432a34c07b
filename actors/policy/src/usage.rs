//! How many tokens a request took: read from the bytes of the answer as they pass, JSON or server-sent
//! events cut anywhere.
//!
//! # One definition for all engines
//!
//! | word | meaning |
//! |---|---|
//! | input | all tokens of the prompt, those read from a cache included |
//! | cached | the part of the input that was read from a cache |
//! | cache_write | the part of the input that was written to a cache, where the engine says so |
//! | output | all generated tokens, reasoning included |
//! | reasoning | the part of the output that was reasoning, where the engine says so |
//!
//! | engine | what it reports | what is made of it |
//! |---|---|---|
//! | OpenAI chat and completions, vLLM, SGLang, llama.cpp | `usage.prompt_tokens` with, inside it, `prompt_tokens_details.cached_tokens`; `completion_tokens` with `completion_tokens_details.reasoning_tokens` | as it is |
//! | OpenAI responses | `usage.input_tokens`, `output_tokens` and their `_details`, in `response.usage` of the last event | as it is |
//! | Anthropic messages | `input_tokens` without `cache_read_input_tokens` and `cache_creation_input_tokens`; `message_start` has the input, `message_delta` the output so far | input is the sum of the three; the highest count wins, for counts in a stream are cumulative |
//! | llama.cpp without `usage` | `timings`: `prompt_n` without `cache_n`, `predicted_n` | input is `prompt_n + cache_n` |
//! | embeddings, rerank (Jina, llama.cpp, vLLM) | `usage.prompt_tokens` or only `total_tokens` | input; output is 0 |
//! | rerank and embeddings of Cohere | `meta.tokens.input_tokens`, or `meta.billed_units.input_tokens` | input; output is 0 |
//! | a mode of `modes:` | JSON pointers | as they are; `input` has to include `cached` |
//!
//! Of several reports in a stream the last wins, they are never added; `"usage":null` is no report.
//! A report counts once its object has ended, within a stream once its event has ended. A count that is
//! negative, broken or beyond 2^63-1 is unknown. More cached than input is taken as all input.
//!
//! # Streams that end early
//!
//! What was delivered is billed. When no token has come since the last report, that report is the truth.
//! Otherwise each event that carries text counts as one token ([`Source::Estimated`]): that is what
//! llama.cpp, vLLM and Anthropic send, and GPUStack estimates so too. The input, when no report has it,
//! is the caller's to estimate from the request: [`Usage::or_input`].
//! An unfinished JSON answer without a report stays unknown: [`Source::None`], never 0.
//!
//! # Cost
//!
//! A [`Meter`] is some 700 bytes and the beginning and end of the last event, at most [`MAX_HELD`].
//! The structure is checked only on the way to the fields; everything else is skipped in blocks. Most
//! events of a stream equal the last one except in one string, so they are compared instead of parsed.

use std::mem;

mod paths;
mod report;
mod stream;
#[cfg(test)]
mod tests;
mod walk;

pub use paths::{BadPointer, Dialect, Pointers};

use report::{Draft, Totals};
use stream::Stream;
use walk::Walker;

/// Bytes that a meter may hold besides itself.
pub const MAX_HELD: usize = 4096;

/// How the answer is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One JSON document.
    Json,
    /// `text/event-stream`.
    Sse,
}

impl Shape {
    /// From the `Content-Type` of the answer; `None`: neither, so there is nothing to read in it.
    pub fn of_content_type(value: &str) -> Option<Self> {
        let essence = value.split(';').next().unwrap_or_default().trim();
        let is_json = |name: &str| name.eq_ignore_ascii_case("application/json") || name.ends_with("+json");
        match essence {
            name if name.eq_ignore_ascii_case("text/event-stream") => Some(Self::Sse),
            name if is_json(name) => Some(Self::Json),
            _ => None,
        }
    }
}

/// How the answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With its last byte.
    Complete,
    /// The backend broke it off.
    Broken,
    /// The client went away.
    ClientLeft,
}

/// Where the counts come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// All of them from the backend.
    Backend,
    /// At least one was estimated.
    Estimated,
    /// Nothing is known.
    #[default]
    None,
}

/// The engine's own clock, as llama.cpp reports it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// Tokens of the prompt that were computed, without the cached ones.
    pub prompt_n: Option<u64>,
    /// Tokens of the prompt that came from the cache.
    pub cache_n: Option<u64>,
    /// Generated tokens.
    pub predicted_n: Option<u64>,
    /// Microseconds for the prompt.
    pub prompt_us: Option<u64>,
    /// Microseconds for the generation.
    pub predicted_us: Option<u64>,
}

/// What one request took. `None` is unknown, which is not 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub input: Option<u64>,
    pub cached: Option<u64>,
    pub cache_write: Option<u64>,
    pub output: Option<u64>,
    pub reasoning: Option<u64>,
    pub source: Source,
    pub timings: Option<Timings>,
    /// Whole events of a stream that were JSON.
    pub events: u64,
    /// Those of them that carried text.
    pub deltas: u64,
}

impl Usage {
    /// Takes this estimate for the input of an answer of which only the output is known.
    #[must_use]
    pub fn or_input(mut self, estimate: u64) -> Self {
        if self.input.is_none() && self.output.is_some() {
            self.input = Some(estimate);
            self.source = Source::Estimated;
        }
        self
    }
}

/// Tokens in a text of this many bytes: four bytes are about one token of English text.
///
/// That is OpenAI's rule of thumb (help.openai.com, "What are tokens and how to count them?"), and what
/// GPUStack takes for streams that broke. Pass the length of the text, not of images in base64.
pub fn estimate_input(bytes: u64) -> u64 {
    bytes.div_ceil(4)
}

/// Reads the usage of one answer.
#[derive(Debug)]
pub struct Meter {
    dialect: Dialect,
    /// `None`: the answer is one JSON document.
    stream: Option<Stream>,
    walker: Walker,
    draft: Draft,
    totals: Totals,
}

impl Meter {
    pub fn new(shape: Shape, dialect: Dialect) -> Self {
        Self {
            dialect,
            stream: (shape == Shape::Sse).then(Stream::default),
            walker: Walker::default(),
            draft: Draft::default(),
            totals: Totals::default(),
        }
    }

    /// Reads the next bytes as they came from the backend. True when the first text of the stream is in
    /// them: now is the time to first token.
    pub fn push(&mut self, chunk: &[u8]) -> bool {
        let Some(stream) = &mut self.stream else {
            self.walker.feed(chunk, 0, &self.dialect, &mut self.draft);
            return false;
        };
        let had_text = self.totals.deltas > 0;
        stream.push(chunk, &self.dialect, &mut self.walker, &mut self.draft, &mut self.totals);
        !had_text && self.totals.deltas > 0
    }

    /// Events so far that carried text.
    pub fn deltas(&self) -> u64 {
        self.totals.deltas
    }

    pub fn finish(mut self, end: End) -> Usage {
        let whole = self.walker.ended();
        // The last event may lack its empty line; of a broken document, what has ended counts.
        if whole || (self.stream.is_none() && end != End::Complete && !self.walker.failed()) {
            self.totals.add(mem::take(&mut self.draft), &self.dialect, self.stream.is_some());
        }
        self.totals.usage(&self.dialect, end, self.stream.is_some())
    }
}
