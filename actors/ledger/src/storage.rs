//! What the ledger's data take: per model, and as a whole.

use super::db::{Db, Location};
use super::error::StoreError;
use super::reader::LedgerReader;
use super::report::rows_since;
use super::row::Micros;
use diesel::{QueryableByName, RunQueryDsl, sql_query, sql_types};
use std::fs;

/// What is stored about one model.
#[derive(Clone, Debug, PartialEq, Eq, QueryableByName)]
pub struct ModelStorage {
    /// Its name.
    #[diesel(sql_type = sql_types::Text)]
    pub model: String,
    /// When it was first heard of.
    #[diesel(sql_type = sql_types::BigInt)]
    pub first_seen_us: Micros,
    /// Rows of requests.
    #[diesel(sql_type = sql_types::BigInt)]
    pub rows: i64,
    /// Bytes that they take, about.
    #[diesel(sql_type = sql_types::BigInt)]
    pub bytes: i64,
    /// Lives of its backends.
    #[diesel(sql_type = sql_types::BigInt)]
    pub runs: i64,
    /// Names that it had before, oldest first, with commas.
    #[diesel(sql_type = sql_types::Text)]
    pub former_names: String,
}

/// What the ledger takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Storage {
    /// By model, in the order of their names. Those that the configuration does not have are orphans.
    pub models: Vec<ModelStorage>,
    /// Bytes on the disk, journal included.
    pub total_bytes: i64,
    /// The part of them that is free for new rows.
    pub free_bytes: i64,
    /// Models whose data are being deleted.
    pub deleting: i64,
    /// Rows of requests that ended before this time may be gone (retention).
    pub rows_since_us: Option<Micros>,
}

fn storage(db: &mut Db, location: &Location) -> Result<Storage, StoreError> {
    let names = if db.is_sqlite() { "GROUP_CONCAT" } else { "STRING_AGG" };
    let models = sql_query(format!(
        "SELECT COALESCE(models.name, '') AS model, models.first_seen_us AS first_seen_us, \
         CAST(COALESCE((SELECT SUM(row_count) FROM facets WHERE model_id = models.id), 0) AS BIGINT) AS rows, \
         CAST(COALESCE((SELECT SUM(byte_count) FROM facets WHERE model_id = models.id), 0) AS BIGINT) AS bytes, \
         (SELECT COUNT(*) FROM runs WHERE model_id = models.id) AS runs, \
         COALESCE((SELECT {names}(old_name, ',') FROM renames WHERE model_id = models.id), '') AS former_names \
         FROM models WHERE models.name IS NOT NULL AND models.name <> '' ORDER BY models.name"
    ))
    .load::<ModelStorage>(db)?;
    let deleting = db.number("SELECT COUNT(*) AS number FROM models WHERE name IS NULL")?;
    let since = rows_since(db)?;
    let (total_bytes, free_bytes) = match location {
        Location::File(path) => {
            let mut journal = path.as_os_str().to_owned();
            journal.push("-wal");
            let size = |path: &std::path::Path| fs::metadata(path).map_or(0, |meta| meta.len());
            let total = size(path) + size(journal.as_ref());
            let free = db.number(
                "SELECT freelist_count * page_size AS number FROM pragma_freelist_count, pragma_page_size",
            )?;
            (i64::try_from(total).unwrap_or(i64::MAX), free)
        }
        Location::Postgres(_) => {
            let tables = "'request_rows', 'rollups', 'model_rollups', 'latencies', 'runs', 'facets', 'senders', 'models'";
            let sql = format!(
                "SELECT CAST(SUM(pg_total_relation_size(oid)) AS BIGINT) AS number FROM pg_class \
                 WHERE relkind = 'r' AND relname IN ({tables})"
            );
            (db.number(&sql)?, 0)
        }
    };
    let rows_since_us = (since > Micros::MIN).then_some(since);
    Ok(Storage { models, total_bytes, free_bytes, deleting, rows_since_us })
}

impl LedgerReader {
    /// What the ledger's data take.
    pub async fn storage(&self) -> Result<Storage, StoreError> {
        let location = self.location().clone();
        self.with(move |db| storage(db, &location)).await
    }
}
