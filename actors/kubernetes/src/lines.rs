//! A log with a time before each line, as the API gives it: the times are taken off, and by them a log that was cut goes on
//! where it was. Pure.

use jiff::Timestamp;

/// A time is no longer than that.
const LONGEST: usize = 40;

/// Takes the times off.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    /// The newest time of a line that was handed on.
    last: Option<Timestamp>,
    /// The same of a line that was handed on to its end.
    whole: Option<Timestamp>,
    /// Lines up to here were handed on before the log was cut.
    seen: Option<Timestamp>,
    /// Only lines up to here are handed on.
    until: Option<Timestamp>,
    at: At,
}

#[derive(Debug, Default)]
enum At {
    /// At the beginning of a line, with what may become its time.
    #[default]
    Start,
    Time(Vec<u8>),
    /// In a line that is handed on.
    Line,
    /// In a line that was handed on before.
    Again,
}

impl Lines {
    /// Only what an earlier reader has read up to this time is handed on ...
    pub(crate) fn until(time: Timestamp) -> Self {
        Self { until: Some(time), ..Self::default() }
    }

    /// ... or only what comes after it.
    pub(crate) fn after(time: Timestamp) -> Self {
        Self { last: Some(time), ..Self::default() }
    }

    /// The log is opened once more: what it repeats is left out.
    pub(crate) fn reopened(&mut self) {
        self.seen = self.last;
        self.at = At::Start;
    }

    /// Up to when whole lines were handed on.
    pub(crate) fn whole(&self) -> Option<Timestamp> {
        self.whole
    }

    /// From when on the log is wanted, if it isn't wanted from its beginning.
    pub(crate) fn since(&self) -> Option<Timestamp> {
        self.last
    }

    /// Takes what was read, and answers what is new of it.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut new = Vec::with_capacity(bytes.len());
        for byte in bytes {
            match &mut self.at {
                At::Line => {
                    new.push(*byte);
                    if *byte == b'\n' {
                        (self.at, self.whole) = (At::Start, self.last);
                    }
                }
                At::Again => {
                    if *byte == b'\n' {
                        self.at = At::Start;
                    }
                }
                At::Start => self.head(vec![*byte], &mut new),
                At::Time(head) => {
                    let mut head = std::mem::take(head);
                    head.push(*byte);
                    self.head(head, &mut new);
                }
            }
        }
        new
    }

    /// What a line begins with.
    fn head(&mut self, head: Vec<u8>, new: &mut Vec<u8>) {
        let ends = head.last().is_some_and(|byte| matches!(byte, b' ' | b'\n'));
        if !ends && head.len() < LONGEST {
            self.at = At::Time(head);
            return;
        }
        let text = head.strip_suffix(b" ").or_else(|| head.strip_suffix(b"\n")).unwrap_or(&head);
        let time = std::str::from_utf8(text).ok().and_then(|text| text.parse::<Timestamp>().ok());
        let is_over = head.last() == Some(&b'\n');
        let Some(time) = time else {
            // Words of the kubelet's own, or the rest of a line that it cut.
            new.extend_from_slice(&head);
            self.at = if is_over { At::Start } else { At::Line };
            return;
        };
        if self.seen.is_some_and(|seen| time <= seen) || self.until.is_some_and(|until| time > until) {
            self.at = if is_over { At::Start } else { At::Again };
            return;
        }
        self.last = Some(self.last.map_or(time, |last| last.max(time)));
        if is_over {
            new.push(b'\n');
            (self.at, self.whole) = (At::Start, self.last);
        } else {
            self.at = At::Line;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LOG: &str = "2026-11-29T10:00:00.000000001Z one\n2026-11-29T10:00:00.000000002Z \n2026-11-29T10:00:01Z two three\n";

    #[test]
    fn times_are_taken_off_and_a_cut_log_goes_on() {
        let mut lines = Lines::default();
        assert_eq!(lines.feed(LOG.as_bytes()), b"one\n\ntwo three\n");
        lines.reopened();
        let more = format!("{LOG}2026-11-29T10:00:01.5Z four\n");
        assert_eq!(lines.feed(more.as_bytes()), b"four\n");
        assert_eq!(
            lines.feed(b"unable to retrieve container logs\n"),
            b"unable to retrieve container logs\n"
        );
        assert_eq!(lines.since().unwrap().to_string(), "2026-11-29T10:00:01.5Z");
    }

    #[test]
    fn what_an_earlier_reader_has_read_is_told_from_what_is_new() {
        let time = "2026-11-29T10:00:00.000000002Z".parse().unwrap();
        let mut lines = Lines::until(time);
        assert_eq!(lines.feed(LOG.as_bytes()), b"one\n\n");
        let mut lines = Lines::after(time);
        assert_eq!(lines.since(), Some(time));
        lines.reopened();
        assert_eq!(lines.feed(LOG.as_bytes()), b"two three\n");
        let whole = lines.whole();
        assert_eq!(whole, Some("2026-11-29T10:00:01Z".parse().unwrap()));
        assert_eq!(lines.feed(b"2026-11-29T10:00:02Z half a"), b"half a");
        assert_eq!(lines.whole(), whole, "half a line isn't kept");
        assert_eq!(lines.feed(b" line\n"), b" line\n");
        assert!(lines.whole() > whole);
    }

    proptest! {
        #[test]
        fn however_it_is_cut_into_pieces(cuts in proptest::collection::vec(1usize..30, 0..12)) {
            let (mut lines, mut rest, mut found) = (Lines::default(), LOG.as_bytes(), Vec::new());
            for cut in cuts {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                found.extend(lines.feed(piece));
                rest = after;
            }
            found.extend(lines.feed(rest));
            prop_assert_eq!(found, b"one\n\ntwo three\n".to_vec());
        }

        #[test]
        fn nothing_that_is_printed_panics_or_grows(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Lines::default().feed(&bytes).len() <= bytes.len());
        }
    }
}
