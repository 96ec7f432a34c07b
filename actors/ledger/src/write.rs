//! The writer: batches of events in one transaction each, every row once, rollups with them.

use super::audit;
use super::db::{ConnectionRole, Db, Location, connect};
use super::error::StoreError;
use super::file_watch::{FileWatch, LedgerFileHandle};
use super::folder_lock::Company;
use super::insert::{self, NewRequest};
use super::journal;
use super::labels::Labels;
use super::late_rows;
use super::names::NameCache;
use super::rollup::Delta;
use super::row::{LedgerEvent, Micros, RequestRow, RunRow, now_us};
use super::row_id::{RowIds, StoredId};
use super::schema::facets;
use super::sender::Sender;
use diesel::{ExpressionMethods, QueryDsl, RunQueryDsl, sql_query, sql_types};
use llm_manager_policy::clock;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What a row takes besides its texts, about, with its part of the indexes and sums.
pub(super) const ROW_BYTES: i64 = 90;

/// What a batch has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BatchResult {
    /// Requests that are new in the ledger.
    pub requests: usize,
    /// Requests that were there already.
    pub duplicates: usize,
}

/// The one connection that writes.
pub struct Writer {
    pub(super) db: Db,
    pub(super) names: NameCache,
    company: Company,
    pub(super) watch: Option<FileWatch>,
    given_up: Option<Arc<AtomicBool>>,
    /// Time that was seen passing, at the last heartbeat.
    seen: Option<Micros>,
}

impl Writer {
    /// Opens the ledger for writing; it must have been prepared.
    pub fn open(location: &Location) -> Result<Self, StoreError> {
        let db = connect(location, ConnectionRole::Write)?;
        Ok(Self {
            db,
            names: NameCache::default(),
            company: Company::Alone,
            watch: None,
            given_up: None,
            seen: None,
        })
    }

    /// The same for the manager: held, with an eye on the file, and only if it is a ledger of this version.
    pub fn open_held(
        location: &Location,
        eye: Option<&Arc<LedgerFileHandle>>,
        company: Company,
    ) -> Result<Self, StoreError> {
        let mut writer = Self::open(location)?;
        if eye.is_some_and(|eye| !eye.claim()) {
            let text = format!(
                "{location} has another name, too (a hard link), and by that one it is another manager's"
            );
            return Err(StoreError::Taken(text));
        }
        super::folder_lock::hold(&mut writer.db, company)?;
        writer.company = company;
        super::migrate::is_current(&mut writer.db)
            .map_err(|error| StoreError::Lost(format!("{location} is no ledger of this version: {error}")))?;
        writer.seen = match noted(&mut writer.db)? {
            Some(seen) => Some(seen),
            // No manager has lived to its first heartbeat.
            None => {
                let last = "SELECT COALESCE(MAX(heartbeat_us), 0) AS number FROM program_runs";
                Some(writer.db.number(last)?).filter(|last| *last > 0)
            }
        };
        if writer.db.is_sqlite() {
            // If it can't be written now, the next heartbeat does the same.
            let _ = journal::mark(&mut writer.db, now_us());
        }
        writer.watch = eye.map(|eye| FileWatch::new(Arc::clone(eye), &mut writer.db)).transpose()?;
        Ok(writer)
    }

    /// From when on nothing is committed any more: nobody waits for the outcome.
    pub fn until(mut self, given_up: Arc<AtomicBool>) -> Self {
        self.given_up = Some(given_up);
        self
    }

    /// Whether SQLite's file can still be read by this connection, so that what went wrong was no fault of its.
    pub fn is_sound(&mut self) -> bool {
        self.db.is_sqlite() && self.transact(|db, _| db.number("SELECT COUNT(*) AS number FROM meta")).is_ok()
    }

    /// Closes the connection to a file that isn't the ledger any more, so that neither gets the other's journal. Answers
    /// where the former one's is kept.
    pub fn part(mut self) -> Option<PathBuf> {
        let watch = self.watch.take()?;
        let kept = if watch.is_overwritten() {
            watch.empty_journal()
        } else {
            // What was renamed becomes whole; what was deleted is gone anyway.
            let _ = self.checkpoint();
            None
        };
        drop(self);
        watch.remove_journal();
        kept
    }

    /// Does all of it or nothing, and forgets names that were rolled back.
    pub(super) fn transact<T>(
        &mut self,
        work: impl FnOnce(&mut Db, &mut NameCache) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let Self { db, names, company, watch, given_up, .. } = self;
        if let Some(watch) = watch {
            watch.check()?;
        }
        let done = db.transact(|db| {
            if *company == Company::Shared {
                // Another manager may have written since: what is remembered may be its former state.
                names.forget();
            }
            let done = work(db, names)?;
            if given_up.as_ref().is_some_and(|given_up| given_up.load(Ordering::Acquire)) {
                return Err(StoreError::Silent("it was given up".into()));
            }
            Ok(done)
        });
        if done.is_err() {
            names.forget();
        }
        let done = done?;
        // After it, too: only then is it sure that what was written is in the file of that name.
        if let Some(watch) = watch {
            watch.check()?;
        }
        Ok(done)
    }

    /// Writes a batch in one transaction. `seen_before`: some of it may be in the ledger already.
    pub fn write(&mut self, events: &[LedgerEvent], seen_before: bool) -> Result<BatchResult, StoreError> {
        match self.write_once(events, seen_before) {
            // An answer was lost on the way, or another file was put in the ledger's place.
            Err(StoreError::Duplicate(_)) if !seen_before => self.write_once(events, true),
            other => other,
        }
    }

    /// Writes an event and undoes it.
    pub(super) fn rehearse(&mut self, event: &LedgerEvent) -> Result<(), StoreError> {
        let Self { db, names, .. } = self;
        let done = db.undone(|db| write_events(db, names, std::slice::from_ref(event), true));
        names.forget();
        done.map(drop)
    }

    fn write_once(&mut self, events: &[LedgerEvent], seen_before: bool) -> Result<BatchResult, StoreError> {
        let ended = events.iter().filter_map(|event| match event {
            LedgerEvent::Request(row) => Some(row.ended_us()),
            LedgerEvent::Run(_) | LedgerEvent::Audit(_) => None,
        });
        let late = late_rows::those_of(ended, self.seen);
        self.transact(|db, names| {
            let written = write_events(db, names, events, seen_before)?;
            if let Some(late) = late {
                late.note(db)?;
            }
            Ok(written)
        })
    }
}

fn write_events(
    db: &mut Db,
    names: &mut NameCache,
    events: &[LedgerEvent],
    seen_before: bool,
) -> Result<BatchResult, StoreError> {
    let rows: Vec<&RequestRow> = events
        .iter()
        .filter_map(|event| match event {
            LedgerEvent::Request(row) => Some(&**row),
            LedgerEvent::Run(_) | LedgerEvent::Audit(_) => None,
        })
        .collect();
    let written = write_requests(db, names, &rows, seen_before)?;
    for event in events {
        match event {
            LedgerEvent::Run(run) => write_run(db, names, run)?,
            LedgerEvent::Audit(row) => audit::write(db, row)?,
            LedgerEvent::Request(_) => {}
        }
    }
    Ok(written)
}

/// What a row refers to.
#[derive(Clone, Copy)]
struct Known {
    facet: i64,
    sender: Option<i64>,
    /// Rows that ended by then may refer to this sender.
    until: Micros,
}

fn write_requests(
    db: &mut Db,
    names: &mut NameCache,
    rows: &[&RequestRow],
    seen_before: bool,
) -> Result<BatchResult, StoreError> {
    if rows.is_empty() {
        return Ok(BatchResult::default());
    }
    let told: Vec<StoredId<'_>> = rows.iter().map(|row| StoredId::of(row)).collect();
    let mut places = RowIds::default();
    if seen_before {
        let wanted: Vec<_> = rows.iter().zip(&told).map(|(row, told)| (row.ended_us(), told.tag)).collect();
        places = RowIds::asking(db, &wanted)?;
    }
    let mut delta = Delta::default();
    let mut sizes: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
    let mut fresh = Vec::with_capacity(rows.len());
    // Most rows share their labels and their sender with others; as long as there are these rows, so are they.
    let mut known: HashMap<(*const Labels, Option<*const Sender>), Known> = HashMap::new();
    for (row, told) in rows.iter().zip(told) {
        let Some(id) = places.take(db, row.ended_us(), told.tag)? else { continue };
        let (labels, sender) = (&row.labels, row.sender.as_ref());
        let known = match known.entry((Arc::as_ptr(labels), sender.map(Arc::as_ptr))) {
            Entry::Occupied(known) if known.get().until > row.ended_us() => *known.get(),
            place => {
                let facet = names.facet(db, labels, row.started_us)?;
                delta.lead(facet, names.lead(db, labels, row.started_us)?);
                let sender = sender.map(|sender| names.sender(db, labels, sender, row.ended_us()));
                let (sender, until) = sender.transpose()?.unzip();
                let fresh = Known { facet, sender, until: until.unwrap_or(Micros::MAX) };
                *place.insert_entry(fresh).get()
            }
        };
        let Known { facet, sender, .. } = known;
        delta.add(row, facet);
        let new = NewRequest::new(row, (id, told), facet, sender);
        let (count, bytes) = sizes.entry(facet).or_default();
        *count += 1;
        *bytes += ROW_BYTES + i64::try_from(new.text_bytes()).unwrap_or(0);
        fresh.push(new);
    }
    // As they lie: the pages are filled one after the other.
    fresh.sort_unstable_by_key(NewRequest::id);
    insert::write(db, &fresh)?;
    delta.write(db, &mut names.times)?;
    for (facet, (count, bytes)) in sizes {
        add_size(db, facet, count, bytes)?;
    }
    Ok(BatchResult { requests: fresh.len(), duplicates: rows.len() - fresh.len() })
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

/// News of a run, in any order and any number of times: they add up to the same row.
fn write_run(db: &mut Db, names: &mut NameCache, run: &RunRow) -> Result<(), StoreError> {
    let model = names.model(db, &run.model, run.started_us)?;
    let energy = run.energy.as_ref();
    let cost = energy.and_then(|energy| energy.cost.as_ref());
    let sql = "INSERT INTO runs (id, model_id, variant, started_us, ready_us, heartbeat_us, ended_us, end_reason, \
               bill_loading, energy_mj, energy_cost, energy_currency, queued_us, cause, evicted_for, started_by, ended_by) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) \
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
               evicted_for = COALESCE(excluded.evicted_for, runs.evicted_for), \
               ended_by = COALESCE(excluded.ended_by, runs.ended_by)";
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
        .bind::<sql_types::Nullable<sql_types::Text>, _>(run.started_by.as_deref())
        .bind::<sql_types::Nullable<sql_types::Text>, _>(run.ended_by.as_deref())
        .execute(db)?;
    for parking in &run.parked {
        sql_query(
            "INSERT INTO parkings (run_id, from_us, to_us) VALUES ($1, $2, $3) \
             ON CONFLICT (run_id, from_us) DO UPDATE SET to_us = COALESCE(excluded.to_us, parkings.to_us)",
        )
        .bind::<sql_types::BigInt, _>(run.id)
        .bind::<sql_types::BigInt, _>(parking.from_us)
        .bind::<sql_types::Nullable<sql_types::BigInt>, _>(parking.to_us)
        .execute(db)?;
    }
    Ok(())
}

/// A sign of life.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heartbeat {
    /// This run of the manager.
    pub program_run: i64,
    /// When it began, and how long ago that is by a steady clock: together, the time until which it lived.
    pub alive_us: Micros,
    /// The same of its open runs.
    pub runs: Vec<(i64, Micros)>,
    /// The wall's clock.
    pub wall_us: Micros,
    /// Steady time since the last one.
    pub passed: Duration,
}

/// Time that was seen passing, in `meta`.
const SEEN: &str = "seen_us";

impl Writer {
    /// The manager and its open runs are alive. Nobody else's are touched, and nothing is taken away.
    pub fn heartbeat(&mut self, beat: &Heartbeat) -> Result<(), StoreError> {
        let now = beat.alive_us;
        let seen = self.transact(|db, _| {
            let mut sql = format!(
                "UPDATE program_runs SET heartbeat_us = {now} WHERE id = {} AND heartbeat_us < {now}; ",
                beat.program_run
            );
            for (id, alive) in &beat.runs {
                let _ = write!(
                    sql,
                    "UPDATE runs SET heartbeat_us = {alive} WHERE id = {id} AND ended_us IS NULL AND heartbeat_us < {alive}; "
                );
            }
            db.run(&sql)?;
            let seen = clock::seen(time_seen(db, beat.wall_us)?, beat.wall_us, beat.passed);
            db.set_meta(SEEN, &seen.to_string()).map(|()| seen)
        })?;
        self.seen = Some(seen);
        Ok(())
    }

    /// Time that was seen passing.
    pub fn time_seen(&mut self, wall: Micros) -> Result<Micros, StoreError> {
        time_seen(&mut self.db, wall)
    }

    /// A person says that the wall's clock is right.
    pub fn trust_clock(&mut self, wall: Micros) -> Result<(), StoreError> {
        self.transact(|db, _| {
            late_rows::forget(db)?;
            db.set_meta(SEEN, &wall.to_string())
        })
    }

    /// This run of the manager in the ledger, which may be another one than at the start.
    pub fn register(&mut self, run: i64, started: Micros, version: &str) -> Result<Option<i64>, StoreError> {
        let known =
            db_count(&mut self.db, &format!("program_runs WHERE id = {run} AND started_us = {started}"))?;
        if known > 0 {
            return Ok(None);
        }
        self.transact(|db, _| super::open::begin_program(db, started, version)).map(Some)
    }

    /// The manager ends in order.
    pub fn end_program(&mut self, program_run: i64, now: Micros) -> Result<(), StoreError> {
        self.transact(|db, _| {
            db.run(&format!(
                "UPDATE program_runs SET heartbeat_us = {now}, ended_us = {now} WHERE id = {program_run} AND ended_us IS NULL"
            ))
        })
    }
}

fn db_count(db: &mut Db, what: &str) -> Result<i64, StoreError> {
    db.number(&format!("SELECT COUNT(*) AS number FROM {what}"))
}

/// As the last heartbeat has noted it.
fn noted(db: &mut Db) -> Result<Option<Micros>, StoreError> {
    let words = db.words(&format!("SELECT value AS word FROM meta WHERE name = '{SEEN}'"))?;
    Ok(words.first().and_then(|word| word.parse().ok()))
}

/// A ledger of a former version has the heartbeats of its managers.
fn time_seen(db: &mut Db, wall: Micros) -> Result<Micros, StoreError> {
    if let Some(seen) = noted(db)? {
        return Ok(seen);
    }
    let last = db.number("SELECT COALESCE(MAX(ended_us), 0) AS number FROM program_runs")?;
    Ok(if last > 0 { last.min(wall) } else { wall })
}
