//! Price plans: written once, read as each model's history.

use super::db::Db;
use super::error::StoreError;
use super::names::NameCache;
use super::row::Micros;
use super::schema::{models, price_plans, tiers};
use super::write::Writer;
use diesel::{
    ExpressionMethods, Insertable, JoinOnDsl, NullableExpressionMethods, QueryDsl, Queryable, RunQueryDsl,
};
use llm_manager_policy::pricing::{Currency, Plan, Price, Tier};
use std::collections::HashMap;
use std::sync::Arc;

/// Who has set a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanSource {
    /// `billing:` of the configuration.
    Config,
    /// `PUT /api/billing/{model}`.
    Api,
}

impl PlanSource {
    /// As it is stored and shown.
    pub fn text(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Api => "api",
        }
    }
}

/// An entry of a model's history of prices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanRecord {
    /// Its number in the ledger.
    pub id: i64,
    /// The model's name.
    pub model: Arc<str>,
    /// From this instant on it holds.
    pub valid_from: Micros,
    /// When it was set.
    pub created: Micros,
    /// Who has set it.
    pub source: PlanSource,
    /// `None`: from then on there is no price.
    pub plan: Option<Plan>,
}

#[derive(Insertable)]
#[diesel(table_name = price_plans, treat_none_as_default_value = false)]
struct NewPlan<'a> {
    model_id: i64,
    valid_from_us: i64,
    created_us: i64,
    source: &'a str,
    method: &'a str,
    currency: &'a str,
    cache_pricing: bool,
    per_hour: Option<i64>,
    parked_per_hour: Option<i64>,
}

#[derive(Insertable, Queryable)]
#[diesel(table_name = tiers, treat_none_as_default_value = false)]
struct TierRow {
    plan_id: i64,
    position: i64,
    max_input: Option<i64>,
    max_output: Option<i64>,
    input: i64,
    output: i64,
    cache_read: i64,
    cache_write: i64,
}

#[derive(Queryable)]
struct PlanRow {
    id: i64,
    model: Option<String>,
    valid_from_us: i64,
    created_us: i64,
    source: String,
    method: String,
    currency: String,
    cache_pricing: bool,
    per_hour: Option<i64>,
    parked_per_hour: Option<i64>,
}

fn stored_price(price: Price) -> Result<i64, StoreError> {
    i64::try_from(price.units()).map_err(|_| StoreError::Refused(format!("the price {price} is too big")))
}

fn price(stored: i64) -> Price {
    Price::from_units(u64::try_from(stored).unwrap_or(0))
}

/// A limit beyond what a count can be is no limit.
fn stored_limit(limit: Option<u64>) -> Option<i64> {
    limit.and_then(|limit| i64::try_from(limit).ok())
}

impl Writer {
    /// Adds a plan to a model's history.
    pub fn set_plan(
        &mut self,
        model: &Arc<str>,
        plan: Option<&Plan>,
        valid_from: Micros,
        now: Micros,
        source: PlanSource,
    ) -> Result<i64, StoreError> {
        if valid_from < now {
            return Err(StoreError::Refused(llm_manager_policy::pricing::PlanInThePast.to_string()));
        }
        self.transact(|db, names| insert_plan(db, names, model, plan, (valid_from, now), source))
    }

    /// All plans, in the order in which they were set.
    pub fn plans(&mut self) -> Result<Vec<PlanRecord>, StoreError> {
        load(&mut self.db)
    }
}

pub(super) fn insert_plan(
    db: &mut Db,
    names: &mut NameCache,
    model: &Arc<str>,
    plan: Option<&Plan>,
    (valid_from, now): (Micros, Micros),
    source: PlanSource,
) -> Result<i64, StoreError> {
    let model_id = names.model(db, model, now)?;
    let currency = plan.map(Plan::currency);
    let (method, cache_pricing, prices) = match plan {
        None => ("none", false, None),
        Some(Plan::Tiered { cache_pricing, .. }) => ("tiered", *cache_pricing, None),
        Some(Plan::Hourly { per_hour, parked_per_hour, .. }) => {
            ("hourly", false, Some((stored_price(*per_hour)?, stored_price(*parked_per_hour)?)))
        }
    };
    let new = NewPlan {
        model_id,
        valid_from_us: valid_from,
        created_us: now,
        source: source.text(),
        method,
        currency: currency.as_ref().map_or("", |currency| currency.as_str()),
        cache_pricing,
        per_hour: prices.map(|prices| prices.0),
        parked_per_hour: prices.map(|prices| prices.1),
    };
    diesel::insert_into(price_plans::table).values(&new).execute(db)?;
    let id = price_plans::table.select(price_plans::id).order(price_plans::id.desc()).first::<i64>(db)?;
    if let Some(Plan::Tiered { tiers: all, .. }) = plan {
        for (position, tier) in (0..).zip(all) {
            let row = TierRow {
                plan_id: id,
                position,
                max_input: stored_limit(tier.max_input),
                max_output: stored_limit(tier.max_output),
                input: stored_price(tier.input)?,
                output: stored_price(tier.output)?,
                cache_read: stored_price(tier.cache_read)?,
                cache_write: stored_price(tier.cache_write)?,
            };
            diesel::insert_into(tiers::table).values(&row).execute(db)?;
        }
    }
    Ok(id)
}

/// All plans of all models that have a name, in the order in which they were written.
pub(super) fn load(db: &mut Db) -> Result<Vec<PlanRecord>, StoreError> {
    let rows: Vec<PlanRow> = price_plans::table
        .inner_join(models::table.on(models::id.eq(price_plans::model_id)))
        .filter(models::name.is_not_null())
        .order(price_plans::id.asc())
        .select((
            price_plans::id,
            models::name.nullable(),
            price_plans::valid_from_us,
            price_plans::created_us,
            price_plans::source,
            price_plans::method,
            price_plans::currency,
            price_plans::cache_pricing,
            price_plans::per_hour,
            price_plans::parked_per_hour,
        ))
        .load(db)?;
    let mut by_plan: HashMap<i64, Vec<Tier>> = HashMap::new();
    for row in tiers::table.order((tiers::plan_id.asc(), tiers::position.asc())).load::<TierRow>(db)? {
        let limit = |limit: Option<i64>| limit.and_then(|limit| u64::try_from(limit).ok());
        by_plan.entry(row.plan_id).or_default().push(Tier {
            max_input: limit(row.max_input),
            max_output: limit(row.max_output),
            input: price(row.input),
            output: price(row.output),
            cache_read: price(row.cache_read),
            cache_write: price(row.cache_write),
        });
    }
    let record = |row: PlanRow| {
        let currency = Currency::new(&row.currency);
        let plan = match (row.method.as_str(), currency) {
            ("tiered", Some(currency)) => {
                let tiers = by_plan.remove(&row.id).unwrap_or_default();
                Some(Plan::Tiered { currency, cache_pricing: row.cache_pricing, tiers })
            }
            ("hourly", Some(currency)) => Some(Plan::Hourly {
                currency,
                per_hour: price(row.per_hour.unwrap_or(0)),
                parked_per_hour: price(row.parked_per_hour.unwrap_or(0)),
            }),
            _ => None,
        };
        PlanRecord {
            id: row.id,
            model: row.model.unwrap_or_default().into(),
            valid_from: row.valid_from_us,
            created: row.created_us,
            source: if row.source == "config" { PlanSource::Config } else { PlanSource::Api },
            plan,
        }
    };
    Ok(rows.into_iter().map(record).collect())
}
