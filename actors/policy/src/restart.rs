//! When to try again: backoff between starts of a backend, restart intensity of an actor.

use std::collections::VecDeque;
use std::time::Duration;

/// Pause after the first failure.
pub const FIRST_BACKOFF: Duration = Duration::from_secs(1);
/// Longest pause between two starts.
pub const LONGEST_BACKOFF: Duration = Duration::from_secs(300);
/// A backend that was ready for this long has shown that it works: its failures are forgotten.
pub const STABLE_RUN: Duration = Duration::from_secs(60);

/// Pause before the next start after `failures` failures in a row: 1 s, 2 s, 4 s, ... up to 5 min.
///
/// Truncated exponential backoff without jitter: one manager restarts one backend, so there is no herd
/// whose retries would have to be spread.
pub fn backoff(failures: u32) -> Duration {
    if failures == 0 {
        return Duration::ZERO;
    }
    let doublings = (failures - 1).min(16);
    (FIRST_BACKOFF * 2_u32.pow(doublings)).min(LONGEST_BACKOFF)
}

/// How many restarts of an actor within which time are taken for bad luck rather than a defect.
///
/// The rule of Erlang/OTP's supervisors: more than `restarts` within `period`, and the child is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intensity {
    /// Restarts allowed within `period`.
    pub restarts: usize,
    /// The window that is looked back on.
    pub period: Duration,
}

impl Default for Intensity {
    fn default() -> Self {
        Self { restarts: 3, period: Duration::from_secs(60) }
    }
}

/// What a supervisor does about a child that has crashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RestartDecision {
    /// Start it again after the pause.
    RestartAfter(Duration),
    /// It has crashed too often; leave it down.
    GiveUp,
}

/// The recent restarts of one child; times are measured from any fixed origin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestartHistory {
    recent: VecDeque<Duration>,
}

impl RestartHistory {
    /// Records a crash at `now` and decides what follows.
    pub fn crashed(&mut self, intensity: Intensity, now: Duration) -> RestartDecision {
        while self.recent.front().is_some_and(|at| now.saturating_sub(*at) > intensity.period) {
            self.recent.pop_front();
        }
        if self.recent.len() >= intensity.restarts {
            return RestartDecision::GiveUp;
        }
        self.recent.push_back(now);
        // The first crash costs no pause; the next ones wait 100 ms, 200 ms, ... so that a crash loop
        // does not take the processor from the others.
        let earlier = u32::try_from(self.recent.len() - 1).unwrap_or(u32::MAX);
        RestartDecision::RestartAfter(Duration::from_millis(100) * earlier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_up_to_five_minutes() {
        let seconds: Vec<u64> = (0..12).map(|failures| backoff(failures).as_secs()).collect();
        assert_eq!(seconds, [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(backoff(u32::MAX), LONGEST_BACKOFF);
    }

    #[test]
    fn a_fourth_crash_within_a_minute_is_given_up() {
        let mut history = RestartHistory::default();
        let at = Duration::from_secs;
        assert_eq!(
            history.crashed(Intensity::default(), at(1)),
            RestartDecision::RestartAfter(Duration::ZERO)
        );
        let pause = |ms| RestartDecision::RestartAfter(Duration::from_millis(ms));
        assert_eq!(history.crashed(Intensity::default(), at(2)), pause(100));
        assert_eq!(history.crashed(Intensity::default(), at(3)), pause(200));
        assert_eq!(history.crashed(Intensity::default(), at(4)), RestartDecision::GiveUp);
    }

    #[test]
    fn old_crashes_are_forgotten() {
        let mut history = RestartHistory::default();
        let at = Duration::from_secs;
        history.crashed(Intensity::default(), at(1));
        let still = history.clone().crashed(Intensity::default(), at(61));
        assert_eq!(
            still,
            RestartDecision::RestartAfter(Duration::from_millis(100)),
            "a minute later to the second"
        );
        let mut history = RestartHistory::default();
        for minute in 1..20 {
            let verdict = history.crashed(Intensity::default(), Duration::from_secs(minute * 61));
            assert_eq!(verdict, RestartDecision::RestartAfter(Duration::ZERO));
        }
    }
}
