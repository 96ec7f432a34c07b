//! What keys with limits may still use, and how often they were refused.

use super::families;
use super::family::{Family, MetricLabels, counter, gauge};
use crate::http::api::management::Management;
use llm_manager_actors::quotas::{Quota, Remains};
use llm_manager_policy::spec::{Cap, Period};

/// Units of money in one of a budget, and in one of what is left of it.
const BUDGET_UNITS: f64 = 1e6;
const LEFT_UNITS: f64 = 1e12;

pub(super) async fn keys(shared: &Management) -> Vec<Family> {
    let quotas: Vec<_> = shared.access.keys.all().iter().filter_map(|key| key.quota.clone()).collect();
    if quotas.is_empty() {
        return Vec::new();
    }
    let remaining = match shared.quotas.addr() {
        Some(addr) => addr.send(Remains(quotas)).await.unwrap_or_default(),
        None => Vec::new(),
    };
    let (mut budgets, mut lefts, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    for one in remaining {
        let key = ("key", one.quota.key.to_string());
        if let Some((labels, amount, unit)) = budget(&one.quota) {
            lefts.extend(one.left.budget.map(|left| (labels.clone(), left as f64 / unit)));
            budgets.push((labels, amount));
        }
        let limits = [
            ("requests", one.quota.requests_per_minute.is_some()),
            ("tokens", one.quota.tokens_per_minute.is_some()),
            ("budget", one.quota.budget.is_some()),
        ];
        for ((limit, _), count) in limits.into_iter().zip(one.refused).filter(|((_, has), _)| *has) {
            refused.push((vec![key.clone(), ("limit", limit.to_owned())], count as f64));
        }
    }
    vec![
        gauge(&families::KEY_BUDGET, budgets),
        gauge(&families::KEY_BUDGET_LEFT, lefts),
        counter(&families::KEY_REFUSED, refused),
    ]
}

/// Labels, amount, and what the units of the rest are divided by.
fn budget(quota: &Quota) -> Option<(MetricLabels, f64, f64)> {
    let budget = quota.budget?;
    let period = match budget.period {
        Period::Day => "day",
        Period::Month => "month",
    };
    let (unit, amount, rest) = match budget.cap {
        Cap::Tokens(tokens) => ("tokens".to_owned(), tokens as f64, 1.0),
        Cap::Money { units, currency } => {
            (currency.as_str().to_owned(), units as f64 / BUDGET_UNITS, LEFT_UNITS)
        }
    };
    Some((vec![("key", quota.key.to_string()), ("period", period.to_owned()), ("unit", unit)], amount, rest))
}
