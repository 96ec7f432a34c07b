//! Takes out of a stream of server-sent events the one which is there because we asked for it: the usage
//! chunk of `stream_options.include_usage`. Every other byte passes as it came.

use std::mem;
use std::ops::Range;

use crate::json_skim::{Skimmer, Verdict};

#[cfg(test)]
mod tests;

/// A longer event is never the usage chunk, so no more than this is ever held back.
pub const MAX_HELD: usize = 64 * 1024;

/// What to send of a chunk that was pushed.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// The chunk as it is: the common case, which costs no copy.
    All,
    Pieces(Pieces),
}

/// First the bytes held back from earlier chunks, then these parts of the chunk just pushed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Pieces {
    pub held: Vec<u8>,
    pub ranges: Vec<Range<usize>>,
}

/// The filter of one stream. The chunks may be cut anywhere; an event that has not ended yet is held
/// back only as long as it can still become a usage chunk.
#[derive(Debug, Default)]
pub struct UsageHider {
    event: Event,
    line: Line,
    /// The last byte was a carriage return; a line feed right after it belongs to the same line end.
    after_cr: bool,
    /// ... and that line end closed a hidden event, so the line feed is hidden too.
    hide_lf: bool,
    past_bom: bool,
    /// The beginning of an event that may be the usage chunk.
    held: Vec<u8>,
    hidden: Option<Vec<u8>>,
}

#[derive(Debug, Default)]
enum Event {
    /// Between events, or in the comments before one.
    #[default]
    None,
    /// It may be the usage chunk: its first line is, or can still become, a line of data.
    Candidate { data: Skimmer, has_data: bool },
    /// Surely something else.
    Passing,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Line {
    #[default]
    Start,
    /// In the byte order mark at the very beginning of the stream.
    Bom(usize),
    /// In the field name, so far the same as in `data:`.
    Name(usize),
    Data,
    Other,
}

const BOM: &[u8] = b"\xef\xbb\xbf";
const DATA: &[u8] = b"data:";

/// Where a byte leaves the event that it belongs to.
enum Step {
    Go,
    /// This byte begins an event that may be the usage chunk.
    Begins,
    /// The event is something else after all.
    Released,
    /// This byte ended the usage chunk.
    Hidden,
    /// This byte belongs to the end of a usage chunk.
    Skipped,
}

impl UsageHider {
    pub fn push(&mut self, chunk: &[u8]) -> Output {
        if !self.holding() && !self.hide_lf && ends_with_blank_line(chunk) && !may_have_empty_array(chunk) {
            self.event = Event::None;
            self.line = Line::Start;
            self.after_cr = false;
            self.past_bom = true;
            return Output::All;
        }
        self.filter(chunk)
    }

    /// The stream has ended, well or not: what was still held back.
    pub fn finish(&mut self) -> Vec<u8> {
        self.event = Event::Passing;
        mem::take(&mut self.held)
    }

    /// The data of the event that was hidden last.
    pub fn hidden(&self) -> Option<&[u8]> {
        self.hidden.as_deref()
    }

    fn holding(&self) -> bool {
        matches!(self.event, Event::Candidate { .. })
    }

    fn filter(&mut self, chunk: &[u8]) -> Output {
        let mut pieces = Pieces::default();
        // Bytes of the chunk before `passed` are settled; an open candidate begins at `passed`.
        let mut passed = 0;
        let mut sent_to = 0;
        for (at, &byte) in chunk.iter().enumerate() {
            match self.step(byte) {
                Step::Go => {}
                Step::Begins => passed = at,
                Step::Released => {
                    pieces.held.append(&mut self.held);
                }
                Step::Hidden => {
                    let end = at + 1;
                    let event = chunk.get(passed..end).unwrap_or_default();
                    if self.held.len() + event.len() > MAX_HELD {
                        pieces.held.append(&mut self.held);
                        self.hide_lf = false;
                        continue;
                    }
                    self.held.extend_from_slice(event);
                    self.hidden = Some(data_of(&mem::take(&mut self.held)));
                    add(&mut pieces.ranges, sent_to..passed);
                    sent_to = end;
                    passed = end;
                }
                Step::Skipped => {
                    add(&mut pieces.ranges, sent_to..at);
                    sent_to = at + 1;
                }
            }
        }
        let mut end = chunk.len();
        if self.holding() {
            let rest = chunk.get(passed..).unwrap_or_default();
            if self.held.len() + rest.len() > MAX_HELD {
                self.event = Event::Passing;
                pieces.held.append(&mut self.held);
            } else {
                self.held.extend_from_slice(rest);
                end = passed;
            }
        }
        if sent_to == 0 && end == chunk.len() && pieces.held.is_empty() {
            return Output::All;
        }
        add(&mut pieces.ranges, sent_to..end);
        Output::Pieces(pieces)
    }

    fn step(&mut self, byte: u8) -> Step {
        let after_cr = mem::take(&mut self.after_cr);
        let hide_lf = mem::take(&mut self.hide_lf);
        if byte == b'\n' && after_cr {
            return if hide_lf { Step::Skipped } else { Step::Go };
        }
        if byte == b'\n' || byte == b'\r' {
            self.after_cr = byte == b'\r';
            return self.line_end();
        }
        match self.line {
            Line::Other => Step::Go,
            Line::Data => self.data(byte),
            Line::Start => self.line_start(byte),
            Line::Bom(matched) => {
                self.line = match BOM.get(matched) {
                    Some(&wanted) if wanted == byte && matched + 1 == BOM.len() => Line::Start,
                    Some(&wanted) if wanted == byte => Line::Bom(matched + 1),
                    _ => {
                        self.event = Event::Passing;
                        Line::Other
                    }
                };
                Step::Go
            }
            Line::Name(matched) if DATA.get(matched) == Some(&byte) => {
                self.line = Line::Name(matched + 1);
                if matched + 1 == DATA.len() {
                    self.line = Line::Data;
                    if let Event::Candidate { has_data, .. } = &mut self.event {
                        *has_data = true;
                    }
                }
                Step::Go
            }
            Line::Name(_) => self.other_line(),
        }
    }

    fn line_start(&mut self, byte: u8) -> Step {
        let first_of_stream = !mem::replace(&mut self.past_bom, true);
        let between_events = matches!(self.event, Event::None);
        match byte {
            0xef if first_of_stream => {
                self.line = Line::Bom(1);
                Step::Go
            }
            // A comment before the data is no part of the event: it keeps a connection alive, so it must
            // not wait.
            b':' if between_events => {
                self.line = Line::Other;
                Step::Go
            }
            b'd' => {
                self.line = Line::Name(1);
                if between_events {
                    self.event = Event::Candidate { data: Skimmer::default(), has_data: false };
                    return Step::Begins;
                }
                Step::Go
            }
            _ if between_events => {
                self.line = Line::Other;
                self.event = Event::Passing;
                Step::Go
            }
            _ => {
                self.line = Line::Other;
                Step::Go
            }
        }
    }

    /// The line does not begin with `data:`. If it is the first, this is no usage chunk.
    fn other_line(&mut self) -> Step {
        self.line = Line::Other;
        match self.event {
            Event::Candidate { has_data: false, .. } => self.release(),
            _ => Step::Go,
        }
    }

    fn data(&mut self, byte: u8) -> Step {
        if let Event::Candidate { data, .. } = &mut self.event {
            data.step(byte);
            if data.verdict() == Verdict::Never {
                return self.release();
            }
        }
        Step::Go
    }

    fn line_end(&mut self) -> Step {
        let line = mem::replace(&mut self.line, Line::Start);
        self.past_bom = true;
        if matches!(line, Line::Bom(_)) {
            self.event = Event::Passing;
        }
        if line == Line::Start {
            return match mem::take(&mut self.event) {
                Event::Candidate { data, .. } if data.verdict() == Verdict::Usage => {
                    self.hide_lf = self.after_cr;
                    Step::Hidden
                }
                Event::Candidate { .. } => Step::Released,
                Event::None | Event::Passing => Step::Go,
            };
        }
        match line {
            // Lines of data are joined by line feeds.
            Line::Data => self.data(b'\n'),
            Line::Name(_) => {
                let step = self.other_line();
                self.line = Line::Start;
                step
            }
            _ => Step::Go,
        }
    }

    fn release(&mut self) -> Step {
        self.event = Event::Passing;
        Step::Released
    }
}

fn add(ranges: &mut Vec<Range<usize>>, range: Range<usize>) {
    if !range.is_empty() {
        ranges.push(range);
    }
}

fn ends_with_blank_line(chunk: &[u8]) -> bool {
    chunk.ends_with(b"\n\n") || chunk.ends_with(b"\n\r\n")
}

/// Whether a `[` may be followed by nothing but white space and line ends up to a `]`: without that no
/// usage chunk lies in these bytes. The colon stands for `data:`, where a new line of data begins.
fn may_have_empty_array(bytes: &[u8]) -> bool {
    const BLOCK: usize = 32;
    let mut from = 0;
    for block in bytes.chunks(BLOCK) {
        let to = from + block.len();
        // Without a branch for each byte the compiler compares the whole block at once.
        if block.iter().fold(false, |found, &byte| found | (byte == b']')) {
            for (at, _) in block.iter().enumerate().filter(|(_, byte)| **byte == b']') {
                let before = bytes.get(..from + at).unwrap_or_default().trim_ascii_end();
                if matches!(before.last(), Some(b'[' | b':') | None) {
                    return true;
                }
            }
        }
        from = to;
    }
    false
}

/// The data of one whole event: its `data:` lines joined by line feeds.
fn data_of(event: &[u8]) -> Vec<u8> {
    let mut data = Vec::with_capacity(event.len());
    // Of a line end of two bytes, the second makes an empty line here, which says nothing.
    for line in event.split(|byte| matches!(byte, b'\n' | b'\r')) {
        if let Some(value) = line.strip_prefix(DATA) {
            if !data.is_empty() {
                data.push(b'\n');
            }
            data.extend_from_slice(value.strip_prefix(b" ").unwrap_or(value));
        }
    }
    data
}
