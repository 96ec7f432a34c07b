//! The writer: batches of events in one transaction each, every row once, rollups with them.

use super::db::{Db, Location, Role, connect};
use super::error::StoreError;
use super::insert::{self, NewRequest};
use super::labels::Labels;
use super::names::Names;
use super::rollup::Delta;
use super::row::{Event, Micros, RequestRow, RunRow};
use super::schema::{facets, requests};
use diesel::{ExpressionMethods, QueryDsl, RunQueryDsl, sql_query, sql_types};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// Keys of one question.
const CHUNK: usize = 500;
/// What a row takes besides its texts, about.
pub(super) const ROW_BYTES: i64 = 150;

/// What a batch has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Requests that are new in the ledger.
    pub requests: usize,
    /// Requests that were there already.
    pub duplicates: usize,
}

/// The one connection that writes.
pub struct Writer {
    pub(super) db: Db,
    pub(super) names: Names,
}

impl Writer {
    /// Opens the ledger for writing; it must have been prepared.
    pub fn open(location: &Location) -> Result<Self, StoreError> {
        Ok(Self { db: connect(location, Role::Write)?, names: Names::default() })
    }

    /// Does all of it or nothing, and forgets names that were rolled back.
    pub(super) fn transact<T>(
        &mut self,
        work: impl FnOnce(&mut Db, &mut Names) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let Self { db, names } = self;
        let done = db.transact(|db| work(db, names));
        if done.is_err() {
            names.forget();
        }
        done
    }

    /// Writes a batch in one transaction. `seen_before`: some of it may be in the ledger already.
    pub fn write(&mut self, events: &[Event], seen_before: bool) -> Result<Written, StoreError> {
        match self.write_once(events, seen_before) {
            // An answer was lost on the way, or another file was put in the ledger's place.
            Err(StoreError::Duplicate(_)) if !seen_before => self.write_once(events, true),
            other => other,
        }
    }

    fn write_once(&mut self, events: &[Event], seen_before: bool) -> Result<Written, StoreError> {
        self.transact(|db, names| {
            let rows: Vec<&RequestRow> = events
                .iter()
                .filter_map(|event| match event {
                    Event::Request(row) => Some(&**row),
                    Event::Run(_) => None,
                })
                .collect();
            let written = write_requests(db, names, &rows, seen_before)?;
            for event in events {
                if let Event::Run(run) = event {
                    write_run(db, names, run)?;
                }
            }
            Ok(written)
        })
    }
}

fn write_requests(
    db: &mut Db,
    names: &mut Names,
    rows: &[&RequestRow],
    seen_before: bool,
) -> Result<Written, StoreError> {
    if rows.is_empty() {
        return Ok(Written::default());
    }
    let mut seen: HashSet<Vec<u8>> =
        if seen_before { known_keys(db, rows)?.into_iter().collect() } else { HashSet::new() };
    let mut delta = Delta::default();
    let mut sizes: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
    let mut fresh = Vec::with_capacity(rows.len());
    // Most rows share their labels with others; as long as there are these rows, so are their labels.
    let mut facets: HashMap<*const Labels, i64> = HashMap::new();
    for row in rows {
        if seen_before && !seen.insert(row.key.bytes().to_vec()) {
            continue;
        }
        let facet = match facets.entry(Arc::as_ptr(&row.labels)) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(place) => *place.insert(names.facet(db, &row.labels, row.started_us)?),
        };
        delta.add(row, facet);
        let (count, bytes) = sizes.entry(facet).or_default();
        *count += 1;
        *bytes += ROW_BYTES + text_bytes(row);
        fresh.push(NewRequest::new(row, facet));
    }
    insert::write(db, &fresh)?;
    delta.write(db)?;
    for (facet, (count, bytes)) in sizes {
        add_size(db, facet, count, bytes)?;
    }
    Ok(Written { requests: fresh.len(), duplicates: rows.len() - fresh.len() })
}

fn text_bytes(row: &RequestRow) -> i64 {
    (row.request_id.len() + row.error.as_ref().map_or(0, String::len)).try_into().unwrap_or(0)
}

/// Rows and bytes of a facet, for the view of storage.
pub(super) fn add_size(db: &mut Db, facet: i64, rows: i64, bytes: i64) -> Result<(), StoreError> {
    diesel::update(facets::table.filter(facets::id.eq(facet)))
        .set((
            facets::row_count.eq(facets::row_count + rows),
            facets::byte_count.eq(facets::byte_count + bytes),
        ))
        .execute(db)?;
    Ok(())
}

fn known_keys(db: &mut Db, rows: &[&RequestRow]) -> Result<Vec<Vec<u8>>, StoreError> {
    let mut known = Vec::new();
    for chunk in rows.chunks(CHUNK) {
        let keys: Vec<Vec<u8>> = chunk.iter().map(|row| row.key.bytes().to_vec()).collect();
        let query = requests::table.filter(requests::key.eq_any(keys)).select(requests::key);
        known.extend(query.load::<Vec<u8>>(db)?);
    }
    Ok(known)
}

/// News of a run, in any order and any number of times: they add up to the same row.
fn write_run(db: &mut Db, names: &mut Names, run: &RunRow) -> Result<(), StoreError> {
    let model = names.model(db, &run.model, run.started_us)?;
    let energy = run.energy.as_ref();
    let cost = energy.and_then(|energy| energy.cost.as_ref());
    let sql = "INSERT INTO runs (id, model_id, variant, started_us, ready_us, heartbeat_us, ended_us, end_reason, \
               bill_loading, energy_mj, energy_cost, energy_currency, queued_us, cause, evicted_for) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) \
               ON CONFLICT (id) DO UPDATE SET \
               ready_us = COALESCE(excluded.ready_us, runs.ready_us), \
               heartbeat_us = CASE WHEN excluded.heartbeat_us > runs.heartbeat_us \
                              THEN excluded.heartbeat_us ELSE runs.heartbeat_us END, \
               ended_us = COALESCE(excluded.ended_us, runs.ended_us), \
               end_reason = COALESCE(excluded.end_reason, runs.end_reason), \
               energy_mj = COALESCE(excluded.energy_mj, runs.energy_mj), \
               energy_cost = COALESCE(excluded.energy_cost, runs.energy_cost), \
               energy_currency = COALESCE(excluded.energy_currency, runs.energy_currency), \
               cause = COALESCE(excluded.cause, runs.cause), \
               evicted_for = COALESCE(excluded.evicted_for, runs.evicted_for)";
    sql_query(sql)
        .bind::<sql_types::BigInt, _>(run.id)
        .bind::<sql_types::BigInt, _>(model)
        .bind::<sql_types::Text, _>(&*run.variant)
        .bind::<sql_types::BigInt, _>(run.started_us)
        .bind::<sql_types::Nullable<sql_types::BigInt>, _>(run.ready_us)
        .bind::<sql_types::BigInt, _>(run.heartbeat_us)
        .bind::<sql_types::Nullable<sql_types::BigInt>, _>(run.ended_us)
        .bind::<sql_types::Nullable<sql_types::Text>, _>(run.end_reason.as_deref())
        .bind::<sql_types::Bool, _>(run.bill_loading)
        .bind::<sql_types::Nullable<sql_types::BigInt>, _>(energy.map(|energy| energy.millijoules))
        .bind::<sql_types::Nullable<sql_types::BigInt>, _>(cost.map(|(cost, _)| *cost))
        .bind::<sql_types::Nullable<sql_types::Text>, _>(cost.map(|(_, currency)| &**currency))
        .bind::<sql_types::Nullable<sql_types::BigInt>, _>(run.queued_us)
        .bind::<sql_types::Nullable<sql_types::Text>, _>(run.cause.as_deref())
        .bind::<sql_types::Nullable<sql_types::Text>, _>(run.evicted_for.as_deref())
        .execute(db)?;
    Ok(())
}

impl Writer {
    /// The manager and its open runs are alive. A clock that has gone back takes nothing away.
    pub fn heartbeat(&mut self, program_run: i64, now: Micros) -> Result<(), StoreError> {
        self.transact(|db, _| {
            db.run(&format!(
                "UPDATE program_runs SET heartbeat_us = {now} WHERE id = {program_run} AND heartbeat_us < {now}; \
                 UPDATE runs SET heartbeat_us = {now} WHERE ended_us IS NULL AND heartbeat_us < {now};"
            ))
        })
    }

    /// The manager ends in order.
    pub fn end_program(&mut self, program_run: i64, now: Micros) -> Result<(), StoreError> {
        self.db.run(&format!(
            "UPDATE program_runs SET heartbeat_us = {now}, ended_us = {now} WHERE id = {program_run} AND ended_us IS NULL"
        ))
    }
}
