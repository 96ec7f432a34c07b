//! Shares out the cost of a run to the requests that ran in it: at every instant its cost is divided
//! equally among the requests that were active, and time without one is a share of its own.
//!
//! Weights are microseconds in steps of 2^-20, so a part can be off by some 10^-6 of a microsecond's cost
//! per request that began or ended meanwhile. The parts always add up to the cost: what is left over after
//! rounding down goes to the parts with the largest remainders, one unit each, the earlier first.

use super::{Interval, Micros, Money, MoneyOverflow};

const STEPS: u32 = 20;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shares {
    /// In the order of the requests.
    pub requests: Vec<Money>,
    /// For the time in which no request was active.
    pub idle: Money,
}

/// Requests may begin before the run or end after it: only what lies within counts.
pub fn share_out(cost: Money, run: Interval, requests: &[Interval]) -> Result<Shares, MoneyOverflow> {
    // (when, +1 or -1, which request)
    let mut edges: Vec<(Micros, i64, usize)> = Vec::with_capacity(requests.len() * 2);
    for (nth, request) in requests.iter().enumerate() {
        let (from, to) = (request.from.max(run.from), request.to.min(run.to));
        if from < to {
            edges.push((from, 1, nth));
            edges.push((to, -1, nth));
        }
    }
    edges.sort_unstable();
    // The last weight is that of the idle time.
    let mut weights: Vec<u128> = vec![0; requests.len() + 1];
    let mut idle: u128 = 0;
    // What one request that was active all the time would have by now.
    let mut each: u128 = 0;
    let mut active: i64 = 0;
    let mut now = run.from;
    for (when, change, nth) in edges {
        let passed = u128::from(when.abs_diff(now)) << STEPS;
        match u128::try_from(active) {
            Ok(active) if active > 0 => each += passed / active,
            _ => idle += passed,
        }
        now = when;
        active += change;
        if let Some(weight) = weights.get_mut(nth) {
            // What had come by the time that the request began, where this was nothing, is taken away when it ends.
            *weight = each - *weight;
        }
    }
    if run.to > now {
        idle += u128::from(run.to.abs_diff(now)) << STEPS;
    }
    if let Some(last) = weights.last_mut() {
        *last = idle;
    }
    let mut parts = divide(cost.units(), &weights)?;
    let idle = parts.pop().unwrap_or_default();
    Ok(Shares { requests: parts, idle })
}

/// By weight, with the largest remainders rounded up; without any weight all goes to the last.
pub fn share_by_weight(cost: Money, weights: &[u128]) -> Result<Vec<Money>, MoneyOverflow> {
    divide(cost.units(), weights)
}

fn divide(cost: u128, weights: &[u128]) -> Result<Vec<Money>, MoneyOverflow> {
    let total =
        weights.iter().try_fold(0_u128, |sum, &weight| sum.checked_add(weight)).ok_or(MoneyOverflow)?;
    let mut parts = Vec::with_capacity(weights.len());
    let mut remainders = Vec::with_capacity(weights.len());
    let mut left = cost;
    for (nth, weight) in weights.iter().enumerate() {
        let product = cost.checked_mul(*weight).ok_or(MoneyOverflow)?;
        let part = product.checked_div(total).unwrap_or(0);
        remainders.push((product.checked_rem(total).unwrap_or(0), nth));
        left -= part;
        parts.push(part);
    }
    if total == 0 {
        if let Some(last) = parts.last_mut() {
            *last = cost;
        }
    } else {
        remainders.sort_unstable_by(|(a, first), (b, second)| b.cmp(a).then(first.cmp(second)));
        let count = usize::try_from(left).unwrap_or(usize::MAX);
        for (_, nth) in remainders.into_iter().take(count) {
            if let Some(part) = parts.get_mut(nth) {
                *part += 1;
            }
        }
    }
    Ok(parts.into_iter().map(Money::from_units).collect())
}
