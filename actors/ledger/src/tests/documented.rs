//! The query of the documentation (docs/concepts/ledger.md): it finds what it says, and reads no more.

use crate::testing::{DAY, HOUR, events, opened, raw, row};
use crate::{KeySource, Location};
use diesel::sql_types::Text;
use diesel::{QueryableByName, RunQueryDsl, sql_query};
use jiff::Timestamp;

const ENGLISH: &str = include_str!("../../../../docs/concepts/ledger.md");
const CHINESE: &str = include_str!("../../../../docs/concepts/ledger.zh-CN.md");

#[derive(Debug, QueryableByName)]
struct Step {
    #[diesel(sql_type = Text)]
    detail: String,
}

fn query(page: &str) -> &str {
    let (_, rest) = page.split_once("```sql\n").unwrap();
    rest.split_once(";\n```").unwrap().0
}

#[test]
fn the_query_of_the_documentation_reads_one_day() {
    let dir = tempfile::tempdir().unwrap();
    let location = Location::File(dir.path().join("ledger.db"));
    let (_opening, mut writer) = opened(&location);
    let (keys, now) = (KeySource::new(), Timestamp::now().as_microsecond());
    let rows: Vec<_> = (0..100).map(|day| row(&keys, "m", now - HOUR - day * DAY)).collect();
    writer.write(&events(&rows), false).unwrap();
    let query = query(ENGLISH);
    let mut ledger = raw(&location);
    let words = |what: &str| format!("SELECT {what} AS word FROM ({query})");
    let found =
        ledger.words(&words("model || ' ' || api_key || ' ' || status || ' ' || input || ' ' || output"));
    assert_eq!(found.unwrap(), ["m alice 200 100 10"]);
    let steps = sql_query(format!("EXPLAIN QUERY PLAN {query}")).load::<Step>(&mut ledger).unwrap();
    assert!(steps.iter().any(|step| step.detail.starts_with("SEARCH request_rows")), "{steps:?}");
}

#[test]
fn both_languages_have_the_same_query() {
    assert_eq!(query(ENGLISH), query(CHINESE));
}
