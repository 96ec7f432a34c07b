//! Lives of backends: their history, and what hourly plans make of them.

use super::db::Db;
use super::error::StoreError;
use super::filter::{Dimension, Filter};
use super::plans;
use super::reader::LedgerReader;
use super::row::{Energy, Micros, Parking, RunRow};
use super::schema::{models, parkings, runs};
use super::totals::{ReportGroup, Summary, Totals, add_money};
use diesel::{ExpressionMethods, JoinOnDsl, QueryDsl, Queryable, RunQueryDsl};
use llm_manager_policy::pricing::{Interval, Money, PlanChange, PlanHistory};
use std::collections::{BTreeMap, HashMap};

/// Money by currency.
pub type RunCost = BTreeMap<String, Money>;

/// A run and what it has cost so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRun {
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
    queued_us: Option<i64>,
    cause: Option<String>,
    evicted_for: Option<String>,
    started_by: Option<String>,
    ended_by: Option<String>,
}

/// The columns of `Stored`.
macro_rules! columns {
    () => {
        (
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
            runs::queued_us,
            runs::cause,
            runs::evicted_for,
            runs::started_by,
            runs::ended_by,
        )
    };
}

impl From<Stored> for RunRow {
    fn from(stored: Stored) -> Self {
        let cost = stored.energy_cost.zip(stored.energy_currency.map(Into::into));
        Self {
            id: stored.id,
            model: stored.model.unwrap_or_default().into(),
            variant: stored.variant.into(),
            queued_us: stored.queued_us,
            started_us: stored.started_us,
            ready_us: stored.ready_us,
            heartbeat_us: stored.heartbeat_us,
            ended_us: stored.ended_us,
            end_reason: stored.end_reason,
            cause: stored.cause,
            evicted_for: stored.evicted_for,
            started_by: stored.started_by,
            ended_by: stored.ended_by,
            bill_loading: stored.bill_loading,
            energy: stored.energy_mj.map(|millijoules| Energy { millijoules, cost }),
            parked: Vec::new(),
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

    /// When it was parked, as far as that is known.
    pub fn asleep(&self) -> Vec<Interval> {
        // One whose end was lost ends at the latest where the next begins.
        let ends = self.parked.iter().skip(1).map(|next| next.from_us).chain([self.billed_to()]);
        let stretch = |(one, end): (&Parking, Micros)| Interval {
            from: one.from_us,
            to: one.to_us.unwrap_or(end).min(end),
        };
        self.parked.iter().zip(ends).map(stretch).filter(|one| one.from < one.to).collect()
    }

    /// How much of a stretch of time it was parked.
    pub fn asleep_within(&self, from: Micros, to: Micros) -> Micros {
        let within = |one: &Interval| one.to.min(to).saturating_sub(one.from.max(from)).max(0);
        self.asleep().iter().map(within).sum()
    }

    /// Of an amount that grew over the whole run, how much there was by a time; evenly spread.
    fn grown_by(&self, time: Micros, amount: i64) -> i64 {
        let whole = self.billed_to().saturating_sub(self.started_us).max(1);
        let passed = time.min(self.billed_to()).saturating_sub(self.started_us).clamp(0, whole);
        let part = i128::from(amount) * i128::from(passed) / i128::from(whole);
        i64::try_from(part).unwrap_or(i64::MAX)
    }
}

/// Which runs.
#[derive(Clone, Debug)]
pub struct RunQuery {
    /// Names of models; empty: all.
    pub models: Vec<String>,
    /// Those that had not ended before.
    pub from: Micros,
    /// Those that had begun before.
    pub to: Micros,
    /// At most so many, the newest ones.
    pub limit: i64,
}

impl RunQuery {
    fn of_models(models: Vec<String>) -> Self {
        Self { models, from: Micros::MIN, to: Micros::MAX, limit: i64::MAX }
    }
}

/// Runs that touch the stretch of time, newest first.
pub(super) fn load(db: &mut Db, wanted: &RunQuery) -> Result<Vec<RunRow>, StoreError> {
    let named: Vec<(i64, Option<String>)> =
        models::table.filter(models::name.is_not_null()).select((models::id, models::name)).load(db)?;
    let fits = |name: &Option<String>| {
        wanted.models.is_empty() || name.as_ref().is_some_and(|name| wanted.models.contains(name))
    };
    let ids: Vec<i64> = named.iter().filter(|(_, name)| fits(name)).map(|(id, _)| *id).collect();
    let chosen = runs::table
        .inner_join(models::table.on(models::id.eq(runs::model_id)))
        .filter(runs::model_id.eq_any(ids))
        .filter(runs::started_us.lt(wanted.to))
        .filter(runs::heartbeat_us.ge(wanted.from))
        .order((runs::started_us.desc(), runs::id.desc()))
        .limit(wanted.limit);
    let rows: Vec<Stored> = chosen.select(columns!()).load(db)?;
    with_parkings(db, rows)
}

/// At a time: PostgreSQL and SQLite bind only so many values.
const CHUNK: usize = 500;

/// The rows with what is known of their sleep.
fn with_parkings(db: &mut Db, rows: Vec<Stored>) -> Result<Vec<RunRow>, StoreError> {
    let mut runs: Vec<RunRow> = rows.into_iter().map(RunRow::from).collect();
    for chunk in runs.chunks_mut(CHUNK) {
        let ids: Vec<i64> = chunk.iter().map(|run| run.id).collect();
        let found: Vec<(i64, i64, Option<i64>)> = parkings::table
            .filter(parkings::run_id.eq_any(ids))
            .order((parkings::run_id.asc(), parkings::from_us.asc()))
            .select((parkings::run_id, parkings::from_us, parkings::to_us))
            .load(db)?;
        let mut by_run: HashMap<i64, Vec<Parking>> = HashMap::new();
        for (run, from_us, to_us) in found {
            by_run.entry(run).or_default().push(Parking { from_us, to_us });
        }
        for run in chunk {
            run.parked = by_run.remove(&run.id).unwrap_or_default();
        }
    }
    Ok(runs)
}

/// A request ends at the latest so long after its backend.
pub(super) const LATEST: Micros = 3_600_000_000;

/// The run with this number.
pub(super) fn load_one(db: &mut Db, id: i64) -> Result<Option<RunRow>, StoreError> {
    let one = runs::table
        .inner_join(models::table.on(models::id.eq(runs::model_id)))
        .filter(runs::id.eq(id))
        .filter(models::name.is_not_null());
    let rows: Vec<Stored> = one.select(columns!()).load(db)?;
    Ok(with_parkings(db, rows)?.into_iter().next())
}

/// Each model's prices.
pub(super) fn histories(db: &mut Db) -> Result<HashMap<String, PlanHistory>, StoreError> {
    let mut changes: HashMap<String, Vec<PlanChange>> = HashMap::new();
    for record in plans::load(db)? {
        let change = PlanChange { from: record.valid_from, plan: record.plan };
        changes.entry(record.model.to_string()).or_default().push(change);
    }
    Ok(changes.into_iter().map(|(model, changes)| (model, PlanHistory::from_rows(changes))).collect())
}

/// What a run had cost by a time.
fn cost_by(run: &RunRow, history: &PlanHistory, time: Micros) -> Result<RunCost, StoreError> {
    let mut cost = RunCost::new();
    let Some(from) = run.billed_from() else { return Ok(cost) };
    let to = run.billed_to().min(time);
    if from < to {
        let parts = history
            .run_cost_asleep(from, to, &run.asleep())
            .map_err(|error| StoreError::Other(error.to_string()))?;
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
    let none = PlanHistory::default();
    let wanted = RunQuery { from, to, ..RunQuery::of_models(filter.models.clone()) };
    for run in load(db, &wanted)? {
        if !filter.variants.is_empty() && !filter.variants.iter().any(|variant| **variant == *run.variant) {
            continue;
        }
        let history = histories.get(&*run.model).unwrap_or(&none);
        let name = |dimension: &Dimension| match dimension {
            Dimension::Model => run.model.to_string(),
            _ => run.variant.to_string(),
        };
        let key: Vec<String> = by.iter().map(name).collect();
        for stretch in stretches.iter_mut() {
            if run.billed_to() <= stretch.from || run.started_us >= stretch.to {
                continue;
            }
            let part = part_of(&run, history, (stretch.from, stretch.to))?;
            if part == RunPart::default() {
                continue;
            }
            part.add_to(&mut stretch.total);
            if !by.is_empty() {
                part.add_to(&mut group(stretch, &key).totals);
            }
        }
    }
    Ok(())
}

/// What of a run belongs to a stretch of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RunPart {
    pub(super) cost: RunCost,
    pub(super) energy_mj: i64,
    pub(super) energy_cost: RunCost,
}

/// The difference between its end and its beginning, so that stretches add up to the whole.
pub(super) fn part_of(
    run: &RunRow,
    history: &PlanHistory,
    (from, to): (Micros, Micros),
) -> Result<RunPart, StoreError> {
    let mut part = RunPart::default();
    let before = cost_by(run, history, from)?;
    for (currency, until) in cost_by(run, history, to)? {
        let already = before.get(&currency).map_or(0, |money| money.units());
        let money = Money::from_units(until.units().saturating_sub(already));
        if money != Money::ZERO {
            part.cost.insert(currency, money);
        }
    }
    if let Some(energy) = &run.energy {
        let within = |amount| run.grown_by(to, amount) - run.grown_by(from, amount);
        part.energy_mj = within(energy.millijoules);
        if let Some((cost, currency)) = &energy.cost {
            let cost = u128::from(within(*cost).max(0).cast_unsigned());
            part.energy_cost.insert(currency.to_string(), Money::from_units(cost));
        }
    }
    Ok(part)
}

impl RunPart {
    pub(super) fn add(&mut self, other: &Self) {
        for (currency, money) in &other.cost {
            add_money(&mut self.cost, currency, *money);
        }
        self.energy_mj = self.energy_mj.saturating_add(other.energy_mj);
        for (currency, money) in &other.energy_cost {
            add_money(&mut self.energy_cost, currency, *money);
        }
    }

    pub(super) fn add_to(&self, totals: &mut Totals) {
        for (currency, money) in &self.cost {
            add_money(&mut totals.run_cost, currency, *money);
        }
        totals.energy_mj = totals.energy_mj.saturating_add(self.energy_mj);
        for (currency, money) in &self.energy_cost {
            add_money(&mut totals.energy_cost, currency, *money);
        }
    }
}

fn group<'a>(summary: &'a mut Summary, key: &[String]) -> &'a mut ReportGroup {
    let at = match summary.groups.binary_search_by(|group| (*group.key).cmp(key)) {
        Ok(at) => at,
        Err(at) => {
            summary.groups.insert(at, ReportGroup { key: key.into(), ..ReportGroup::default() });
            at
        }
    };
    &mut summary.groups[at]
}

/// One run and what it has cost so far.
pub(super) fn run_view(db: &mut Db, id: i64) -> Result<Option<StoredRun>, StoreError> {
    let Some(run) = load_one(db, id)? else { return Ok(None) };
    let histories = histories(db)?;
    let cost = cost_by(&run, histories.get(&*run.model).unwrap_or(&PlanHistory::default()), Micros::MAX)?;
    Ok(Some(StoredRun { run, cost }))
}

impl LedgerReader {
    /// Runs and what they have cost, newest first.
    pub async fn runs(&self, wanted: RunQuery) -> Result<Vec<StoredRun>, StoreError> {
        self.with(move |db| {
            let histories = histories(db)?;
            let none = PlanHistory::default();
            let view = |run: RunRow| {
                let cost = cost_by(&run, histories.get(&*run.model).unwrap_or(&none), Micros::MAX)?;
                Ok(StoredRun { run, cost })
            };
            load(db, &wanted)?.into_iter().map(view).collect()
        })
        .await
    }

    /// One run and what it has cost so far.
    pub async fn run(&self, id: i64) -> Result<Option<StoredRun>, StoreError> {
        self.with(move |db| run_view(db, id)).await
    }

    /// The newest runs of a model.
    pub async fn runs_of(&self, model: &str, limit: i64) -> Result<Vec<StoredRun>, StoreError> {
        self.runs(RunQuery { limit, ..RunQuery::of_models(vec![model.to_owned()]) }).await
    }

    /// A model's plans, in the order in which they were set.
    pub async fn plans(&self, model: &str) -> Result<Vec<plans::PlanRecord>, StoreError> {
        let model = model.to_owned();
        self.with(move |db| {
            Ok(plans::load(db)?.into_iter().filter(|record| *record.model == *model).collect())
        })
        .await
    }
}
