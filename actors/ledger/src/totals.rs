//! What reports are made of: sums, alone and by what they have in common.

use super::row::Micros;
use llm_manager_policy::pricing::Money;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Sums of requests, and the pay of runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// All of them, however they ended.
    pub requests: i64,
    /// The backend or the manager failed.
    pub failed: i64,
    /// The backend found fault with the request.
    pub rejected: i64,
    /// The client went away.
    pub client_left: i64,
    /// The manager answered instead.
    pub refused: i64,
    /// An operator ended it.
    pub cancelled: i64,
    /// Sent to the backend twice.
    pub replayed: i64,
    /// Some count was estimated.
    pub estimated: i64,
    /// No count is known.
    pub unrecorded: i64,
    /// A plan was in force but gave no price.
    pub unpriced: i64,
    /// Tokens of prompts, cached ones included.
    pub input: i64,
    /// The part of the input that was read from a cache.
    pub cached: i64,
    /// The part of the input that was written to a cache.
    pub cache_write: i64,
    /// Generated tokens, reasoning included.
    pub output: i64,
    /// The part of the output that was reasoning.
    pub reasoning: i64,
    /// Sum of the requests' durations.
    pub duration_us: i64,
    /// Sum of their waiting for models.
    pub queue_us: i64,
    /// Sum of their times to the first byte.
    pub first_byte_us: i64,
    /// How many had a first byte.
    pub first_bytes: i64,
    /// Price of the requests, by currency.
    pub cost: BTreeMap<String, Money>,
    /// Price of ready time by the hour, by currency; only where a report is by model or variant.
    pub run_cost: BTreeMap<String, Money>,
    /// What runs drew from the socket, as far as it was measured; where there is `run_cost`.
    pub energy_mj: i64,
    /// What that cost, by currency.
    pub energy_cost: BTreeMap<String, Money>,
}

/// Sums of those that have this in common.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReportGroup {
    /// One value for each dimension that was asked for; the points of a series share it.
    pub key: Arc<[String]>,
    /// Their sums.
    pub totals: Totals,
}

/// A report over one stretch of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// What it really covers: the borders of rollups.
    pub from: Micros,
    /// The same.
    pub to: Micros,
    /// All together.
    pub total: Totals,
    /// By the dimensions asked for; empty when none was.
    pub groups: Vec<ReportGroup>,
}

/// A report over one stretch of time, point by point.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Series {
    /// One for each bucket, in order of time, also where nothing was.
    pub points: Vec<Summary>,
}

pub(super) fn add_money(sums: &mut BTreeMap<String, Money>, currency: &str, money: Money) {
    let add = |sum: Money| sum.plus(money).unwrap_or(Money::from_units(u128::MAX));
    // Most often it is there already.
    if let Some(sum) = sums.get_mut(currency) {
        *sum = add(*sum);
    } else {
        sums.insert(currency.to_owned(), add(Money::ZERO));
    }
}
