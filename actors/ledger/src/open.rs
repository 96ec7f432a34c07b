//! Opening a ledger: brought up to date, and what a former manager has left open is closed.

use super::db::{ConnectionRole, Db, Location, connect};
use super::error::{OpenError, StoreError};
use super::folder_lock::Company;
use super::journal;
use super::migrate;
use super::reader::LedgerReader;
use super::row::Micros;
use super::schema::program_runs;
use diesel::{ExpressionMethods, Insertable, QueryDsl, RunQueryDsl};
use std::path::PathBuf;

/// A manager beside this one that has given no sign of life for so long is gone.
const SILENT: Micros = 60_000_000;

/// A ledger that is ready for use.
#[derive(Clone, Debug)]
pub struct Opened {
    /// Where it is.
    pub location: Location,
    /// This run of the manager.
    pub program_run: i64,
    /// When it began.
    pub started_us: Micros,
    /// The copy of the older ledger, if it was migrated.
    pub backup: Option<PathBuf>,
    /// Where the journal is now that was found beside the ledger and belongs to another file.
    pub stray_journal: Option<PathBuf>,
    /// Runs that a former manager had left open; closed with its last heartbeat.
    pub closed_runs: usize,
    /// For reports.
    pub reader: LedgerReader,
}

#[derive(Insertable)]
#[diesel(table_name = program_runs)]
struct NewProgramRun<'a> {
    started_us: i64,
    heartbeat_us: i64,
    version: &'a str,
}

/// Enters this run of the manager; answers its number.
pub(super) fn begin_program(db: &mut Db, now: Micros, version: &str) -> Result<i64, StoreError> {
    let new = NewProgramRun { started_us: now, heartbeat_us: now, version };
    diesel::insert_into(program_runs::table).values(&new).execute(db)?;
    Ok(program_runs::table.select(program_runs::id).order(program_runs::id.desc()).first(db)?)
}

/// Opens a ledger, or makes one. Blocks: for `spawn_blocking`, or before anything is served.
pub fn open(location: &Location, version: &str, now: Micros) -> Result<Opened, OpenError> {
    open_in(location, version, now, Company::Alone)
}

/// The same in the company of others: what they have open stays so.
pub fn open_in(
    location: &Location,
    version: &str,
    now: Micros,
    company: Company,
) -> Result<Opened, OpenError> {
    let stray_journal = match location {
        Location::File(path) => journal::settle(path)?,
        Location::Postgres(_) => None,
    };
    let backup = migrate::prepare(location, company)?;
    journal::begin(location).map_err(|error| location.failed(error))?;
    let begin = || -> Result<(i64, usize), StoreError> {
        let mut db = connect(location, ConnectionRole::Setup)?;
        db.transact(|db| {
            if company == Company::Shared {
                // What is open may be another's. Of a manager, so long a silence is none of life.
                db.run(&format!(
                    "UPDATE program_runs SET ended_us = heartbeat_us WHERE ended_us IS NULL AND heartbeat_us < {}",
                    now - SILENT
                ))?;
                return Ok((begin_program(db, now, version)?, 0));
            }
            let open = db.number("SELECT COUNT(*) AS number FROM runs WHERE ended_us IS NULL")?;
            db.run(
                "UPDATE runs SET ended_us = heartbeat_us, end_reason = 'the manager was lost', cause = 'manager_lost' WHERE ended_us IS NULL; \
                 UPDATE program_runs SET ended_us = heartbeat_us WHERE ended_us IS NULL;",
            )?;
            let id = begin_program(db, now, version)?;
            Ok((id, usize::try_from(open).unwrap_or(0)))
        })
    };
    let (program_run, closed_runs) = begin().map_err(|error| location.failed(error))?;
    Ok(Opened {
        location: location.clone(),
        program_run,
        started_us: now,
        backup,
        stray_journal,
        closed_runs,
        reader: LedgerReader::new(location),
    })
}
