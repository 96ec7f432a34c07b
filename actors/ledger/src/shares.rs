//! Shares the price of a run by the hour out to the requests that it has served: a view, not a bill.

use super::db::Db;
use super::error::StoreError;
use super::filter::{Filter, facets};
use super::reader::LedgerReader;
use super::row::{Micros, RunRow};
use super::row_id::{ended_of, first_id, made_id};
use super::runs::{LATEST, RunCost, StoredRun, histories, part_of, run_view};
use super::schema::request_rows;
use super::totals::add_money;
use diesel::{ExpressionMethods, QueryDsl, RunQueryDsl};
use llm_manager_policy::pricing::{Interval, Money, PlanHistory, share_out};

/// A run with more requests than this is not shared out.
const MOST_REQUESTS: i64 = 100_000;

/// What one request would pay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestShare {
    /// The id that the client was told.
    pub request_id: String,
    /// When it ended.
    pub ended_us: Micros,
    /// Its part of the run's price.
    pub cost: RunCost,
}

/// The price of a run and its electricity, shared out: at each instant equally to the requests that were active.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunShares {
    /// The run and its price.
    pub run: StoredRun,
    /// The parts of its requests, in the order of their ends.
    pub requests: Vec<RequestShare>,
    /// The part of the time without a request.
    pub idle: RunCost,
}

fn shares(db: &mut Db, id: i64) -> Result<Option<RunShares>, StoreError> {
    let Some(view) = run_view(db, id)? else { return Ok(None) };
    let run = &view.run;
    let filter = Filter { models: vec![run.model.to_string()], ..Filter::default() };
    let ids: Vec<i64> = facets(db)?.iter().filter(|facet| filter.fits(facet)).map(|facet| facet.id).collect();
    let last = run.billed_to().saturating_add(LATEST);
    let rows: Vec<(Option<String>, i64, i64, i64)> = request_rows::table
        .filter(request_rows::facet_id.eq_any(ids))
        .filter(request_rows::id.ge(first_id(run.started_us)))
        .filter(request_rows::id.lt(first_id(last.saturating_add(1))))
        .filter(request_rows::run_id.eq(id))
        .order(request_rows::id.asc())
        .limit(MOST_REQUESTS + 1)
        .select((request_rows::request_id, request_rows::id, request_rows::duration_us, request_rows::tag))
        .load(db)?;
    let row = |(request_id, id, duration, tag): (Option<String>, i64, i64, i64)| {
        (request_id.unwrap_or_else(|| made_id(id, duration, tag)), ended_of(id), duration)
    };
    let rows: Vec<(String, Micros, i64)> = rows.into_iter().map(row).collect();
    if i64::try_from(rows.len()).is_ok_and(|count| count > MOST_REQUESTS) {
        return Err(StoreError::Refused(format!("the run has served more than {MOST_REQUESTS} requests")));
    }
    let times: Vec<Interval> =
        rows.iter().map(|(_, ended, duration)| Interval { from: ended - duration, to: *ended }).collect();
    let share = |(request_id, ended_us, _)| RequestShare { request_id, ended_us, cost: RunCost::new() };
    let mut requests: Vec<RequestShare> = rows.into_iter().map(share).collect();
    let mut idle = RunCost::new();
    let paid = Interval { from: run.billed_from().unwrap_or(run.billed_to()), to: run.billed_to() };
    let whole = Interval { from: run.started_us, to: run.billed_to() };
    let hours = by_sleep(run, &histories(db)?.remove(&*run.model).unwrap_or_default(), paid)?;
    let hours = hours.iter().map(|(currency, cost, time)| (&**currency, *cost, *time));
    let electricity = run.energy.iter().filter_map(|energy| energy.cost.as_ref()).map(|(cost, currency)| {
        (&**currency, Money::from_units(u128::from((*cost).max(0).cast_unsigned())), whole)
    });
    for (currency, cost, time) in hours.chain(electricity) {
        let parts = share_out(cost, time, &times).map_err(|error| StoreError::Other(error.to_string()))?;
        for (request, money) in requests.iter_mut().zip(parts.requests) {
            add_money(&mut request.cost, currency, money);
        }
        add_money(&mut idle, currency, parts.idle);
    }
    Ok(Some(RunShares { run: view, requests, idle }))
}

/// What was paid by the hour, cut where it fell asleep and woke: nobody pays for hours in which it slept.
fn by_sleep(
    run: &RunRow,
    history: &PlanHistory,
    paid: Interval,
) -> Result<Vec<(String, Money, Interval)>, StoreError> {
    let asleep = run.asleep();
    let edges = asleep.iter().flat_map(|stretch| [stretch.from, stretch.to]);
    let edges = edges.filter(|edge| paid.from < *edge && *edge < paid.to);
    let mut parts = Vec::new();
    let mut from = paid.from;
    for to in edges.chain([paid.to]) {
        let cost = part_of(run, history, (from, to))?.cost;
        parts.extend(cost.into_iter().map(|(currency, money)| (currency, money, Interval { from, to })));
        from = to;
    }
    Ok(parts)
}

impl LedgerReader {
    /// The price of a run, shared out to its requests; `None`: there is no such run.
    pub async fn run_shares(&self, id: i64) -> Result<Option<RunShares>, StoreError> {
        self.with(move |db| shares(db, id)).await
    }
}
