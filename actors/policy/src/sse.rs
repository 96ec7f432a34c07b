//! The one framer of server-sent events: which bytes of a stream are the value of which field, and where an event ends,
//! however the stream is cut. It keeps no byte; who listens keeps what they need.
//!
//! The format: <https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream>

use crate::byte_search;
use std::mem;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// What a line is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventField {
    Data,
    Event,
    Id,
    Retry,
}

impl EventField {
    fn beginning_with(byte: u8) -> Option<Self> {
        [Self::Data, Self::Event, Self::Id, Self::Retry]
            .into_iter()
            .find(|field| field.name().first() == Some(&byte))
    }

    fn name(self) -> &'static [u8] {
        match self {
            Self::Data => b"data:",
            Self::Event => b"event:",
            Self::Id => b"id:",
            Self::Retry => b"retry:",
        }
    }
}

/// Who is told what a stream says. Places are counted from the beginning of the whole stream.
pub trait Listener {
    /// A line begins that is no comment.
    fn begins(&mut self, _at: u64) {}

    /// A line of this field has begun. Its value may begin with one blank that is not part of it.
    fn field(&mut self, field: EventField);

    /// The next bytes of its value.
    fn value(&mut self, field: EventField, bytes: &[u8], at: u64);

    /// A line of data has ended, before the last byte of its end. Lines of data are joined by line feeds.
    fn ends(&mut self, _at: u64) {}

    /// The next bytes of a line that is none of this format; `first`: it begins with them.
    fn stray(&mut self, _bytes: &[u8], _first: bool) {}
}

/// Where a stream is.
#[derive(Debug, Default)]
pub struct Framer {
    line: Line,
    /// The last byte was a carriage return; a line feed right after it belongs to the same line end.
    after_cr: bool,
    past_bom: bool,
    /// Bytes of an event have come, so the next byte begins none.
    in_event: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Line {
    #[default]
    Start,
    Bom(usize),
    /// In the name of this field, so far the same.
    Name(EventField, usize),
    Value(EventField),
    Comment,
    /// Not of this format.
    Stray,
}

impl Framer {
    /// Bytes of an event have come, and its end has not.
    #[inline]
    pub fn is_in_event(&self) -> bool {
        self.in_event
    }

    /// The last byte was a carriage return, so a line feed may belong to it.
    #[inline]
    pub fn is_after_cr(&self) -> bool {
        self.after_cr
    }

    /// The line feed that belongs to the carriage return has been taken elsewhere.
    pub fn skip_lf(&mut self) {
        self.after_cr = false;
    }

    /// Reads `chunk` from a place on, up to the end of one event: where that is, if it lies in this chunk. `base` is where
    /// the chunk begins in the stream.
    pub fn read(
        &mut self,
        chunk: &[u8],
        from: usize,
        base: u64,
        listener: &mut impl Listener,
    ) -> Option<usize> {
        let mut at = from;
        while let Some(&byte) = chunk.get(at) {
            if mem::take(&mut self.after_cr) && byte == b'\n' {
                at += 1;
                continue;
            }
            self.in_event = true;
            if matches!(self.line, Line::Value(_) | Line::Comment | Line::Stray) {
                let rest = chunk.get(at..)?;
                let length = byte_search::line_end(rest);
                let bytes = rest.get(..length)?;
                match self.line {
                    Line::Value(field) => listener.value(field, bytes, base + at as u64),
                    Line::Stray => listener.stray(bytes, false),
                    _ => (),
                }
                at += length;
                if at == chunk.len() {
                    return None;
                }
            } else if !matches!(byte, b'\n' | b'\r') {
                at += usize::from(self.begin_line(byte, base + at as u64, listener));
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
                Line::Value(EventField::Data) => listener.ends(base + at as u64),
                _ => (),
            }
        }
        None
    }

    /// A byte at the beginning of a line. True when it is done with, false when it has to be looked at again.
    fn begin_line(&mut self, byte: u8, here: u64, listener: &mut impl Listener) -> bool {
        let first_of_stream = !mem::replace(&mut self.past_bom, true);
        self.line = match self.line {
            Line::Start if first_of_stream && BOM.first() == Some(&byte) => Line::Bom(1),
            Line::Bom(same) if BOM.get(same) == Some(&byte) => {
                if same + 1 == BOM.len() {
                    Line::Start
                } else {
                    Line::Bom(same + 1)
                }
            }
            Line::Start if byte == b':' => {
                self.line = Line::Comment;
                return false;
            }
            Line::Start => {
                listener.begins(here);
                match EventField::beginning_with(byte) {
                    Some(field) => Line::Name(field, 1),
                    None => return self.be_stray(&[], listener),
                }
            }
            Line::Name(field, same) if field.name().get(same) == Some(&byte) => {
                if same + 1 < field.name().len() {
                    Line::Name(field, same + 1)
                } else {
                    listener.field(field);
                    Line::Value(field)
                }
            }
            Line::Name(field, same) => {
                return self.be_stray(field.name().get(..same).unwrap_or_default(), listener);
            }
            _ => return self.be_stray(&[], listener),
        };
        true
    }

    /// This line is none of this format. The byte at hand is of it, and has to be looked at again.
    fn be_stray(&mut self, beginning: &[u8], listener: &mut impl Listener) -> bool {
        self.line = Line::Stray;
        listener.stray(beginning, true);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes down what it hears, with the places.
    #[derive(Default)]
    struct Heard(Vec<String>);

    impl Listener for Heard {
        fn begins(&mut self, at: u64) {
            self.0.push(format!("begins {at}"));
        }

        fn field(&mut self, field: EventField) {
            self.0.push(format!("{field:?}"));
        }

        fn value(&mut self, _field: EventField, bytes: &[u8], at: u64) {
            self.0.push(format!("{:?} at {at}", String::from_utf8_lossy(bytes)));
        }

        fn ends(&mut self, at: u64) {
            self.0.push(format!("ends {at}"));
        }

        fn stray(&mut self, bytes: &[u8], first: bool) {
            self.0.push(format!("stray {:?} {first}", String::from_utf8_lossy(bytes)));
        }
    }

    /// What is heard of the first event of `text`, which begins at 1000 of the stream, and where it ends.
    fn heard(text: &str) -> (String, Option<usize>) {
        let mut heard = Heard::default();
        let end = Framer::default().read(text.as_bytes(), 0, 1000, &mut heard);
        (heard.0.join(", "), end)
    }

    #[test]
    fn each_line_is_told_with_its_place() {
        let cases = [
            ("data: a\n\nx", "begins 1000, Data, \" a\" at 1005, ends 1008", Some(9)),
            ("data: a\r\n\r\nx", "begins 1000, Data, \" a\" at 1005, ends 1009", Some(11)),
            ("\u{feff}id:1\n\n", "begins 1003, Id, \"1\" at 1006", Some(9)),
            (":ping\nretry:5\n\n", "begins 1006, Retry, \"5\" at 1012", Some(15)),
            ("event:x\n", "begins 1000, Event, \"x\" at 1006", None),
            ("dark\n\n", "begins 1000, stray \"da\" true, stray \"rk\" false", Some(6)),
            ("<p>\n\n", "begins 1000, stray \"\" true, stray \"<p>\" false", Some(5)),
        ];
        for (text, expected, end) in cases {
            assert_eq!(heard(text), (expected.to_owned(), end), "{text:?}");
        }
        // It begins as the mark of byte order does.
        let (odd, end) = heard("\u{f000}data: a\n\n");
        assert!(odd.starts_with("stray") && !odd.contains("Data") && end == Some(12), "{odd}");
    }
}
