//! Takes the data out of the events of a stream, for those who make something else of it: of a backend's stream, or of
//! the manager's own. What only passes is read by `policy::usage`, which keeps every byte in its place.
//!
//! The format: <https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream>

use bytes::BytesMut;

/// A longer line or event is left out.
const LONGEST: usize = 64 << 20;

/// A stream that is being read.
#[derive(Debug, Default)]
pub(crate) struct Events {
    /// The line that has no end yet.
    line: BytesMut,
    /// Of the event that has no end yet, without the last line feed.
    data: BytesMut,
    has_data: bool,
    /// A line feed right after the last line belongs to its end.
    after_cr: bool,
    cut: bool,
}

impl Events {
    /// The next bytes; `take` gets the data of each event that ends in them.
    pub(crate) fn push(&mut self, chunk: &[u8], mut take: impl FnMut(&[u8])) {
        self.line.extend_from_slice(chunk);
        while let Some(end) = memchr::memchr2(b'\n', b'\r', &self.line) {
            let line = self.line.split_to(end + 1);
            let second = std::mem::replace(&mut self.after_cr, line.ends_with(b"\r"));
            if !(second && line.as_ref() == b"\n") {
                self.read(line.get(..end).unwrap_or_default(), &mut take);
            }
        }
        if self.line.len() > LONGEST {
            self.line.clear();
            self.cut = true;
        }
    }

    /// The stream has ended: its last event may lack its empty line.
    pub(crate) fn finish(&mut self, mut take: impl FnMut(&[u8])) {
        let rest = self.line.split();
        self.read(&rest, &mut take);
        self.read(b"", &mut take);
    }

    /// Whether something was too long and is missing.
    pub(crate) fn is_cut(&self) -> bool {
        self.cut
    }

    fn read(&mut self, line: &[u8], take: &mut impl FnMut(&[u8])) {
        if line.is_empty() {
            if std::mem::take(&mut self.has_data) {
                take(&self.data);
                self.data.clear();
            }
            return;
        }
        let Some(data) = line.strip_prefix(b"data:") else { return };
        let data = data.strip_prefix(b" ").unwrap_or(data);
        if self.data.len() + data.len() > LONGEST {
            self.cut = true;
            return;
        }
        if std::mem::replace(&mut self.has_data, true) {
            self.data.extend_from_slice(b"\n");
        }
        self.data.extend_from_slice(data);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_however_they_are_cut() {
        for end in ["\n", "\r\n", "\r"] {
            let stream =
                [": comment", "", "event: x", "data: {\"id\":1,", "data:\"a\":2}", "", "", "data: [DONE]"];
            let stream = stream.join(end);
            for step in [1, 2, 3, 1000] {
                let (mut events, mut came) = (Events::default(), Vec::new());
                let mut take = |data: &[u8]| came.push(String::from_utf8(data.to_vec()).unwrap());
                stream.as_bytes().chunks(step).for_each(|chunk| events.push(chunk, &mut take));
                events.finish(&mut take);
                assert_eq!(came, ["{\"id\":1,\n\"a\":2}", "[DONE]"], "{end:?} {step}");
                assert!(!events.is_cut());
            }
        }
    }

    #[test]
    fn what_has_no_end_is_not_kept() {
        let mut events = Events::default();
        for _ in 0..66 {
            events.push(&vec![b'x'; 1 << 20], |_| ());
        }
        assert!(events.is_cut() && events.line.len() <= LONGEST);
    }
}
