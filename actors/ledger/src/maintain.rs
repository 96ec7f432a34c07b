//! Care of the ledger, in steps so small that the writing of rows never waits long: deletion, renaming,
//! retention, giving space back, backups.

use super::db::Db;
use super::error::StoreError;
use super::late_rows::LateRows;
use super::names::find_model;
use super::rollup::floor_to;
use super::row::Micros;
use super::row_id::first_id;
use super::write::{ROW_BYTES, Writer, add_size};
use diesel::{QueryableByName, RunQueryDsl, sql_query, sql_types};

/// Rows that one step deletes.
const STEP_ROWS: usize = 2000;
/// Pages that one step gives back: 1 MiB.
const STEP_PAGES: usize = 256;

/// Whether a job has more to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobProgress {
    /// Call again.
    More,
    /// Nothing is left.
    Done,
}

/// What a deletion takes away; the rows themselves go in the background.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// Rows of requests.
    pub rows: i64,
    /// Their bytes, about.
    pub bytes: i64,
}

/// What a renaming has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RenameResult {
    /// The new name was in the ledger already: both are one model now.
    pub merged: bool,
}

#[derive(QueryableByName)]
struct Doomed {
    #[diesel(sql_type = sql_types::BigInt)]
    id: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    facet_id: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    bytes: i64,
}

/// Deletes the rows that the query names (`id`, `facet_id`, `bytes`), and counts them off.
fn delete_rows(db: &mut Db, condition: &str) -> Result<JobProgress, StoreError> {
    let rows: Vec<Doomed> = sql_query(format!(
        "SELECT id, facet_id, CAST({ROW_BYTES} + COALESCE(OCTET_LENGTH(request_id), 0) \
         + COALESCE(OCTET_LENGTH(error), 0) AS BIGINT) AS bytes FROM request_rows WHERE {condition} LIMIT {STEP_ROWS}"
    ))
    .load(db)?;
    if rows.is_empty() {
        return Ok(JobProgress::Done);
    }
    let ids = super::filter::list(rows.iter().map(|row| &row.id));
    db.run(&format!("DELETE FROM request_rows WHERE id IN ({ids})"))?;
    let mut sizes = std::collections::BTreeMap::<i64, (i64, i64)>::new();
    for row in &rows {
        let (count, bytes) = sizes.entry(row.facet_id).or_default();
        *count -= 1;
        *bytes -= row.bytes;
    }
    for (facet, (count, bytes)) in sizes {
        add_size(db, facet, count, bytes)?;
    }
    Ok(JobProgress::More)
}

/// Looked at in the transaction that renames: of two at once, the second one sees what the first has done.
fn has_data(db: &mut Db, model: i64) -> Result<bool, StoreError> {
    let found = db.number(&format!(
        "SELECT (SELECT COUNT(*) FROM facets WHERE model_id = {model} AND row_count > 0) \
         + (SELECT COUNT(*) FROM runs WHERE model_id = {model}) AS number"
    ))?;
    Ok(found > 0)
}

impl Writer {
    /// All rows of requests.
    pub fn rows(&mut self) -> Result<i64, StoreError> {
        self.db.number("SELECT COUNT(*) AS number FROM request_rows")
    }

    /// True if rows ended in this stretch of time.
    pub fn has_rows(&mut self, from: Micros, to: Micros) -> Result<bool, StoreError> {
        let found = self.db.number(&format!(
            "SELECT COUNT(*) AS number FROM (SELECT id FROM request_rows WHERE id >= {} AND id < {} LIMIT 1) AS r",
            first_id(from),
            first_id(to)
        ))?;
        Ok(found > 0)
    }

    /// Takes a model out of all reports. Its rows go with `sweep`. `keep_plans`: it is in the configuration
    /// and goes on being priced as it was.
    pub fn delete_model(&mut self, name: &str, keep_plans: bool, now: Micros) -> Result<Deleted, StoreError> {
        self.transact(|db, names| {
            names.forget();
            let Some(id) = find_model(db, name)? else {
                return Err(StoreError::Refused(format!("the ledger has no model {name:?}")));
            };
            let of = |db: &mut Db, column: &str| {
                db.number(&format!(
                    "SELECT CAST(COALESCE(SUM({column}), 0) AS BIGINT) AS number FROM facets WHERE model_id = {id}"
                ))
            };
            let deleted = Deleted { rows: of(db, "row_count")?, bytes: of(db, "byte_count")? };
            db.run(&format!(
                "UPDATE models SET name = NULL WHERE id = {id}; DELETE FROM runs WHERE model_id = {id} AND ended_us IS NOT NULL;"
            ))?;
            if keep_plans {
                let heir = names.model(db, &name.into(), now)?;
                db.run(&format!(
                    "UPDATE price_plans SET model_id = {heir} WHERE model_id = {id}; \
                     UPDATE runs SET model_id = {heir} WHERE model_id = {id};"
                ))?;
            }
            Ok(deleted)
        })
    }

    /// Deletes some of what belongs to models without a name.
    pub fn sweep(&mut self) -> Result<JobProgress, StoreError> {
        self.transact(|db, names| {
            let doomed = "SELECT facets.id FROM facets JOIN models ON models.id = facets.model_id WHERE models.name IS NULL";
            if delete_rows(db, &format!("facet_id IN ({doomed})"))? == JobProgress::More {
                return Ok(JobProgress::More);
            }
            for table in ["rollups", "model_rollups", "latencies"] {
                let found = db.number(&format!("SELECT COUNT(*) AS number FROM {table} WHERE facet_id IN ({doomed})"))?;
                if found > 0 {
                    db.run(&format!("DELETE FROM {table} WHERE facet_id IN ({doomed})"))?;
                    return Ok(JobProgress::More);
                }
            }
            let models = "SELECT id FROM models WHERE name IS NULL";
            names.forget();
            db.run(&format!(
                "DELETE FROM facets WHERE model_id IN ({models}); DELETE FROM senders WHERE model_id IN ({models}); \
                 DELETE FROM runs WHERE model_id IN ({models}); \
                 DELETE FROM tiers WHERE plan_id IN (SELECT id FROM price_plans WHERE model_id IN ({models})); \
                 DELETE FROM price_plans WHERE model_id IN ({models}); DELETE FROM models WHERE name IS NULL;"
            ))?;
            Ok(JobProgress::Done)
        })
    }

    /// Gives a model another name and keeps its history. Where the new name is in the ledger already, both
    /// become one, if `merge` says so; of the old one's plans those stay that held before the new one's first.
    pub fn rename_model(
        &mut self,
        old: &str,
        new: &str,
        merge: bool,
        now: Micros,
    ) -> Result<RenameResult, StoreError> {
        self.transact(|db, names| {
            names.forget();
            if old == new || new.is_empty() {
                return Err(StoreError::Refused("the new name must be another one".into()));
            }
            let Some(id) = find_model(db, old)? else {
                return Err(StoreError::Refused(format!("the ledger has no model {old:?}")));
            };
            let target = find_model(db, new)?;
            if let (Some(target), false) = (target, merge)
                && has_data(db, target)?
            {
                let message = format!("{new:?} has data of its own; with \"merge\": true (`--merge`) they are merged, which can't be undone");
                return Err(StoreError::Conflict(message));
            }
            let kept = target.unwrap_or(id);
            sql_query("INSERT INTO renames (model_id, old_name, new_name, at_us) VALUES ($1, $2, $3, $4)")
                .bind::<sql_types::BigInt, _>(kept)
                .bind::<sql_types::Text, _>(old)
                .bind::<sql_types::Text, _>(new)
                .bind::<sql_types::BigInt, _>(now)
                .execute(db)?;
            let Some(target) = target else {
                sql_query("UPDATE models SET name = $1 WHERE id = $2")
                    .bind::<sql_types::Text, _>(new)
                    .bind::<sql_types::BigInt, _>(id)
                    .execute(db)?;
                return Ok(RenameResult { merged: false });
            };
            let first = format!("(SELECT MIN(valid_from_us) FROM price_plans WHERE model_id = {target})");
            let late = format!("model_id = {id} AND valid_from_us >= {first}");
            db.run(&format!(
                "DELETE FROM tiers WHERE plan_id IN (SELECT id FROM price_plans WHERE {late}); \
                 DELETE FROM price_plans WHERE {late}; \
                 UPDATE price_plans SET model_id = {target} WHERE model_id = {id}; \
                 UPDATE facets SET model_id = {target} WHERE model_id = {id}; \
                 UPDATE senders SET model_id = {target} WHERE model_id = {id}; \
                 UPDATE runs SET model_id = {target} WHERE model_id = {id}; \
                 UPDATE renames SET model_id = {target} WHERE model_id = {id}; \
                 UPDATE models SET first_seen_us = (SELECT MIN(first_seen_us) FROM models WHERE id IN ({id}, {target})) \
                 WHERE id = {target}; \
                 DELETE FROM models WHERE id = {id};"
            ))?;
            Ok(RenameResult { merged: true })
        })
    }

    /// Deletes some of the rows that ended before the UTC day of `cutoff`, and the rollups by the minute with
    /// them; wider rollups stay.
    pub fn retain(&mut self, cutoff: Micros) -> Result<JobProgress, StoreError> {
        let cutoff = floor_to(cutoff, 86_400);
        self.transact(|db, names| {
            if super::report::rows_since(db)? < cutoff {
                // Before the first row goes: nobody may take what is left for all there was.
                db.run(&format!(
                    "INSERT INTO meta (name, value) VALUES ('rows_since_us', '{cutoff}') \
                     ON CONFLICT (name) DO UPDATE SET value = excluded.value"
                ))?;
            }
            let late = LateRows::spared(db, cutoff)?.map(LateRows::condition);
            let spared = late.as_ref().map_or_else(String::new, |late| format!(" AND NOT ({late})"));
            if delete_rows(db, &format!("id < {}{spared}", first_id(cutoff)))? == JobProgress::More {
                return Ok(JobProgress::More);
            }
            // Few, and people's: they go with the rows of their time.
            db.run(&format!("DELETE FROM audit WHERE at_us < {cutoff}"))?;
            // No row that is left refers to these.
            names.forget();
            let theirs = late.map_or_else(String::new, |late| {
                format!(
                    " AND id NOT IN (SELECT sender_id FROM request_rows WHERE {late} AND sender_id IS NOT NULL)"
                )
            });
            db.run(&format!("DELETE FROM senders WHERE until_us <= {cutoff}{theirs}"))?;
            // A day at a time.
            let minutes =
                "SELECT COALESCE(MIN(start_us), 9223372036854775807) AS number FROM rollups WHERE level = 60";
            let first = db.number(minutes)?;
            if first >= cutoff {
                return Ok(JobProgress::Done);
            }
            let end = (floor_to(first, 86_400) + 86_400_000_000).min(cutoff);
            db.run(&format!(
                "DELETE FROM rollups WHERE level = 60 AND start_us < {end}; \
                 DELETE FROM model_rollups WHERE level = 60 AND start_us < {end};"
            ))?;
            Ok(JobProgress::More)
        })
    }

    /// Gives some free space back to the file system. PostgreSQL does that by itself.
    pub fn vacuum(&mut self) -> Result<JobProgress, StoreError> {
        if !self.db.is_sqlite() {
            return Ok(JobProgress::Done);
        }
        self.db.run(&format!("PRAGMA incremental_vacuum({STEP_PAGES})"))?;
        let free = self.db.number("SELECT freelist_count AS number FROM pragma_freelist_count")?;
        Ok(if free > 0 { JobProgress::More } else { JobProgress::Done })
    }

    /// Brings the journal into the file, as the last thing that is done.
    pub fn checkpoint(&mut self) -> Result<(), StoreError> {
        if !self.db.is_sqlite() {
            return Ok(());
        }
        self.db.run("PRAGMA wal_checkpoint(TRUNCATE)")?;
        if let Some(watch) = &mut self.watch {
            watch.journal_is_empty();
        }
        Ok(())
    }
}
