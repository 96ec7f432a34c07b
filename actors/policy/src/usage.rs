//! The one reader of answers: how many tokens a request took, how its stream ended, and which event the client must not
//! see. Read from the bytes as they pass, JSON or server-sent events cut anywhere.
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
//! | Anthropic messages | `input_tokens` without `cache_read_input_tokens` and `cache_creation_input_tokens`; `message_start` has the input, `message_delta` the output so far | input is the sum of the three; of several outputs the highest counts, of several inputs the last, for the first may be an estimate (Ollama) or all of the prompt (SGLang) |
//! | xAI, Perplexity, Gemini's OpenAI form | the reasoning beside the output: in the total only, with a name or without | output is what the total has beyond the input, or the sum |
//! | llama.cpp without `usage` | `timings`: `prompt_n` without `cache_n`, `predicted_n` | input is `prompt_n + cache_n` |
//! | SGLang, Moonshot, DeepSeek | `reasoning_tokens`, `cached_tokens`, `prompt_cache_hit_tokens` in `usage` itself; Moonshot's streams: `usage` in the choice | as it is |
//! | llama.cpp with several choices | in a stream one report for each choice; otherwise the report of the first | the sum; or estimated by the length of the texts |
//! | embeddings, rerank (Jina, llama.cpp, vLLM) | `usage.prompt_tokens` or only `total_tokens` | input; output is 0 |
//! | rerank and embeddings of Cohere | `meta.tokens.input_tokens`, or `meta.billed_units.input_tokens` | input; output is 0 |
//! | a mode of `modes:` | JSON pointers | as they are; `input` has to include `cached` |
//!
//! Counts in a stream are cumulative: of several reports the highest count of each kind wins, wherever it stood, so a later
//! report that says less (zeros, nulls, half of it) takes nothing away. Only where each choice has a report of its own are
//! they added. `"usage":null` is no report, and neither is one of nothing but zeros. A report counts once its object has
//! ended, within a stream once its event has ended. A count that is negative, broken or beyond 2^63-1 is unknown. More
//! cached than input is taken as all input. An output is never less than the texts that were seen.
//!
//! # Estimates
//!
//! What was delivered is billed. When no text has come since the last report, that report is the truth. Otherwise the
//! output is estimated ([`CountSource::Estimated`]) by what the model's counted answers had ([`TokenRate`]): one token an event, or
//! so many bytes a token. Of a model that is not known yet, a text is a token if it is short, and a token for each four
//! bytes if it is not. The input, when no report has it, is the caller's to estimate from the request ([`prompt`]).
//! An unfinished JSON answer without a report stays unknown: [`CountSource::None`], never 0.
//!
//! # The usage event
//!
//! Streams of OpenAI's form carry usage only when they are asked to. Where the manager has asked and not the client, the
//! event that is there for it is taken out ([`Meter::hiding`]): one in which no choice says anything. If there is
//! anything else in it (llama.cpp's `timings`, vLLM's `metrics`), it is shown without its usage. Usage in the events
//! of the choices is the engine's own doing: then nothing is touched.
//!
//! # Cost
//!
//! A [`Meter`] is some 2 KiB, the last event of a stream twice (at most [`MAX_HELD`]) and, while it hides, an event that
//! may be the one (at most [`MAX_EVENT`]). The structure is checked only on the way to the fields; everything else is
//! skipped in blocks. Most events of a stream equal the last one except in one string and some numbers, so they are
//! compared instead of parsed.

mod document_usage;
mod fields;
mod numbers;
mod output;
mod paths;
mod pointers;
pub mod prompt;
mod report;
mod stream;
mod template;
#[cfg(test)]
mod tests;
mod totals;
mod walker;

pub use output::{MAX_EVENT, OutputPart, StreamOutput};
pub use paths::Dialect;
pub use pointers::{BadPointer, Pointers};
pub use report::{CountSource, End, MAX_HELD, Timings, TokenRate, Usage};

use document_usage::DocumentUsage;
use std::mem;
use stream::{DocumentReader, UsageStream};
use totals::UsageTotals;
use walker::Walker;

/// How the answer is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// One JSON document.
    Json,
    /// `text/event-stream`.
    Sse,
    /// The first bytes will tell.
    Unknown,
}

impl Framing {
    /// From the `Content-Type` of the answer, empty if it has none, and whether a stream was asked for; `None`: there is
    /// nothing to read in it.
    pub fn of_content_type(value: &str, stream_asked: bool) -> Option<Self> {
        let essence = value.split(';').next().unwrap_or_default().trim();
        let is = |name: &str| essence.eq_ignore_ascii_case(name);
        let is_json = is("application/json") || essence.ends_with("+json");
        let is_media = ["audio/", "image/", "video/"]
            .iter()
            .any(|kind| essence.get(..kind.len()).is_some_and(|start| start.eq_ignore_ascii_case(kind)));
        match essence {
            _ if is("text/event-stream") => Some(Self::Sse),
            _ if is_media => None,
            _ if is_json && !stream_asked => Some(Self::Json),
            // Some engines answer under another name; Flask's own is `text/html`.
            _ => Some(Self::Unknown),
        }
    }

    /// From the first bytes; `None`: they are too few. Streams are looked for only where one was asked for.
    pub fn of_bytes(bytes: &[u8], stream_asked: bool) -> Option<Self> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
        let fields: [&[u8]; 5] = [b"data:", b"event:", b"id:", b"retry:", b":"];
        let begins = |field: &&[u8]| bytes.starts_with(field) || field.starts_with(bytes);
        if bytes.is_empty() {
            return None;
        }
        Some(if stream_asked && fields.iter().any(begins) { Self::Sse } else { Self::Json })
    }
}

/// So many characters of an answer that is no JSON are told.
const MOST_OF_NO_JSON: usize = 200;

/// Reads one answer.
#[derive(Debug)]
pub struct Meter {
    dialect: Dialect,
    shape: Framing,
    stream_asked: bool,
    /// `None`: the answer is one JSON document.
    stream: Option<Box<UsageStream>>,
    hides: bool,
    walker: Walker,
    draft: DocumentUsage,
    totals: UsageTotals,
}

impl Meter {
    pub fn new(shape: Framing, dialect: Dialect) -> Self {
        Self {
            dialect,
            shape,
            stream_asked: shape == Framing::Sse,
            stream: (shape == Framing::Sse).then(|| Box::new(UsageStream::new(false))),
            hides: false,
            walker: Walker::default(),
            draft: DocumentUsage::default(),
            totals: UsageTotals::default(),
        }
    }

    /// Takes the usage event out, because the client has not asked for it.
    #[must_use]
    pub fn hiding(mut self, hides: bool) -> Self {
        self.hides = hides;
        if let Some(stream) = &mut self.stream {
            stream.hides = hides;
        }
        self
    }

    /// Whether the client has asked for a stream: then the first bytes may be one's.
    #[must_use]
    pub fn asked_for_stream(mut self, asked: bool) -> Self {
        self.stream_asked |= asked;
        self
    }

    /// Reads the next bytes as they came from the backend, and says what to send of them.
    pub fn push(&mut self, chunk: &[u8]) -> StreamOutput {
        if self.shape == Framing::Unknown {
            let Some(shape) = Framing::of_bytes(chunk, self.stream_asked) else { return StreamOutput::All };
            self.shape = shape;
            if shape == Framing::Sse {
                self.stream = Some(Box::new(UsageStream::new(self.hides)));
            }
        }
        let Self { dialect, stream, walker, draft, totals, .. } = self;
        match stream {
            Some(stream) => stream.push(chunk, &mut DocumentReader { dialect, walker, draft, totals }),
            None => {
                walker.feed(chunk, 0, dialect, draft);
                if walker.is_foreign() {
                    draft.words.add(chunk);
                }
                StreamOutput::All
            }
        }
    }

    /// The answer has ended: the last event may lack its empty line. What was still held back of it.
    pub fn close(&mut self) -> Vec<u8> {
        let Self { dialect, stream, walker, draft, totals, .. } = self;
        let Some(stream) = stream else { return Vec::new() };
        stream.close(&mut DocumentReader { dialect, walker, draft, totals })
    }

    /// Events so far that carried text.
    pub fn deltas(&self) -> u64 {
        self.totals.seen.texts
    }

    /// Whether it is a stream, as far as one can tell.
    pub fn is_stream(&self) -> bool {
        self.stream.is_some()
    }

    /// Whether nothing is generated in this form of answer.
    pub fn is_embedding(&self) -> bool {
        self.dialect == Dialect::Embedding
    }

    /// Whether it may still turn out to be a stream.
    pub fn may_be_stream(&self) -> bool {
        self.shape == Framing::Unknown && self.stream_asked
    }

    /// Whether an event has come.
    pub fn has_events(&self) -> bool {
        self.totals.datas > 0
    }

    /// Whether the last event of the stream has come, or the last one of each choice.
    pub fn has_ended(&self) -> bool {
        self.totals.has_ended()
    }

    /// The last event of an OpenAI stream whose backend was lost after its last choice had ended: a client that has the
    /// whole text should not be left to wait for the word that says so. `None`: it has come, or an event is half sent.
    pub fn missing_end(&self) -> Option<&'static [u8]> {
        let whole = self.dialect == Dialect::OpenAi && self.totals.has_ended() && self.error().is_none();
        let between = self.stream.as_ref().is_some_and(|stream| stream.is_between_events());
        (whole && between && !self.totals.ended).then_some(b"data: [DONE]\n\n")
    }

    /// Whether a document has begun.
    pub fn has_begun(&self) -> bool {
        self.walker.has_begun()
    }

    /// Whether a document is still incomplete.
    pub fn is_cut(&self) -> bool {
        self.stream.is_none() && self.shape == Framing::Json && !self.walker.ended() && !self.walker.failed()
    }

    /// The engine's words, if it has told of an error; they may be empty.
    pub fn error(&self) -> Option<String> {
        let document = self.stream.is_none() && self.walker.ended() && self.draft.failed();
        if document {
            return Some(self.draft.words.text());
        }
        self.totals.error.then(|| self.totals.words.text())
    }

    /// Why no client can read a whole answer that should be one JSON document, in words; `None`: it is one, or there is
    /// nothing at all.
    pub fn no_document(&self) -> Option<String> {
        if self.stream.is_none() && self.walker.is_foreign() {
            let words: String = self.draft.words.text().trim().chars().take(MOST_OF_NO_JSON).collect();
            return Some(format!("the response is not JSON: {words}"));
        }
        (self.has_begun() && self.is_cut()).then(|| "the JSON of the response has no end".to_owned())
    }

    /// The last line of a stream that was no part of it: proxies write their errors so.
    pub fn stray(&self) -> Option<String> {
        let words = self.stream.as_ref()?.stray();
        (!words.is_empty()).then(|| words.text())
    }

    /// The words of a line `error: ...` between the events: llama.cpp of 2024 wrote its errors so, then `[DONE]`. Clients
    /// don't see such a line, so it is no [`Self::error`].
    pub fn error_line(&self) -> Option<String> {
        let line = self.stray()?;
        line.strip_prefix("error:").map(|words| words.trim().to_owned())
    }

    pub fn finish(mut self, end: End, pace: &TokenRate) -> Usage {
        let is_stream = self.stream.is_some();
        if is_stream {
            self.close();
        } else if self.walker.ended() || (end != End::Complete && !self.walker.failed()) {
            // Of a broken document, what has ended counts.
            self.totals.add(&mem::take(&mut self.draft), &self.dialect, false);
        }
        self.totals.usage(&self.dialect, end, is_stream, pace)
    }
}
