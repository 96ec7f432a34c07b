//! Splits a stream of server-sent events into the documents they carry, and recognises an event that
//! differs from an earlier one in its text alone.
//!
//! The format: <https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream>

use std::mem;

use super::MAX_HELD;
use super::paths::Dialect;
use super::report::{Draft, Totals};
use super::walk::{Walker, find};

const BOM: &[u8] = b"\xef\xbb\xbf";
const DATA: &[u8] = b"data:";

#[derive(Debug, Default)]
pub(super) struct Stream {
    line: Line,
    /// The last byte was a carriage return; a line feed right after it belongs to the same line end.
    after_cr: bool,
    past_bom: bool,
    /// Bytes of an event have come, so the next byte begins none.
    in_event: bool,
    template: Template,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Line {
    #[default]
    Start,
    Bom(usize),
    /// In the field name, so far the same as in `data:`.
    Name(usize),
    Data,
    Other,
}

/// An event that carried text and no report: what stood before the text and after it. Another event
/// with the same around another text would be read the same way, byte for byte.
#[derive(Debug, Default)]
struct Template {
    bytes: Vec<u8>,
    /// Where the text was.
    at: usize,
}

impl Template {
    fn learn(&mut self, before: &[u8], after: &[u8]) {
        if before.len() + after.len() <= MAX_HELD {
            self.bytes.clear();
            self.bytes.reserve_exact(before.len() + after.len());
            self.bytes.extend_from_slice(before);
            self.bytes.extend_from_slice(after);
            self.at = before.len();
        }
    }

    /// How long the event is at the beginning of `bytes`, if it is of this form and whole.
    fn matches(&self, bytes: &[u8]) -> Option<usize> {
        let (before, after) = self.bytes.split_at_checked(self.at)?;
        let mut rest = bytes.strip_prefix(before)?;
        if before.is_empty() || rest.first() == Some(&b'"') {
            return None;
        }
        loop {
            let plain = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | b'\n' | b'\r'))?;
            rest = rest.get(plain..)?;
            if rest.first() != Some(&b'\\') {
                break;
            }
            match rest {
                [_, b'\n' | b'\r', ..] => return None,
                [_, _, after @ ..] => rest = after,
                _ => return None,
            }
        }
        Some(bytes.len() - rest.strip_prefix(after)?.len())
    }
}

impl Stream {
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.template.bytes.capacity()
    }

    pub(super) fn push(
        &mut self,
        chunk: &[u8],
        dialect: &Dialect,
        walker: &mut Walker,
        draft: &mut Draft,
        totals: &mut Totals,
    ) {
        let mut at = 0;
        while let Some(rest) = chunk.get(at..).filter(|rest| !rest.is_empty()) {
            let begins = !self.in_event && !self.after_cr;
            if begins && let Some(length) = self.template.matches(rest) {
                totals.add_text();
                self.past_bom = true;
                at += length;
                continue;
            }
            let Some(end) = self.event(chunk, at, dialect, walker, draft) else { return };
            if walker.ended() {
                let event = mem::take(draft);
                if let (true, true, Some((from, to))) =
                    (begins, chunk.get(at) != Some(&0xef), event.only_text())
                    && let (Some(before), Some(after)) = (chunk.get(at..from), chunk.get(to..end))
                    && after.ends_with(b"\n")
                {
                    self.template.learn(before, after);
                }
                totals.add(event, dialect, true);
            } else {
                *draft = Draft::default();
            }
            walker.reset();
            at = end;
        }
    }

    /// Reads up to the end of one event: where that is, if it lies in this chunk.
    fn event(
        &mut self,
        chunk: &[u8],
        from: usize,
        dialect: &Dialect,
        walker: &mut Walker,
        draft: &mut Draft,
    ) -> Option<usize> {
        let mut at = from;
        while let Some(&byte) = chunk.get(at) {
            if mem::take(&mut self.after_cr) && byte == b'\n' {
                at += 1;
                continue;
            }
            self.in_event = true;
            if matches!(self.line, Line::Data | Line::Other) {
                let rest = chunk.get(at..)?;
                let length = find(rest, |byte| (byte == b'\n') | (byte == b'\r'));
                if self.line == Line::Data {
                    walker.feed(rest.get(..length)?, at, dialect, draft);
                }
                at += length;
                if at == chunk.len() {
                    return None;
                }
            } else if !matches!(byte, b'\n' | b'\r') {
                at += usize::from(self.name(byte));
                continue;
            }
            // The end of a line, which may be two bytes.
            let is_cr = chunk.get(at) == Some(&b'\r');
            at += 1;
            if is_cr && chunk.get(at) == Some(&b'\n') {
                at += 1;
            } else {
                self.after_cr = is_cr;
            }
            self.past_bom = true;
            match mem::replace(&mut self.line, Line::Start) {
                Line::Start => {
                    self.in_event = false;
                    return Some(at);
                }
                // Lines of data are joined by line feeds.
                Line::Data => walker.feed(b"\n", at, dialect, draft),
                Line::Bom(_) | Line::Name(_) | Line::Other => {}
            }
        }
        None
    }

    /// A byte at the beginning of a line. True when it is done with, false when it has to be looked at again.
    fn name(&mut self, byte: u8) -> bool {
        let first_of_stream = !mem::replace(&mut self.past_bom, true);
        self.line = match self.line {
            Line::Start if first_of_stream && BOM.first() == Some(&byte) => Line::Bom(1),
            Line::Start if DATA.first() == Some(&byte) => Line::Name(1),
            Line::Bom(matched) if BOM.get(matched) == Some(&byte) => {
                if matched + 1 == BOM.len() {
                    Line::Start
                } else {
                    Line::Bom(matched + 1)
                }
            }
            Line::Name(matched) if DATA.get(matched) == Some(&byte) => {
                if matched + 1 == DATA.len() {
                    Line::Data
                } else {
                    Line::Name(matched + 1)
                }
            }
            _ => {
                self.line = Line::Other;
                return false;
            }
        };
        true
    }
}
