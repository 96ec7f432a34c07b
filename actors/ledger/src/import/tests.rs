//! Databases as the original's versions make them.

use super::*;
use crate::testing::{block_on, everything, opened, raw};
use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};

/// 2026-02-01 00:00 in UTC, in seconds.
const FEBRUARY: f64 = 1_769_904_000.0;

const V25: &str = "
CREATE TABLE model_name_mapping (id INTEGER PRIMARY KEY, original_name TEXT, safe_name TEXT);
CREATE TABLE program_runtime (id INTEGER PRIMARY KEY, start_time REAL, end_time REAL);
CREATE TABLE \"m_a_runtime\" (id INTEGER PRIMARY KEY, start_time REAL, end_time REAL);
CREATE TABLE \"m_a_requests\" (id INTEGER PRIMARY KEY, start_time REAL, end_time REAL, input_tokens INTEGER,
  output_tokens INTEGER, cache_n INTEGER, prompt_n INTEGER);
CREATE TABLE \"m_a_tier_pricing\" (tier_index INTEGER, min_input_tokens INTEGER, max_input_tokens INTEGER,
  min_output_tokens INTEGER, max_output_tokens INTEGER, input_price REAL, output_price REAL, support_cache BOOLEAN,
  cache_write_price REAL, cache_read_price REAL);
CREATE TABLE \"m_a_hourly_price\" (id INTEGER, hourly_price REAL);
CREATE TABLE \"m_a_billing_method\" (id INTEGER, use_tier_pricing BOOLEAN);
INSERT INTO model_name_mapping VALUES (1, 'm/a', 'm_a'), (2, 'gone', 'gone');
INSERT INTO \"m_a_billing_method\" VALUES (1, 1);
INSERT INTO \"m_a_hourly_price\" VALUES (1, 0);
";

const V26: &str = "
CREATE TABLE models (id INTEGER PRIMARY KEY, original_name TEXT UNIQUE, created_at TIMESTAMP);
CREATE TABLE model_runtime (id INTEGER PRIMARY KEY, model_id INTEGER, start_time REAL, end_time REAL);
CREATE TABLE model_requests (id INTEGER PRIMARY KEY, model_id INTEGER, start_time REAL, end_time REAL,
  input_tokens INTEGER, output_tokens INTEGER, cache_n INTEGER, prompt_n INTEGER);
CREATE TABLE tier_pricing (id INTEGER PRIMARY KEY, model_id INTEGER, tier_index INTEGER, min_input_tokens INTEGER,
  max_input_tokens INTEGER, min_output_tokens INTEGER, max_output_tokens INTEGER, input_price REAL, output_price REAL,
  support_cache BOOLEAN, cache_write_price REAL, cache_read_price REAL);
CREATE TABLE hourly_pricing (id INTEGER PRIMARY KEY, model_id INTEGER, hourly_price REAL);
CREATE TABLE billing_methods (id INTEGER PRIMARY KEY, model_id INTEGER, use_tier_pricing BOOLEAN);
INSERT INTO models VALUES (7, 'm/a', NULL);
INSERT INTO billing_methods VALUES (1, 7, 1);
";

const V3: &str = "
CREATE TABLE models (id INTEGER PRIMARY KEY, original_name TEXT UNIQUE, created_at TIMESTAMP);
CREATE TABLE model_runtime (id INTEGER PRIMARY KEY, model_id INTEGER, start_time REAL, end_time REAL);
CREATE TABLE model_requests (id INTEGER PRIMARY KEY, model_id INTEGER, start_time REAL, end_time REAL,
  input_tokens INTEGER, output_tokens INTEGER, cache_n INTEGER, prompt_n INTEGER);
CREATE TABLE system_settings (key TEXT PRIMARY KEY, value TEXT);
CREATE TABLE model_defs (id INTEGER PRIMARY KEY, name TEXT, mode TEXT, port INTEGER, auto_start INTEGER,
  pricing_type TEXT, hourly_price REAL, support_cache INTEGER, ord INTEGER);
CREATE TABLE model_aliases (model_id INTEGER, alias TEXT, ord INTEGER);
CREATE TABLE model_schemes (id INTEGER PRIMARY KEY, model_id INTEGER, config_source TEXT, required_devices TEXT,
  memory_mb TEXT, command TEXT, ord INTEGER);
CREATE TABLE pricing_tiers (pricing_id INTEGER, tier_index INTEGER, min_input INTEGER, max_input INTEGER,
  min_output INTEGER, max_output INTEGER, input_price REAL, output_price REAL, cache_write_price REAL,
  cache_read_price REAL);
INSERT INTO models VALUES (7, 'm/a', NULL);
INSERT INTO model_defs VALUES (3, 'm/a', 'Chat', 9001, 1, 'hourly', 1.5, 0, 0);
INSERT INTO model_aliases VALUES (3, 'gpt', 0);
INSERT INTO model_schemes VALUES (1, 3, 'GPU', '[\"v100\"]', '{\"v100\": 5}', '{\"exe\": \"x\", \"args\": [\"{{port}}\"]}', 0);
INSERT INTO system_settings VALUES ('port', '8081');
";

/// Rows that are the same in every version: three requests, two of them alike, and two runs.
fn rows(requests: &str, runs: &str, of: &str) -> String {
    let at = |seconds: f64| FEBRUARY + seconds;
    format!(
        "INSERT INTO {requests} VALUES (1, {of}{}, {}, 1000, 100, 400, 600), (2, {of}{}, {}, 1000, 100, 400, 600), \
         (3, {of}0, {}, 50000, 10, 0, 50000);
         INSERT INTO {runs} VALUES (1, {of}{}, {}), (2, {of}{}, NULL);",
        at(1.5), at(2.25), at(1.5), at(2.25), at(86_400.0), at(0.0), at(3600.0), at(7200.0)
    )
}

fn database(folder: &Path, sql: &str) -> std::path::PathBuf {
    let path = folder.join(format!("original-{}.db", sql.len()));
    let mut conn = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    conn.batch_execute(sql).unwrap();
    path
}

fn target(name: &str) -> Target {
    Target { name: name.replace('/', "-").into(), mode: "Chat".into() }
}

fn import(path: &Path, ledger: &Location) -> Vec<Imported> {
    Original::open(path).unwrap().import(ledger, &target, &mut |_| ()).unwrap()
}

/// Its manager has ended in order.
fn ended(location: &Location) {
    raw(location).run("UPDATE program_runs SET ended_us = heartbeat_us").unwrap();
}

fn v25() -> String {
    let tiers = "INSERT INTO \"m_a_tier_pricing\" VALUES (1, 0, 32768, 0, -1, 0.8, 2, 1, 0.1, 0.2), \
                 (2, 32768, -1, 0, -1, 1.6, 4, 0, 0, 0);";
    format!("{V25}{}{tiers}", rows("\"m_a_requests\"", "\"m_a_runtime\"", ""))
}

#[test]
fn requests_runs_and_prices_are_taken_once() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Location::File(folder.path().join("ledger.db"));
    let (opened, _) = opened(&ledger);
    ended(&ledger);
    let original = database(folder.path(), &v25());
    let before = std::fs::read(&original).unwrap();
    let found = Original::open(&original).unwrap().look(&target).unwrap();
    assert_eq!((found.len(), found[0].requests, found[0].runs), (1, 3, 2));
    assert_eq!(found[0].prices, "2 tiers, in CNY");
    assert_eq!(everything(&opened).total.requests, 0, "to look is to write nothing");

    let done = import(&original, &ledger);
    assert_eq!((done[0].new_requests, done[0].requests, done[0].name.as_str()), (3, 3, "m-a"));
    let total = everything(&opened).total;
    assert_eq!((total.requests, total.input, total.cached, total.output), (3, 52_000, 800, 210));
    // 400 x 0.2 + 600 x (0.8 + 0.1) + 100 x 2, twice, and 50000 x 1.6 + 10 x 4, in CNY per million.
    let cost = raw(&ledger).number("SELECT SUM(cost) AS number FROM requests").unwrap();
    assert_eq!(cost, 2 * (80_000_000 + 540_000_000 + 200_000_000) + 80_000_000_000 + 40_000_000);
    let runs = raw(&ledger).number("SELECT SUM(ended_us - started_us) AS number FROM runs").unwrap();
    assert_eq!(runs, 3600 * 1_000_000);

    // Again, from a copy, and from what a later version has made of the same rows.
    assert_eq!(import(&original, &ledger)[0].new_requests, 0);
    let later = database(folder.path(), &format!("{V26}{}", rows("model_requests", "model_runtime", "7, ")));
    let again = import(&later, &ledger);
    assert_eq!((again[0].new_requests, again[0].requests), (0, 3));
    assert_eq!(everything(&opened).total, total);
    assert_eq!(raw(&ledger).number("SELECT COUNT(*) AS number FROM runs").unwrap(), 2);
    assert_eq!(raw(&ledger).number("SELECT COUNT(*) AS number FROM price_plans").unwrap(), 1);
    assert_eq!(std::fs::read(&original).unwrap(), before, "the original is left as it is");
}

#[test]
fn nothing_is_free_because_nobody_has_set_a_price() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Location::File(folder.path().join("ledger.db"));
    let free = "INSERT INTO tier_pricing VALUES (1, 7, 1, 0, 32768, 0, 32768, 0, 0, 0, 0, 0);";
    let sql = format!("{V26}{}{free}", rows("model_requests", "model_runtime", "7, "));
    let done = import(&database(folder.path(), &sql), &ledger);
    assert_eq!(done[0].prices, "none was set");
    assert_eq!(
        raw(&ledger)
            .number("SELECT COUNT(*) AS number FROM requests WHERE cost IS NULL AND pricing = 'no_plan'")
            .unwrap(),
        3
    );
    assert_eq!(raw(&ledger).number("SELECT COUNT(*) AS number FROM price_plans").unwrap(), 0);
}

#[test]
fn tiers_with_gaps_price_what_was_and_make_no_plan() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Location::File(folder.path().join("ledger.db"));
    let gap = "INSERT INTO tier_pricing VALUES (1, 7, 1, 2000, -1, 0, -1, 1, 1, 0, 0, 0);";
    let sql = format!("{V26}{}{gap}", rows("model_requests", "model_runtime", "7, "));
    let done = import(&database(folder.path(), &sql), &ledger);
    assert_eq!(done[0].prices, "kept with each request");
    assert!(done[0].notes.iter().any(|note| note.contains("gaps")), "{:?}", done[0].notes);
    let costs =
        raw(&ledger).words("SELECT pricing || ' ' || cost AS word FROM requests ORDER BY cost").unwrap();
    assert_eq!(costs, ["no_tier 0", "no_tier 0", "priced 50010000000"]);
}

#[test]
fn v3_has_hours_and_a_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Location::File(folder.path().join("ledger.db"));
    let original =
        database(folder.path(), &format!("{V3}{}", rows("model_requests", "model_runtime", "7, ")));
    let configuration = Original::open(&original).unwrap().configuration().unwrap().unwrap();
    assert_eq!(configuration.settings, [("port".to_owned(), "8081".to_owned())]);
    let model = &configuration.models[0];
    assert_eq!((model.name.as_str(), model.port, model.auto_start), ("m/a", 9001, true));
    assert_eq!((model.aliases.join(" "), model.variants[0].name.as_str()), ("gpt".to_owned(), "GPU"));
    let done = import(&original, &ledger);
    assert_eq!(done[0].prices, "1.5 CNY an hour");
    assert!(done[0].notes.iter().any(|note| note.contains("have no end")), "{:?}", done[0].notes);
    let reader = crate::LedgerReader::new(&ledger);
    let runs = block_on(reader.runs_of("m-a", 10)).unwrap();
    assert_eq!(runs.len(), 2);
    let paid: Vec<_> = runs.iter().map(|run| format!("{:?}", run.cost)).collect();
    assert!(paid.iter().any(|cost| cost.contains("1500000000000")), "{paid:?}");
}

#[test]
fn a_ledger_in_use_and_a_foreign_database_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Location::File(folder.path().join("ledger.db"));
    crate::open(&ledger, "test", now_us()).unwrap();
    let original = database(folder.path(), &v25());
    let error = Original::open(&original).unwrap().import(&ledger, &target, &mut |_| ()).unwrap_err();
    assert!(error.to_string().contains("a manager uses it now"), "{error}");
    let foreign = database(folder.path(), "CREATE TABLE x (y)");
    let Err(error) = Original::open(&foreign) else { panic!("it was taken") };
    assert!(error.to_string().contains("webui/monitoring.db"), "{error}");
}

#[test]
fn a_journal_that_is_not_empty_is_read_too() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Location::File(folder.path().join("ledger.db"));
    let path = folder.path().join("live.db");
    let mut conn = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    conn.batch_execute("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;").unwrap();
    conn.batch_execute(&v25()).unwrap();
    // The connection stays open, as the original's would.
    assert_eq!(import(&path, &ledger)[0].new_requests, 3);
    drop(conn);
}
