//! How long answers took: exact for few, from bins of an hour for many.

use super::buckets::{ceil_to, tiles_of};
use super::db::Db;
use super::error::StoreError;
use super::filter::{Filter, facets, list};
use super::histogram::Histogram;
use super::reader::LedgerReader;
use super::report::rows_since;
use super::rollup::{LATENCY_LEVELS, floor_to};
use super::row::Micros;
use super::row_id::first_id;
use super::schema::latencies;
use diesel::{ExpressionMethods, QueryDsl, QueryableByName, RunQueryDsl, sql_query, sql_types};
use std::collections::HashSet;

/// Up to so many rows are looked at one by one.
const MOST_ROWS: usize = 20_000;

/// Quantiles of a time in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quantiles {
    /// Half of them took less.
    pub p50: i64,
    /// 95 of a hundred took less.
    pub p95: i64,
    /// 99 of a hundred took less.
    pub p99: i64,
}

/// How long answers took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// How many requests had one.
    pub requests: i64,
    /// From start to end.
    pub duration: Quantiles,
    /// From start to the first byte.
    pub first_byte: Quantiles,
    /// False: whole hours were taken, and each time is within a tenth of the truth.
    pub exact: bool,
}

#[derive(QueryableByName)]
struct TimesRow {
    #[diesel(sql_type = sql_types::BigInt)]
    duration_us: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    first_byte_us: i64,
}

/// From times in order and how often each came.
fn quantiles(times: &[(i64, i64)]) -> Quantiles {
    let all: i64 = times.iter().map(|(_, count)| count).sum();
    let at = |percent: i64| {
        // The smallest time that this many do not exceed.
        let rank = (all.saturating_mul(percent) + 99) / 100;
        let mut seen = 0;
        let found = times.iter().find(|(_, count)| {
            seen += count;
            seen >= rank
        });
        found.map_or(0, |(time, _)| *time)
    };
    Quantiles { p50: at(50), p95: at(95), p99: at(99) }
}

impl LedgerReader {
    /// Quantiles of what ended from `from` (included) to `to`.
    pub async fn latency(&self, filter: Filter, from: Micros, to: Micros) -> Result<Latency, StoreError> {
        self.with(move |db| {
            let wanted: Option<HashSet<i64>> = if filter.is_open() {
                None
            } else {
                let all = facets(db)?;
                Some(all.iter().filter(|facet| filter.fits(facet)).map(|facet| facet.id).collect())
            };
            let condition = wanted
                .as_ref()
                .map_or(String::new(), |ids| format!(" AND facet_id IN ({})", list(ids.iter())));
            if rows_since(db)? <= from
                && let Some(exact) = from_rows(db, &condition, from, to)?
            {
                return Ok(exact);
            }
            from_bins(db, wanted.as_ref(), floor_to(from, 3600), ceil_to(to, 3600))
        })
        .await
    }
}

fn from_rows(db: &mut Db, condition: &str, from: Micros, to: Micros) -> Result<Option<Latency>, StoreError> {
    let limit = MOST_ROWS + 1;
    let (from, to) = (first_id(from), first_id(to));
    let rows: Vec<TimesRow> = sql_query(format!(
        "SELECT duration_us, first_byte_us FROM request_rows WHERE id >= {from} AND id < {to}{condition} \
         AND first_byte_us IS NOT NULL LIMIT {limit}"
    ))
    .load(db)?;
    if rows.len() > MOST_ROWS {
        return Ok(None);
    }
    let sorted = |times: Vec<i64>| {
        let mut times: Vec<(i64, i64)> = times.into_iter().map(|time| (time, 1)).collect();
        times.sort_unstable();
        times
    };
    let durations = sorted(rows.iter().map(|row| row.duration_us).collect());
    let first_bytes = sorted(rows.iter().map(|row| row.first_byte_us).collect());
    Ok(Some(Latency {
        requests: i64::try_from(rows.len()).unwrap_or(i64::MAX),
        duration: quantiles(&durations),
        first_byte: quantiles(&first_bytes),
        exact: true,
    }))
}

fn from_bins(
    db: &mut Db,
    wanted: Option<&HashSet<i64>>,
    from: Micros,
    to: Micros,
) -> Result<Latency, StoreError> {
    let mut sum = Histogram::default();
    for tile in tiles_of(from, to, &LATENCY_LEVELS) {
        let query = latencies::table
            .filter(latencies::level.eq(tile.level))
            .filter(latencies::start_us.ge(tile.from))
            .filter(latencies::start_us.lt(tile.to))
            .select((latencies::facet_id, latencies::histogram));
        for (facet, text) in query.load::<(i64, String)>(db)? {
            if wanted.is_none_or(|wanted| wanted.contains(&facet)) {
                sum.merge(&Histogram::parse(&text));
            }
        }
    }
    let durations = sum.durations();
    Ok(Latency {
        requests: durations.iter().map(|(_, count)| count).sum(),
        duration: quantiles(&durations),
        first_byte: quantiles(&sum.first_bytes()),
        exact: false,
    })
}
