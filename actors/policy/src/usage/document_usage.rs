//! What has been read of the document that is still coming.

use super::fields::{EventKind, Field, JsonPlace};
use super::numbers::Numbers;
use super::report::{Timings, UsageVisibility};
use std::ops::Range;

/// So much of an error's words is kept.
const MOST_WORDS: usize = 512;

/// The numbers of one report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) input: Option<u64>,
    pub(super) output: Option<u64>,
    pub(super) total: Option<u64>,
    pub(super) cached: Option<u64>,
    pub(super) cache_write: Option<u64>,
    pub(super) reasoning: Option<u64>,
}

impl Counts {
    /// Two reports of the same answer: counts are cumulative, and the later may leave out what the earlier said, or say
    /// 0 because it doesn't know.
    pub(super) fn grow(&mut self, later: &Self) {
        // `None` is less than any count.
        self.input = self.input.max(later.input);
        self.output = self.output.max(later.output);
        self.total = self.total.max(later.total);
        self.cached = self.cached.max(later.cached);
        self.cache_write = self.cache_write.max(later.cache_write);
        self.reasoning = self.reasoning.max(later.reasoning);
    }

    /// A later report of Anthropic's form, whose input is without what came from the cache: the two belong together. What
    /// stood at the beginning may have been an estimate (Ollama) or all of the prompt (SGLang), so the later one counts.
    pub(super) fn correct(&mut self, later: &Self) {
        let prompt = |counts: &Self| {
            let cache = counts.cached.unwrap_or(0).saturating_add(counts.cache_write.unwrap_or(0));
            counts.input.map(|input| input.saturating_add(cache))
        };
        let earlier = *self;
        self.grow(later);
        if prompt(later).unwrap_or(0) == 0 {
            return;
        }
        if later.input == prompt(&earlier) {
            // The same prompt, its cached part included.
            self.input = earlier.input;
            return;
        }
        self.input = later.input;
        if [later.cached, later.cache_write].iter().any(|part| part.is_some_and(|tokens| tokens > 0)) {
            (self.cached, self.cache_write) = (later.cached, later.cache_write);
        }
    }

    /// Tokens that were generated beside the output: of some the reasoning is in the total only, be it named (xAI) or not
    /// (Gemini), or not even there (Perplexity).
    pub(super) fn beside_output(&self) -> u64 {
        let (Some(input), Some(output)) = (self.input.filter(|input| *input > 0), self.output) else {
            return 0;
        };
        let reasoning = self.reasoning.unwrap_or(0);
        let more = self.total.unwrap_or(0).saturating_sub(input).saturating_sub(output);
        let [cached, written] = [self.cached, self.cache_write].map(|part| part.unwrap_or(0));
        // A total that counts the cache once more.
        let is_cache = [cached, written, cached.saturating_add(written)].contains(&more) && more != reasoning;
        if more > 0 && !is_cache {
            more
        } else if reasoning > output {
            reasoning
        } else {
            0
        }
    }

    /// The report of another choice. What came from the cache may be the same for all of them.
    pub(super) fn add(&mut self, other: &Self) {
        let add = |sum: &mut Option<u64>, count: Option<u64>| {
            if let Some(count) = count {
                *sum = Some(sum.unwrap_or(0).saturating_add(count));
            }
        };
        add(&mut self.output, other.output);
        add(&mut self.input, other.input);
        add(&mut self.reasoning, other.reasoning);
        self.cached = self.cached.max(other.cached);
    }

    /// Nothing but zeros: of an engine that has to write something there.
    pub(super) fn says_nothing(&self) -> bool {
        [self.input, self.output, self.total].iter().all(|count| count.unwrap_or(0) == 0)
            && [self.cached, self.cache_write].iter().all(|count| count.unwrap_or(0) == 0)
    }
}

/// The beginning of what an engine says of an error, as it stands in the JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Words(Vec<u8>);

impl Words {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        let room = MOST_WORDS.saturating_sub(self.0.len());
        self.0.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As text, on one line.
    pub(super) fn text(&self) -> String {
        let raw = String::from_utf8_lossy(&self.0);
        let mut text = String::with_capacity(raw.len());
        let mut letters = raw.chars();
        while let Some(letter) = letters.next() {
            text.push(match letter {
                '\\' => match letters.next() {
                    Some('n' | 'r' | 't' | 'b' | 'f') | None => ' ',
                    Some('u') => {
                        let digits: String = letters.by_ref().take(4).collect();
                        u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32).unwrap_or('\u{fffd}')
                    }
                    Some(other) => other,
                },
                letter => letter,
            });
        }
        text.trim().to_owned()
    }
}

/// What a stream's event has in `choices`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Choices {
    /// Nothing was read of it yet, or it is something else.
    #[default]
    Unknown,
    /// An empty list, from its `[` to its `]`.
    Empty(u64, u64),
    /// Choices in which nothing is said: `{"index":0,"delta":{}}`.
    Bare,
    /// Somebody says something.
    Full,
}

/// Where the member `usage` of the root lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct UsagePlace {
    key: u64,
    comma_before: u64,
    /// What to take out, that the rest stays an object.
    pub(super) cut: Option<(u64, u64)>,
    open: bool,
}

impl UsagePlace {
    /// The member that was being read has ended before this place.
    pub(super) fn ends(&mut self, here: u64, comma: bool) {
        if self.open {
            self.open = false;
            self.cut = Some(if comma { (self.key, here + 1) } else { (self.comma_before, here) });
        }
    }
}

/// What was read of one document.
#[derive(Clone, Debug, Default)]
pub(super) struct DocumentUsage {
    pub(super) counts: Counts,
    pub(super) timings: Timings,
    pub(super) counts_done: bool,
    pub(super) timings_done: bool,
    /// It carries text.
    pub(super) has_text: bool,
    /// Where the first text begins and ends.
    text: (u64, Option<u64>),
    /// Bytes of all its texts, unescaped.
    pub(super) text_bytes: u64,
    /// The same of the first choice.
    pub(super) first_choice_bytes: u64,
    /// How many choices it has.
    pub(super) many_choices: u32,
    /// One bit for each choice that is in it, and for each that ends in it.
    pub(super) begun: u64,
    pub(super) finished: u64,
    choice: u64,
    choice_ends: bool,
    delta_is_empty: bool,
    /// This choice's thought has been read.
    pub(super) thought_told: bool,
    pub(super) choices: Choices,
    choices_at: u64,
    /// There is a `usage` that is not null, in the root.
    pub(super) usage_given: bool,
    pub(super) usage_place: UsagePlace,
    /// There is something beside the usage that the client would want.
    pub(super) has_more: bool,
    pub(super) kind: EventKind,
    /// It speaks of an error.
    pub(super) error: bool,
    pub(super) words: Words,
    pub(super) numbers: Numbers,
}

impl DocumentUsage {
    /// A member of the root that is not null begins, with this byte.
    pub(super) fn given(&mut self, node: JsonPlace, byte: u8, key: u64, comma: u64) {
        match node {
            JsonPlace::Usage if byte == b'{' => {
                self.usage_given = true;
                self.usage_place = UsagePlace { key, comma_before: comma, cut: None, open: true };
            }
            JsonPlace::Timings | JsonPlace::More => self.has_more = true,
            JsonPlace::Choices => self.choices = Choices::Full,
            _ => {}
        }
    }

    pub(super) fn opens(&mut self, node: JsonPlace, index: u32, here: u64) {
        match node {
            JsonPlace::Timings => (self.timings, self.timings_done) = Default::default(),
            JsonPlace::Usage | JsonPlace::Meta => (self.counts, self.counts_done) = Default::default(),
            JsonPlace::Choices => {
                self.choices = Choices::Bare;
                self.choices_at = here;
            }
            JsonPlace::Choice => {
                self.choice = index.into();
                self.choice_ends = false;
                self.delta_is_empty = false;
                self.thought_told = false;
                self.many_choices += 1;
            }
            JsonPlace::Error => self.error = true,
            _ => {}
        }
    }

    pub(super) fn closes(&mut self, node: JsonPlace, empty: bool, here: u64) {
        match node {
            JsonPlace::Timings => self.timings_done = self.timings != Timings::default(),
            JsonPlace::Usage | JsonPlace::Meta => self.counts_done = self.counts != Counts::default(),
            JsonPlace::Choices if empty => self.choices = Choices::Empty(self.choices_at, here),
            JsonPlace::Choices if self.many_choices == 0 => self.choices = Choices::Full,
            JsonPlace::Delta => self.delta_is_empty = empty,
            JsonPlace::Choice => {
                // Beyond 64 choices the last bit stands for all of them.
                let bit = 1 << self.choice.min(63);
                self.begun |= bit;
                if self.choice_ends {
                    self.finished |= bit;
                }
                if self.choice_ends || !self.delta_is_empty {
                    self.choices = Choices::Full;
                }
                if self.many_choices == 1 {
                    self.first_choice_bytes = self.text_bytes;
                }
            }
            _ => {}
        }
    }

    /// `alone`: no object around it completes it.
    pub(super) fn number(&mut self, field: Field, value: Option<u64>, alone: bool) {
        if field == Field::Choice {
            self.choice = value.unwrap_or(self.choice);
            return;
        }
        if field == Field::Fault {
            self.error |= value.is_some_and(|code| code > 0);
            return;
        }
        let Some(place) = self.place(field) else { return };
        *place = value;
        self.counts_done |= alone && value.is_some();
    }

    pub(super) fn place(&mut self, field: Field) -> Option<&mut Option<u64>> {
        Some(match field {
            Field::Input => &mut self.counts.input,
            Field::Output => &mut self.counts.output,
            Field::Total => &mut self.counts.total,
            Field::Cached => &mut self.counts.cached,
            Field::CacheWrite => &mut self.counts.cache_write,
            Field::Reasoning => &mut self.counts.reasoning,
            Field::PromptN => &mut self.timings.prompt_n,
            Field::CacheN => &mut self.timings.cache_n,
            Field::PredictedN => &mut self.timings.predicted_n,
            Field::Choice | Field::Fault | Field::Text => return None,
        })
    }

    pub(super) fn string_begins(&mut self, node: JsonPlace) {
        match node {
            JsonPlace::Finish => self.choice_ends = true,
            // The last words are nearest to the fault.
            JsonPlace::Error | JsonPlace::Words => self.words = Words::default(),
            _ => {}
        }
    }

    /// A choice ends with such a `finish_reason`: the engine has failed, in whatever words it has.
    pub(super) fn choice_fails(&mut self, reason: &[u8]) {
        self.error = true;
        if self.words.is_empty() {
            for part in [b"a choice ended with the finish_reason `".as_slice(), reason, b"`"] {
                self.words.add(part);
            }
        }
    }

    /// Whether it tells of an error, in any way.
    pub(super) fn failed(&self) -> bool {
        self.error || self.kind == EventKind::Error
    }

    pub(super) fn text_begins(&mut self, at: u64) {
        if !self.has_text {
            self.has_text = true;
            self.text = (at, None);
        }
    }

    pub(super) fn text_ends(&mut self, at: u64) {
        self.text.1.get_or_insert(at);
    }

    /// Where its first text lies, if it is like those before and after it.
    pub(super) fn text_of_many(&self) -> Option<(u64, u64)> {
        let (from, to) = self.text;
        let odd = self.finished != 0 || self.error || self.kind != EventKind::Other || self.usage_given;
        if self.has_text && !odd { Some((from, to?)) } else { None }
    }

    /// Whether this is the event that is there only because the usage was asked for, and if so, how to show what else is
    /// in it. It says nothing of any choice.
    pub(super) fn usage_event(&self) -> Option<UsageVisibility> {
        let silent = match self.choices {
            Choices::Empty(..) => true,
            // `Unknown`: without a list of choices, or with null for one.
            Choices::Bare | Choices::Unknown => !self.has_text,
            Choices::Full => false,
        };
        let cut = self.usage_place.cut.filter(|_| silent && self.usage_given && !self.failed())?;
        Some(if self.has_more {
            UsageVisibility::Without(cut, self.empty_choices())
        } else {
            UsageVisibility::Nothing
        })
    }

    /// Whether it can't become the usage event any more.
    pub(super) fn is_no_usage_event(&self) -> bool {
        self.has_text || self.choice_ends || self.finished != 0 || self.kind != EventKind::Other
    }

    fn empty_choices(&self) -> Option<(u64, u64)> {
        match self.choices {
            Choices::Empty(from, to) => Some((from, to + 1)),
            _ => None,
        }
    }
}

/// A range of places in the answer as one of a buffer that begins at `base`.
pub(super) fn within(range: (u64, u64), base: u64) -> Range<usize> {
    let place = |at: u64| usize::try_from(at.saturating_sub(base)).unwrap_or(usize::MAX);
    place(range.0)..place(range.1)
}
