//! Summaries and series, from rollups: how often, how many tokens, how much, by whom.

use super::buckets::{Bucket, borders, ceil_to, tiles};
use super::db::Db;
use super::error::StoreError;
use super::reader::LedgerReader;
use super::rollup::{COLUMNS, floor_to};
use super::row::Micros;
use super::runs;
use super::schema::{facets, models};
use diesel::{ExpressionMethods, JoinOnDsl, QueryDsl, QueryableByName, RunQueryDsl, sql_query, sql_types};
use jiff::tz::TimeZone;
use llm_manager_policy::pricing::Money;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

/// What a report can be split by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// The model's name.
    Model,
    /// Its launch configuration.
    Variant,
    /// Its mode.
    Mode,
    /// The path.
    Endpoint,
    /// The key's label.
    ApiKey,
}

/// Which requests a report is about; an empty list leaves that open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Names of models.
    pub models: Vec<String>,
    /// Launch configurations.
    pub variants: Vec<String>,
    /// Modes.
    pub modes: Vec<String>,
    /// Paths.
    pub endpoints: Vec<String>,
    /// Labels of keys.
    pub api_keys: Vec<String>,
}

/// Sums of requests, and the pay of runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// All of them, however they ended.
    pub requests: i64,
    /// The backend broke off or never answered.
    pub failed: i64,
    /// The client went away.
    pub client_left: i64,
    /// The manager answered instead.
    pub refused: i64,
    /// Sent to the backend twice.
    pub replayed: i64,
    /// Some count was estimated.
    pub estimated: i64,
    /// No count is known.
    pub unrecorded: i64,
    /// A plan was in force but gave no price.
    pub unpriced: i64,
    /// Tokens of prompts, cached ones included.
    pub input: i64,
    /// The part of the input that was read from a cache.
    pub cached: i64,
    /// The part of the input that was written to a cache.
    pub cache_write: i64,
    /// Generated tokens, reasoning included.
    pub output: i64,
    /// The part of the output that was reasoning.
    pub reasoning: i64,
    /// Sum of the requests' durations.
    pub duration_us: i64,
    /// Sum of their waiting for models.
    pub queue_us: i64,
    /// Sum of their times to the first byte.
    pub first_byte_us: i64,
    /// How many had a first byte.
    pub first_bytes: i64,
    /// Price of the requests, by currency.
    pub cost: BTreeMap<String, Money>,
    /// Price of ready time by the hour, by currency; only where a report is by model or variant.
    pub run_cost: BTreeMap<String, Money>,
}

/// Sums of those that have this in common.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// One value for each dimension that was asked for.
    pub key: Vec<String>,
    /// Their sums.
    pub totals: Totals,
}

/// A report over one stretch of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// What it really covers: the borders of rollups.
    pub from: Micros,
    /// The same.
    pub to: Micros,
    /// All together.
    pub total: Totals,
    /// By the dimensions asked for; empty when none was.
    pub groups: Vec<Group>,
}

/// A report over one stretch of time, point by point.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Series {
    /// One for each bucket, in order of time, also where nothing was.
    pub points: Vec<Summary>,
}

/// A row of `facets` with its model's name.
#[derive(Clone, Debug)]
pub(super) struct Facet {
    pub(super) id: i64,
    pub(super) labels: [String; 5],
    pub(super) currency: String,
}

/// All facets of models that have a name.
pub(super) fn facets(db: &mut Db) -> Result<Vec<Facet>, StoreError> {
    type Row = (i64, Option<String>, String, String, String, String, String);
    let rows: Vec<Row> = facets::table
        .inner_join(models::table.on(models::id.eq(facets::model_id)))
        .filter(models::name.is_not_null())
        .select((
            facets::id,
            models::name,
            facets::variant,
            facets::mode,
            facets::endpoint,
            facets::api_key,
            facets::currency,
        ))
        .load(db)?;
    let facet = |(id, model, variant, mode, endpoint, api_key, currency): Row| Facet {
        id,
        labels: [model.unwrap_or_default(), variant, mode, endpoint, api_key],
        currency,
    };
    Ok(rows.into_iter().map(facet).collect())
}

impl Dimension {
    fn of(self, facet: &Facet) -> &str {
        let [model, variant, mode, endpoint, api_key] = &facet.labels;
        match self {
            Self::Model => model,
            Self::Variant => variant,
            Self::Mode => mode,
            Self::Endpoint => endpoint,
            Self::ApiKey => api_key,
        }
    }
}

impl Filter {
    /// True where every facet fits.
    pub(super) fn is_open(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn fits(&self, facet: &Facet) -> bool {
        let wanted = [&self.models, &self.variants, &self.modes, &self.endpoints, &self.api_keys];
        wanted.iter().zip(&facet.labels).all(|(list, label)| list.is_empty() || list.contains(label))
    }

    /// True where runs can be told by it, too.
    fn speaks_of_runs(&self, by: &[Dimension]) -> bool {
        self.modes.is_empty()
            && self.endpoints.is_empty()
            && self.api_keys.is_empty()
            && by.iter().all(|dimension| matches!(dimension, Dimension::Model | Dimension::Variant))
    }
}

#[derive(QueryableByName)]
struct SumRow {
    #[diesel(sql_type = sql_types::BigInt)]
    facet_id: i64,
    #[diesel(sql_type = sql_types::Text)]
    sums: String,
}

impl Totals {
    /// The columns of `rollups` in order, money in two parts.
    fn add(&mut self, values: &[i64], currency: &str) {
        let mut values = values.iter().copied();
        let mut next = || values.next().unwrap_or(0);
        for field in [
            &mut self.requests,
            &mut self.failed,
            &mut self.client_left,
            &mut self.refused,
            &mut self.replayed,
            &mut self.estimated,
            &mut self.unrecorded,
            &mut self.unpriced,
            &mut self.input,
            &mut self.cached,
            &mut self.cache_write,
            &mut self.output,
            &mut self.reasoning,
        ] {
            *field = field.saturating_add(next());
        }
        let cost = (i128::from(next()) << 20) + i128::from(next());
        for field in
            [&mut self.duration_us, &mut self.queue_us, &mut self.first_byte_us, &mut self.first_bytes]
        {
            *field = field.saturating_add(next());
        }
        if !currency.is_empty() {
            add_money(&mut self.cost, currency, Money::from_units(cost.max(0).cast_unsigned()));
        }
    }
}

pub(super) fn add_money(sums: &mut BTreeMap<String, Money>, currency: &str, money: Money) {
    let sum = sums.entry(currency.to_owned()).or_default();
    // Sums of 64-bit numbers do not get there.
    *sum = sum.plus(money).unwrap_or(Money::from_units(u128::MAX));
}

/// A query of the sums by facet, with gaps for the level and the times.
struct Reading<'a> {
    by: &'a [Dimension],
    facets: HashMap<i64, &'a Facet>,
    condition: String,
    columns: String,
}

impl<'a> Reading<'a> {
    fn new(facets: &'a [Facet], filter: &Filter, by: &'a [Dimension]) -> Self {
        let facets: HashMap<i64, &Facet> =
            facets.iter().filter(|facet| filter.fits(facet)).map(|facet| (facet.id, facet)).collect();
        let condition = if filter.is_open() {
            String::new()
        } else {
            format!(" AND facet_id IN ({})", list(facets.keys()))
        };
        // One text instead of twenty columns: that is half of the time of a small query.
        let sum = |what: &str| format!("CAST(CAST(SUM({what}) AS BIGINT) AS TEXT)");
        let columns = COLUMNS.map(|column| match column {
            "cost" => format!("{} || ',' || {}", sum("cost >> 20"), sum("cost & 1048575")),
            column => sum(column),
        });
        Self { by, facets, condition, columns: columns.join(" || ',' || ") }
    }

    fn read(&self, db: &mut Db, from: Micros, to: Micros) -> Result<Summary, StoreError> {
        let mut summary = Summary { from, to, ..Summary::default() };
        let mut groups: BTreeMap<Vec<&str>, Totals> = BTreeMap::new();
        if self.facets.is_empty() {
            return Ok(summary);
        }
        for tile in tiles(from, to) {
            let sql = format!(
                "SELECT facet_id, {} AS sums FROM rollups WHERE level = {} AND start_us >= {} AND start_us < {}{} \
                 GROUP BY facet_id",
                self.columns, tile.level, tile.from, tile.to, self.condition
            );
            for row in sql_query(sql).load::<SumRow>(db)? {
                // A facet that is not here belongs to a model that is being deleted.
                let Some(facet) = self.facets.get(&row.facet_id) else { continue };
                let values: Vec<i64> = row.sums.split(',').map(|text| text.parse().unwrap_or(0)).collect();
                summary.total.add(&values, &facet.currency);
                if !self.by.is_empty() {
                    let key = self.by.iter().map(|dimension| dimension.of(facet)).collect();
                    groups.entry(key).or_default().add(&values, &facet.currency);
                }
            }
        }
        let owned = |(key, totals): (Vec<&str>, Totals)| Group {
            key: key.into_iter().map(str::to_owned).collect(),
            totals,
        };
        summary.groups = groups.into_iter().map(owned).collect();
        Ok(summary)
    }
}

pub(super) fn list<'a>(ids: impl Iterator<Item = &'a i64>) -> String {
    let mut text = String::new();
    for id in ids {
        let _ = write!(text, "{}{id}", if text.is_empty() { "" } else { "," });
    }
    // No facet fits: none has this number.
    if text.is_empty() { "-1".to_owned() } else { text }
}

/// Rows that ended before this may be gone, and with them the rollups by the minute.
pub(super) fn rows_since(db: &mut Db) -> Result<Micros, StoreError> {
    let words = db.words("SELECT value AS word FROM meta WHERE name = 'rows_since_us'")?;
    Ok(words.first().and_then(|word| word.parse().ok()).unwrap_or(Micros::MIN))
}

/// The narrowest rollups that are there at this time.
fn finest(time: Micros, since: Micros) -> i64 {
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
            let mut summary = Reading::new(&all, &filter, &by).read(db, from, to)?;
            if filter.speaks_of_runs(&by) {
                runs::add_costs(db, &filter, &by, std::slice::from_mut(&mut summary))?;
            }
            Ok(summary)
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
            let reading = Reading::new(&all, &filter, &by);
            let pairs = borders.iter().zip(borders.iter().skip(1));
            let mut points: Vec<Summary> =
                pairs.map(|(from, to)| reading.read(db, *from, *to)).collect::<Result<_, _>>()?;
            if filter.speaks_of_runs(&by) {
                runs::add_costs(db, &filter, &by, &mut points)?;
            }
            Ok(Series { points })
        })
        .await
    }
}
