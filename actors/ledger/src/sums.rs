//! What a row adds to the sums of its time and its labels.

use super::row::{Outcome, RequestRow, UsageSource};
use std::ops::AddAssign;

/// The columns of `rollups` that are added up.
pub(super) const COLUMNS: [&str; 20] = [
    "requests",
    "failed",
    "rejected",
    "client_left",
    "refused",
    "cancelled",
    "replayed",
    "estimated",
    "unrecorded",
    "unpriced",
    "input",
    "cached",
    "cache_write",
    "output",
    "reasoning",
    "cost",
    "duration_us",
    "queue_us",
    "first_byte_us",
    "first_bytes",
];

/// Their values, in the same order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums(pub(super) [i64; COLUMNS.len()]);

impl Sums {
    pub(super) fn of(row: &RequestRow) -> Self {
        let one = |yes: bool| i64::from(yes);
        let tokens = &row.tokens;
        Self([
            1,
            one(row.outcome.is_failure()),
            one(row.outcome == Outcome::Rejected),
            one(row.outcome == Outcome::ClientLeft),
            one(matches!(row.outcome, Outcome::Refused(_))),
            one(row.outcome == Outcome::Cancelled),
            one(row.replayed),
            one(row.usage_source == UsageSource::Estimated),
            one(row.unrecorded()),
            one(row.pricing.unpriced()),
            tokens.input.unwrap_or(0),
            tokens.cached.unwrap_or(0),
            tokens.cache_write.unwrap_or(0),
            tokens.output.unwrap_or(0),
            tokens.reasoning.unwrap_or(0),
            row.cost.unwrap_or(0),
            row.duration_us,
            row.queue_us,
            row.first_byte_us.unwrap_or(0),
            one(row.first_byte_us.is_some()),
        ])
    }
}

impl AddAssign for Sums {
    fn add_assign(&mut self, other: Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine = mine.saturating_add(theirs);
        }
    }
}
