//! Sums of requests by the time of their end, and how long they took: added up in memory for a batch, then
//! added to the database in few statements, within the batch's transaction.

use super::db::Db;
use super::error::StoreError;
use super::histogram::{Histogram, HistogramCache};
use super::row::{Micros, RequestRow};
use super::schema::latencies;
use super::sums::Sums;
use super::upsert;
use diesel::{ExpressionMethods, QueryDsl, RunQueryDsl};
use std::collections::{BTreeMap, HashMap};

/// Widths of the buckets in seconds, finest first; each divides the next.
/// A quarter of a day helps where local days are not UTC days.
pub(super) const LEVELS: [i64; 5] = [60, 900, 3600, 21_600, 86_400];
/// Those of `latencies`.
pub(super) const LATENCY_LEVELS: [i64; 2] = [3600, 86_400];

/// More histograms than this are read again each time: each may take some kilobytes.
const MOST_REMEMBERED: usize = 512;

/// The beginning of the bucket of this width in which a time lies.
pub(super) fn floor_to(time: Micros, level: i64) -> Micros {
    let width = level * 1_000_000;
    time.div_euclid(width) * width
}

/// What a batch adds.
#[derive(Debug, Default)]
pub(super) struct Delta {
    minutes: HashMap<(Micros, i64), Sums>,
    hours: HashMap<(Micros, i64), Histogram>,
    /// Of each facet the one under which the sums of its model are.
    leads: HashMap<i64, i64>,
}

impl Delta {
    /// Under which facet the sums of this facet's model are, before its first row is added.
    pub(super) fn lead(&mut self, facet: i64, lead: i64) {
        self.leads.insert(facet, lead);
    }

    pub(super) fn add(&mut self, row: &RequestRow, facet: i64) {
        // It reached no model: the log of requests shows it, and no sum has it.
        if row.labels.model.is_empty() {
            return;
        }
        let ended = row.ended_us();
        *self.minutes.entry((floor_to(ended, 60), facet)).or_default() += Sums::of(row);
        self.hours.entry((floor_to(ended, 3600), facet)).or_default().add(row.duration_us, row.first_byte_us);
    }

    /// Adds it to what is there.
    pub(super) fn write(&self, db: &mut Db, times: &mut HistogramCache) -> Result<(), StoreError> {
        let rows = |under: &dyn Fn(i64) -> i64| {
            let mut all: HashMap<[i64; 3], Sums> = HashMap::new();
            for (&(minute, facet), &sums) in &self.minutes {
                let facet = under(facet);
                for level in LEVELS {
                    *all.entry([level, floor_to(minute, level), facet]).or_default() += sums;
                }
            }
            // In the order of the primary key: neighbours are on one page.
            let mut rows: Vec<_> = all.into_iter().collect();
            rows.sort_unstable_by_key(|(place, _)| *place);
            rows.into_iter()
        };
        let of_facets: Vec<_> =
            rows(&|facet| facet).map(|(place, sums)| upsert::RollupUpsert { place, sums }).collect();
        upsert::write(db, &of_facets)?;
        let of_models: Vec<_> = rows(&|facet| self.leads.get(&facet).copied().unwrap_or(facet))
            .map(|(place, sums)| upsert::ModelSums(upsert::RollupUpsert { place, sums }))
            .collect();
        upsert::write(db, &of_models)?;
        LATENCY_LEVELS.iter().try_for_each(|level| self.write_latencies(db, *level, times))
    }

    /// Writes what is there with these added; it is read only if this writer doesn't know it, for there is no other.
    fn write_latencies(&self, db: &mut Db, level: i64, times: &mut HistogramCache) -> Result<(), StoreError> {
        let mut all: BTreeMap<(Micros, i64), Histogram> = BTreeMap::new();
        for (&(hour, facet), histogram) in &self.hours {
            all.entry((floor_to(hour, level), facet)).or_default().merge(histogram);
        }
        let is_new = |(start, facet): &(Micros, i64)| !times.contains_key(&[level, *start, *facet]);
        let mut starts: Vec<Micros> =
            all.keys().filter(|place| is_new(place)).map(|(start, _)| *start).collect();
        starts.dedup();
        if !starts.is_empty() {
            let query = latencies::table
                .filter(latencies::level.eq(level))
                .filter(latencies::start_us.eq_any(starts))
                .select((latencies::start_us, latencies::facet_id, latencies::histogram));
            for (start, facet, text) in query.load::<(i64, i64, String)>(db)? {
                if all.contains_key(&(start, facet)) {
                    times.entry([level, start, facet]).or_insert_with(|| Histogram::parse(&text));
                }
            }
        }
        let row = |((start, facet), added): (&(Micros, i64), &Histogram)| {
            let place = [level, *start, *facet];
            let sum = times.entry(place).or_default();
            sum.merge(added);
            upsert::LatencyUpsert { place, histogram: sum.to_string() }
        };
        let rows: Vec<upsert::LatencyUpsert> = all.iter().map(row).collect();
        // Time goes on: what comes late is read again.
        let newest = all.keys().next_back().map(|(start, _)| *start);
        times.retain(|[of, start, _], _| *of != level || Some(*start) == newest);
        if times.len() > MOST_REMEMBERED {
            times.clear();
        }
        upsert::write(db, &rows)
    }
}
