//! Sums of requests by the time of their end, and how long they took: added up in memory for a batch, then
//! added to the database in few statements, within the batch's transaction.

use super::db::Db;
use super::error::StoreError;
use super::row::{Micros, Outcome, RequestRow, UsageSource};
use std::collections::HashMap;
use std::fmt::Write;
use std::ops::AddAssign;

/// Widths of the buckets in seconds, finest first; each divides the next.
pub(super) const LEVELS: [i64; 4] = [60, 900, 3600, 86_400];
/// Rows of one statement.
const CHUNK: usize = 100;

/// The beginning of the bucket of this width in which a time lies.
pub(super) fn floor_to(time: Micros, level: i64) -> Micros {
    let width = level * 1_000_000;
    time.div_euclid(width) * width
}

/// The columns of `rollups` that are added up.
pub(super) const COLUMNS: [&str; 18] = [
    "requests",
    "failed",
    "client_left",
    "refused",
    "replayed",
    "estimated",
    "unrecorded",
    "unpriced",
    "input",
    "cached",
    "cache_write",
    "output",
    "reasoning",
    "cost",
    "duration_us",
    "queue_us",
    "first_byte_us",
    "first_bytes",
];

/// Their values, in the same order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums(pub(super) [i64; COLUMNS.len()]);

impl Sums {
    pub(super) fn of(row: &RequestRow) -> Self {
        let one = |yes: bool| i64::from(yes);
        let tokens = &row.tokens;
        Self([
            1,
            one(row.outcome == Outcome::BackendError),
            one(row.outcome == Outcome::ClientLeft),
            one(matches!(row.outcome, Outcome::Refused(_))),
            one(row.replayed),
            one(row.usage_source == UsageSource::Estimated),
            one(row.unrecorded()),
            one(row.pricing.unpriced()),
            tokens.input.unwrap_or(0),
            tokens.cached.unwrap_or(0),
            tokens.cache_write.unwrap_or(0),
            tokens.output.unwrap_or(0),
            tokens.reasoning.unwrap_or(0),
            row.cost.unwrap_or(0),
            row.duration_us,
            row.queue_us,
            row.first_byte_us.unwrap_or(0),
            one(row.first_byte_us.is_some()),
        ])
    }
}

impl AddAssign for Sums {
    fn add_assign(&mut self, other: Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine = mine.saturating_add(theirs);
        }
    }
}

/// Bins of time: four to each doubling, so a quantile is within a tenth of the truth.
pub(super) fn bin_of(micros: i64) -> i64 {
    let value = micros.max(1).cast_unsigned();
    let power = value.ilog2();
    // The two bits after the highest one.
    let part = if power >= 2 { (value >> (power - 2)) & 3 } else { (value << (2 - power)) & 3 };
    i64::from(power) * 4 + part.cast_signed()
}

/// The middle of a bin.
pub(super) fn middle_of(bin: i64) -> i64 {
    let (power, part) = (bin.div_euclid(4).clamp(0, 60), bin.rem_euclid(4));
    let width = (1_i64 << power) as f64 / 4.0;
    (width * (4.0 + part as f64 + 0.5)) as i64
}

/// What a batch adds.
#[derive(Debug, Default)]
pub(super) struct Delta {
    minutes: HashMap<(Micros, i64), Sums>,
    latencies: HashMap<(Micros, i64, i64, i64), i64>,
}

impl Delta {
    pub(super) fn add(&mut self, row: &RequestRow, facet: i64) {
        let ended = row.ended_us();
        *self.minutes.entry((floor_to(ended, 60), facet)).or_default() += Sums::of(row);
        let hour = floor_to(ended, 3600);
        *self.latencies.entry((hour, facet, 0, bin_of(row.duration_us))).or_default() += 1;
        if let Some(first_byte) = row.first_byte_us {
            *self.latencies.entry((hour, facet, 1, bin_of(first_byte))).or_default() += 1;
        }
    }

    /// Adds it to what is there.
    pub(super) fn write(&self, db: &mut Db) -> Result<(), StoreError> {
        let mut all: HashMap<(i64, Micros, i64), Sums> = HashMap::new();
        for (&(minute, facet), &sums) in &self.minutes {
            for level in LEVELS {
                *all.entry((level, floor_to(minute, level), facet)).or_default() += sums;
            }
        }
        // In the order of the primary key: neighbours are on one page.
        let mut rows: Vec<_> = all.into_iter().collect();
        rows.sort_unstable_by_key(|(key, _)| *key);
        for chunk in rows.chunks(CHUNK) {
            let mut sql = String::with_capacity(chunk.len() * 160 + 2048);
            sql.push_str("INSERT INTO rollups (level, start_us, facet_id");
            for column in COLUMNS {
                let _ = write!(sql, ", {column}");
            }
            sql.push_str(") VALUES ");
            for (nth, ((level, start, facet), sums)) in chunk.iter().enumerate() {
                let _ = write!(sql, "{}({level},{start},{facet}", if nth > 0 { "," } else { "" });
                for value in sums.0 {
                    let _ = write!(sql, ",{value}");
                }
                sql.push(')');
            }
            sql.push_str(" ON CONFLICT (level, start_us, facet_id) DO UPDATE SET ");
            sql.push_str(&merge_clause());
            db.run(&sql)?;
        }
        let mut rows: Vec<_> = self.latencies.iter().collect();
        rows.sort_unstable();
        for chunk in rows.chunks(CHUNK) {
            let mut sql =
                "INSERT INTO latencies (start_us, facet_id, kind, bin, requests) VALUES ".to_owned();
            for (nth, ((hour, facet, kind, bin), count)) in chunk.iter().enumerate() {
                let _ =
                    write!(sql, "{}({hour},{facet},{kind},{bin},{count})", if nth > 0 { "," } else { "" });
            }
            sql.push_str(
                " ON CONFLICT (start_us, facet_id, kind, bin) DO UPDATE SET requests = latencies.requests + excluded.requests",
            );
            db.run(&sql)?;
        }
        Ok(())
    }
}

/// Adds the new sums to the old ones. Money stays at the largest number that fits rather than overflow; all
/// other columns are bounded per request so that they cannot get there.
fn merge_clause() -> String {
    let max = i64::MAX;
    let columns = COLUMNS.iter().map(|column| match *column {
        "cost" => format!(
            "cost = CASE WHEN rollups.cost > {max} - excluded.cost THEN {max} ELSE rollups.cost + excluded.cost END"
        ),
        column => format!("{column} = rollups.{column} + excluded.{column}"),
    });
    columns.collect::<Vec<_>>().join(", ")
}
