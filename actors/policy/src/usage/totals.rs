//! What all documents of an answer say together.

use super::document_usage::{Choices, Counts, DocumentUsage, Words};
use super::fields::EventKind;
use super::paths::Dialect;
use super::report::{CountSource, End, Timings, TokenRate, Usage};

/// A text of so many bytes is hardly more than one token.
const ONE_TOKEN: u64 = 12;

/// Texts that went through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TextCounter {
    pub(super) texts: u64,
    pub(super) bytes: u64,
    /// Four bytes a token, but each text is one at least.
    tokens: u64,
}

impl TextCounter {
    fn since(&self, earlier: &Self) -> Self {
        Self {
            texts: self.texts - earlier.texts,
            bytes: self.bytes - earlier.bytes,
            tokens: self.tokens - earlier.tokens,
        }
    }
}

/// What the documents so far say.
#[derive(Debug, Default)]
pub(super) struct UsageTotals {
    counts: Option<Counts>,
    /// Reports of choices that came before: llama.cpp reports each choice by itself.
    others: Counts,
    /// Reports that stood alone, without a choice.
    reports: u32,
    /// The sum of those that stood where one choice has ended, and how many there were.
    own: Counts,
    own_reports: u32,
    /// The engine reports in the events of its choices, too: nobody needs to ask it.
    pub(super) reports_unasked: bool,
    /// A report had nothing but zeros.
    empty_report: bool,
    timings: Option<Timings>,
    /// Events with data, whatever it was, and those that were JSON.
    pub(super) datas: u64,
    pub(super) events: u64,
    pub(super) seen: TextCounter,
    /// What the last report with an output had seen.
    reported: TextCounter,
    begun: u64,
    finished: u64,
    pub(super) ended: bool,
    pub(super) error: bool,
    pub(super) words: Words,
    /// Choices of a document, its texts, and the part of these that its first choice has.
    choices: u32,
    document_bytes: u64,
    first_choice_bytes: u64,
}

impl UsageTotals {
    /// One more event that carries text and nothing else.
    pub(super) fn add_text(&mut self, bytes: u64) {
        self.datas += 1;
        self.events += 1;
        self.saw(bytes);
    }

    /// One more event like one that was read before, but for its text and its counts.
    pub(super) fn add_like(&mut self, draft: &DocumentUsage, dialect: &Dialect, bytes: u64) {
        self.add_text(bytes);
        self.add_counts(draft, dialect);
    }

    fn saw(&mut self, bytes: u64) {
        self.seen.texts += 1;
        self.seen.bytes = self.seen.bytes.saturating_add(bytes);
        self.seen.tokens =
            self.seen.tokens.saturating_add(if bytes <= ONE_TOKEN { 1 } else { (bytes + 2) / 4 });
    }

    /// Whether every choice that has begun has ended, or the stream has said that it ends.
    pub(super) fn has_ended(&self) -> bool {
        self.ended || (self.finished != 0 && self.begun & !self.finished == 0)
    }

    pub(super) fn fail(&mut self, words: Words) {
        self.error = true;
        if self.words.is_empty() {
            self.words = words;
        }
    }

    pub(super) fn add(&mut self, draft: &DocumentUsage, dialect: &Dialect, is_event: bool) {
        if is_event {
            self.datas += 1;
            self.events += 1;
            if draft.has_text {
                self.saw(if draft.kind == EventKind::Sound { 0 } else { draft.text_bytes });
            }
            self.begun |= draft.begun;
            self.finished |= draft.finished;
            self.ended |= draft.kind == EventKind::End;
        } else {
            self.choices = draft.many_choices;
            self.document_bytes = draft.text_bytes;
            self.first_choice_bytes = draft.first_choice_bytes;
        }
        if draft.failed() {
            self.fail(draft.words.clone());
        }
        self.add_counts(draft, dialect);
    }

    fn add_counts(&mut self, draft: &DocumentUsage, dialect: &Dialect) {
        let mut reported = false;
        if draft.counts_done && !draft.counts.says_nothing() {
            reported |= draft.counts.output.is_some_and(|output| output > 0);
            self.report(draft, dialect);
        }
        self.empty_report |= draft.counts_done && draft.counts.says_nothing();
        self.reports_unasked |= draft.usage_given && draft.choices == Choices::Full;
        if draft.timings_done {
            reported |= draft.timings.predicted_n.is_some();
            self.timings = Some(draft.timings);
        }
        if reported {
            self.reported = self.seen;
        }
    }

    fn report(&mut self, draft: &DocumentUsage, dialect: &Dialect) {
        let alone = *dialect == Dialect::OpenAi && draft.choices != Choices::Full;
        if draft.finished.count_ones() == 1 {
            self.own.add(&draft.counts);
            self.own_reports += 1;
        }
        // One report for each choice that has ended, so the next is of the next choice. One report after all of them is
        // of all of them.
        if alone && self.reports > 0 && self.reports < self.finished.count_ones() {
            let last = self.counts.take().unwrap_or_default();
            self.others.add(&last);
        }
        self.reports += u32::from(alone);
        let counts = self.counts.get_or_insert_default();
        match dialect {
            Dialect::Anthropic => counts.correct(&draft.counts),
            _ => counts.grow(&draft.counts),
        }
    }

    pub(super) fn usage(&self, dialect: &Dialect, end: End, is_stream: bool, pace: &TokenRate) -> Usage {
        let mut usage = Usage {
            timings: self.timings,
            events: self.events,
            deltas: self.seen.texts,
            text_bytes: self.seen.bytes,
            source: CountSource::Backend,
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
            _ => {
                let input = counts.input.filter(|input| *input > 0);
                input.or_else(|| counts.total?.checked_sub(counts.output?))
            }
        };
        // Nothing is asked with nothing: whoever says so doesn't know.
        usage.input = usage.input.filter(|input| *input > 0);
        if matches!(dialect, Dialect::OpenAi | Dialect::Responses) {
            usage.output = usage.output.map(|output| output.saturating_add(counts.beside_output()));
        }
        if *dialect == Dialect::Embedding && usage.input.is_some() {
            usage.output = usage.output.or(Some(0));
        }
        if usage.output.is_none() {
            usage.output = counts.total.zip(counts.input).and_then(|(total, input)| total.checked_sub(input));
        }
        if let (None, Some(timings)) = (self.counts, &self.timings) {
            self.count_by_timings(timings, &mut usage);
        }
        self.add_other_choices(&mut usage);
        self.add_own_reports(&mut usage);
        usage.cached = usage.cached.map(|cached| cached.min(usage.input.unwrap_or(cached)));
        usage.reported = usage.output;
        if is_stream {
            self.count_texts(&mut usage, end, pace);
        } else {
            self.count_document(&mut usage, pace);
        }
        if usage.input.is_none() && usage.output.is_none() {
            usage.source = CountSource::None;
        }
        usage
    }

    fn count_by_timings(&self, timings: &Timings, usage: &mut Usage) {
        usage.output = timings.predicted_n;
        usage.cached = timings.cache_n;
        usage.input = timings.prompt_n.map(|computed| match timings.cache_n {
            Some(cached) => computed.saturating_add(cached),
            None => {
                // An old llama.cpp, which doesn't say how much came from the cache.
                usage.source = CountSource::Estimated;
                computed
            }
        });
    }

    fn add_other_choices(&self, usage: &mut Usage) {
        let sum = |mine: Option<u64>, other: Option<u64>| match (mine, other) {
            (Some(mine), Some(other)) => Some(mine.saturating_add(other)),
            (mine, other) => mine.or(other),
        };
        usage.all_inputs = self.others.input.and_then(|_| sum(usage.input, self.others.input));
        usage.output = sum(usage.output, self.others.output);
        usage.reasoning = sum(usage.reasoning, self.others.reasoning);
        usage.cached = usage.cached.max(self.others.cached);
    }

    /// Each choice has told of itself where it ended (llama.cpp's completions). Whether a report is of its choice or of
    /// all so far shows in what was seen: less than that is no count of all.
    fn add_own_reports(&self, usage: &mut Usage) {
        let is_of_one = usage.output.is_some_and(|output| output < self.seen.texts);
        if self.own_reports > 1 && self.reports == 0 && is_of_one {
            usage.output = usage.output.max(self.own.output);
            usage.reasoning = usage.reasoning.max(self.own.reasoning);
            usage.all_inputs = self.own.input;
        }
    }

    /// The output of a stream that went on after its last report, or had none.
    fn count_texts(&self, usage: &mut Usage, end: End, pace: &TokenRate) {
        let later = self.seen.since(&self.reported);
        let estimate = |seen: &TextCounter| pace.tokens_of(seen.texts, seen.bytes, seen.tokens);
        let counted = usage.output.filter(|output| *output > 0 || self.seen.texts == 0);
        let output = match counted {
            // What Anthropic says before the first text is a placeholder.
            Some(reported) if self.reported.texts == 0 => reported.max(estimate(&later)),
            Some(reported) => reported.saturating_add(estimate(&later)),
            None if self.seen.texts > 0 => estimate(&self.seen),
            // It was a stream that we understand, and it hadn't come to its first token.
            None if end != End::Complete && self.events > 0 => 0,
            None => return,
        };
        // Never less than what was seen.
        let output = output.max(self.seen.texts);
        if later.texts > 0 || counted != Some(output) {
            usage.source = CountSource::Estimated;
        }
        usage.output = Some(output);
    }

    /// The output of a whole answer.
    fn count_document(&self, usage: &mut Usage, pace: &TokenRate) {
        let bytes = self.document_bytes;
        let said_nothing = usage.output == Some(0) || (usage.output.is_none() && self.empty_report);
        if said_nothing && bytes > 0 {
            usage.output = Some(pace.tokens_of(1, bytes, bytes.div_ceil(4)));
            usage.source = CountSource::Estimated;
        } else if let Some(output) = usage.output
            && self.choices > 1
            && self.timings.is_some()
            && self.first_choice_bytes > 0
        {
            // llama.cpp reports the first of several choices.
            let all = u128::from(output) * u128::from(bytes) / u128::from(self.first_choice_bytes);
            usage.output = Some(u64::try_from(all).unwrap_or(u64::MAX).max(output));
            usage.of_first = true;
            usage.source = CountSource::Estimated;
        }
    }
}
