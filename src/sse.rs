//! Takes the data out of the events of a stream, for those who make something else of it: of a backend's stream, or of
//! the manager's own. What only passes is read by `policy::usage`, which keeps every byte in its place.

use llm_manager_policy::sse::{EventField, Framer, Listener};

/// A longer event is left out.
const LONGEST: usize = 64 << 20;

/// A stream that is being read.
#[derive(Debug, Default)]
pub(crate) struct Events {
    framer: Framer,
    event: Held,
    cut: bool,
}

/// The event that has no end yet.
#[derive(Debug, Default)]
struct Held {
    data: Vec<u8>,
    has_data: bool,
    /// A line of data has begun, and nothing of its value has come.
    fresh: bool,
    too_long: bool,
}

impl Events {
    /// The next bytes; `take` gets the data of each event that ends in them.
    pub(crate) fn push(&mut self, chunk: &[u8], mut take: impl FnMut(&[u8])) {
        let mut at = 0;
        while let Some(end) = self.framer.read(chunk, at, 0, &mut self.event) {
            self.end(&mut take);
            at = end;
        }
    }

    /// The stream has ended: its last event may lack its empty line.
    pub(crate) fn finish(&mut self, mut take: impl FnMut(&[u8])) {
        self.end(&mut take);
    }

    /// Whether something was too long and is missing.
    pub(crate) fn is_cut(&self) -> bool {
        self.cut || self.event.too_long
    }

    fn end(&mut self, take: &mut impl FnMut(&[u8])) {
        self.cut |= self.event.too_long;
        if self.event.has_data && !self.event.too_long {
            take(&self.event.data);
        }
        self.event.data.clear();
        self.event = Held { data: std::mem::take(&mut self.event.data), ..Held::default() };
    }
}

impl Held {
    fn add(&mut self, bytes: &[u8]) {
        self.too_long |= self.data.len() + bytes.len() > LONGEST;
        if !self.too_long {
            self.data.extend_from_slice(bytes);
        }
    }
}

impl Listener for Held {
    fn field(&mut self, field: EventField) {
        if field == EventField::Data {
            if std::mem::replace(&mut self.has_data, true) {
                self.add(b"\n");
            }
            self.fresh = true;
        }
    }

    fn value(&mut self, field: EventField, bytes: &[u8], _: u64) {
        if field == EventField::Data && !bytes.is_empty() {
            let fresh = std::mem::take(&mut self.fresh);
            self.add(bytes.strip_prefix(b" ").filter(|_| fresh).unwrap_or(bytes));
        }
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
        events.push(b"data:", |_| ());
        for _ in 0..66 {
            events.push(&vec![b'x'; 1 << 20], |_| ());
        }
        assert!(events.is_cut() && events.event.data.len() <= LONGEST);
        let mut came = 0;
        events.push(b"\n\ndata: 1\n\n", |data| came += data.len());
        assert_eq!(came, 1, "an event that is too long is left out, and the next one isn't");
    }
}
