//! When a start got how far, from the wish to the first byte of an answer.

use jiff::Timestamp;
use std::fmt::Write as _;

/// The way of one start, as far as it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartTrace {
    /// The model was first wanted.
    pub asked: Timestamp,
    /// The scheduler has chosen a variant and reserved its memory.
    pub placed: Option<Timestamp>,
    /// The last process of those that had to go was gone; `None`: nobody had to.
    pub victims_gone: Option<Timestamp>,
    /// The devices showed the memory as free.
    pub memory_free: Option<Timestamp>,
    /// The process was there.
    pub launched: Option<Timestamp>,
    /// Somebody listened on its port.
    pub port_open: Option<Timestamp>,
    /// It served.
    pub ready: Option<Timestamp>,
    /// The head of its first answer came.
    pub first_byte: Option<Timestamp>,
}

impl StartTrace {
    pub(super) fn of(asked: Timestamp) -> Self {
        Self {
            asked,
            placed: None,
            victims_gone: None,
            memory_free: None,
            launched: None,
            port_open: None,
            ready: None,
            first_byte: None,
        }
    }

    /// The moments in the order in which they come.
    pub fn moments(&self) -> [(&'static str, Option<Timestamp>); 8] {
        [
            ("asked", Some(self.asked)),
            // Before the reservation: it is made when they are.
            ("victims gone", self.victims_gone),
            ("memory free", self.memory_free),
            ("placed", self.placed),
            ("launched", self.launched),
            ("port open", self.port_open),
            ("ready", self.ready),
            ("first byte", self.first_byte),
        ]
    }

    /// `asked 2026-11-28T12:00:00Z, placed +0.001 s, ...`: each measured from the wish.
    pub(super) fn words(&self) -> String {
        let mut words = format!("asked {}", self.asked);
        for (name, at) in self.moments().into_iter().skip(1) {
            let Some(at) = at else { continue };
            let seconds = at.duration_since(self.asked).as_secs_f64();
            // Writing to a text can't fail.
            let _ = write!(words, ", {name} +{seconds:.3} s");
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_tell_how_long_after_the_wish_each_moment_came() {
        let asked: Timestamp = "2026-11-28T12:00:00Z".parse().unwrap();
        let after = |ms| asked.checked_add(std::time::Duration::from_millis(ms)).ok();
        let trace =
            StartTrace { placed: after(1), launched: after(4), ready: after(1310), ..StartTrace::of(asked) };
        assert_eq!(
            trace.words(),
            "asked 2026-11-28T12:00:00Z, placed +0.001 s, launched +0.004 s, ready +1.310 s"
        );
    }
}
