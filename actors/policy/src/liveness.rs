//! Liveness: whether a backend that was ready still serves, from what becomes of its requests.
//!
//! Counted in one word that every request may touch. A backend that answers well costs one look at it.

use std::sync::atomic::{AtomicU32, Ordering};

/// So many in a row make a backend suspect.
pub const IN_A_ROW: u32 = 3;

/// What one request has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LivenessSignal {
    /// An answer that is no error of the backend's.
    Answer,
    /// A 5xx status.
    Error,
    /// Not a byte within `first_byte_timeout`.
    Silence,
    /// The connection was refused.
    Refusal,
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Liveness {
    /// Nothing.
    Well,
    /// It should be probed.
    Doubted,
    /// It is of no use, whatever its probe would say.
    Hung,
}

/// Counts of what came in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FailureStreak {
    /// Requests without a byte since the last answer.
    silences: u16,
    /// 5xx since the last answer that was none.
    errors: u16,
}

impl LivenessSignal {
    /// What the status of an answer shows. 501 says that a function is missing, not that something is broken.
    pub fn of_status(status: u16) -> Self {
        if status >= 500 && status != 501 { Self::Error } else { Self::Answer }
    }
}

impl FailureStreak {
    /// The row after one more request; after a verdict it begins anew.
    pub fn after(self, sign: LivenessSignal) -> (Self, Liveness) {
        let next = match sign {
            LivenessSignal::Answer => Self::default(),
            LivenessSignal::Error => Self { silences: 0, errors: self.errors.saturating_add(1) },
            LivenessSignal::Silence => Self { silences: self.silences.saturating_add(1), ..self },
            LivenessSignal::Refusal => return (self, Liveness::Doubted),
        };
        if u32::from(next.silences) >= IN_A_ROW {
            (Self::default(), Liveness::Hung)
        } else if u32::from(next.errors) >= IN_A_ROW {
            (Self { errors: 0, ..next }, Liveness::Doubted)
        } else {
            (next, Liveness::Well)
        }
    }

    fn word(self) -> u32 {
        u32::from(self.silences) << 16 | u32::from(self.errors)
    }

    fn of(word: u32) -> Self {
        let half = |half: u32| u16::try_from(half & 0xffff).unwrap_or(u16::MAX);
        Self { silences: half(word >> 16), errors: half(word) }
    }
}

/// A row that many requests write at once.
#[derive(Debug, Default)]
pub struct LivenessCounter(AtomicU32);

impl LivenessCounter {
    /// Counts one more request.
    pub fn note(&self, sign: LivenessSignal) -> Liveness {
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            let (next, verdict) = FailureStreak::of(word).after(sign);
            if next.word() == word {
                return verdict;
            }
            match self.0.compare_exchange_weak(word, next.word(), Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return verdict,
                Err(other) => word = other,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Liveness::{Doubted, Hung, Well};
    use LivenessSignal::{Answer, Error, Refusal, Silence};

    fn verdicts(signs: &[LivenessSignal]) -> Vec<Liveness> {
        let health = LivenessCounter::default();
        signs.iter().map(|sign| health.note(*sign)).collect()
    }

    #[test]
    fn three_silences_without_an_answer_between_are_a_hang() {
        assert_eq!(verdicts(&[Silence, Silence, Silence]), [Well, Well, Hung]);
        assert_eq!(verdicts(&[Silence, Silence, Answer, Silence, Silence]), [Well; 5]);
        // An error is an answer, too.
        assert_eq!(verdicts(&[Silence, Silence, Error, Silence, Silence]), [Well; 5]);
        assert_eq!(verdicts(&[Silence; 6]), [Well, Well, Hung, Well, Well, Hung]);
    }

    #[test]
    fn three_errors_in_a_row_and_a_refused_connection_are_doubts() {
        assert_eq!(verdicts(&[Error, Error, Error, Error]), [Well, Well, Doubted, Well]);
        assert_eq!(verdicts(&[Error, Error, Answer, Error, Error]), [Well; 5]);
        assert_eq!(verdicts(&[Refusal]), [Doubted]);
        assert_eq!(
            [200, 404, 501, 500, 503].map(LivenessSignal::of_status),
            [Answer, Answer, Answer, Error, Error]
        );
    }

    #[test]
    fn a_word_holds_a_row() {
        for row in [
            FailureStreak::default(),
            FailureStreak { silences: 2, errors: 1 },
            FailureStreak { silences: u16::MAX, errors: u16::MAX },
        ] {
            assert_eq!(FailureStreak::of(row.word()), row);
        }
    }
}
