//! What to send of a chunk that was read.

use std::ops::Range;

/// A longer event is never the usage event, so no more than this is ever held back.
pub const MAX_EVENT: usize = 64 * 1024;

/// What to send of a chunk.
#[derive(Debug, PartialEq, Eq)]
pub enum StreamOutput {
    /// The chunk as it is: the common case, which costs no copy.
    All,
    /// These parts, one after the other; perhaps none.
    Parts(Vec<OutputPart>),
}

/// A part of what is sent.
#[derive(Debug, PartialEq, Eq)]
pub enum OutputPart {
    /// Bytes that came earlier, or stand for others.
    Bytes(Vec<u8>),
    /// Of the chunk that was just read.
    Range(Range<usize>),
}

/// Collects them.
pub(super) struct OutputBuilder {
    length: usize,
    /// Up to here all of the chunk is settled.
    done: usize,
    parts: Vec<OutputPart>,
}

impl OutputBuilder {
    pub(super) fn new(length: usize) -> Self {
        Self { length, done: 0, parts: Vec::new() }
    }

    /// These bytes are not sent.
    pub(super) fn skip(&mut self, range: Range<usize>) {
        self.range_to(range.start);
        self.done = range.end;
    }

    /// These go out behind all that is settled.
    pub(super) fn bytes(&mut self, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            self.parts.push(OutputPart::Bytes(bytes));
        }
    }

    fn range_to(&mut self, end: usize) {
        if end > self.done {
            self.parts.push(OutputPart::Range(self.done..end));
        }
    }

    pub(super) fn finish(mut self) -> StreamOutput {
        if self.done == 0 && self.parts.is_empty() {
            return StreamOutput::All;
        }
        self.range_to(self.length);
        StreamOutput::Parts(self.parts)
    }
}
