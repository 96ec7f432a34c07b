//! The statement of a month: what each key used of each model, and what of the models' hours and electricity is its part.
//!
//! Requests come from the rollups, so a statement can be made of any month. Hours and electricity belong to runs; a
//! run's part of the month is shared out to keys by their requests, as in `shares`. Where the rows of requests are gone
//! already, the sums of their durations stand for them. Either way, what is shared out adds up to what `summary` says.

use super::buckets::ceil_to;
use super::db::Db;
use super::error::StoreError;
use super::filter::{Dimension, Facet, Filter, facets};
use super::reader::LedgerReader;
use super::report::{ReportBuilder, finest, rows_since};
use super::rollup::floor_to;
use super::row::{Micros, RunRow};
use super::row_id::{ended_of, first_id};
use super::runs::{self, RunPart, RunQuery};
use super::schema::request_rows;
use super::totals::Totals;
use diesel::{ExpressionMethods, QueryDsl, RunQueryDsl};
use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use llm_manager_policy::pricing::{Interval, Money, PlanHistory, Shares, share_by_weight, share_out};
use std::collections::{BTreeMap, HashMap};

const DAY: Micros = 86_400_000_000;

/// What one key used of one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementLine {
    /// The model's name.
    pub model: String,
    /// The key's label, empty without one; `None`: the time in which nobody used the model.
    pub api_key: Option<String>,
    /// Its requests, and its part of the model's hours and electricity.
    pub totals: Totals,
}

/// A month, by key and model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// When it begins.
    pub from: Micros,
    /// When it ends.
    pub to: Micros,
    /// Before this time the rows of requests are gone: hours and electricity are shared out by sums of durations.
    pub by_sums_until: Option<Micros>,
    /// One for each key and model, by model.
    pub lines: Vec<StatementLine>,
}

/// Sums by model and key.
#[derive(Default)]
struct Lines(BTreeMap<(String, Option<String>), Totals>);

impl Lines {
    fn of(&mut self, model: &str, api_key: Option<&str>) -> &mut Totals {
        self.0.entry((model.to_owned(), api_key.map(str::to_owned))).or_default()
    }

    /// Shares a part of a run out. `split` divides an amount over a stretch of time among `keys`.
    fn share(
        &mut self,
        model: &str,
        part: &Timed,
        keys: &[&str],
        split: impl Fn(Money, Interval) -> Result<Shares, StoreError>,
    ) -> Result<(), StoreError> {
        let mut give = |amount: &RunPart, time: Interval| {
            let mut parts: Vec<RunPart> = vec![RunPart::default(); keys.len() + 1];
            let energy = Money::from_units(u128::from(amount.energy_mj.max(0).cast_unsigned()));
            let all = [(None, energy)].into_iter();
            let all = all.chain(amount.cost.iter().map(|(currency, money)| (Some((true, currency)), *money)));
            let all = all
                .chain(amount.energy_cost.iter().map(|(currency, money)| (Some((false, currency)), *money)));
            for (kind, money) in all.filter(|(_, money)| *money != Money::ZERO) {
                let shares = split(money, time)?;
                for (mine, money) in parts.iter_mut().zip(shares.requests.into_iter().chain([shares.idle])) {
                    match kind {
                        None => mine.energy_mj = money.as_i64().unwrap_or(i64::MAX),
                        Some(_) if money == Money::ZERO => (),
                        Some((true, currency)) => drop(mine.cost.insert(currency.clone(), money)),
                        Some((false, currency)) => drop(mine.energy_cost.insert(currency.clone(), money)),
                    }
                }
            }
            let names = keys.iter().map(|key| Some(*key)).chain([None]);
            for (name, mine) in names.zip(parts).filter(|(_, mine)| *mine != RunPart::default()) {
                mine.add_to(self.of(model, name));
            }
            Ok::<(), StoreError>(())
        };
        let hours = RunPart { cost: part.amount.cost.clone(), ..RunPart::default() };
        let electricity = RunPart { cost: BTreeMap::new(), ..part.amount.clone() };
        give(&hours, part.paid)?;
        give(&electricity, part.alive)
    }
}

/// What a run took in a stretch of time, and in which part of it.
struct Timed {
    amount: RunPart,
    /// It was paid by the hour.
    paid: Interval,
    /// It was there, and drew power.
    alive: Interval,
}

impl Timed {
    fn of(
        run: &RunRow,
        history: &PlanHistory,
        (from, to): (Micros, Micros),
    ) -> Result<Option<Self>, StoreError> {
        let amount = runs::part_of(run, history, (from, to))?;
        let end = run.billed_to().min(to);
        let within = |begin: Micros| Interval { from: begin.max(from).min(end), to: end };
        let (paid, alive) = (within(run.billed_from().unwrap_or(end)), within(run.started_us));
        Ok((amount != RunPart::default()).then_some(Self { amount, paid, alive }))
    }
}

/// Runs of one launch configuration while the rows of requests are gone.
#[derive(Default)]
struct Former {
    amount: RunPart,
    paid_us: Micros,
    alive_us: Micros,
}

/// Requests of a run in a day, and the places of their keys in the list.
fn requests_of(
    db: &mut Db,
    run: &RunRow,
    facets: &HashMap<i64, usize>,
    (from, to): (Micros, Micros),
) -> Result<(Vec<Interval>, Vec<usize>), StoreError> {
    let last = run.billed_to().saturating_add(runs::LATEST).min(to.saturating_add(DAY));
    let rows: Vec<(i64, i64, i64)> = request_rows::table
        .filter(request_rows::facet_id.eq_any(facets.keys().copied().collect::<Vec<i64>>()))
        .filter(request_rows::id.ge(first_id(from)))
        .filter(request_rows::id.lt(first_id(last.saturating_add(1))))
        .filter(request_rows::run_id.eq(run.id))
        .order(request_rows::id.asc())
        .select((request_rows::facet_id, request_rows::id, request_rows::duration_us))
        .load(db)?;
    let rows = rows.into_iter().map(|(facet, id, duration)| (facet, ended_of(id), duration));
    let begun = rows.filter(|(_, ended, duration)| ended - duration < to);
    let known = begun.filter_map(|(facet, ended, duration)| {
        Some((Interval { from: ended - duration, to: ended }, *facets.get(&facet)?))
    });
    Ok(known.unzip())
}

fn too_big(error: impl std::fmt::Display) -> StoreError {
    StoreError::Other(error.to_string())
}

/// Keys of a model, and which of its facets is whose.
fn keys_of<'a>(all: &'a [Facet], model: &str) -> (Vec<&'a str>, HashMap<i64, usize>) {
    let its = || all.iter().filter(|facet| Dimension::Model.of(facet) == model);
    let mut keys: Vec<&str> = its().map(|facet| Dimension::ApiKey.of(facet)).collect();
    keys.sort_unstable();
    keys.dedup();
    let place = |facet: &Facet| (facet.id, keys.binary_search(&Dimension::ApiKey.of(facet)).unwrap_or(0));
    let facets = its().map(place).collect();
    (keys, facets)
}

/// Shares a run out, a day at a time: a month of requests needn't be in memory at once.
fn share_run(
    db: &mut Db,
    lines: &mut Lines,
    all: &[Facet],
    run: &RunRow,
    history: &PlanHistory,
    (from, to): (Micros, Micros),
) -> Result<(), StoreError> {
    let (keys, facets) = keys_of(all, &run.model);
    let end = to.min(run.billed_to());
    let mut at = from.max(run.started_us);
    let asleep = run.asleep();
    let mut edges: Vec<Micros> = asleep.iter().flat_map(|stretch| [stretch.from, stretch.to]).collect();
    edges.reverse();
    while at < end {
        while edges.last().is_some_and(|edge| *edge <= at) {
            edges.pop();
        }
        // What a run takes is the difference of its sums at two times, so the days add up to the run. It is cut where
        // it falls asleep and wakes, too: nobody pays for hours in which it slept.
        let next = edges.last().copied().unwrap_or(end);
        let day = (at, at.saturating_add(DAY).min(next).min(end));
        if let Some(part) = Timed::of(run, history, day)? {
            let (times, owners) = requests_of(db, run, &facets, day)?;
            lines.share(&run.model, &part, &keys, |money, time| {
                let each = share_out(money, time, &times).map_err(too_big)?;
                let mut by_key = vec![Money::ZERO; keys.len()];
                for (money, owner) in each.requests.iter().zip(&owners) {
                    if let Some(sum) = by_key.get_mut(*owner) {
                        *sum = sum.plus(*money).map_err(too_big)?;
                    }
                }
                Ok(Shares { requests: by_key, idle: each.idle })
            })?;
        }
        at = day.1;
    }
    Ok(())
}

/// Shares out what runs took while the rows are gone: by what the keys' requests lasted in sum.
fn share_former(
    db: &mut Db,
    lines: &mut Lines,
    all: &[Facet],
    former: &BTreeMap<(String, String), Former>,
    (from, to): (Micros, Micros),
) -> Result<(), StoreError> {
    let by = [Dimension::Model, Dimension::Variant, Dimension::ApiKey];
    let filter = Filter::default();
    let sums = ReportBuilder::new(all, &filter, &by).read(db, &[from, to])?.pop().unwrap_or_default();
    for ((model, variant), former) in former {
        let its: Vec<(&str, u128)> = sums
            .groups
            .iter()
            .filter(|group| matches!(&*group.key, [of, one, _] if of == model && one == variant))
            .filter_map(|group| {
                let lasted = group.totals.duration_us.saturating_sub(group.totals.queue_us).max(0);
                Some((group.key.last()?.as_str(), u128::from(lasted.cast_unsigned())))
            })
            .collect();
        let keys: Vec<&str> = its.iter().map(|(key, _)| *key).collect();
        let busy: u128 = its.iter().map(|(_, lasted)| *lasted).sum();
        let part = Timed {
            amount: former.amount.clone(),
            paid: Interval { from: 0, to: former.paid_us },
            alive: Interval { from: 0, to: former.alive_us },
        };
        lines.share(model, &part, &keys, |money, time| {
            let idle = u128::from(time.to.max(0).cast_unsigned()).saturating_sub(busy);
            let weights: Vec<u128> = its.iter().map(|(_, lasted)| *lasted).chain([idle]).collect();
            let mut parts = share_by_weight(money, &weights).map_err(too_big)?;
            let idle = parts.pop().unwrap_or_default();
            Ok(Shares { requests: parts, idle })
        })?;
    }
    Ok(())
}

fn statement(db: &mut Db, from: Micros, to: Micros) -> Result<Statement, StoreError> {
    let since = rows_since(db)?;
    let (from, to) = (floor_to(from, finest(from, since)), ceil_to(to, finest(to, since)));
    let cut = if since <= from { from } else { ceil_to(since, 900).clamp(from, to) };
    let all = facets(db)?;
    let filter = Filter::default();
    let by = [Dimension::Model, Dimension::ApiKey];
    let sums = ReportBuilder::new(&all, &filter, &by).read(db, &[from, to])?.pop().unwrap_or_default();
    let mut lines = Lines::default();
    for group in sums.groups {
        if let [model, api_key] = &*group.key {
            *lines.of(model, Some(api_key)) = group.totals;
        }
    }
    let histories = runs::histories(db)?;
    let none = PlanHistory::default();
    let mut former: BTreeMap<(String, String), Former> = BTreeMap::new();
    for run in runs::load(db, &RunQuery { models: Vec::new(), from, to, limit: i64::MAX })? {
        let history = histories.get(&*run.model).unwrap_or(&none);
        if run.started_us < cut
            && let Some(part) = Timed::of(&run, history, (from, cut))?
        {
            let sums = former.entry((run.model.to_string(), run.variant.to_string())).or_default();
            sums.amount.add(&part.amount);
            let asleep = run.asleep_within(part.paid.from, part.paid.to);
            sums.paid_us += part.paid.to - part.paid.from - asleep;
            sums.alive_us += part.alive.to - part.alive.from;
        }
        share_run(db, &mut lines, &all, &run, history, (cut, to))?;
    }
    if !former.is_empty() {
        share_former(db, &mut lines, &all, &former, (from, cut))?;
    }
    let line = |((model, api_key), totals)| StatementLine { model, api_key, totals };
    let lines = lines.0.into_iter().map(line).collect();
    Ok(Statement { from, to, by_sums_until: (cut > from).then_some(cut), lines })
}

impl Statement {
    /// The sums of some of its lines.
    pub fn sum<'a>(lines: impl IntoIterator<Item = &'a StatementLine>) -> Totals {
        let mut sum = Totals::default();
        for line in lines {
            sum.merge(&line.totals);
        }
        sum
    }
}

impl LedgerReader {
    /// What each key used in the month that begins on this day, as the calendar of `zone` has it.
    pub async fn statement(&self, first: Date, zone: TimeZone) -> Result<Statement, StoreError> {
        let wrong = |error: jiff::Error| StoreError::Refused(format!("this month cannot be: {error}"));
        let midnight = |date: Date| {
            let start = date.to_zoned(zone.clone())?.start_of_day()?;
            Ok(start.timestamp().as_microsecond())
        };
        let from = midnight(first).map_err(wrong)?;
        let to = first.checked_add(1.month()).and_then(midnight).map_err(wrong)?;
        self.with(move |db| statement(db, from, to)).await
    }
}
