//! How long requests took: exact for few, from bins of an hour for many.

use super::buckets::ceil_to;
use super::db::Db;
use super::error::StoreError;
use super::reader::LedgerReader;
use super::report::{Filter, facets, list, rows_since};
use super::rollup::{floor_to, middle_of};
use super::row::Micros;
use diesel::{QueryableByName, RunQueryDsl, sql_query, sql_types};

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

/// How long requests took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// How many.
    pub requests: i64,
    /// From start to end.
    pub duration: Quantiles,
    /// From start to the first byte, of those that had one.
    pub first_byte: Quantiles,
    /// False: whole hours were taken, and each time is within a tenth of the truth.
    pub exact: bool,
}

#[derive(QueryableByName)]
struct TimesRow {
    #[diesel(sql_type = sql_types::BigInt)]
    duration_us: i64,
    #[diesel(sql_type = sql_types::Nullable<sql_types::BigInt>)]
    first_byte_us: Option<i64>,
}

#[derive(QueryableByName)]
struct BinRow {
    #[diesel(sql_type = sql_types::BigInt)]
    kind: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    bin: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    total: i64,
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
            let condition = if filter.is_open() {
                String::new()
            } else {
                let all = facets(db)?;
                let ids = all.iter().filter(|facet| filter.fits(facet)).map(|facet| &facet.id);
                format!(" AND facet_id IN ({})", list(ids))
            };
            if rows_since(db)? <= from
                && let Some(exact) = from_rows(db, &condition, from, to)?
            {
                return Ok(exact);
            }
            from_bins(db, &condition, floor_to(from, 3600), ceil_to(to, 3600))
        })
        .await
    }
}

fn from_rows(db: &mut Db, condition: &str, from: Micros, to: Micros) -> Result<Option<Latency>, StoreError> {
    let limit = MOST_ROWS + 1;
    let rows: Vec<TimesRow> = sql_query(format!(
        "SELECT duration_us, first_byte_us FROM requests WHERE ended_us >= {from} AND ended_us < {to}{condition} \
         LIMIT {limit}"
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
    let first_bytes = sorted(rows.iter().filter_map(|row| row.first_byte_us).collect());
    Ok(Some(Latency {
        requests: i64::try_from(rows.len()).unwrap_or(i64::MAX),
        duration: quantiles(&durations),
        first_byte: quantiles(&first_bytes),
        exact: true,
    }))
}

fn from_bins(db: &mut Db, condition: &str, from: Micros, to: Micros) -> Result<Latency, StoreError> {
    let rows: Vec<BinRow> = sql_query(format!(
        "SELECT kind, bin, CAST(SUM(requests) AS BIGINT) AS total FROM latencies \
         WHERE start_us >= {from} AND start_us < {to}{condition} GROUP BY kind, bin ORDER BY kind, bin"
    ))
    .load(db)?;
    let of_kind = |kind: i64| -> Vec<(i64, i64)> {
        rows.iter().filter(|row| row.kind == kind).map(|row| (middle_of(row.bin), row.total)).collect()
    };
    let durations = of_kind(0);
    Ok(Latency {
        requests: durations.iter().map(|(_, count)| count).sum(),
        duration: quantiles(&durations),
        first_byte: quantiles(&of_kind(1)),
        exact: false,
    })
}
