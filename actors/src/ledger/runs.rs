//! Lives of backends: their history, and what hourly plans make of them.

use super::db::Db;
use super::error::StoreError;
use super::plans;
use super::reader::LedgerReader;
use super::report::{Dimension, Filter, Group, Summary, add_money};
use super::row::{Energy, Micros, RunRow};
use super::schema::{models, runs};
use diesel::{ExpressionMethods, JoinOnDsl, QueryDsl, Queryable, RunQueryDsl};
use llm_manager_policy::pricing::{History, Money, PlanChange};
use std::collections::{BTreeMap, HashMap};

/// Money by currency.
pub type RunCost = BTreeMap<String, Money>;

/// A run and what it has cost so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunView {
    /// What was recorded.
    pub run: RunRow,
    /// By the hour; empty without an hourly plan.
    pub cost: RunCost,
}

#[derive(Queryable)]
struct Stored {
    id: i64,
    model: Option<String>,
    variant: String,
    started_us: i64,
    ready_us: Option<i64>,
    heartbeat_us: i64,
    ended_us: Option<i64>,
    end_reason: Option<String>,
    bill_loading: bool,
    energy_mj: Option<i64>,
    energy_cost: Option<i64>,
    energy_currency: Option<String>,
}

impl From<Stored> for RunRow {
    fn from(stored: Stored) -> Self {
        let cost = stored.energy_cost.zip(stored.energy_currency.map(Into::into));
        Self {
            id: stored.id,
            model: stored.model.unwrap_or_default().into(),
            variant: stored.variant.into(),
            started_us: stored.started_us,
            ready_us: stored.ready_us,
            heartbeat_us: stored.heartbeat_us,
            ended_us: stored.ended_us,
            end_reason: stored.end_reason,
            bill_loading: stored.bill_loading,
            energy: stored.energy_mj.map(|millijoules| Energy { millijoules, cost }),
        }
    }
}

impl RunRow {
    /// From when on it is paid; `None` while it is not ready.
    pub fn billed_from(&self) -> Option<Micros> {
        if self.bill_loading { Some(self.started_us) } else { self.ready_us }
    }

    /// Until when it is paid: its end, or when it was last known to be alive.
    pub fn billed_to(&self) -> Micros {
        self.ended_us.unwrap_or(self.heartbeat_us)
    }
}

/// Runs that touch `from..to`, newest first.
fn load(
    db: &mut Db,
    wanted: &[String],
    from: Micros,
    to: Micros,
    limit: i64,
) -> Result<Vec<RunRow>, StoreError> {
    let named: Vec<(i64, Option<String>)> =
        models::table.filter(models::name.is_not_null()).select((models::id, models::name)).load(db)?;
    let fits =
        |name: &Option<String>| wanted.is_empty() || name.as_ref().is_some_and(|name| wanted.contains(name));
    let ids: Vec<i64> = named.iter().filter(|(_, name)| fits(name)).map(|(id, _)| *id).collect();
    let rows: Vec<Stored> = runs::table
        .inner_join(models::table.on(models::id.eq(runs::model_id)))
        .filter(runs::model_id.eq_any(ids))
        .filter(runs::started_us.lt(to))
        .filter(runs::heartbeat_us.ge(from))
        .order((runs::started_us.desc(), runs::id.desc()))
        .limit(limit)
        .select((
            runs::id,
            models::name,
            runs::variant,
            runs::started_us,
            runs::ready_us,
            runs::heartbeat_us,
            runs::ended_us,
            runs::end_reason,
            runs::bill_loading,
            runs::energy_mj,
            runs::energy_cost,
            runs::energy_currency,
        ))
        .load(db)?;
    Ok(rows.into_iter().map(RunRow::from).collect())
}

/// Each model's prices.
fn histories(db: &mut Db) -> Result<HashMap<String, History>, StoreError> {
    let mut changes: HashMap<String, Vec<PlanChange>> = HashMap::new();
    for record in plans::load(db)? {
        let change = PlanChange { from: record.valid_from, plan: record.plan };
        changes.entry(record.model.to_string()).or_default().push(change);
    }
    Ok(changes.into_iter().map(|(model, changes)| (model, History::from_rows(changes))).collect())
}

/// What a run had cost by a time.
fn cost_by(run: &RunRow, history: &History, time: Micros) -> Result<RunCost, StoreError> {
    let mut cost = RunCost::new();
    let Some(from) = run.billed_from() else { return Ok(cost) };
    let to = run.billed_to().min(time);
    if from < to {
        let parts = history.run_cost(from, to).map_err(|error| StoreError::Other(error.to_string()))?;
        for (currency, money) in parts {
            add_money(&mut cost, currency.as_str(), money);
        }
    }
    Ok(cost)
}

/// Adds to each stretch of time what runs cost in it. What a run costs is fixed for its beginning up to any
/// time; a stretch gets the difference, so the stretches add up to the whole.
pub(super) fn add_costs(
    db: &mut Db,
    filter: &Filter,
    by: &[Dimension],
    stretches: &mut [Summary],
) -> Result<(), StoreError> {
    let (Some(from), Some(to)) =
        (stretches.first().map(|first| first.from), stretches.last().map(|last| last.to))
    else {
        return Ok(());
    };
    let histories = histories(db)?;
    if histories.is_empty() {
        return Ok(());
    }
    for run in load(db, &filter.models, from, to, i64::MAX)? {
        let Some(history) = histories.get(&*run.model) else { continue };
        if !filter.variants.is_empty() && !filter.variants.iter().any(|variant| **variant == *run.variant) {
            continue;
        }
        let key: Vec<String> =
            by.iter()
                .map(|dimension| {
                    if *dimension == Dimension::Model {
                        run.model.to_string()
                    } else {
                        run.variant.to_string()
                    }
                })
                .collect();
        for stretch in stretches.iter_mut() {
            if run.billed_to() <= stretch.from || run.started_us >= stretch.to {
                continue;
            }
            let before = cost_by(&run, history, stretch.from)?;
            for (currency, until) in cost_by(&run, history, stretch.to)? {
                let already = before.get(&currency).map_or(0, |money| money.units());
                let money = Money::from_units(until.units().saturating_sub(already));
                add_money(&mut stretch.total.run_cost, &currency, money);
                if !by.is_empty() {
                    add_money(&mut group(stretch, &key).totals.run_cost, &currency, money);
                }
            }
        }
    }
    Ok(())
}

fn group<'a>(summary: &'a mut Summary, key: &[String]) -> &'a mut Group {
    let at = match summary.groups.binary_search_by(|group| group.key.as_slice().cmp(key)) {
        Ok(at) => at,
        Err(at) => {
            summary.groups.insert(at, Group { key: key.to_vec(), ..Group::default() });
            at
        }
    };
    &mut summary.groups[at]
}

impl LedgerReader {
    /// The newest runs of a model.
    pub async fn runs(&self, model: &str, limit: u32) -> Result<Vec<RunView>, StoreError> {
        let model = model.to_owned();
        self.with(move |db| {
            let histories = histories(db)?;
            let none = History::default();
            let rows = load(db, std::slice::from_ref(&model), Micros::MIN, Micros::MAX, limit.into())?;
            let view = |run: RunRow| {
                let cost = cost_by(&run, histories.get(&*run.model).unwrap_or(&none), Micros::MAX)?;
                Ok(RunView { run, cost })
            };
            rows.into_iter().map(view).collect()
        })
        .await
    }

    /// A model's plans, in the order in which they were set.
    pub async fn plans(&self, model: &str) -> Result<Vec<plans::PlanRecord>, StoreError> {
        let model = model.to_owned();
        self.with(move |db| {
            Ok(plans::load(db)?.into_iter().filter(|record| *record.model == *model).collect())
        })
        .await
    }

    /// All plans, in the order in which they were set.
    pub async fn all_plans(&self) -> Result<Vec<plans::PlanRecord>, StoreError> {
        self.with(plans::load).await
    }
}
