//! The statements that run for every batch: sums and times are added to what `rollups` and `latencies` have.
//!
//! Diesel fragments by hand, like those for the rows: written out with their numbers, SQLite would parse them anew
//! each time, which took more than all the rest of a small batch.

use super::db::Db;
use super::error::StoreError;
use super::sums::{self, COLUMNS};
use diesel::backend::Backend;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, HasSqlType, Text};
use diesel::{QueryResult, RunQueryDsl};
use std::sync::LazyLock;

/// A row of `rollups`; its place is the level, the start and the facet.
pub(super) struct RollupUpsert {
    pub(super) place: [i64; 3],
    pub(super) sums: sums::Sums,
}

/// A row of `model_rollups`.
pub(super) struct ModelSums(pub(super) RollupUpsert);

/// A row of `latencies`.
pub(super) struct LatencyUpsert {
    pub(super) place: [i64; 3],
    pub(super) histogram: String,
}

/// A row that is bound value by value, between the two ends of its statement.
pub(super) trait UpsertRow {
    const BEGIN: &'static LazyLock<String>;
    const END: &'static LazyLock<String>;

    fn bind<'b, DB>(&'b self, out: &mut AstPass<'_, 'b, DB>) -> QueryResult<()>
    where
        DB: Backend + HasSqlType<BigInt> + HasSqlType<Text>,
        i64: ToSql<BigInt, DB>,
        str: ToSql<Text, DB>;
}

static INTO_ROLLUPS: LazyLock<String> = LazyLock::new(|| into("rollups"));
static INTO_MODEL_ROLLUPS: LazyLock<String> = LazyLock::new(|| into("model_rollups"));
fn into(table: &str) -> String {
    format!("INSERT INTO {table} (level, start_us, facet_id, {}) VALUES ", COLUMNS.join(", "))
}

/// Money stays at the largest number that fits rather than overflow; all other columns are bounded per request so
/// that they cannot get there.
fn added(table: &str) -> String {
    let max = i64::MAX;
    let columns = COLUMNS.iter().map(|column| match *column {
        "cost" => format!(
            "cost = CASE WHEN {table}.cost > {max} - excluded.cost THEN {max} ELSE {table}.cost + excluded.cost END"
        ),
        column => format!("{column} = {table}.{column} + excluded.{column}"),
    });
    let columns = columns.collect::<Vec<_>>().join(", ");
    format!(" ON CONFLICT (level, start_us, facet_id) DO UPDATE SET {columns}")
}

static ADDED: LazyLock<String> = LazyLock::new(|| added("rollups"));
static ADDED_TO_MODELS: LazyLock<String> = LazyLock::new(|| added("model_rollups"));
static INTO_LATENCIES: LazyLock<String> =
    LazyLock::new(|| "INSERT INTO latencies (level, start_us, facet_id, histogram) VALUES ".to_owned());
static REPLACED: LazyLock<String> = LazyLock::new(|| {
    " ON CONFLICT (level, start_us, facet_id) DO UPDATE SET histogram = excluded.histogram".to_owned()
});

fn numbers<'b, DB>(out: &mut AstPass<'_, 'b, DB>, numbers: &'b [i64]) -> QueryResult<()>
where
    DB: Backend + HasSqlType<BigInt>,
    i64: ToSql<BigInt, DB>,
{
    for (nth, number) in numbers.iter().enumerate() {
        if nth > 0 {
            out.push_sql(",");
        }
        out.push_bind_param::<BigInt, _>(number)?;
    }
    Ok(())
}

impl UpsertRow for RollupUpsert {
    const BEGIN: &'static LazyLock<String> = &INTO_ROLLUPS;
    const END: &'static LazyLock<String> = &ADDED;

    fn bind<'b, DB>(&'b self, out: &mut AstPass<'_, 'b, DB>) -> QueryResult<()>
    where
        DB: Backend + HasSqlType<BigInt> + HasSqlType<Text>,
        i64: ToSql<BigInt, DB>,
        str: ToSql<Text, DB>,
    {
        numbers(out, &self.place)?;
        out.push_sql(",");
        numbers(out, &self.sums.0)
    }
}

impl UpsertRow for ModelSums {
    const BEGIN: &'static LazyLock<String> = &INTO_MODEL_ROLLUPS;
    const END: &'static LazyLock<String> = &ADDED_TO_MODELS;

    fn bind<'b, DB>(&'b self, out: &mut AstPass<'_, 'b, DB>) -> QueryResult<()>
    where
        DB: Backend + HasSqlType<BigInt> + HasSqlType<Text>,
        i64: ToSql<BigInt, DB>,
        str: ToSql<Text, DB>,
    {
        self.0.bind(out)
    }
}

impl UpsertRow for LatencyUpsert {
    const BEGIN: &'static LazyLock<String> = &INTO_LATENCIES;
    const END: &'static LazyLock<String> = &REPLACED;

    fn bind<'b, DB>(&'b self, out: &mut AstPass<'_, 'b, DB>) -> QueryResult<()>
    where
        DB: Backend + HasSqlType<BigInt> + HasSqlType<Text>,
        i64: ToSql<BigInt, DB>,
        str: ToSql<Text, DB>,
    {
        numbers(out, &self.place)?;
        out.push_sql(",");
        out.push_bind_param::<Text, _>(self.histogram.as_str())
    }
}

/// So many rows in one statement.
struct Block<'a, R, const N: usize>(&'a [R; N]);

impl<R: UpsertRow + 'static, const N: usize> QueryId for Block<'_, R, N> {
    type QueryId = Block<'static, R, N>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<Conn, R, const N: usize> RunQueryDsl<Conn> for Block<'_, R, N> {}

impl<DB, R: UpsertRow, const N: usize> QueryFragment<DB> for Block<'_, R, N>
where
    DB: Backend + HasSqlType<BigInt> + HasSqlType<Text>,
    i64: ToSql<BigInt, DB>,
    str: ToSql<Text, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql(R::BEGIN);
        for (nth, row) in self.0.iter().enumerate() {
            out.push_sql(if nth == 0 { "(" } else { ",(" });
            row.bind(&mut out)?;
            out.push_sql(")");
        }
        out.push_sql(R::END);
        Ok(())
    }
}

/// Writes them all, in as large blocks as there are. No two have one place.
pub(super) fn write<R: UpsertRow + 'static>(db: &mut Db, rows: &[R]) -> Result<(), StoreError> {
    // A model that one key asks for has as many rows as there are levels.
    let rows = blocks::<R, 100>(db, rows)?;
    let rows = blocks::<R, 5>(db, rows)?;
    blocks::<R, 1>(db, rows).map(drop)
}

/// Writes what fills blocks of this size; the rest.
fn blocks<'s, R: UpsertRow + 'static, const N: usize>(
    db: &mut Db,
    rows: &'s [R],
) -> Result<&'s [R], StoreError> {
    let (blocks, rest) = rows.as_chunks::<N>();
    for rows in blocks {
        match db {
            Db::Sqlite(conn) => Block(rows).execute(conn)?,
            #[cfg(feature = "postgres")]
            Db::Postgres(conn) => Block(rows).execute(conn)?,
        };
    }
    Ok(rest)
}
