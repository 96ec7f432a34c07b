//! The one statement that runs for every request: rows into `requests`, in blocks.
//!
//! Written as a diesel fragment by hand. What diesel derives walks over all columns four times for each row, which
//! took as long as SQLite's own work; this walks twice, and SQLite keeps the statement prepared.

use super::db::Db;
use super::error::StoreError;
use super::row::{RequestRow, is_made_here};
use diesel::backend::Backend;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, Binary, Bool, HasSqlType, Nullable, Text};
use diesel::{QueryResult, RunQueryDsl};
use std::borrow::Cow;

pub(super) const COLUMNS: &str = "INSERT INTO requests (key, facet_id, ended_us, duration_us, queue_us, first_byte_us, status, \
    outcome, input, cached, cache_write, output, reasoning, usage_source, cost, pricing, plan_id, run_id, replayed, \
    request_id, error, sender_id, client_named) VALUES ";

/// A row that is new in the ledger, with those of its values that have no place to be borrowed from.
pub(super) struct NewRequest<'a> {
    key: [u8; 16],
    facet: i64,
    sender: Option<i64>,
    ended_us: i64,
    status: i64,
    outcome: Cow<'static, str>,
    client_named: bool,
    row: &'a RequestRow,
}

impl<'a> NewRequest<'a> {
    pub(super) fn new(row: &'a RequestRow, facet: i64, sender: Option<i64>) -> Self {
        Self {
            key: row.key.bytes(),
            facet,
            sender,
            ended_us: row.ended_us(),
            status: row.status.into(),
            outcome: row.outcome.text(),
            client_named: !is_made_here(&row.request_id),
            row,
        }
    }
}

/// So many rows in one statement.
struct Block<'a, const N: usize>(&'a [NewRequest<'a>; N]);

/// Writes them all, in as large blocks as there are.
pub(super) fn write(db: &mut Db, rows: &[NewRequest<'_>]) -> Result<(), StoreError> {
    // Few sizes, each kept prepared; a PostgreSQL far away is asked but seldom. SQLite takes 32,766 values at once.
    let rows = blocks::<256>(db, rows)?;
    let rows = blocks::<32>(db, rows)?;
    let rows = blocks::<4>(db, rows)?;
    blocks::<1>(db, rows).map(drop)
}

/// Writes what fills blocks of this size; the rest.
fn blocks<'s, 'r, const N: usize>(
    db: &mut Db,
    rows: &'s [NewRequest<'r>],
) -> Result<&'s [NewRequest<'r>], StoreError> {
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

impl<const N: usize> QueryId for Block<'_, N> {
    type QueryId = Block<'static, N>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<Conn, const N: usize> RunQueryDsl<Conn> for Block<'_, N> {}

/// Binds values one after the other, with commas between them.
macro_rules! bind {
    ($out:ident, $type:ty => $first:expr $(, $types:ty => $values:expr)* $(,)?) => {
        $out.push_bind_param::<$type, _>($first)?;
        $($out.push_sql(","); $out.push_bind_param::<$types, _>($values)?;)*
    };
}

impl<DB, const N: usize> QueryFragment<DB> for Block<'_, N>
where
    DB: Backend + HasSqlType<BigInt> + HasSqlType<Bool> + HasSqlType<Text> + HasSqlType<Binary>,
    i64: ToSql<BigInt, DB>,
    bool: ToSql<Bool, DB>,
    str: ToSql<Text, DB>,
    [u8]: ToSql<Binary, DB>,
    Option<i64>: ToSql<Nullable<BigInt>, DB>,
    Option<String>: ToSql<Nullable<Text>, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql(COLUMNS);
        for (nth, values) in self.0.iter().enumerate() {
            let row = values.row;
            out.push_sql(if nth == 0 { "(" } else { ",(" });
            bind!(out,
                Binary => &values.key[..],
                BigInt => &values.facet,
                BigInt => &values.ended_us,
                BigInt => &row.duration_us,
                BigInt => &row.queue_us,
                Nullable<BigInt> => &row.first_byte_us,
                BigInt => &values.status,
                Text => &*values.outcome,
                Nullable<BigInt> => &row.tokens.input,
                Nullable<BigInt> => &row.tokens.cached,
                Nullable<BigInt> => &row.tokens.cache_write,
                Nullable<BigInt> => &row.tokens.output,
                Nullable<BigInt> => &row.tokens.reasoning,
                Text => row.usage_source.text(),
                Nullable<BigInt> => &row.cost,
                Text => row.pricing.text(),
                Nullable<BigInt> => &row.plan_id,
                Nullable<BigInt> => &row.run_id,
                Bool => &row.replayed,
                Text => row.request_id.as_str(),
                Nullable<Text> => &row.error,
                Nullable<BigInt> => &values.sender,
                Bool => &values.client_named,
            );
            out.push_sql(")");
        }
        Ok(())
    }
}
