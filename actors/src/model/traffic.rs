//! Traffic: what a model's clients have had since the program started, for metrics and live rates.
//!
//! Counters only grow, and counting never waits: a reader may see a request in one counter before the other.

use llm_manager_ledger::{Outcome, RequestRow};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Upper bounds of the bins of time, in microseconds; one more bin has all that took longer.
pub const BOUNDS_US: [u64; 14] = [
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    120_000_000,
    300_000_000,
];

/// The outcomes that are told apart, in the order of `Traffic::requests`.
pub const OUTCOMES: [&str; 7] =
    ["ok", "rejected", "backend_error", "client_left", "refused", "cancelled", "failed"];

/// The counters of one model.
#[derive(Debug, Default)]
pub struct Traffic {
    requests: [AtomicU64; OUTCOMES.len()],
    input: AtomicU64,
    cached: AtomicU64,
    output: AtomicU64,
    /// Output while it streams: one for each piece of text, and at the end what the count has over that.
    live_output: AtomicU64,
    duration: Times,
    first_byte: Times,
}

/// How many took how long.
#[derive(Debug, Default)]
struct Times {
    bins: [AtomicU64; BOUNDS_US.len() + 1],
    sum_us: AtomicU64,
}

/// What the counters were at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrafficCounts {
    /// By outcome, see `OUTCOMES`.
    pub requests: [u64; OUTCOMES.len()],
    /// Tokens of prompts, cached ones included.
    pub input: u64,
    /// The part of the input that was read from a cache.
    pub cached: u64,
    /// Generated tokens.
    pub output: u64,
    /// From a request's arrival to its end.
    pub duration: CountedTimes,
    /// From a request's arrival to the first byte of its answer.
    pub first_byte: CountedTimes,
}

/// Counts by bin, and the sum of all times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CountedTimes {
    /// Those up to each of `BOUNDS_US` that were longer than the bound before; the last are the longest.
    pub bins: [u64; BOUNDS_US.len() + 1],
    /// In microseconds.
    pub sum_us: u64,
}

impl Traffic {
    /// Pieces of text have streamed through.
    pub fn streamed(&self, pieces: u64) {
        self.live_output.fetch_add(pieces, Relaxed);
    }

    /// Counts a request that has ended, after so many pieces of text were told as `streamed`.
    pub fn count(&self, row: &RequestRow, pieces: u64) {
        let output = row.tokens.output.and_then(|count| u64::try_from(count).ok()).unwrap_or(0);
        self.live_output.fetch_add(output.saturating_sub(pieces), Relaxed);
        let outcome = match row.outcome {
            Outcome::Ok => 0,
            Outcome::Rejected => 1,
            Outcome::BackendError => 2,
            Outcome::ClientLeft => 3,
            Outcome::Refused(_) => 4,
            Outcome::Cancelled => 5,
            Outcome::Failed => 6,
        };
        self.requests[outcome].fetch_add(1, Relaxed);
        let tokens = &row.tokens;
        for (counter, count) in
            [(&self.input, tokens.input), (&self.cached, tokens.cached), (&self.output, tokens.output)]
        {
            if let Some(count) = count.and_then(|count| u64::try_from(count).ok()).filter(|count| *count > 0)
            {
                counter.fetch_add(count, Relaxed);
            }
        }
        self.duration.add(row.duration_us);
        if let Some(first_byte) = row.first_byte_us {
            self.first_byte.add(first_byte);
        }
    }

    /// Requests that have ended, input tokens, and output tokens with those that still stream.
    pub fn live(&self) -> (u64, u64, u64) {
        let requests = self.requests.iter().map(|counter| counter.load(Relaxed)).sum();
        (requests, self.input.load(Relaxed), self.live_output.load(Relaxed))
    }

    /// What they are now.
    pub fn look(&self) -> TrafficCounts {
        let get = |counter: &AtomicU64| counter.load(Relaxed);
        TrafficCounts {
            requests: std::array::from_fn(|nth| get(&self.requests[nth])),
            input: get(&self.input),
            cached: get(&self.cached),
            output: get(&self.output),
            duration: self.duration.look(),
            first_byte: self.first_byte.look(),
        }
    }
}

impl Times {
    fn add(&self, micros: i64) {
        let micros = u64::try_from(micros).unwrap_or(0);
        let bin = BOUNDS_US.partition_point(|bound| *bound < micros);
        self.bins[bin].fetch_add(1, Relaxed);
        self.sum_us.fetch_add(micros, Relaxed);
    }

    fn look(&self) -> CountedTimes {
        CountedTimes {
            bins: std::array::from_fn(|nth| self.bins[nth].load(Relaxed)),
            sum_us: self.sum_us.load(Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use llm_manager_ledger::TokenCounts;

    #[test]
    fn every_request_is_in_one_bin_and_under_one_outcome() {
        let traffic = Traffic::default();
        let row = |outcome, duration_us, first_byte_us, output| RequestRow {
            outcome,
            duration_us,
            first_byte_us,
            tokens: TokenCounts { input: Some(7), output, ..TokenCounts::default() },
            ..RequestRow::default()
        };
        traffic.streamed(2);
        assert_eq!(traffic.live(), (0, 0, 2));
        traffic.count(&row(Outcome::Ok, 10_000, Some(9_000), Some(3)), 2);
        traffic.count(&row(Outcome::Ok, 10_001, None, None), 0);
        traffic.count(&row(Outcome::Refused("overloaded".into()), 400_000_000, None, Some(-1)), 0);
        assert_eq!(traffic.live(), (3, 21, 3));
        for (nth, name) in OUTCOMES.iter().enumerate() {
            let traffic = Traffic::default();
            traffic.count(&row(Outcome::from((*name).to_owned()), 0, None, None), 0);
            assert_eq!(traffic.look().requests[nth], 1, "{name}");
        }
        let seen = traffic.look();
        assert_eq!(seen.requests, [2, 0, 0, 0, 1, 0, 0]);
        assert_eq!((seen.input, seen.cached, seen.output), (21, 0, 3));
        assert_eq!((seen.duration.bins[0], seen.duration.bins[1], seen.duration.bins[14]), (1, 1, 1));
        assert_eq!(seen.duration.sum_us, 400_020_001);
        assert_eq!((seen.first_byte.bins[0], seen.first_byte.sum_us), (1, 9_000));
    }
}
