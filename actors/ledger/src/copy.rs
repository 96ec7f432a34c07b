//! A ledger from one database into another, also while it is being written: what one snapshot shows, all of it or nothing.
//!
//! Tables and columns are the same in both, so rows pass through as JSON arrays and become literals again. The order of the
//! tables is that of their references.

use super::db::{ConnectionRole, Db, Location, connect};
use super::error::{OpenError, StoreError};
use super::folder_lock::{Company, hold};
use super::migrate;
use serde_json::Value;
use std::fmt::Write;

/// Rows of one statement.
const BATCH: usize = 1000;

/// A table, and the columns of its primary key.
struct Table {
    name: &'static str,
    key: &'static [&'static str],
    /// PostgreSQL counts its `id`.
    counted: bool,
    /// Rows that stay where they are.
    without: &'static str,
}

const fn table(name: &'static str, key: &'static [&'static str], counted: bool) -> Table {
    Table { name, key, counted, without: "" }
}

/// Each after those that it refers to.
const TABLES: &[Table] = &[
    // Who holds a database is no row of the ledger.
    Table { without: "name = 'manager'", ..table("meta", &["name"], false) },
    table("program_runs", &["id"], true),
    table("models", &["id"], true),
    table("renames", &["id"], true),
    table("facets", &["id"], true),
    table("senders", &["id"], true),
    table("request_rows", &["id"], false),
    table("rollups", &["level", "start_us", "facet_id"], false),
    table("model_rollups", &["level", "start_us", "facet_id"], false),
    table("latencies", &["level", "start_us", "facet_id"], false),
    table("runs", &["id"], false),
    table("parkings", &["run_id", "from_us"], false),
    table("price_plans", &["id"], true),
    table("tiers", &["plan_id", "position"], false),
    table("audit", &["id"], true),
];

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Number,
    Flag,
    Text,
    Bytes,
}

struct Column {
    name: String,
    kind: Kind,
}

/// What was copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CopyResult {
    /// Rows of requests.
    pub requests: i64,
    /// Rows of runs.
    pub runs: i64,
    /// Rows of all tables.
    pub rows: i64,
}

/// Copies the ledger into an empty or new one. Blocks.
pub fn copy(from: &Location, to: &Location) -> Result<CopyResult, OpenError> {
    if from == to {
        return Err(to.failed("it is the ledger itself"));
    }
    let reading = |error: StoreError| from.failed(error);
    let mut source = connect(from, ConnectionRole::Read).map_err(reading)?;
    migrate::reads_as_current(&mut source).map_err(|error| match error {
        StoreError::Other(text) => {
            from.failed(format!("{text}: start this version of the manager with it once, then copy it"))
        }
        error => from.failed(error),
    })?;
    let begin = if source.is_sqlite() { "BEGIN" } else { "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" };
    source.run(begin).map_err(reading)?;
    migrate::prepare(to, Company::Alone)?;
    let mut target = connect(to, ConnectionRole::Setup).map_err(|error| to.failed(error))?;
    hold(&mut target, Company::Alone).map_err(|error| match error {
        StoreError::Taken(holder) => OpenError::Taken { place: to.to_string(), holder },
        error => to.failed(error),
    })?;
    let used = "SELECT (SELECT COUNT(*) FROM request_rows) + (SELECT COUNT(*) FROM runs) + (SELECT COUNT(*) FROM models) AS number";
    if target.number(used).map_err(|error| to.failed(error))? > 0 {
        return Err(to.failed(
            "there are rows in it already: a ledger is copied into an empty database or a new file",
        ));
    }
    target.transact(|target| copy_all(&mut source, target)).map_err(|error| to.failed(error))
}

fn copy_all(source: &mut Db, target: &mut Db) -> Result<CopyResult, StoreError> {
    let mut copied = CopyResult::default();
    for table in TABLES {
        // One of the two knows which numbers are flags, unless neither needs to.
        let columns = columns(if source.is_sqlite() { &mut *target } else { &mut *source }, table.name)?;
        // What the start of a new ledger has written is no row of this one.
        target.run(&format!("DELETE FROM {}", table.name))?;
        let rows = copy_table(source, target, table, &columns)?;
        copied.rows += rows;
        match table.name {
            "request_rows" => copied.requests = rows,
            "runs" => copied.runs = rows,
            _ => {}
        }
        if table.counted && !target.is_sqlite() {
            let name = table.name;
            target.number(&format!(
                "SELECT setval(pg_get_serial_sequence('{name}', 'id'), GREATEST(COALESCE(MAX(id), 1), 1)) AS number FROM {name}"
            ))?;
        }
    }
    compare(source, target)?;
    Ok(copied)
}

/// Nothing is taken on trust: what is paid is summed up on both sides.
fn compare(source: &mut Db, target: &mut Db) -> Result<(), StoreError> {
    for what in ["COUNT(*)", "SUM(cost / 1000000)", "SUM(cost % 1000000)", "SUM(input)", "SUM(output)"] {
        let query = format!("SELECT CAST(COALESCE({what}, 0) AS BIGINT) AS number FROM request_rows");
        let (there, here) = (source.number(&query)?, target.number(&query)?);
        if there != here {
            return Err(StoreError::Other(format!(
                "{what} of requests is {there} there and {here} here: nothing was copied"
            )));
        }
    }
    Ok(())
}

fn columns(db: &mut Db, table: &str) -> Result<Vec<Column>, StoreError> {
    let query = if db.is_sqlite() {
        format!("SELECT name || ' ' || type AS word FROM pragma_table_info('{table}') ORDER BY cid")
    } else {
        format!(
            "SELECT column_name || ' ' || data_type AS word FROM information_schema.columns \
             WHERE table_schema = current_schema() AND table_name = '{table}' ORDER BY ordinal_position"
        )
    };
    let column = |word: String| {
        let (name, kind) = word.split_once(' ').unwrap_or((&word, ""));
        let kind = match kind {
            "boolean" => Kind::Flag,
            "TEXT" | "text" => Kind::Text,
            "BLOB" | "bytea" => Kind::Bytes,
            _ => Kind::Number,
        };
        Column { name: name.to_owned(), kind }
    };
    Ok(db.words(&query)?.into_iter().map(column).collect())
}

fn copy_table(
    source: &mut Db,
    target: &mut Db,
    table: &Table,
    columns: &[Column],
) -> Result<i64, StoreError> {
    let sqlite = source.is_sqlite();
    let shown = |column: &Column| match (column.kind, sqlite) {
        (Kind::Bytes, true) => format!("hex({})", column.name),
        (Kind::Bytes, false) => format!("encode({}, 'hex')", column.name),
        (Kind::Flag, false) => format!("CAST({} AS INTEGER)", column.name),
        _ => column.name.clone(),
    };
    let shown: Vec<String> = columns.iter().map(shown).collect();
    let shown = shown.join(", ");
    let array = if sqlite {
        format!("json_array({shown})")
    } else {
        format!("CAST(json_build_array({shown}) AS TEXT)")
    };
    let key = table.key.join(", ");
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    let into = format!("INSERT INTO {} ({}) VALUES ", table.name, names.join(", "));
    let positions: Vec<usize> =
        table.key.iter().filter_map(|key| names.iter().position(|name| name == key)).collect();
    let mut last: Option<String> = None;
    let mut rows = 0;
    loop {
        let after = last.as_ref().map(|last| format!("({key}) > ({last})"));
        let kept = (!table.without.is_empty()).then(|| format!("NOT ({})", table.without));
        let conditions: Vec<String> = after.into_iter().chain(kept).collect();
        let condition =
            if conditions.is_empty() { String::new() } else { format!("WHERE {}", conditions.join(" AND ")) };
        let query =
            format!("SELECT {array} AS word FROM {} {condition} ORDER BY {key} LIMIT {BATCH}", table.name);
        let found = source.words(&query)?;
        let Some(newest) = found.last() else { return Ok(rows) };
        let newest = values(newest)?;
        let place =
            positions.iter().filter_map(|at| Some(literal(newest.get(*at)?, columns.get(*at)?.kind, sqlite)));
        last = Some(place.collect::<Vec<_>>().join(", "));
        let mut statement = into.clone();
        for (nth, row) in found.iter().enumerate() {
            let row = values(row)?;
            let literals = row
                .iter()
                .zip(columns)
                .map(|(value, column)| literal(value, column.kind, target.is_sqlite()));
            let literals: Vec<String> = literals.collect();
            let comma = if nth == 0 { "" } else { ", " };
            // Writing to a string doesn't fail.
            let _ = write!(statement, "{comma}({})", literals.join(", "));
        }
        target.run(&statement)?;
        rows += i64::try_from(found.len()).unwrap_or_default();
        if found.len() < BATCH {
            return Ok(rows);
        }
    }
}

fn values(row: &str) -> Result<Vec<Value>, StoreError> {
    serde_json::from_str(row).map_err(|error| StoreError::Other(format!("a row can't be read: {error}")))
}

fn literal(value: &Value, kind: Kind, sqlite: bool) -> String {
    match (value, kind) {
        (Value::Null, _) => "NULL".to_owned(),
        (value, Kind::Flag) => match (value.as_i64() == Some(1) || value.as_bool() == Some(true), sqlite) {
            (flag, true) => i64::from(flag).to_string(),
            (true, false) => "TRUE".to_owned(),
            (false, false) => "FALSE".to_owned(),
        },
        (Value::String(hex), Kind::Bytes) if sqlite => format!("X'{hex}'"),
        (Value::String(hex), Kind::Bytes) => format!("'\\x{hex}'"),
        // PostgreSQL knows no text with a zero in it.
        (Value::String(text), _) => format!("'{}'", text.replace('\0', "\u{fffd}").replace('\'', "''")),
        (value, _) => value.to_string(),
    }
}
