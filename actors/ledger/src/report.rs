//! Summaries and series, from rollups: how often, how many tokens, how much, by whom.

use super::buckets::{Bucket, RollupSpan, borders, ceil_to, tiles};
use super::db::Db;
use super::error::StoreError;
use super::filter::{Dimension, Facet, Filter, facets};
use super::reader::LedgerReader;
use super::rollup::floor_to;
use super::row::Micros;
use super::runs;
use super::schema::{model_rollups, rollups};
use super::totals::{ReportGroup, Series, Summary, Totals, add_money};
use diesel::{ExpressionMethods, QueryDsl, Queryable, RunQueryDsl};
use jiff::tz::TimeZone;
use llm_manager_policy::pricing::Money;
use std::collections::HashMap;
use std::sync::Arc;

/// A row of `rollups`: bucket, facet, and the sums in the order of the columns.
#[derive(Queryable)]
struct RollupRow {
    start_us: i64,
    facet_id: i64,
    requests: i64,
    failed: i64,
    rejected: i64,
    client_left: i64,
    refused: i64,
    cancelled: i64,
    replayed: i64,
    estimated: i64,
    unrecorded: i64,
    unpriced: i64,
    input: i64,
    cached: i64,
    cache_write: i64,
    output: i64,
    reasoning: i64,
    cost: i64,
    duration_us: i64,
    queue_us: i64,
    first_byte_us: i64,
    first_bytes: i64,
}

impl Totals {
    fn fields(&mut self) -> [&mut i64; 19] {
        [
            &mut self.requests,
            &mut self.failed,
            &mut self.rejected,
            &mut self.client_left,
            &mut self.refused,
            &mut self.cancelled,
            &mut self.replayed,
            &mut self.estimated,
            &mut self.unrecorded,
            &mut self.unpriced,
            &mut self.input,
            &mut self.cached,
            &mut self.cache_write,
            &mut self.output,
            &mut self.reasoning,
            &mut self.duration_us,
            &mut self.queue_us,
            &mut self.first_byte_us,
            &mut self.first_bytes,
        ]
    }

    fn values(&self) -> [i64; 19] {
        [
            self.requests,
            self.failed,
            self.rejected,
            self.client_left,
            self.refused,
            self.cancelled,
            self.replayed,
            self.estimated,
            self.unrecorded,
            self.unpriced,
            self.input,
            self.cached,
            self.cache_write,
            self.output,
            self.reasoning,
            self.duration_us,
            self.queue_us,
            self.first_byte_us,
            self.first_bytes,
        ]
    }

    fn add(&mut self, row: &RollupRow, currency: &str) {
        let values = [
            row.requests,
            row.failed,
            row.rejected,
            row.client_left,
            row.refused,
            row.cancelled,
            row.replayed,
            row.estimated,
            row.unrecorded,
            row.unpriced,
            row.input,
            row.cached,
            row.cache_write,
            row.output,
            row.reasoning,
            row.duration_us,
            row.queue_us,
            row.first_byte_us,
            row.first_bytes,
        ];
        for (field, value) in self.fields().into_iter().zip(values) {
            *field = field.saturating_add(value);
        }
        if !currency.is_empty() {
            add_money(&mut self.cost, currency, Money::from_units(row.cost.max(0).cast_unsigned().into()));
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (field, value) in self.fields().into_iter().zip(other.values()) {
            *field = field.saturating_add(value);
        }
        for (currency, money) in &other.cost {
            add_money(&mut self.cost, currency, *money);
        }
        for (currency, money) in &other.run_cost {
            add_money(&mut self.run_cost, currency, *money);
        }
        self.energy_mj = self.energy_mj.saturating_add(other.energy_mj);
        for (currency, money) in &other.energy_cost {
            add_money(&mut self.energy_cost, currency, *money);
        }
    }
}

/// The rows of one of the two tables of sums.
macro_rules! load {
    ($reading:ident, $db:ident, $span:ident, $table:ident) => {{
        let query = $table::table
            .filter($table::level.eq($span.level))
            .filter($table::start_us.ge($span.from))
            .filter($table::start_us.lt($span.to))
            .order(($table::start_us.asc(), $table::facet_id.asc()));
        let query = query.select((
            $table::start_us,
            $table::facet_id,
            $table::requests,
            $table::failed,
            $table::rejected,
            $table::client_left,
            $table::refused,
            $table::cancelled,
            $table::replayed,
            $table::estimated,
            $table::unrecorded,
            $table::unpriced,
            $table::input,
            $table::cached,
            $table::cache_write,
            $table::output,
            $table::reasoning,
            $table::cost,
            $table::duration_us,
            $table::queue_us,
            $table::first_byte_us,
            $table::first_bytes,
        ));
        if $reading.filter.is_open() {
            return Ok(query.load($db)?);
        }
        let ids: Vec<i64> = $reading.facets.keys().copied().collect();
        Ok(query.filter($table::facet_id.eq_any(ids)).load($db)?)
    }};
}

/// Where the sums of each group are among those of a point, while rows are read in the order of time.
struct Places {
    point: usize,
    /// Sums that the point had before: from rollups of another width.
    before: usize,
    /// By the group's number: the point for which it is known, and the place.
    known: Vec<(usize, usize)>,
}

impl Places {
    fn new(groups: usize) -> Self {
        Self { point: usize::MAX, before: 0, known: vec![(usize::MAX, 0); groups] }
    }

    fn totals<'t>(
        &mut self,
        point: usize,
        all: &'t mut Vec<(usize, Totals)>,
        group: usize,
    ) -> &'t mut Totals {
        if point != self.point {
            (self.point, self.before) = (point, all.len());
        }
        let known = self.known.get(group).filter(|(of, _)| *of == point).map(|(_, at)| *at);
        let found = || all.iter().take(self.before).position(|(of, _)| *of == group);
        let at = known.or_else(found).unwrap_or(all.len());
        if let Some(place) = self.known.get_mut(group) {
            *place = (point, at);
        }
        if at == all.len() {
            all.push((group, Totals::default()));
        }
        &mut all[at].1
    }
}

/// Reads rollups and adds them up.
pub(super) struct ReportBuilder<'a> {
    filter: &'a Filter,
    by: &'a [Dimension],
    /// Each facet that fits, and the number of its group.
    facets: HashMap<i64, (usize, &'a str)>,
    keys: Vec<Vec<&'a str>>,
}

impl<'a> ReportBuilder<'a> {
    pub(super) fn new(facets: &'a [Facet], filter: &'a Filter, by: &'a [Dimension]) -> Self {
        let key_of = |facet: &'a Facet| by.iter().map(|dimension| dimension.of(facet)).collect::<Vec<&str>>();
        let fitting = || facets.iter().filter(|facet| filter.fits(facet));
        let mut keys: Vec<Vec<&str>> = fitting().map(key_of).collect();
        keys.sort_unstable();
        keys.dedup();
        let group = |facet: &'a Facet| {
            let nth = keys.binary_search(&key_of(facet)).unwrap_or(0);
            (facet.id, (nth, &*facet.currency))
        };
        let facets = fitting().map(group).collect();
        Self { filter, by, facets, keys }
    }

    /// One summary for each pair of neighbouring borders.
    pub(super) fn read(&self, db: &mut Db, borders: &[Micros]) -> Result<Vec<Summary>, StoreError> {
        let pairs = || borders.iter().zip(borders.iter().skip(1));
        let mut points: Vec<Summary> =
            pairs().map(|(from, to)| Summary { from: *from, to: *to, ..Summary::default() }).collect();
        if self.facets.is_empty() {
            return Ok(points);
        }
        let mut groups: Vec<Vec<(usize, Totals)>> = vec![Vec::new(); points.len()];
        for span in spans(pairs().flat_map(|(from, to)| tiles(*from, *to))) {
            let mut nth = 0;
            let mut places = Places::new(self.keys.len());
            for row in self.load(db, span)? {
                // A facet that is not here does not fit, or belongs to a model that is being deleted.
                let Some((group, currency)) = self.facets.get(&row.facet_id) else { continue };
                // They come in the order of time.
                while points.get(nth).is_some_and(|point| point.to <= row.start_us) {
                    nth += 1;
                }
                let Some(groups) = groups.get_mut(nth) else { break };
                places.totals(nth, groups, *group).add(&row, currency);
            }
        }
        let keys: Vec<Arc<[String]>> =
            self.keys.iter().map(|key| key.iter().map(|text| (*text).to_owned()).collect()).collect();
        let named = |(nth, totals): (usize, Totals)| ReportGroup {
            key: keys.get(nth).map(Arc::clone).unwrap_or_default(),
            totals,
        };
        for (point, mut groups) in points.iter_mut().zip(groups) {
            groups.sort_unstable_by_key(|(nth, _)| *nth);
            for (_, totals) in &groups {
                point.total.merge(totals);
            }
            if !self.by.is_empty() {
                point.groups = groups.into_iter().map(named).collect();
            }
        }
        Ok(points)
    }

    fn load(&self, db: &mut Db, span: RollupSpan) -> Result<Vec<RollupRow>, StoreError> {
        // With the facets of one model added up already, as long as nothing tells them apart.
        if self.filter.is_of_models() && self.by.iter().all(|dimension| *dimension == Dimension::Model) {
            load!(self, db, span, model_rollups)
        } else {
            load!(self, db, span, rollups)
        }
    }
}

/// Neighbouring tiles of one level in one.
fn spans(tiles: impl Iterator<Item = RollupSpan>) -> Vec<RollupSpan> {
    let mut spans: Vec<RollupSpan> = Vec::new();
    for tile in tiles {
        match spans.last_mut() {
            Some(last) if last.level == tile.level && last.to == tile.from => last.to = tile.to,
            _ => spans.push(tile),
        }
    }
    spans
}

/// Rows that ended before this may be gone, and with them the rollups by the minute.
pub(super) fn rows_since(db: &mut Db) -> Result<Micros, StoreError> {
    let words = db.words("SELECT value AS word FROM meta WHERE name = 'rows_since_us'")?;
    Ok(words.first().and_then(|word| word.parse().ok()).unwrap_or(Micros::MIN))
}

/// The narrowest rollups that are there at this time.
pub(super) fn finest(time: Micros, since: Micros) -> i64 {
    if time < since { 900 } else { 60 }
}

impl LedgerReader {
    /// Sums of what ended from `from` (included) to `to`; both are moved outwards to the next minute, or
    /// quarter of an hour where the rows are gone already.
    pub async fn summary(
        &self,
        filter: Filter,
        from: Micros,
        to: Micros,
        by: Vec<Dimension>,
    ) -> Result<Summary, StoreError> {
        self.with(move |db| {
            let since = rows_since(db)?;
            let (from, to) = (floor_to(from, finest(from, since)), ceil_to(to, finest(to, since)));
            let all = facets(db)?;
            let mut points = ReportBuilder::new(&all, &filter, &by).read(db, &[from, to])?;
            if filter.speaks_of_runs(&by) {
                runs::add_costs(db, &filter, &by, &mut points)?;
            }
            Ok(points.pop().unwrap_or_default())
        })
        .await
    }

    /// The same, point by point, as the clock and the calendar of `zone` have it.
    pub async fn series(
        &self,
        filter: Filter,
        from: Micros,
        to: Micros,
        bucket: Bucket,
        zone: TimeZone,
        by: Vec<Dimension>,
    ) -> Result<Series, StoreError> {
        self.with(move |db| {
            let borders = borders(bucket, &zone, from, to)?;
            let since = rows_since(db)?;
            if bucket == Bucket::Minute && borders.first().is_some_and(|first| *first < since) {
                return Err(StoreError::Refused(
                    "minutes are kept only as long as the rows of requests: choose wider points".into(),
                ));
            }
            let all = facets(db)?;
            let mut points = ReportBuilder::new(&all, &filter, &by).read(db, &borders)?;
            if filter.speaks_of_runs(&by) {
                runs::add_costs(db, &filter, &by, &mut points)?;
            }
            Ok(Series { points })
        })
        .await
    }
}
