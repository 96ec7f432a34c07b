//! Cuts a stream of bytes into lines.

/// A longer line is cut into pieces of this many bytes.
pub(super) const MAX_LINE: usize = 8 * 1024;

/// A line, or a piece of a very long one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OutputLine {
    pub(super) text: String,
    /// It ended in a bare carriage return: a terminal would write the next line over it.
    pub(super) overwritten: bool,
}

/// Cuts at `\n`, `\r\n` and `\r`; what isn't UTF-8 is read as the system's consoles would.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    pending: Vec<u8>,
    /// The last byte was `\r`; if `\n` follows, both are one end.
    after_return: bool,
    /// That `\r` had nothing before it and was passed over.
    passed_over: bool,
}

impl Splitter {
    /// Takes bytes and appends the lines that they complete.
    pub(super) fn feed(&mut self, mut bytes: &[u8], lines: &mut Vec<OutputLine>) {
        while !bytes.is_empty() {
            if std::mem::take(&mut self.after_return) && bytes[0] == b'\n' {
                bytes = &bytes[1..];
                if self.passed_over {
                    lines.push(OutputLine { text: String::new(), overwritten: false });
                }
                continue;
            }
            let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            self.pending.extend_from_slice(&bytes[..end.unwrap_or(bytes.len())]);
            self.cut_long(lines);
            let Some(end) = end else { return };
            let bare_return = bytes[end] == b'\r' && bytes.get(end + 1) != Some(&b'\n');
            self.after_return = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            // Progress bars begin with a return: the nothing before it is no line.
            self.passed_over = bare_return && self.pending.is_empty();
            if !self.passed_over {
                lines.push(OutputLine { text: decode(&self.pending), overwritten: bare_return });
            }
            self.pending.clear();
        }
    }

    /// Whether there is a line without an end yet.
    pub(super) fn has_partial(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Takes the line without an end.
    pub(super) fn take_partial(&mut self) -> Option<OutputLine> {
        let line = self.has_partial().then(|| OutputLine { text: decode(&self.pending), overwritten: false });
        self.pending.clear();
        line
    }

    fn cut_long(&mut self, lines: &mut Vec<OutputLine>) {
        let mut start = 0;
        while self.pending.len() - start > MAX_LINE {
            let mut end = start + MAX_LINE;
            // Not in the middle of a character, which has three continuation bytes at most.
            while end > start + MAX_LINE - 3 && self.pending[end] & 0xC0 == 0x80 {
                end -= 1;
            }
            lines.push(OutputLine { text: decode(&self.pending[start..end]), overwritten: false });
            start = end;
        }
        self.pending.drain(..start);
    }
}

/// What a program has printed: UTF-8, or else the code page that the system's consoles have.
pub fn decode(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => super::platform::decode(bytes),
    }
}
