//! What is told of an answer: its tokens, where they come from, and how it ended.

use super::prompt::Prompt;

/// Bytes that a meter may hold of the events that it has read.
pub const MAX_HELD: usize = 4096;

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
pub enum CountSource {
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
}

/// What one request took. `None` is unknown, which is not 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub input: Option<u64>,
    pub cached: Option<u64>,
    pub cache_write: Option<u64>,
    pub output: Option<u64>,
    pub reasoning: Option<u64>,
    pub source: CountSource,
    pub timings: Option<Timings>,
    /// Whole events of a stream that were JSON.
    pub events: u64,
    /// Those of them that carried text, and the bytes of it.
    pub deltas: u64,
    pub text_bytes: u64,
    /// If several reports were added: the sum of their inputs, which is the input of several prompts.
    pub all_inputs: Option<u64>,
    /// The input is that of the first choice.
    pub of_first: bool,
    /// What the engine says of the output, whatever was seen of it.
    pub reported: Option<u64>,
}

impl Usage {
    /// Takes this estimate for the input of an answer of which only the output is known.
    #[must_use]
    pub fn or_input(mut self, estimate: u64) -> Self {
        if self.input.is_none() && self.output.is_some() {
            self.input = Some(estimate);
            self.source = CountSource::Estimated;
        }
        self
    }

    /// The answer begins with its prompt (`echo`): what was seen of it is more than what was generated, so the engine's
    /// report counts, be it 0.
    #[must_use]
    pub fn of_echo(mut self) -> Self {
        if let (Some(reported), CountSource::Estimated) = (self.reported, self.source) {
            self.output = Some(reported);
            self.source = if self.input.is_some() { CountSource::Backend } else { CountSource::Estimated };
        }
        self
    }

    /// What the request asks with. Of several prompts, some engines report each by itself, or only the first.
    #[must_use]
    pub fn of_prompts(mut self, prompt: &Prompt) -> Self {
        if prompt.prompts > 1 && self.all_inputs.is_some() {
            self.input = self.all_inputs;
        } else if self.of_first {
            self.input = self.input.map(|first| prompt.all_of(first));
        }
        self
    }
}

/// What the counted streams of a model had: those that nobody counts are estimated by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenRate {
    pub tokens: u64,
    /// Events with text, and its bytes.
    pub texts: u64,
    pub bytes: u64,
}

impl TokenRate {
    /// Fewer tokens are no measure.
    const ENOUGH: u64 = 256;

    /// Tokens in so many texts of so many bytes in all; `rule`, if the model isn't known.
    pub(super) fn tokens_of(&self, texts: u64, bytes: u64, rule: u64) -> u64 {
        if self.tokens < Self::ENOUGH || self.bytes == 0 {
            return rule;
        }
        // One token an event: then the events are exact.
        if self.tokens <= self.texts.saturating_add(self.texts / 16) {
            return if texts <= 1 { rule.max(texts) } else { texts };
        }
        let tokens = u128::from(bytes) * u128::from(self.tokens) / u128::from(self.bytes);
        u64::try_from(tokens).unwrap_or(u64::MAX).max(texts)
    }
}

/// What is shown of the usage event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UsageVisibility {
    Nothing,
    /// All but the usage, which lies here; and where its list of choices is, if that is empty.
    Without((u64, u64), Option<(u64, u64)>),
}
