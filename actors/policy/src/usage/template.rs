//! Recognises an event that differs from an earlier one in its text and in some numbers alone: most events of a stream do,
//! and comparing is much faster than parsing.

use super::document_usage::DocumentUsage;
use super::fields::{Field, count};
use super::numbers::{MOST, Number};
use super::report::MAX_HELD;
use crate::byte_search;

/// A stream whose events never match costs no more learning after so many.
const MOST_MISSES: u8 = 32;

/// An event that carried text: what stood around the text and around the numbers that have been seen to differ. Another
/// event with the same around others would be read the same way, byte for byte.
#[derive(Debug, Default)]
pub(super) struct Template {
    bytes: Vec<u8>,
    /// Up to where `bytes` reach before each hole, and what is there.
    holes: [(usize, Hole); MOST + 1],
    many: usize,
    /// The event that it was learnt from, where its numbers lie, and which of them differ from event to event.
    event: Vec<u8>,
    numbers: [(usize, usize); MOST],
    many_numbers: usize,
    differ: u16,
    /// How often it was learnt since it last matched.
    misses: u8,
    /// What was read of that event.
    draft: DocumentUsage,
    /// Some of the holes are counts; it reports.
    counts: bool,
    reports: bool,
}

#[derive(Clone, Copy, Debug, Default)]
enum Hole {
    #[default]
    Text,
    Number(Option<Field>),
}

/// An event that was recognised.
pub(super) struct Match {
    pub(super) length: usize,
    pub(super) text_bytes: u64,
}

impl Template {
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.bytes.capacity() + self.event.capacity()
    }

    /// Learns from a whole event that begins at `base` of the answer. Its first text lies in `text`.
    pub(super) fn learn(&mut self, event: &[u8], base: u64, text: (u64, u64), draft: &DocumentUsage) {
        if event.len() > MAX_HELD / 2 || self.misses > MOST_MISSES {
            return;
        }
        self.misses += 1;
        let numbers = draft.numbers.get().unwrap_or_default();
        let place = |number: &Number| {
            let at = |low: u32| low.wrapping_sub(base as u32) as usize;
            (at(number.from), at(number.to))
        };
        if numbers.len() == self.many_numbers {
            for (nth, (number, &(from, to))) in numbers.iter().zip(&self.numbers).enumerate() {
                let now = place(number);
                if event.get(now.0..now.1) != self.event.get(from..to) {
                    self.differ |= 1 << nth;
                }
            }
        } else {
            self.differ = 0;
        }
        self.many_numbers = numbers.len();
        for (kept, number) in self.numbers.iter_mut().zip(numbers) {
            *kept = place(number);
        }
        self.event.clear();
        self.event.reserve_exact(event.len());
        self.event.extend_from_slice(event);
        let text = ((text.0 - base) as usize, (text.1 - base) as usize);
        self.cut(numbers, text);
        self.draft = draft.clone();
        let own = self::text(event.get(text.0..).unwrap_or_default()).map_or(0, |(_, bytes)| bytes);
        self.draft.text_bytes = draft.text_bytes.wrapping_sub(own);
        self.reports = self.counts || draft.counts_done || draft.timings_done;
    }

    /// Cuts the holes into the event.
    fn cut(&mut self, numbers: &[Number], text: (usize, usize)) {
        self.bytes.clear();
        self.bytes.reserve_exact(self.event.len());
        self.many = 0;
        self.counts = false;
        let mut done = 0;
        let mut told = false;
        for (nth, number) in numbers.iter().enumerate() {
            let Some(&(from, to)) = self.numbers.get(nth) else { break };
            if !told && from > text.0 {
                told = true;
                self.hole(&mut done, text, Hole::Text);
            }
            // Another choice is another event.
            if self.differ & 1 << nth != 0 && number.field != Some(Field::Choice) {
                self.counts |= number.field.is_some();
                self.hole(&mut done, (from, to), Hole::Number(number.field));
            }
        }
        if !told {
            self.hole(&mut done, text, Hole::Text);
        }
        self.bytes.extend_from_slice(self.event.get(done..).unwrap_or_default());
    }

    fn hole(&mut self, done: &mut usize, (from, to): (usize, usize), hole: Hole) {
        self.bytes.extend_from_slice(self.event.get(*done..from).unwrap_or_default());
        if let Some(place) = self.holes.get_mut(self.many) {
            *place = (self.bytes.len(), hole);
            self.many += 1;
        }
        *done = to;
    }

    /// Whether `bytes` begin with a whole event of this form.
    #[inline]
    pub(super) fn matches(&mut self, bytes: &[u8]) -> Option<Match> {
        match self.many {
            0 => None,
            1 => self.matches_but_for_its_text(bytes),
            _ => self.matches_but_for_its_holes(bytes),
        }
    }

    #[inline]
    fn matches_but_for_its_text(&mut self, bytes: &[u8]) -> Option<Match> {
        let (before, after) = self.bytes.split_at_checked(self.holes[0].0)?;
        let rest = bytes.strip_prefix(before)?;
        let (length, text_bytes) = text(rest)?;
        if !rest.get(length..)?.starts_with(after) {
            return None;
        }
        self.misses = 0;
        Some(Match { length: self.bytes.len() + length, text_bytes: text_bytes + self.draft.text_bytes })
    }

    fn matches_but_for_its_holes(&mut self, bytes: &[u8]) -> Option<Match> {
        let mut rest = bytes;
        let mut done = 0;
        let mut text_bytes = 0;
        for (to, hole) in self.holes.get(..self.many)? {
            rest = rest.strip_prefix(self.bytes.get(done..*to)?)?;
            done = *to;
            match hole {
                Hole::Text => {
                    let (length, bytes) = text(rest)?;
                    text_bytes = bytes;
                    rest = rest.get(length..)?;
                }
                Hole::Number(field) => {
                    let is_part =
                        |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b'e' | b'E');
                    let length = rest.iter().position(|byte| !is_part(byte))?;
                    let number = rest.get(..length).filter(|number| !number.is_empty())?;
                    if let Some(place) = field.and_then(|field| self.draft.place(field)) {
                        *place = Some(count(number)?);
                    }
                    rest = rest.get(length..)?;
                }
            }
        }
        rest = rest.strip_prefix(self.bytes.get(done..)?)?;
        self.misses = 0;
        Some(Match { length: bytes.len() - rest.len(), text_bytes: text_bytes + self.draft.text_bytes })
    }

    /// What was read of the event that was recognised last, if it has counts.
    pub(super) fn report(&self) -> Option<&DocumentUsage> {
        self.reports.then_some(&self.draft)
    }
}

/// How long the text is that begins here and isn't empty, and its bytes without what escapes add (see the walker).
#[inline]
fn text(bytes: &[u8]) -> Option<(usize, u64)> {
    let at = byte_search::text_end(bytes);
    match bytes.get(at)? {
        b'"' => (at > 0).then_some((at, at as u64)),
        b'\\' => text_with_escapes(bytes, at),
        _ => None,
    }
}

/// The same of one whose first escape is at `at`.
#[inline(never)]
fn text_with_escapes(bytes: &[u8], mut at: usize) -> Option<(usize, u64)> {
    let mut escapes = 0;
    loop {
        match bytes.get(at)? {
            b'"' => break,
            b'\\' => match bytes.get(at + 1)? {
                b'\n' | b'\r' => return None,
                b'u' => escapes += 3,
                _ => escapes += 1,
            },
            _ => return None,
        }
        at += 2;
        at += byte_search::text_end(bytes.get(at..)?);
    }
    Some((at, (at as u64).wrapping_sub(escapes)))
}

#[cfg(test)]
mod tests {
    use super::MAX_HELD;
    use proptest::prelude::*;

    use crate::usage::{Dialect, End, Framing, Meter, StreamOutput, TokenRate};

    /// Whether the last of these events is recognised by its form, once the others are known.
    fn recognised(dialect: Dialect, events: &[String]) -> bool {
        let mut meter = Meter::new(Framing::Sse, dialect);
        let (last, others) = events.split_last().unwrap();
        for event in others {
            assert_eq!(meter.push(event.as_bytes()), StreamOutput::All);
        }
        meter.stream.as_mut().unwrap().recognises(last.as_bytes())
    }

    #[test]
    fn texts_and_numbers_may_differ() {
        let chat = |text: &str, n: u32| {
            format!(
                "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}}}}],\"created\":17,\"timings\":{{\"prompt_n\":1,\"predicted_n\":{n},\"predicted_ms\":{n}.5}}}}\n\n"
            )
        };
        let seen = [chat("a", 1), chat("b", 2)];
        let and = |event: String| [seen.as_slice(), &[event]].concat();
        assert!(recognised(Dialect::OpenAi, &and(chat("c \\\" \\u00e4", 3000))));
        assert!(!recognised(Dialect::OpenAi, &and(chat("", 3))));
        assert!(!recognised(Dialect::OpenAi, &and(chat("c\\\"", 3).replace("17", "18"))));
        assert!(!recognised(Dialect::OpenAi, &and(chat("c", 3).replace("3.5", "null"))));
        assert!(!recognised(
            Dialect::OpenAi,
            &and(chat("c", 3).replace("\"predicted_n\":3", "\"predicted_n\":3.25"))
        ));
        assert!(!recognised(Dialect::OpenAi, &and(chat("c\n", 3))));
        let response = |n: u32| {
            format!("event: x\ndata: {{\"type\":\"x.delta\",\"delta\":\" w\",\"sequence_number\":{n}}}\n\n")
        };
        assert!(recognised(Dialect::Responses, &[response(8), response(9), response(10)]));
    }

    #[test]
    fn only_a_text_may_differ() {
        let choice =
            |text: &str, more: &str| format!("data: {{\"choices\":[{{\"text\":\"{text}\"}}]{more}}}\n\n");
        let three = |more: &str| ["a", "b", "long"].map(|text| choice(text, more));
        assert!(recognised(Dialect::OpenAi, &three("")));
        assert!(!recognised(Dialect::OpenAi, &three(",\"usage\":{\"prompt_tokens\":1}")), "it reports");
        assert!(!recognised(Dialect::OpenAi, &three(",\"error\":\"x\"")));
    }

    /// The same stream in one piece, in events and byte by byte.
    fn read(events: &[String]) -> [(u64, u64, Option<u64>); 3] {
        let bytes = events.concat().into_bytes();
        let whole = vec![bytes.clone()];
        let singles = bytes.iter().map(|byte| vec![*byte]).collect();
        let each = events.iter().map(|event| event.clone().into_bytes()).collect();
        [whole, each, singles].map(|chunks: Vec<Vec<u8>>| {
            let mut meter = Meter::new(Framing::Sse, Dialect::OpenAi);
            chunks.iter().for_each(|chunk| assert_eq!(meter.push(chunk), StreamOutput::All));
            let usage = meter.finish(End::ClientLeft, &TokenRate::default());
            (usage.deltas, usage.text_bytes, usage.output)
        })
    }

    #[test]
    fn what_is_recognised_counts_like_what_is_read() {
        // Two texts, of which the second is always the same.
        let two = |n: usize| {
            format!("data: {{\"choices\":[{{\"text\":\"{}\"}},{{\"text\":\"cde\"}}]}}\n\n", "w".repeat(n))
        };
        let events: Vec<String> = (1..=9).map(two).collect();
        assert_eq!(read(&events), [(9, 45 + 9 * 3, Some(9)); 3]);
        let numbered = |n: usize| format!("data: {{\"choices\":[{{\"text\":\"w\"}}],\"created\":{n}}}\n\n");
        let events: Vec<String> = (95..=105).map(numbered).collect();
        assert_eq!(read(&events), [(11, 11, Some(11)); 3]);
        // They all say that 50 tokens have been generated.
        let timed = "data: {\"choices\":[{\"text\":\"w\"}],\"timings\":{\"prompt_n\":3,\"cache_n\":1,\"predicted_n\":50}}\n\n";
        let same: Vec<String> = (0..9).map(|_| timed.to_owned()).collect();
        assert_eq!(read(&same), [(9, 9, Some(50)); 3]);
    }

    #[test]
    fn what_looks_like_an_event_within_another_is_none() {
        let mut meter = Meter::new(Framing::Sse, Dialect::OpenAi);
        let event = "data: {\"choices\":[{\"text\":\"w\"}]}\n\n";
        for part in [event, event, event, "data: ", event] {
            meter.push(part.as_bytes());
        }
        assert_eq!(meter.deltas(), 3);
    }

    #[test]
    fn an_event_is_remembered_up_to_half_of_what_may_be_held() {
        for (length, kept) in [(MAX_HELD / 2, true), (MAX_HELD / 2 + 1, false)] {
            let mut meter = Meter::new(Framing::Sse, Dialect::OpenAi);
            let event = |text: &str| format!("data: {{\"choices\":[{{\"text\":\"{text}\"}}]}}\n\n");
            let padding = "x".repeat(length - event("").len());
            for _ in 0..3 {
                meter.push(event(&padding).as_bytes());
            }
            assert_eq!(meter.stream.as_ref().unwrap().remembers() > 0, kept, "{length}");
        }
    }

    #[test]
    fn counts_are_read_from_what_was_recognised() {
        let mut meter = Meter::new(Framing::Sse, Dialect::OpenAi);
        for n in 1..=20 {
            let event = format!(
                "data: {{\"choices\":[{{\"text\":\"{}\"}}],\"timings\":{{\"prompt_n\":3,\"cache_n\":1,\"predicted_n\":{n}}}}}\n\n",
                "w".repeat(n)
            );
            meter.push(event.as_bytes());
        }
        let usage = meter.finish(End::ClientLeft, &TokenRate::default());
        assert_eq!((usage.input, usage.cached, usage.output), (Some(4), Some(1), Some(20)));
        assert_eq!((usage.deltas, usage.text_bytes), (20, 210));
    }

    /// A stream whose events never match costs no more than reading them.
    #[test]
    fn it_gives_up() {
        let mut meter = Meter::new(Framing::Sse, Dialect::OpenAi);
        let event = |id: u32| format!("data: {{\"id\":\"{id:x}x\",\"choices\":[{{\"text\":\"w\"}}]}}\n\n");
        for id in 0..100 {
            meter.push(event(id).as_bytes());
        }
        assert!(!meter.stream.as_mut().unwrap().recognises(event(99).as_bytes()));
        assert_eq!(meter.deltas(), 100);
    }

    /// The same byte by byte, as it was first written.
    fn text_by_bytes(bytes: &[u8]) -> Option<(usize, u64)> {
        let (mut at, mut escapes) = (0, 0);
        loop {
            match bytes.get(at)? {
                b'"' => break,
                b'\n' | b'\r' => return None,
                b'\\' => {
                    match bytes.get(at + 1)? {
                        b'\n' | b'\r' => return None,
                        b'u' => escapes += 3,
                        _ => escapes += 1,
                    }
                    at += 2;
                }
                _ => at += 1,
            }
        }
        (at > 0).then(|| (at, (at as u64).wrapping_sub(escapes)))
    }

    proptest! {
        #[test]
        fn a_text_ends_where_its_bytes_say(bytes in proptest::collection::vec(
            prop_oneof![8 => any::<u8>(), 12 => Just(b'u'), 3 => Just(b'\\'), 1 => Just(b'"'), 1 => Just(b'\n'), 1 => Just(b'\r')], 0..60,
        )) {
            prop_assert_eq!(super::text(&bytes), text_by_bytes(&bytes));
        }
    }
}
