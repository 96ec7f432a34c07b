//! The way back: a copy that `backup` or a migration has made becomes the ledger again.

use super::db::{ConnectionRole, Location, connect};
use super::error::OpenError;
use super::folder_lock::FolderLock;
use super::journal::beside;
use super::migrate;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// What a restoration has done.
#[derive(Debug)]
pub struct Restored {
    /// Where the ledger is now that was there before, if there was one.
    pub former: Option<PathBuf>,
    /// Rows of requests in what was restored.
    pub rows: i64,
}

/// Puts `file` in the place of the ledger at `ledger`; the folder of the manager's state is `folder`, and must be nobody's.
/// Whatever is wrong, the ledger is as it was. Blocks.
pub fn restore(folder: &Path, ledger: &Path, file: &Path) -> Result<Restored, OpenError> {
    let _hold = FolderLock::take(folder)?;
    let wrong = |path: &Path, detail: &str| Location::File(path.to_owned()).failed(detail);
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error: io::Error| Location::File(path).failed(error)
    };
    let size = |path: &Path| fs::metadata(path).map_or(0, |meta| meta.len());
    if !file.is_file() {
        let what = if file.exists() { "it is no file" } else { "there is no such file" };
        return Err(wrong(file, what));
    }
    let same = |one: &Path, other: &Path| matches!((one.canonicalize(), other.canonicalize()), (Ok(a), Ok(b)) if a == b);
    if same(file, ledger) {
        return Err(wrong(file, "it is the ledger itself"));
    }
    if size(&beside(file, "-wal")) > 0 {
        let text = "it is a database in use, not a copy of one: its newest rows are in the file `-wal` beside it; \
                    make a copy of it with `llm-manager backup`";
        return Err(wrong(file, text));
    }
    // It is this file that is wrong, not the ledger.
    let of_file = |error: OpenError| match error {
        OpenError::Corrupt { detail, .. } => {
            wrong(file, &format!("it is no whole copy of a ledger: {detail}; nothing was changed"))
        }
        error => error,
    };
    migrate::look_at(file).map_err(of_file)?;
    if let Some(parent) = ledger.parent() {
        fs::create_dir_all(parent).map_err(failed(parent))?;
    }
    let part = beside(ledger, ".restored.part");
    let copied = copy(file, &part).map_err(failed(&part)).and_then(|()| check(&part, file));
    // Looking at it may have left an empty journal.
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(beside(&part, suffix));
    }
    let rows = match copied {
        Ok(rows) => rows,
        Err(error) => {
            let _ = fs::remove_file(&part);
            return Err(of_file(error));
        }
    };
    let former = put_aside(ledger).map_err(failed(ledger))?;
    fs::rename(&part, ledger).map_err(failed(ledger))?;
    if let Some(Ok(parent)) = ledger.parent().map(File::open) {
        // Some file systems can't; then the system's own delay holds.
        let _ = parent.sync_all();
    }
    Ok(Restored { former, rows })
}

/// Readable by its owner alone, and on the disk.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if to.exists() {
        fs::remove_file(to)?;
    }
    migrate::private_file(to)?;
    let mut target = File::options().write(true).open(to)?;
    io::copy(&mut File::open(from)?, &mut target)?;
    target.sync_all()
}

/// Looks at the copy; its rows of requests. What is wrong is said of the file that it was made from.
fn check(copy: &Path, file: &Path) -> Result<i64, OpenError> {
    let location = Location::File(file.to_owned());
    let mut db = connect(&Location::File(copy.to_owned()), ConnectionRole::Setup)
        .map_err(|error| location.failed(error))?;
    migrate::is_ours(&mut db, file)?;
    // Added up already: to count ten million rows takes as long as to copy them.
    let rows = "SELECT CAST(COALESCE(SUM(row_count), 0) AS BIGINT) AS number FROM facets";
    db.number(rows).map_err(|error| location.failed(error))
}

/// The ledger and its journal, under a name that is not taken.
fn put_aside(ledger: &Path) -> io::Result<Option<PathBuf>> {
    if !ledger.exists() {
        return Ok(None);
    }
    let name = |number: u32| match number {
        1 => beside(ledger, ".before-restore"),
        _ => beside(ledger, &format!(".before-restore-{number}")),
    };
    let free = (1..).map(name).find(|path| !path.exists()).unwrap_or_else(|| name(1));
    // The journal first: without its database it is nothing, and the database without it lacks rows.
    for suffix in ["-wal", "-shm"] {
        let journal = beside(ledger, suffix);
        if journal.exists() {
            fs::rename(&journal, beside(&free, suffix))?;
        }
    }
    fs::rename(ledger, &free)?;
    Ok(Some(free))
}
