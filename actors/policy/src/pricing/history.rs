//! Which plan was in force when. A change holds from now on or later: what has been is never rewritten.

use std::fmt;

use super::{Currency, Money, MoneyOverflow, Plan};

/// Microseconds since 1970 in UTC.
pub type Micros = i64;

/// From `from` up to but without `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    pub from: Micros,
    pub to: Micros,
}

/// One entry of a model's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanChange {
    /// The first instant at which it holds.
    pub from: Micros,
    /// `None`: from here on there is no price.
    pub plan: Option<Plan>,
}

/// The plans of one model in order of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlanHistory {
    changes: Vec<PlanChange>,
}

/// A change was to hold from an instant that has already been.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanInThePast;

impl fmt::Display for PlanInThePast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a price plan can't begin in the past: what has been priced stays as it is")
    }
}

impl std::error::Error for PlanInThePast {}

impl PlanHistory {
    /// From the rows of a database in the order in which they were written: of two that begin at the
    /// same instant, the later one holds.
    pub fn from_rows(mut changes: Vec<PlanChange>) -> Self {
        changes.sort_by_key(|change| change.from);
        Self { changes }
    }

    pub fn changes(&self) -> &[PlanChange] {
        &self.changes
    }

    /// Adds a change that holds from `from`, which is not before `now`.
    pub fn change(&mut self, from: Micros, plan: Option<Plan>, now: Micros) -> Result<(), PlanInThePast> {
        if from < now {
            return Err(PlanInThePast);
        }
        let at = self.changes.partition_point(|change| change.from <= from);
        self.changes.insert(at, PlanChange { from, plan });
        Ok(())
    }

    /// The plan in force at an instant.
    pub fn plan_at(&self, instant: Micros) -> Option<&Plan> {
        let after = self.changes.partition_point(|change| change.from <= instant);
        self.changes.get(after.checked_sub(1)?)?.plan.as_ref()
    }

    /// What a run costs that was ready from `from` to `to`, by currency, in the order in which its hourly
    /// plans came. Time under a tiered plan or under none costs nothing here.
    pub fn run_cost(&self, from: Micros, to: Micros) -> Result<Vec<(Currency, Money)>, MoneyOverflow> {
        self.run_cost_asleep(from, to, &[])
    }

    /// The same of a run that was parked in these stretches, which are in order and don't overlap.
    pub fn run_cost_asleep(
        &self,
        from: Micros,
        to: Micros,
        parked: &[Interval],
    ) -> Result<Vec<(Currency, Money)>, MoneyOverflow> {
        let mut costs: Vec<(Currency, Money)> = Vec::new();
        let edges = parked.iter().flat_map(|stretch| [stretch.from, stretch.to]);
        let cuts = self.changes.iter().map(|change| change.from).chain(edges);
        let mut cuts: Vec<Micros> = cuts.filter(|&cut| from < cut && cut < to).collect();
        cuts.sort_unstable();
        let is_asleep = |at: Micros| {
            let after = parked.partition_point(|stretch| stretch.from <= at);
            after.checked_sub(1).and_then(|last| parked.get(last)).is_some_and(|stretch| at < stretch.to)
        };
        let mut begin = from;
        for end in cuts.into_iter().chain([to]) {
            // Both ends are rounded from the beginning of the run, so the parts add up to the whole.
            let seconds = seconds(from, end).saturating_sub(seconds(from, begin));
            if let Some(Plan::Hourly { currency, per_hour, parked_per_hour }) = self.plan_at(begin) {
                let price = if is_asleep(begin) { parked_per_hour } else { per_hour };
                let cost = price.of_seconds(seconds)?;
                match costs.iter_mut().find(|(other, _)| other == currency) {
                    Some((_, sum)) => *sum = sum.plus(cost)?,
                    None => costs.push((*currency, cost)),
                }
            }
            begin = end;
        }
        Ok(costs)
    }
}

/// To the nearest second, halves up; 0 when the clock went back.
fn seconds(from: Micros, to: Micros) -> u64 {
    let micros = if to > from { to.abs_diff(from) } else { 0 };
    micros / 1_000_000 + u64::from(micros % 1_000_000 >= 500_000)
}
