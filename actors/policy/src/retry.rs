//! Whether a request is sent to a backend once more when it broke off before a byte of its answer.
//!
//! A backend gets it at most twice, for it may have read it each time. Where no connection came about, nobody has read it;
//! that is tried twice as well, for the sake of whoever waits.

/// How a try broke off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestFailure {
    /// There was no connection.
    NoConnection,
    /// A kept connection ended without a word: the backend had closed it before.
    Stale,
    /// The backend may have read it.
    Unanswered,
}

/// What is heard of the backend then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackendFate {
    /// Nothing: it lives on.
    Lives,
    /// It has died.
    Died,
    /// It was stopped.
    Stopped,
    /// An operator has cancelled the request.
    Cancelled,
}

/// What becomes of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryStep {
    /// It is sent again, at once.
    Again,
    /// It depends on what is heard of the backend.
    AskFate,
}

/// What becomes of it when that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryDecision {
    /// It is sent to the next life of the backend.
    Again {
        /// A backend may have read it before.
        replayed: bool,
    },
    /// The client hears how it broke off.
    Failed,
    /// The client hears that the model was stopped.
    Stopped,
    /// The client hears that it was cancelled.
    Cancelled,
}

/// The tries of one request so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    /// How often a backend may have read it.
    sent: u32,
    /// How often there was no connection at all.
    unreachable: u32,
}

impl Attempts {
    /// A backend may have read it: the next connection is a fresh one.
    pub const fn is_repeated(&self) -> bool {
        self.sent > 0
    }

    /// A try broke off before a byte of an answer.
    pub const fn broke(&mut self, how: RequestFailure) -> RetryStep {
        match how {
            RequestFailure::NoConnection => self.unreachable += 1,
            RequestFailure::Stale | RequestFailure::Unanswered => self.sent += 1,
        }
        if matches!(how, RequestFailure::Stale) && self.sent < 2 {
            RetryStep::Again
        } else {
            RetryStep::AskFate
        }
    }

    /// What became of the backend is known.
    pub const fn judge(&self, fate: BackendFate) -> RetryDecision {
        match fate {
            BackendFate::Cancelled => RetryDecision::Cancelled,
            BackendFate::Lives => RetryDecision::Failed,
            BackendFate::Died | BackendFate::Stopped if self.sent >= 2 || self.unreachable >= 2 => {
                RetryDecision::Failed
            }
            BackendFate::Stopped => RetryDecision::Stopped,
            BackendFate::Died => RetryDecision::Again { replayed: self.sent > 0 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use RequestFailure::{NoConnection, Stale, Unanswered};

    #[test]
    fn every_pair_of_tries_has_its_end() {
        let again = |replayed| RetryDecision::Again { replayed };
        let cases: [(&[RequestFailure], RetryStep, RetryDecision, RetryDecision); 9] = [
            // How it broke, what follows, and what if the backend died, or was stopped.
            (&[Stale], RetryStep::Again, again(true), RetryDecision::Stopped),
            (&[Unanswered], RetryStep::AskFate, again(true), RetryDecision::Stopped),
            (&[NoConnection], RetryStep::AskFate, again(false), RetryDecision::Stopped),
            (&[Stale, Stale], RetryStep::AskFate, RetryDecision::Failed, RetryDecision::Failed),
            (&[Stale, Unanswered], RetryStep::AskFate, RetryDecision::Failed, RetryDecision::Failed),
            (&[Unanswered, Unanswered], RetryStep::AskFate, RetryDecision::Failed, RetryDecision::Failed),
            (&[NoConnection, NoConnection], RetryStep::AskFate, RetryDecision::Failed, RetryDecision::Failed),
            (&[NoConnection, Stale], RetryStep::Again, again(true), RetryDecision::Stopped),
            (&[Unanswered, NoConnection], RetryStep::AskFate, again(true), RetryDecision::Stopped),
        ];
        for (broke, next, died, stopped) in cases {
            let mut tries = Attempts::default();
            let last = broke.iter().map(|how| tries.broke(*how)).last();
            assert_eq!(last, Some(next), "{broke:?}");
            assert_eq!(tries.judge(BackendFate::Died), died, "{broke:?}");
            assert_eq!(tries.judge(BackendFate::Stopped), stopped, "{broke:?}");
            assert_eq!(tries.judge(BackendFate::Lives), RetryDecision::Failed, "{broke:?}");
            assert_eq!(tries.judge(BackendFate::Cancelled), RetryDecision::Cancelled, "{broke:?}");
        }
    }

    #[test]
    fn no_backend_reads_a_request_a_third_time() {
        let kinds = [NoConnection, Stale, Unanswered];
        for history in (0..81_usize).map(|n| [n / 27, n / 9 % 3, n / 3 % 3, n % 3]) {
            let (mut tries, mut read) = (Attempts::default(), 0);
            for how in history.map(|kind| kinds[kind]) {
                read += u32::from(how != NoConnection);
                let goes_on = tries.broke(how) == RetryStep::Again
                    || matches!(tries.judge(BackendFate::Died), RetryDecision::Again { .. });
                if !goes_on {
                    break;
                }
            }
            assert!(read <= 2, "{history:?}");
        }
    }
}
