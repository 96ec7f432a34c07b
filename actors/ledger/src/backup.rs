//! A copy of a live ledger, about as fast as the system copies a file.
//!
//! An open read transaction keeps SQLite's journal (`-wal`) from being begun anew, and everything that a checkpoint may
//! bring from it into the file meanwhile is still in it. So the file first and the journal after it, copied byte for byte,
//! are a consistent state: whatever the copy of the file has missed, or has half, the journal's copy has whole.

use super::db::{ConnectionRole, Location, connect};
use super::error::StoreError;
use super::journal::beside;
use super::migrate::private_file;
use std::fs::{self, File};
use std::io;
use std::path::Path;

/// A consistent copy of a ledger that may be in use; refuses to replace a file. Blocks. Not within a process that has
/// the ledger open: closing the file would take that one's locks away (POSIX).
pub fn backup(location: &Location, target: &Path) -> Result<(), StoreError> {
    let Location::File(path) = location else {
        return Err(StoreError::Refused("a ledger in PostgreSQL is backed up with its own `pg_dump`".into()));
    };
    if target.exists() {
        return Err(StoreError::Refused(format!(
            "{} is there already: choose another name",
            target.display()
        )));
    }
    let part = beside(target, ".part");
    let done = copy(location, path, &part).and_then(|()| {
        // Not a rename: that would replace what has come there meanwhile.
        fs::hard_link(&part, target).map_err(|error| StoreError::of_io(target, &error))
    });
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(beside(&part, suffix));
    }
    done
}

fn copy(location: &Location, path: &Path, part: &Path) -> Result<(), StoreError> {
    let failed = |error: io::Error| StoreError::of_io(part, &error);
    let mut db = connect(location, ConnectionRole::Write)?;
    db.run("BEGIN")?;
    db.number("SELECT COUNT(*) AS number FROM sqlite_schema")?;
    // Open until the connection is closed: its locks go with the first handle of the file that is closed.
    let mut source = File::open(path).map_err(|error| StoreError::of_io(path, &error))?;
    copy_bytes(&mut source, part).map_err(failed)?;
    if let Ok(mut journal) = File::open(beside(path, "-wal")) {
        copy_bytes(&mut journal, &beside(part, "-wal")).map_err(failed)?;
    }
    db.run("COMMIT")?;
    drop(db);
    drop(source);
    // One file, which needs no other beside it.
    let mut copy = connect(&Location::File(part.to_owned()), ConnectionRole::Setup)?;
    copy.run("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE;")?;
    drop(copy);
    File::open(part).and_then(|file| file.sync_all()).map_err(failed)
}

/// Into a new file that its owner alone may read.
fn copy_bytes(source: &mut File, target: &Path) -> io::Result<()> {
    if target.exists() {
        // What an earlier, broken-off backup has left.
        fs::remove_file(target)?;
    }
    private_file(target)?;
    let mut target = File::options().write(true).open(target)?;
    io::copy(source, &mut target).map(drop)
}
