//! The snapshot of all price plans, by which a request is priced at its end.

use llm_manager_ledger::{Micros, PlanRecord, Pricing, RequestRow};
use llm_manager_policy::pricing::{self, Cost, Unpriced};
use std::collections::HashMap;
use std::sync::Arc;

/// Each model's plans in order of time. Never changed, only replaced.
#[derive(Clone, Debug, Default)]
pub struct Prices(HashMap<Arc<str>, Vec<PlanRecord>>);

impl Prices {
    /// From all plans in the order in which they were set: of two that begin at once, the later one holds.
    pub(crate) fn new(records: Vec<PlanRecord>) -> Self {
        let mut all: HashMap<Arc<str>, Vec<PlanRecord>> = HashMap::new();
        for record in records {
            all.entry(Arc::clone(&record.model)).or_default().push(record);
        }
        for plans in all.values_mut() {
            plans.sort_by_key(|record| record.valid_from);
        }
        Self(all)
    }

    /// The plan of a model that is in force at a time; its `plan` may say that there is none.
    pub fn at(&self, model: &str, time: Micros) -> Option<&PlanRecord> {
        let plans = self.0.get(model)?;
        plans.get(plans.partition_point(|record| record.valid_from <= time).checked_sub(1)?)
    }

    /// All plans of a model in order of time, those to come included.
    pub fn history(&self, model: &str) -> &[PlanRecord] {
        self.0.get(model).map_or(&[], Vec::as_slice)
    }

    /// Fixes what a request costs, by the plan in force when it ended.
    pub(crate) fn price(&self, row: &mut RequestRow) {
        row.cost = None;
        row.pricing = Pricing::NoPlan;
        row.plan_id = None;
        let Some(record) = self.at(&row.labels.model, row.ended_us()) else { return };
        let Some(plan) = &record.plan else { return };
        // What the manager refused has never been at the backend.
        if matches!(row.outcome, llm_manager_ledger::Outcome::Refused(_)) {
            return;
        }
        row.plan_id = Some(record.id);
        row.labels = row.labels.in_currency(plan.currency().as_str());
        let count = |count: Option<i64>| count.and_then(|count| u64::try_from(count).ok());
        let tokens = pricing::Tokens {
            input: count(row.tokens.input),
            cached: count(row.tokens.cached),
            output: count(row.tokens.output),
        };
        (row.pricing, row.cost) = match plan.cost(tokens) {
            Ok(Cost::Priced(parts)) => match parts.total.as_i64() {
                Ok(cost) => (Pricing::Priced, Some(cost)),
                Err(pricing::MoneyOverflow) => (Pricing::TooBig, Some(0)),
            },
            Ok(Cost::Hourly) => (Pricing::Hourly, None),
            Ok(Cost::Unpriced(Unpriced::NoTier)) => (Pricing::NoTier, Some(0)),
            Ok(Cost::Unpriced(Unpriced::UnknownTokens)) => (Pricing::NoCounts, None),
            Ok(Cost::Unpriced(Unpriced::NoPlan)) => (Pricing::NoPlan, None),
            Err(pricing::MoneyOverflow) => (Pricing::TooBig, Some(0)),
        };
    }
}
