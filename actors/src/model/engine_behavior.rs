//! What a model's answers have taught, for as long as the program runs.

use llm_manager_policy::usage::{TokenRate, Usage};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

/// What is known of the engine and of its tokens. Two requests may learn the same at once: no harm is done.
#[derive(Debug, Default)]
pub struct EngineBehavior {
    stream_options: AtomicU8,
    tokens: AtomicU64,
    texts: AtomicU64,
    bytes: AtomicU64,
}

/// Whether the engine lets itself be asked for the usage of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamOptions {
    /// Nobody has tried.
    Unknown,
    /// It has answered a request that had the option.
    Taken,
    /// It has refused a request that had it, and taken the same without.
    Refused,
}

/// How the engine of the present run takes it when the client of a plain request leaves.
#[derive(Debug, Default)]
pub struct DisconnectBehavior(AtomicU8);

impl DisconnectBehavior {
    /// Whether anything is known of it.
    pub fn is_known(&self) -> bool {
        self.0.load(Relaxed) != 0
    }

    /// Whether it generates on, to the last token.
    pub fn runs_on(&self) -> bool {
        self.0.load(Relaxed) == 2
    }

    /// It has named itself.
    pub fn learn(&self, runs_on: bool) {
        self.0.store(1 + u8::from(runs_on), Relaxed);
    }

    /// Another run begins, perhaps of another engine.
    pub fn forget(&self) {
        self.0.store(0, Relaxed);
    }
}

impl EngineBehavior {
    /// What is known of `stream_options`.
    pub fn stream_options(&self) -> StreamOptions {
        match self.stream_options.load(Relaxed) {
            1 => StreamOptions::Taken,
            2 => StreamOptions::Refused,
            _ => StreamOptions::Unknown,
        }
    }

    /// A request with the option was answered.
    pub fn took_stream_options(&self) {
        if self.stream_options() == StreamOptions::Unknown {
            self.stream_options.store(1, Relaxed);
        }
    }

    /// A request was answered only without it.
    pub fn refused_stream_options(&self) {
        self.stream_options.store(2, Relaxed);
    }

    /// A whole stream that the backend has counted itself.
    pub fn counted(&self, usage: &Usage) {
        let Some(tokens) = usage.output.filter(|_| usage.deltas > 0) else { return };
        // Reasoning that doesn't stream has no text to be measured by.
        if usage.reasoning.unwrap_or(0) == 0 {
            self.tokens.fetch_add(tokens, Relaxed);
            self.texts.fetch_add(usage.deltas, Relaxed);
            self.bytes.fetch_add(usage.text_bytes, Relaxed);
        }
    }

    /// By which streams that nobody counts are estimated.
    pub fn pace(&self) -> TokenRate {
        TokenRate {
            tokens: self.tokens.load(Relaxed),
            texts: self.texts.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_refused_once_is_not_tried_again() {
        let learnt = EngineBehavior::default();
        assert_eq!(learnt.stream_options(), StreamOptions::Unknown);
        learnt.took_stream_options();
        assert_eq!(learnt.stream_options(), StreamOptions::Taken);
        learnt.refused_stream_options();
        learnt.took_stream_options();
        assert_eq!(learnt.stream_options(), StreamOptions::Refused);
    }

    #[test]
    fn only_texts_with_counts_are_a_measure() {
        let learnt = EngineBehavior::default();
        let stream = Usage { output: Some(10), deltas: 5, text_bytes: 40, ..Usage::default() };
        learnt.counted(&stream);
        learnt.counted(&Usage { reasoning: Some(3), ..stream });
        learnt.counted(&Usage { deltas: 0, ..stream });
        learnt.counted(&Usage { output: None, ..stream });
        assert_eq!(learnt.pace(), TokenRate { tokens: 10, texts: 5, bytes: 40 });
    }
}
