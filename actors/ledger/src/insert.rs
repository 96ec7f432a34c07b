//! The one statement that runs for every request: rows into `requests`, in blocks.
//!
//! Written as a diesel fragment by hand. What diesel derives walks over all columns four times for each row, which
//! took as long as SQLite's own work; this walks twice, and SQLite keeps the statement prepared.

use super::db::Db;
use super::error::StoreError;
use super::row::RequestRow;
use super::row_id::StoredId;
use diesel::backend::Backend;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, Bool, HasSqlType, Nullable, Text};
use diesel::{QueryResult, RunQueryDsl};
use std::borrow::Cow;

pub(super) const COLUMNS: &str = "INSERT INTO request_rows (id, tag, facet_id, duration_us, queue_us, first_byte_us, status, \
    outcome, input, cached, cache_write, output, reasoning, usage_source, cost, pricing, plan_id, run_id, replayed, \
    request_id, error, sender_id) VALUES ";

/// A row that is new in the ledger, with those of its values that have no place to be borrowed from.
pub(super) struct NewRequest<'a> {
    id: i64,
    told: StoredId<'a>,
    facet: i64,
    sender: Option<i64>,
    status: i64,
    outcome: Option<Cow<'static, str>>,
    usage_source: Option<&'static str>,
    pricing: Option<&'static str>,
    row: &'a RequestRow,
}

impl<'a> NewRequest<'a> {
    pub(super) fn new(
        row: &'a RequestRow,
        (id, told): (i64, StoredId<'a>),
        facet: i64,
        sender: Option<i64>,
    ) -> Self {
        Self {
            id,
            told,
            facet,
            sender,
            status: row.status.into(),
            outcome: row.outcome.stored(),
            usage_source: row.usage_source.stored(),
            pricing: row.pricing.stored(row.cost),
            row,
        }
    }

    /// Rows lie in this order.
    pub(super) fn id(&self) -> i64 {
        self.id
    }

    /// Bytes of its texts.
    pub(super) fn text_bytes(&self) -> usize {
        self.told.request_id.map_or(0, str::len) + self.row.error.as_ref().map_or(0, String::len)
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
    DB: Backend + HasSqlType<BigInt> + HasSqlType<Bool> + HasSqlType<Text>,
    i64: ToSql<BigInt, DB>,
    bool: ToSql<Bool, DB>,
    str: ToSql<Text, DB>,
    Option<i64>: ToSql<Nullable<BigInt>, DB>,
    for<'t> Option<&'t str>: ToSql<Nullable<Text>, DB>,
    Option<String>: ToSql<Nullable<Text>, DB>,
    Option<Cow<'static, str>>: ToSql<Nullable<Text>, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql(COLUMNS);
        for (nth, values) in self.0.iter().enumerate() {
            let row = values.row;
            out.push_sql(if nth == 0 { "(" } else { ",(" });
            bind!(out,
                BigInt => &values.id,
                BigInt => &values.told.tag,
                BigInt => &values.facet,
                BigInt => &row.duration_us,
                BigInt => &row.queue_us,
                Nullable<BigInt> => &row.first_byte_us,
                BigInt => &values.status,
                Nullable<Text> => &values.outcome,
                Nullable<BigInt> => &row.tokens.input,
                Nullable<BigInt> => &row.tokens.cached,
                Nullable<BigInt> => &row.tokens.cache_write,
                Nullable<BigInt> => &row.tokens.output,
                Nullable<BigInt> => &row.tokens.reasoning,
                Nullable<Text> => &values.usage_source,
                Nullable<BigInt> => &row.cost,
                Nullable<Text> => &values.pricing,
                Nullable<BigInt> => &row.plan_id,
                Nullable<BigInt> => &row.run_id,
                Bool => &row.replayed,
                Nullable<Text> => &values.told.request_id,
                Nullable<Text> => &row.error,
                Nullable<BigInt> => &values.sender,
            );
            out.push_sql(")");
        }
        Ok(())
    }
}
