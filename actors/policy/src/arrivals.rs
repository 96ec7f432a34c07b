//! How fast connections to one server are opened. A server whose queue of new connections is full drops those that come,
//! and whoever opened one tries again after a second: Python's http.server asks for a queue of five, others for 128 (llama-server for
//! 512). A burst is spread over as many milliseconds as it takes such a server to fetch them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// So many at once, after a pause.
const BURST: u64 = 8;
/// From then on one in so many microseconds: eight in a millisecond.
const APART_US: u64 = 125;

/// When the next connection is due, for all threads that open some to one server.
#[derive(Debug, Default)]
pub struct Arrivals {
    /// Microseconds; each that is opened moves it on.
    due_us: AtomicU64,
}

impl Arrivals {
    /// Takes the next place, and says how long to wait for it; zero: not at all. `now` is the time since any fixed moment.
    pub fn place(&self, now: Duration) -> Duration {
        let now_us = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
        let next = |due: u64| due.max(now_us.saturating_sub(BURST * APART_US)).saturating_add(APART_US);
        let due = self.due_us.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |due| Some(next(due)));
        let due = due.map_or(now_us, next);
        Duration::from_micros(due.saturating_sub(now_us))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_spread_and_a_pause_makes_room_for_the_next() {
        let arrivals = Arrivals::default();
        let ask = |ms: u64, count: usize| -> Vec<Duration> {
            (0..count).map(|_| arrivals.place(Duration::from_millis(ms))).collect()
        };
        let first = ask(1000, 24);
        assert!(first[..8].iter().all(Duration::is_zero), "{first:?}");
        let later: Vec<u64> = (1..=16).map(|nth| nth * APART_US).collect();
        assert!(
            first[8..].iter().zip(later).all(|(wait, us)| wait.as_micros() == u128::from(us)),
            "{first:?}"
        );
        // Within a millisecond it has room for as many as are due by then, and for no burst.
        let second = ask(1001, 2);
        assert_eq!(second[0], Duration::from_micros(17 * APART_US - 1000));
        assert!(second[1] > second[0]);
        assert_eq!(ask(2000, 9).iter().filter(|wait| wait.is_zero()).count(), 8);
        // At the very beginning nothing has been saved up, and one at a time never waits.
        let fresh = Arrivals::default();
        assert!((0..100).all(|ms| fresh.place(Duration::from_millis(ms * 5 + 1)).is_zero()));
    }
}
