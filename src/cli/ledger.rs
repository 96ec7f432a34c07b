//! `llm-manager ledger ...`: what a person does to the ledger by hand.

use super::{complain, say};
use crate::config;
use clap::Subcommand;
use clap::builder::NonEmptyStringValueParser;
use llm_manager_actors::billing::{Replayed, replay_rejected, retain_now};
use llm_manager_ledger::{FolderLock, Location, StoreError, copy, restore};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Subcommand)]
pub(super) enum LedgerOrder {
    /// Write the rows that the database rejected once more (`*.overflow.rejected`).
    Replay,
    /// Copy the ledger into another database, also while the manager runs.
    Copy {
        /// A postgres:// address, or an SQLite file; empty or new.
        #[arg(long, value_name = "DATABASE", value_parser = NonEmptyStringValueParser::new())]
        to: String,
    },
    /// Delete rows that are older than `log_retention_days` by the system's clock.
    Retain {
        /// Confirm that the clock is right; the manager itself counts only the time during which it was running.
        #[arg(long, required = true)]
        now: bool,
    },
}

pub(super) fn run(path: &Path, order: &LedgerOrder) -> ExitCode {
    let program = match config::load_program(path, &["database", "log_retention_days"]) {
        Ok(program) => program,
        Err(report) => return complain(&report.to_string(), 2),
    };
    let location = Location::parse(&program.database);
    if let Location::File(file) = &location
        && !file.exists()
    {
        let database = file.display();
        return complain(&format!("llm-manager: there is no ledger at {database} (`program.database`)"), 1);
    }
    let done = match order {
        LedgerOrder::Replay => replay_all(&location, &state_dir(path, &location)).map(|done| replayed(&done)),
        LedgerOrder::Copy { to } => {
            if let Some((what, hint)) = Location::misread(to) {
                return complain(&format!("llm-manager: --to: {what}; {hint}"), 2);
            }
            let target = Location::parse(to);
            return match copy(&location, &target) {
                Ok(copied) => say(&format!(
                    "{target}: a copy of {location}, with {} requests and {} runs; to use it, set `program.database` to it",
                    copied.requests, copied.runs
                )),
                Err(error) => complain(&format!("llm-manager: {error}"), 1),
            };
        }
        LedgerOrder::Retain { .. } => {
            let days = program.log_retention_days;
            retain_now(&location, days)
                .map(|rows| (format!("{rows} rows that were older than {days} days are deleted"), 0))
        }
    };
    match done {
        Ok((text, 0)) => say(&text),
        Ok((text, code)) => complain(&text, code),
        Err(error) => complain(&format!("llm-manager: {location}: {error}"), 1),
    }
}

/// The manager that has the ledger of this configuration, if one runs on this computer.
pub(super) fn holder(path: &Path) -> Option<String> {
    let program = config::load_program(path, &["database"]).ok()?;
    FolderLock::holder(&state_dir(path, &Location::parse(&program.database)))
}

/// Puts a copy in the place of the ledger.
pub(super) fn put_back(path: &Path, file: &Path) -> ExitCode {
    let program = match config::load_program(path, &["database"]) {
        Ok(program) => program,
        Err(report) => return complain(&report.to_string(), 2),
    };
    let location = Location::parse(&program.database);
    let Location::File(ledger) = &location else {
        let text = format!(
            "llm-manager: {location}: a ledger in PostgreSQL is restored with its own `pg_restore`; a copy in SQLite goes into \
             an empty database by `llm-manager ledger copy --to`, with `program.database` set to the copy"
        );
        return complain(&text, 1);
    };
    match restore(&state_dir(path, &location), ledger, file) {
        Ok(restored) => {
            let former = restored.former.map_or_else(String::new, |former| {
                format!("; the ledger from before is {}", former.display())
            });
            say(&format!("{location} is now {} with {} requests{former}", file.display(), restored.rows))
        }
        Err(error) => complain(&format!("llm-manager: {error}"), 1),
    }
}

/// Of all managers that share the folder.
fn replay_all(location: &Location, state_dir: &Path) -> Result<Replayed, StoreError> {
    let mut all = replay_rejected(location, state_dir)?;
    let managers = std::fs::read_dir(state_dir.join("managers")).into_iter().flatten().flatten();
    for own in managers {
        let done = replay_rejected(location, &own.path())?;
        all.written += done.written;
        all.duplicates += done.duplicates;
        all.refused += done.refused;
        all.reason = done.reason.or(all.reason);
    }
    Ok(all)
}

/// As the manager has it: beside the file, or `data` beside the configuration.
fn state_dir(path: &Path, location: &Location) -> PathBuf {
    let beside = match location {
        Location::File(file) => file.parent().map(Path::to_owned),
        Location::Postgres(_) => None,
    };
    let base = std::path::absolute(path).ok().and_then(|path| path.parent().map(Path::to_owned));
    beside.unwrap_or_else(|| base.unwrap_or_default().join("data"))
}

fn replayed(done: &Replayed) -> (String, u8) {
    let Replayed { written, duplicates, refused, reason } = done;
    let mut text = format!("{written} rows are in the ledger now");
    if *duplicates > 0 {
        text.push_str(&format!(", {duplicates} were there already"));
    }
    if *refused > 0 {
        let reason = reason.as_deref().unwrap_or("no reason is known");
        text.push_str(&format!("; {refused} are refused still and stay aside: {reason}"));
    }
    (text, u8::from(*refused > 0))
}
