//! Plans of the configuration: set before anything is served, when the configuration has changed.

use super::handle::Ledger;
use llm_manager_ledger::{PlanSource, StoreError, Writer, now_us};
use llm_manager_policy::pricing::{Configured, Plan, configured};
use std::sync::Arc;

impl Ledger {
    /// What of `billing:` of each model is not in force yet: the model, its plan, and what that means.
    pub fn plan_changes(
        &self,
        models: &[(Arc<str>, Option<Plan>)],
    ) -> Vec<(Arc<str>, Option<Plan>, Configured)> {
        let prices = self.prices();
        let now = now_us();
        let changes = models.iter().map(|(model, wanted)| {
            // In the order in which they were set.
            let ours = prices.history(model).iter().filter(|record| record.source == PlanSource::Config);
            let last = ours.max_by_key(|record| record.id).and_then(|record| record.plan.as_ref());
            let is_in_force = prices.at(model, now).is_some_and(|record| record.source == PlanSource::Config);
            let change = configured(wanted.as_ref(), last, is_in_force);
            (Arc::clone(model), wanted.clone(), change)
        });
        changes.filter(|(_, _, change)| *change != Configured::Keep).collect()
    }

    /// Brings the plans in force in line with `billing:` of each model, and answers what was changed. Blocks;
    /// before the actor is started, which otherwise is the only one who writes.
    pub fn configure(
        &self,
        models: &[(Arc<str>, Option<Plan>)],
    ) -> Result<Vec<(Arc<str>, Configured)>, StoreError> {
        let changes = self.plan_changes(models);
        let now = now_us();
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        let core = &self.0;
        let mut writer = match core.spare.try_recv() {
            Ok(writer) => writer,
            Err(_) => Writer::open_held(&core.location, core.eye.as_ref(), core.company)?,
        };
        for (model, plan, _) in &changes {
            writer.set_plan(model, plan.as_ref(), now, now, PlanSource::Config)?;
        }
        core.load_prices(&mut writer)?;
        // No room: somebody else writes already.
        let _ = core.spares.try_send(writer);
        Ok(changes.into_iter().map(|(model, _, change)| (model, change)).collect())
    }
}
