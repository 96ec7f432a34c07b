//! Splits a stream of server-sent events into the documents they carry; each is read once. Takes the event out that is there
//! only because the usage was asked for; every other byte passes as it came.

use std::mem;

use super::document_usage::{DocumentUsage, Words, within};
use super::output::{MAX_EVENT, OutputBuilder, StreamOutput};
use super::paths::Dialect;
use super::report::UsageVisibility;
use super::template::Template;
use super::totals::UsageTotals;
use super::walker::Walker;
use crate::sse::{EventField, Framer, Listener};

#[derive(Debug, Default)]
pub(super) struct UsageStream {
    /// Where the next chunk begins.
    position: u64,
    framer: Framer,
    /// A carriage return has closed a hidden event, so a line feed right after it is hidden too.
    hide_lf: bool,
    event: Event,
    template: Template,
    /// The usage event is taken out.
    pub(super) hides: bool,
    /// The beginning of an event that may be the one.
    held: Vec<u8>,
    /// The last line that is of no event.
    stray: Words,
}

/// What is known of the event that is coming, beside its data.
#[derive(Debug, Default)]
struct Event {
    /// Where its first line began that is no comment: comments before it keep a connection alive, so they never wait.
    from: Option<u64>,
    has_data: bool,
    /// Part of it has been sent.
    sent: bool,
    /// A line of it is none of this format: somebody between has said something, and the client must hear it.
    stray: bool,
    name: Name,
    /// Its data, if its name is `error`.
    words: Words,
}

/// Whether the event's name is `error`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Name {
    #[default]
    None,
    /// So many letters are the same.
    Part(usize),
    Other,
}

impl Name {
    const ERROR: &'static [u8] = b" error";

    fn read(&mut self, bytes: &[u8]) {
        for byte in bytes {
            *self = match *self {
                Self::None if *byte == b' ' => Self::Part(1),
                Self::None if *byte == b'e' => Self::Part(2),
                Self::Part(same) if Self::ERROR.get(same) == Some(byte) => Self::Part(same + 1),
                _ => Self::Other,
            };
        }
    }

    fn is_error(self) -> bool {
        self == Self::Part(Self::ERROR.len())
    }
}

/// What reads an answer, beside the framing.
pub(super) struct DocumentReader<'a> {
    pub(super) dialect: &'a Dialect,
    pub(super) walker: &'a mut Walker,
    pub(super) draft: &'a mut DocumentUsage,
    pub(super) totals: &'a mut UsageTotals,
}

impl UsageStream {
    pub(super) fn new(hides: bool) -> Self {
        Self { hides, ..Self::default() }
    }

    #[cfg(test)]
    pub(super) fn recognises(&mut self, event: &[u8]) -> bool {
        self.template.matches(event).is_some_and(|found| found.length == event.len())
    }

    #[cfg(test)]
    pub(super) fn holds(&self) -> usize {
        self.held.len()
    }

    #[cfg(test)]
    pub(super) fn remembers(&self) -> usize {
        self.template.held()
    }

    /// The stream has ended: the last event may lack its empty line. What was still held back.
    pub(super) fn close(&mut self, reading: &mut DocumentReader<'_>) -> Vec<u8> {
        self.end_event(reading);
        *reading.draft = DocumentUsage::default();
        reading.walker.reset();
        self.event = Event::default();
        mem::take(&mut self.held)
    }

    /// Whether what the client has been sent ends with the end of an event.
    pub(super) fn is_between_events(&self) -> bool {
        !self.framer.is_in_event() || (self.hides && self.event.from.is_some() && !self.event.sent)
    }

    /// A line that was of no event: what a proxy says in its despair.
    pub(super) fn stray(&self) -> &Words {
        &self.stray
    }

    pub(super) fn push(&mut self, chunk: &[u8], reading: &mut DocumentReader<'_>) -> StreamOutput {
        let base = self.position;
        self.position += chunk.len() as u64;
        // Most often all of it is like what came before.
        let mut at = self.skip_known(chunk, 0, reading);
        if at == chunk.len() {
            return StreamOutput::All;
        }
        let mut out = OutputBuilder::new(chunk.len());
        if mem::take(&mut self.hide_lf) && chunk.first() == Some(&b'\n') {
            self.framer.skip_lf();
            out.skip(0..1);
            at = 1;
        }
        while at < chunk.len() {
            let begins = self.is_between();
            let Self { framer, event, stray, .. } = self;
            let Some(end) = framer.read(chunk, at, base, &mut EventLines { event, stray, reading }) else {
                self.hold(chunk, base, reading, &mut out);
                break;
            };
            if begins && reading.walker.ended() && chunk.get(at) != Some(&0xef) {
                self.learn(chunk.get(at..end).unwrap_or_default(), base + at as u64, reading.draft);
            }
            self.end_event(reading);
            self.pass(chunk, base, end, reading, &mut out);
            *reading.draft = DocumentUsage::default();
            reading.walker.reset();
            self.event = Event::default();
            at = self.skip_known(chunk, end, reading);
        }
        out.finish()
    }

    /// The next byte begins an event.
    #[inline]
    fn is_between(&self) -> bool {
        !self.framer.is_in_event() && !self.framer.is_after_cr()
    }

    /// Reads all events from here on that are like the one before; where the next one begins.
    #[inline]
    fn skip_known(&mut self, chunk: &[u8], mut at: usize, reading: &mut DocumentReader<'_>) -> usize {
        if !self.is_between() {
            return at;
        }
        while let Some(found) = chunk.get(at..).and_then(|rest| self.template.matches(rest)) {
            match self.template.report() {
                Some(draft) => reading.totals.add_like(draft, reading.dialect, found.text_bytes),
                None => reading.totals.add_text(found.text_bytes),
            }
            at += found.length;
        }
        at
    }

    fn learn(&mut self, event: &[u8], base: u64, draft: &DocumentUsage) {
        if let Some(text) = draft.text_of_many()
            && event.ends_with(b"\n")
            && !self.event.name.is_error()
        {
            self.template.learn(event, base, text, draft);
        }
    }

    /// The event that was read is whole.
    fn end_event(&mut self, reading: &mut DocumentReader<'_>) {
        let is_error = self.event.name.is_error() && self.event.has_data;
        if reading.walker.ended() {
            reading.draft.error |= is_error;
            reading.totals.add(reading.draft, reading.dialect, true);
            return;
        }
        reading.totals.datas += u64::from(self.event.has_data);
        reading.totals.ended |= reading.walker.is_done();
        if is_error {
            reading.totals.fail(mem::take(&mut self.event.words));
        }
    }

    /// Sends the whole event that ends here, or takes it out.
    fn pass(
        &mut self,
        chunk: &[u8],
        base: u64,
        end: usize,
        reading: &DocumentReader<'_>,
        out: &mut OutputBuilder,
    ) {
        if !self.hides {
            return;
        }
        let from = self.event.from.map(|from| within((from, from), base).start);
        let hidden = reading.walker.ended()
            && !self.event.sent
            && !self.event.stray
            && !reading.totals.reports_unasked;
        let shown = if hidden { reading.draft.usage_event() } else { None };
        let (Some(from), Some(shown)) = (from, shown) else {
            out.bytes(mem::take(&mut self.held));
            return;
        };
        let tail = chunk.get(from..end).unwrap_or_default();
        if self.held.len() + tail.len() > MAX_EVENT {
            out.bytes(mem::take(&mut self.held));
            return;
        }
        let mut event = mem::take(&mut self.held);
        event.extend_from_slice(tail);
        out.skip(from..end);
        match shown {
            // Within a chunk a line feed has been read with its carriage return.
            UsageVisibility::Nothing => self.hide_lf = self.framer.is_after_cr() && end == chunk.len(),
            UsageVisibility::Without(cut, choices) => {
                out.bytes(without(&event, self.event.from.unwrap_or(0), cut, choices))
            }
        }
    }

    /// Of an event that hasn't ended, what may be the usage event is held back.
    fn hold(&mut self, chunk: &[u8], base: u64, reading: &DocumentReader<'_>, out: &mut OutputBuilder) {
        if !self.hides {
            return;
        }
        let Some(from) = self.event.from else { return };
        let from = within((from, from), base).start;
        let rest = chunk.get(from..).unwrap_or_default();
        let is_other = self.event.stray || reading.draft.is_no_usage_event() || !reading.walker.is_object();
        if self.event.sent || is_other || self.held.len() + rest.len() > MAX_EVENT {
            self.event.sent = true;
            out.bytes(mem::take(&mut self.held));
        } else {
            self.held.extend_from_slice(rest);
            out.skip(from..chunk.len());
        }
    }
}

/// Hears what the lines of an event say.
struct EventLines<'a, 'r> {
    event: &'a mut Event,
    stray: &'a mut Words,
    reading: &'a mut DocumentReader<'r>,
}

impl EventLines<'_, '_> {
    fn read(&mut self, bytes: &[u8], at: u64) {
        self.reading.walker.feed(bytes, at, self.reading.dialect, self.reading.draft);
    }
}

impl Listener for EventLines<'_, '_> {
    fn begins(&mut self, at: u64) {
        self.event.from.get_or_insert(at);
    }

    fn field(&mut self, field: EventField) {
        match field {
            EventField::Data => self.event.has_data = true,
            EventField::Event => self.event.name = Name::None,
            EventField::Id | EventField::Retry => (),
        }
    }

    fn value(&mut self, field: EventField, bytes: &[u8], at: u64) {
        match field {
            EventField::Data => {
                if self.event.name.is_error() {
                    self.event.words.add(bytes);
                }
                self.read(bytes, at);
            }
            EventField::Event => self.event.name.read(bytes),
            EventField::Id | EventField::Retry => (),
        }
    }

    fn ends(&mut self, at: u64) {
        self.read(b"\n", at);
    }

    fn stray(&mut self, bytes: &[u8], first: bool) {
        if first {
            self.event.stray = true;
            *self.stray = Words::default();
        }
        self.stray.add(bytes);
    }
}

/// The event, which begins at `base`, without its usage. A choice that says nothing stands in an empty list: many clients
/// take the first choice of an event without a look.
fn without(event: &[u8], base: u64, cut: (u64, u64), choices: Option<(u64, u64)>) -> Vec<u8> {
    const SILENT: &[u8] = br#"[{"index":0,"delta":{},"finish_reason":null}]"#;
    let mut edits = vec![(within(cut, base), &b""[..])];
    edits.extend(choices.map(|place| (within(place, base), SILENT)));
    edits.sort_by_key(|(place, _)| place.start);
    let mut shown = Vec::with_capacity(event.len() + SILENT.len());
    let mut done = 0;
    for (place, instead) in edits {
        shown.extend_from_slice(event.get(done..place.start).unwrap_or_default());
        shown.extend_from_slice(instead);
        done = place.end;
    }
    shown.extend_from_slice(event.get(done..).unwrap_or_default());
    shown
}
