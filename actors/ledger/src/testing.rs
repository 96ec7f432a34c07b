//! For tests, ours and those of the actors above: ledgers in either database, rows, and what must be true of them.

mod database;

pub use database::{TestDatabase, everywhere, pause};

use super::db::{ConnectionRole, Db, connect};
use super::filter::Filter;
use super::histogram::Histogram;
use super::rollup::{LATENCY_LEVELS, LEVELS};
use super::sums::COLUMNS;
use super::totals::Summary;
use super::write::Writer;
use super::{
    KeySource, Labels, LedgerEvent, Location, Micros, Opened, Outcome, RequestRow, RowKey, Sender,
    StoreError, TokenCounts, UsageSource, open,
};
use std::sync::Arc;

/// 2026-03-01 00:00 in UTC.
pub const MARCH: Micros = 1_772_323_200_000_000;
pub const SECOND: Micros = 1_000_000;
pub const HOUR: Micros = 3600 * SECOND;
pub const DAY: Micros = 24 * HOUR;

pub fn labels(model: &str) -> Labels {
    Labels {
        model: model.into(),
        variant: "gpu".into(),
        mode: "Chat".into(),
        endpoint: "/v1/chat/completions".into(),
        api_key: "alice".into(),
        currency: "".into(),
    }
}

/// A request of a second that ended at this time, with 100 tokens in and 10 out.
pub fn row(keys: &KeySource, model: &str, ended: Micros) -> RequestRow {
    RequestRow {
        key: keys.next(ended),
        request_id: format!("req-{ended}"),
        labels: labels(model).into(),
        started_us: ended - SECOND,
        duration_us: SECOND,
        queue_us: 100,
        first_byte_us: Some(SECOND / 4),
        status: 200,
        tokens: TokenCounts { input: Some(100), output: Some(10), ..TokenCounts::default() },
        usage_source: UsageSource::Backend,
        sender: Some(Sender::shared(Some([192, 0, 2, 7].into()), "curl/8.5", model, true)),
        ..RequestRow::default()
    }
}

/// An id as the manager makes it, for a request that began then.
pub fn made_id(started: Micros, random: u64) -> String {
    format!("{:011x}{random:09x}", started / 1000)
}

/// As it is read again: its key isn't.
pub fn unkeyed(row: &RequestRow) -> RequestRow {
    RequestRow { key: RowKey::default(), ..row.clone() }
}

pub fn events(rows: &[RequestRow]) -> Vec<LedgerEvent> {
    rows.iter().cloned().map(|row| LedgerEvent::Request(Box::new(row))).collect()
}

/// A new ledger and its writer.
pub fn opened(location: &Location) -> (Opened, Writer) {
    let opened = open(location, "test", MARCH).unwrap();
    let writer = Writer::open(location).unwrap();
    (opened, writer)
}

pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

pub fn everything(opened: &Opened) -> Summary {
    block_on(opened.reader.summary(Filter::default(), 0, MARCH + 1000 * DAY, vec![])).unwrap()
}

pub(crate) fn raw(location: &Location) -> Db {
    connect(location, ConnectionRole::Setup).unwrap()
}

/// A connection beside the ledger's own.
pub struct SideConnection(Db);

impl SideConnection {
    /// Opens it.
    pub fn connect(location: &Location) -> Self {
        Self(raw(location))
    }

    /// The one number of a query that calls it `number`.
    pub fn number(&mut self, query: &str) -> Result<i64, StoreError> {
        self.0.number(query)
    }

    /// The texts of a query that calls them `word`.
    pub fn words(&mut self, query: &str) -> Result<Vec<String>, StoreError> {
        self.0.words(query)
    }

    /// Statements without an answer.
    pub fn run(&mut self, statements: &str) -> Result<(), StoreError> {
        self.0.run(statements)
    }
}

/// What each rollup should be, computed by the database from the rows themselves.
pub fn assert_rollups_are_sums_of_rows(location: &Location) {
    let mut db = raw(location);
    let of_rows = COLUMNS.map(|column| match column {
        "requests" => "COUNT(*)".to_owned(),
        "failed" => "SUM(CASE WHEN outcome IN ('backend_error', 'failed') THEN 1 ELSE 0 END)".to_owned(),
        "rejected" => "SUM(CASE WHEN outcome = 'rejected' THEN 1 ELSE 0 END)".to_owned(),
        "cancelled" => "SUM(CASE WHEN outcome = 'cancelled' THEN 1 ELSE 0 END)".to_owned(),
        "client_left" => "SUM(CASE WHEN outcome = 'client_left' THEN 1 ELSE 0 END)".to_owned(),
        "refused" => "SUM(CASE WHEN outcome LIKE 'refused:%' THEN 1 ELSE 0 END)".to_owned(),
        "replayed" => "SUM(CASE WHEN replayed THEN 1 ELSE 0 END)".to_owned(),
        "estimated" => "SUM(CASE WHEN usage_source = 'estimated' THEN 1 ELSE 0 END)".to_owned(),
        "unrecorded" => {
            "SUM(CASE WHEN usage_source = 'none' AND outcome NOT LIKE 'refused:%' AND outcome <> 'rejected' \
             AND status < 400 AND status NOT IN (204, 304) THEN 1 ELSE 0 END)"
                .to_owned()
        }
        "unpriced" => {
            "SUM(CASE WHEN pricing IN ('no_tier', 'no_counts', 'too_big') THEN 1 ELSE 0 END)".to_owned()
        }
        "first_bytes" => "SUM(CASE WHEN first_byte_us IS NULL THEN 0 ELSE 1 END)".to_owned(),
        column => format!("SUM(COALESCE({column}, 0))"),
    });
    let text = |column: &String| format!("CAST(CAST({column} AS BIGINT) AS TEXT)");
    for level in LEVELS {
        let width = level * SECOND;
        let expected = db
            .words(&format!(
                "SELECT start || ':' || facet_id || ':' || {} AS word FROM \
                 (SELECT ended_us - ended_us % {width} AS start, requests.* FROM requests) AS r \
                 GROUP BY start, facet_id ORDER BY start, facet_id",
                of_rows.iter().map(text).collect::<Vec<_>>().join(" || ','|| ")
            ))
            .unwrap();
        let stored = db
            .words(&format!(
                "SELECT start_us || ':' || facet_id || ':' || {} AS word FROM rollups WHERE level = {level} \
                 ORDER BY start_us, facet_id",
                COLUMNS.map(|column| text(&column.to_owned())).join(" || ','|| ")
            ))
            .unwrap();
        assert_eq!(stored, expected, "rollups of {level} s");
    }
    assert_models_are_sums_of_facets(location);
    let rows = db.number("SELECT COUNT(*) AS number FROM requests");
    let answered = db.number("SELECT COUNT(*) AS number FROM requests WHERE first_byte_us IS NOT NULL");
    for level in LATENCY_LEVELS {
        let texts =
            db.words(&format!("SELECT histogram AS word FROM latencies WHERE level = {level}")).unwrap();
        let counted =
            texts.iter().flat_map(|text| Histogram::parse(text).durations()).map(|(_, count)| count).sum();
        assert_eq!(answered, Ok(counted), "latencies of {level} s");
    }
    let counted = db.number("SELECT CAST(COALESCE(SUM(row_count), 0) AS BIGINT) AS number FROM facets");
    assert_eq!(counted, rows);
    let bytes = db.number(
        "SELECT CAST(COALESCE(SUM(90 + COALESCE(OCTET_LENGTH(request_id), 0) + COALESCE(OCTET_LENGTH(error), 0)), 0) \
         AS BIGINT) AS number FROM request_rows",
    );
    let counted = db.number("SELECT CAST(COALESCE(SUM(byte_count), 0) AS BIGINT) AS number FROM facets");
    assert_eq!(counted, bytes);
}

/// What is true even of sums whose rows are gone.
pub fn assert_models_are_sums_of_facets(location: &Location) {
    let mut db = raw(location);
    let by_model = |db: &mut Db, table: &str| {
        let sums = COLUMNS.map(|column| format!("CAST(CAST(SUM({table}.{column}) AS BIGINT) AS TEXT)"));
        db.words(&format!(
            "SELECT level || ':' || start_us || ':' || model_id || ':' || currency || ':' || {} AS word FROM {table} \
             JOIN facets ON facets.id = facet_id GROUP BY level, start_us, model_id, currency \
             ORDER BY level, start_us, model_id, currency",
            sums.join(" || ','|| ")
        ))
        .unwrap()
    };
    let expected = by_model(&mut db, "rollups");
    assert_eq!(by_model(&mut db, "model_rollups"), expected, "rollups of models");
}

pub fn outcome(number: u8) -> Outcome {
    match number % 8 {
        0 => Outcome::ClientLeft,
        1 => Outcome::BackendError,
        2 => Outcome::Refused("queue_full".into()),
        3 => Outcome::Rejected,
        4 => Outcome::Cancelled,
        5 => Outcome::Failed,
        _ => Outcome::Ok,
    }
}

pub fn name(text: &str) -> Arc<str> {
    text.into()
}
