//! What was read of one document, and what all documents of an answer say together.

use super::paths::{Dialect, Field, Node};
use super::{End, Source, Timings, Usage};

/// The numbers of one report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    input: Option<u64>,
    output: Option<u64>,
    total: Option<u64>,
    cached: Option<u64>,
    cache_write: Option<u64>,
    reasoning: Option<u64>,
}

impl Counts {
    /// The later of two cumulative reports, which may leave out what the earlier said.
    fn grow(&mut self, later: &Self) {
        // `None` is less than any count.
        self.input = self.input.max(later.input);
        self.output = self.output.max(later.output);
        self.total = self.total.max(later.total);
        self.cached = self.cached.max(later.cached);
        self.cache_write = self.cache_write.max(later.cache_write);
        self.reasoning = self.reasoning.max(later.reasoning);
    }
}

/// What has been read of the document that is still coming.
#[derive(Debug, Default)]
pub(super) struct Draft {
    counts: Counts,
    timings: Timings,
    counts_done: bool,
    timings_done: bool,
    /// It carries text.
    has_text: bool,
    /// Where the first text begins and ends, in the caller's chunk.
    text: (usize, Option<usize>),
}

impl Draft {
    pub(super) fn begins(&mut self, node: Node) {
        if node == Node::Timings {
            (self.timings, self.timings_done) = Default::default();
        } else {
            (self.counts, self.counts_done) = Default::default();
        }
    }

    pub(super) fn ends(&mut self, node: Node) {
        if node == Node::Timings {
            self.timings_done = self.timings != Timings::default();
        } else {
            self.counts_done = self.counts != Counts::default();
        }
    }

    /// `alone`: no object around it completes it.
    pub(super) fn number(&mut self, field: Field, value: Option<u64>, alone: bool) {
        let place = match field {
            Field::Input => &mut self.counts.input,
            Field::Output => &mut self.counts.output,
            Field::Total => &mut self.counts.total,
            Field::Cached => &mut self.counts.cached,
            Field::CacheWrite => &mut self.counts.cache_write,
            Field::Reasoning => &mut self.counts.reasoning,
            Field::PromptN => &mut self.timings.prompt_n,
            Field::CacheN => &mut self.timings.cache_n,
            Field::PredictedN => &mut self.timings.predicted_n,
            Field::PromptMs => &mut self.timings.prompt_us,
            Field::PredictedMs => &mut self.timings.predicted_us,
            Field::Text => return,
        };
        *place = value;
        self.counts_done |= alone && value.is_some();
    }

    pub(super) fn text_begins(&mut self, at: usize) {
        if !self.has_text {
            self.has_text = true;
            self.text = (at, None);
        }
    }

    pub(super) fn text_ends(&mut self, at: usize) {
        self.text.1.get_or_insert(at);
    }

    /// Where its first text lies, if there is one and no report.
    pub(super) fn only_text(&self) -> Option<(usize, usize)> {
        let (from, to) = self.text;
        if self.has_text && !self.counts_done && !self.timings_done { Some((from, to?)) } else { None }
    }
}

/// What the documents so far say.
#[derive(Debug, Default)]
pub(super) struct Totals {
    counts: Option<Counts>,
    timings: Option<Timings>,
    pub(super) events: u64,
    pub(super) deltas: u64,
    /// How many of the deltas the last report with an output had seen.
    reported_deltas: u64,
}

impl Totals {
    /// One more event that carries text and nothing else.
    pub(super) fn add_text(&mut self) {
        self.events += 1;
        self.deltas += 1;
    }

    pub(super) fn add(&mut self, draft: Draft, dialect: &Dialect, is_event: bool) {
        if is_event {
            self.events += 1;
            self.deltas += u64::from(draft.has_text);
        }
        let mut reported = false;
        if draft.counts_done {
            reported |= draft.counts.output.is_some();
            match &mut self.counts {
                // A mode's pointers may find each count in another event.
                Some(counts) if matches!(dialect, Dialect::Anthropic | Dialect::Pointers(_)) => {
                    counts.grow(&draft.counts);
                }
                counts => *counts = Some(draft.counts),
            }
        }
        if draft.timings_done {
            reported |= draft.timings.predicted_n.is_some();
            self.timings = Some(draft.timings);
        }
        if reported {
            self.reported_deltas = self.deltas;
        }
    }

    pub(super) fn usage(&self, dialect: &Dialect, end: End, is_stream: bool) -> Usage {
        let mut usage = Usage {
            timings: self.timings,
            events: self.events,
            deltas: self.deltas,
            source: Source::Backend,
            ..Usage::default()
        };
        let counts = self.counts.unwrap_or_default();
        usage.cached = counts.cached;
        usage.cache_write = counts.cache_write;
        usage.reasoning = counts.reasoning;
        usage.output = counts.output;
        usage.input = match dialect {
            Dialect::Anthropic => counts.input.map(|input| {
                let cached = counts.cached.unwrap_or(0);
                input.saturating_add(cached).saturating_add(counts.cache_write.unwrap_or(0))
            }),
            Dialect::Embedding => counts.input.or(counts.total),
            _ => counts.input.or_else(|| counts.total?.checked_sub(counts.output?)),
        };
        if *dialect == Dialect::Embedding && usage.input.is_some() {
            usage.output = usage.output.or(Some(0));
        }
        if usage.output.is_none() {
            usage.output = counts.total.zip(counts.input).and_then(|(total, input)| total.checked_sub(input));
        }
        if let (None, Some(timings)) = (self.counts, &self.timings) {
            usage.output = timings.predicted_n;
            usage.cached = timings.cache_n;
            usage.input = timings.prompt_n.map(|computed| match timings.cache_n {
                Some(cached) => computed.saturating_add(cached),
                None => {
                    // An old llama.cpp, which doesn't say how much came from the cache.
                    usage.source = Source::Estimated;
                    computed
                }
            });
        }
        usage.cached = usage.cached.map(|cached| cached.min(usage.input.unwrap_or(cached)));
        self.count_texts(&mut usage, end, is_stream);
        if usage.input.is_none() && usage.output.is_none() {
            usage.source = Source::None;
        }
        usage
    }

    /// The output of a stream that went on after its last report, or had none.
    fn count_texts(&self, usage: &mut Usage, end: End, is_stream: bool) {
        let later = self.deltas - self.reported_deltas;
        match usage.output {
            Some(_) if later == 0 => return,
            // What Anthropic says before the first text is a placeholder.
            Some(reported) if self.reported_deltas == 0 => usage.output = Some(reported.max(later)),
            Some(reported) => usage.output = Some(reported.saturating_add(later)),
            None if later > 0 => usage.output = Some(later),
            // It was a stream that we understand, and it hadn't come to its first token.
            None if is_stream && end != End::Complete && self.events > 0 => usage.output = Some(0),
            None => return,
        }
        usage.source = Source::Estimated;
    }
}
