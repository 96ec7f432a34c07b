//! The request log: newest first, in pages whose borders are rows, so that none is missed or seen twice
//! while others are being added.

use super::db::Db;
use super::error::StoreError;
use super::filter::{Facet, Filter, facets, list};
use super::labels::Labels;
use super::reader::LedgerReader;
use super::row::{Micros, Outcome, Pricing, RequestRow, RowKey, TokenCounts, UsageSource};
use super::row_id::{ended_of, first_id, made_id, ways_to, within};
use super::runs;
use super::schema::senders;
use super::sender::Sender;
use diesel::{ExpressionMethods, QueryDsl, QueryableByName, RunQueryDsl, sql_query, sql_types};
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// More rows than this do not go on a page.
pub(super) const LONGEST_PAGE: usize = 1000;
/// Up to so many facets are read one by one, each along its index.
const MOST_STREAMS: usize = 64;

/// The last row of a page: the next page begins after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor(i64);

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", ended_of(self.0), within(self.0))
    }
}

impl FromStr for Cursor {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        let parts =
            text.split_once('.').and_then(|(ended, id)| Some((ended.parse().ok()?, id.parse().ok()?)));
        let (ended, within): (Micros, i64) = parts
            .ok_or_else(|| StoreError::Refused("this is not the cursor of a page of requests".into()))?;
        // One of an older version has a larger number behind the time: it leads to the end of it.
        let first = first_id(ended);
        Ok(Self(first.saturating_add(within.clamp(0, first_id(1) - 1))))
    }
}

/// Which requests, and which page of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageQuery {
    /// By labels.
    pub filter: Filter,
    /// Ended at this time or later.
    pub from: Option<Micros>,
    /// Ended before this time.
    pub to: Option<Micros>,
    /// An outcome; or `refused` (whatever the code), `failed` (as the sums count it) and `not_ok` (any but ok).
    pub outcome: Option<String>,
    /// The HTTP status.
    pub status: Option<u16>,
    /// The id that the client was told.
    pub request_id: Option<String>,
    /// Served by this run.
    pub run_id: Option<i64>,
    /// Rows of a page; 1 to `LONGEST_PAGE`.
    pub limit: usize,
    /// The page after this one.
    pub after: Option<Cursor>,
}

/// A request as it is in the ledger.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestView {
    /// Its place in the log.
    pub cursor: Cursor,
    /// What was recorded.
    pub row: RequestRow,
}

/// A page of requests.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// Newest first.
    pub rows: Vec<RequestView>,
    /// For the next page; `None`: this is the last one.
    pub next: Option<Cursor>,
}

#[derive(QueryableByName)]
struct StoredRow {
    #[diesel(sql_type = sql_types::BigInt)]
    id: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    tag: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    facet_id: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    duration_us: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    queue_us: i64,
    #[diesel(sql_type = sql_types::Nullable<sql_types::BigInt>)]
    first_byte_us: Option<i64>,
    #[diesel(sql_type = sql_types::BigInt)]
    status: i64,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    outcome: Option<String>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::BigInt>)]
    input: Option<i64>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::BigInt>)]
    cached: Option<i64>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::BigInt>)]
    cache_write: Option<i64>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::BigInt>)]
    output: Option<i64>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::BigInt>)]
    reasoning: Option<i64>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    usage_source: Option<String>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::BigInt>)]
    cost: Option<i64>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pricing: Option<String>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::BigInt>)]
    plan_id: Option<i64>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::BigInt>)]
    run_id: Option<i64>,
    #[diesel(sql_type = sql_types::Bool)]
    replayed: bool,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    request_id: Option<String>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    error: Option<String>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::BigInt>)]
    sender_id: Option<i64>,
}

impl StoredRow {
    fn cursor(&self) -> Cursor {
        Cursor(self.id)
    }

    fn view(self, labels: Arc<Labels>, sender: Option<Arc<Sender>>) -> RequestView {
        let cursor = self.cursor();
        let row = RequestRow {
            key: RowKey::default(),
            request_id: self.request_id.unwrap_or_else(|| made_id(self.id, self.duration_us, self.tag)),
            labels,
            started_us: ended_of(self.id) - self.duration_us,
            duration_us: self.duration_us,
            queue_us: self.queue_us,
            first_byte_us: self.first_byte_us,
            status: self.status.try_into().unwrap_or(0),
            outcome: self.outcome.map_or(Outcome::Ok, Outcome::from),
            tokens: TokenCounts {
                input: self.input,
                cached: self.cached,
                cache_write: self.cache_write,
                output: self.output,
                reasoning: self.reasoning,
            },
            usage_source: UsageSource::of_stored(self.usage_source.as_deref()),
            cost: self.cost,
            pricing: Pricing::of_stored(self.pricing.as_deref(), self.cost),
            plan_id: self.plan_id,
            run_id: self.run_id,
            replayed: self.replayed,
            error: self.error,
            sender,
        };
        RequestView { cursor, row }
    }
}

impl PageQuery {
    /// What every row has to fulfil, besides its facet. Texts are $1 and $2.
    fn conditions(&self) -> String {
        let mut sql = String::from("1 = 1");
        if let Some(from) = self.from {
            sql.push_str(&format!(" AND id >= {}", first_id(from)));
        }
        if let Some(to) = self.to {
            sql.push_str(&format!(" AND id < {}", first_id(to)));
        }
        if let Some(Cursor(id)) = self.after {
            sql.push_str(&format!(" AND id < {id}"));
        }
        if let Some(status) = self.status {
            let wrong = if status >= 400 { " AND status >= 400" } else { "" };
            sql.push_str(&format!(" AND status = {status}{wrong}"));
        }
        if let Some(run) = self.run_id {
            sql.push_str(&format!(" AND run_id = {run}"));
        }
        sql.push_str(match self.outcome.as_deref() {
            None => " AND $1 = ''",
            Some("not_ok") => " AND outcome IS NOT NULL AND $1 = $1",
            Some("failed") => {
                " AND outcome IN ('backend_error', 'failed') AND outcome IS NOT NULL AND $1 = $1"
            }
            // In the words of the index that leads to them.
            Some("refused") => " AND substr(outcome, 1, 8) = 'refused:' AND $1 = $1",
            Some("ok") => " AND outcome IS NULL AND $1 = $1",
            Some(_) => " AND outcome = $1 AND outcome IS NOT NULL",
        });
        if self.request_id.is_none() {
            sql.push_str(" AND $2 = ''");
        }
        sql
    }

    /// True where the index of what went wrong leads to it.
    fn is_rare(&self) -> bool {
        self.status.is_some_and(|status| status >= 400)
            || self.outcome.as_deref().is_some_and(|outcome| outcome != "ok")
    }

    /// What each question for its rows has to add: an id is looked for in several ways.
    fn ways(&self) -> Vec<String> {
        self.request_id.as_deref().map_or_else(
            || vec![String::new()],
            |id| ways_to(id).into_iter().map(|way| format!(" AND {way}")).collect(),
        )
    }

    /// How SQLite goes about it.
    #[cfg(test)]
    pub(super) fn plan(&self, db: &mut Db) -> Result<Vec<String>, StoreError> {
        #[derive(QueryableByName)]
        struct Step {
            #[diesel(sql_type = sql_types::Text)]
            detail: String,
        }
        let mut steps = Vec::new();
        for way in self.ways() {
            let query = sql_query(format!("EXPLAIN QUERY PLAN {}", self.sql(&way)))
                .bind::<sql_types::Text, _>(self.outcome.clone().unwrap_or_default())
                .bind::<sql_types::Text, _>(self.request_id.clone().unwrap_or_default());
            steps.extend(query.load::<Step>(db)?.into_iter().map(|step| step.detail));
        }
        Ok(steps)
    }

    fn sql(&self, facet: &str) -> String {
        // One more than asked for: that tells whether there is another page.
        format!(
            "SELECT * FROM request_rows WHERE {}{facet} ORDER BY id DESC LIMIT {}",
            self.conditions(),
            self.limit + 1
        )
    }

    fn load(&self, db: &mut Db, facet: &str) -> Result<Vec<StoredRow>, StoreError> {
        let mut rows = Vec::new();
        for way in self.ways() {
            let query = sql_query(self.sql(&format!("{facet}{way}")))
                .bind::<sql_types::Text, _>(self.outcome.clone().unwrap_or_default())
                .bind::<sql_types::Text, _>(self.request_id.clone().unwrap_or_default());
            rows.append(&mut query.load(db)?);
        }
        // Of several ways each has its own order.
        if self.request_id.is_some() {
            rows.sort_unstable_by_key(|row: &StoredRow| std::cmp::Reverse(row.id));
        }
        Ok(rows)
    }
}

/// Where and when the requests of a run are: no index leads to them. `None`: there can be none, as of a run that the
/// ledger doesn't have.
fn within_run(db: &mut Db, query: &PageQuery, run: i64) -> Result<Option<PageQuery>, StoreError> {
    let mut query = query.clone();
    let Some(run) = runs::load_one(db, run)? else { return Ok(None) };
    let models = &mut query.filter.models;
    if models.is_empty() {
        models.push(run.model.to_string());
    } else if !models.iter().any(|model| **model == *run.model) {
        return Ok(None);
    }
    let latest = run.billed_to().saturating_add(runs::LATEST);
    query.from = Some(query.from.unwrap_or(Micros::MIN).max(run.started_us));
    query.to = Some(query.to.unwrap_or(Micros::MAX).min(latest));
    Ok(Some(query))
}

fn page(db: &mut Db, query: &PageQuery) -> Result<Page, StoreError> {
    let narrowed = match query.run_id {
        Some(run) => within_run(db, query, run)?,
        None => Some(query.clone()),
    };
    let Some(query) = narrowed else { return Ok(Page::default()) };
    let all = facets(db)?;
    let fitting: HashMap<i64, &Facet> =
        all.iter().filter(|facet| query.filter.fits(facet)).map(|facet| (facet.id, facet)).collect();
    let mut rows = Vec::new();
    if query.filter.is_open() {
        // Rows of models that are being deleted are left out.
        let going = db.number(
            "SELECT COUNT(*) AS number FROM facets JOIN models ON models.id = facets.model_id WHERE models.name IS NULL",
        )?;
        let facet =
            if going > 0 { format!(" AND facet_id IN ({})", list(fitting.keys())) } else { String::new() };
        rows = query.load(db, &facet)?;
    } else if query.is_rare() || query.request_id.is_some() {
        // The plus keeps the index of facets out of it.
        rows = query.load(db, &format!(" AND +facet_id IN ({})", list(fitting.keys())))?;
    } else if fitting.len() <= MOST_STREAMS {
        for facet in fitting.keys() {
            rows.append(&mut query.load(db, &format!(" AND facet_id = {facet}"))?);
        }
        rows.sort_unstable_by_key(|row| std::cmp::Reverse(row.cursor()));
    } else {
        rows = query.load(db, &format!(" AND facet_id IN ({})", list(fitting.keys())))?;
    }
    let more = rows.len() > query.limit;
    rows.truncate(query.limit);
    let labels = |facet: &Facet| {
        let [model, variant, mode, endpoint, api_key] =
            facet.labels.each_ref().map(|label| label.as_str().into());
        Labels { model, variant, mode, endpoint, api_key, currency: facet.currency.as_str().into() }.into()
    };
    let known: HashMap<i64, Arc<Labels>> = fitting.iter().map(|(id, facet)| (*id, labels(facet))).collect();
    let senders = senders_of(db, &rows)?;
    let view = |row: StoredRow| {
        let labels = known.get(&row.facet_id).cloned().unwrap_or_default();
        let sender = row.sender_id.and_then(|id| senders.get(&id)).cloned();
        row.view(labels, sender)
    };
    let rows: Vec<RequestView> = rows.into_iter().map(view).collect();
    let next = if more { rows.last().map(|row| row.cursor) } else { None };
    Ok(Page { rows, next })
}

/// Who sent these rows.
fn senders_of(db: &mut Db, rows: &[StoredRow]) -> Result<HashMap<i64, Arc<Sender>>, StoreError> {
    let wanted: BTreeSet<i64> = rows.iter().filter_map(|row| row.sender_id).collect();
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    let query = senders::table.filter(senders::id.eq_any(wanted)).select((
        senders::id,
        senders::address,
        senders::user_agent,
        senders::asked_model,
        senders::stream,
    ));
    let found: Vec<(i64, String, String, String, bool)> = query.load(db)?;
    let sender = |(id, address, agent, asked, stream): (i64, String, String, String, bool)| {
        let sender = Sender {
            address: address.parse().ok(),
            user_agent: agent.into(),
            asked_model: asked.into(),
            stream,
        };
        (id, Arc::new(sender))
    };
    Ok(found.into_iter().map(sender).collect())
}

impl LedgerReader {
    /// A page of the request log, newest first. For all of it: ask again with `after` until `next` is `None`.
    pub async fn requests(&self, mut query: PageQuery) -> Result<Page, StoreError> {
        query.limit = query.limit.clamp(1, LONGEST_PAGE);
        self.with(move |db| page(db, &query)).await
    }
}
