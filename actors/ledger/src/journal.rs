//! Whose journal is it? SQLite plays a `-wal` into whatever has the name of its file: also into a copy that was put there
//! after a crash, which that ruins.
//!
//! So a ledger has an *epoch*, a word in `meta`. Each start changes it, and has it brought into the file itself with an
//! empty journal. The page of `meta` is in every journal, for each heartbeat writes it: there the word can be found without
//! SQLite, and it is the one of the file that the journal was written upon.

use super::db::{ConnectionRole, Db, Location, connect, words};
use super::error::{OpenError, StoreError};
use super::manager_name::{HOLDER, own_name};
use super::row::Micros;
use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use std::collections::hash_map::RandomState;
use std::fs::{self, File};
use std::hash::{BuildHasher, Hasher};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The name of the epoch in `meta`.
const EPOCH: &str = "epoch";
/// What it begins with, by which it is found among other bytes.
const SIGN: &str = "ledger-epoch:";
/// Where the head of an SQLite file says how it is written, and what it says of one with a journal.
const WRITTEN_AT: usize = 18;
const WITH_JOURNAL: u8 = 2;
/// Bytes before the frames of a journal, and before the page in each.
const JOURNAL_HEAD: usize = 32;
const FRAME_HEAD: usize = 24;
/// The kind of a page that is a leaf without row ids, and the bytes before the places of its cells.
const LEAF: u8 = 0x0a;
const LEAF_HEAD: usize = 8;

/// Before SQLite opens the file: puts a journal aside that belongs to another one; answers where it is now.
pub(super) fn settle(path: &Path) -> Result<Option<PathBuf>, OpenError> {
    let journal = beside(path, "-wal");
    let failed = |error: io::Error| Location::File(journal.clone()).failed(error);
    let written = match fs::read(&journal) {
        Ok(written) => written,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    if written.is_empty() || is_its_own(path, &written) {
        return Ok(None);
    }
    let aside = aside(path);
    fs::rename(&journal, &aside).map_err(failed)?;
    // An index of the journal, which SQLite makes anew.
    let _ = fs::remove_file(beside(path, "-shm"));
    Ok(Some(aside))
}

/// A name for a journal of another file that no file has.
pub(super) fn aside(path: &Path) -> PathBuf {
    let name = |number: u32| match number {
        1 => beside(path, "-wal.of-another-file"),
        _ => beside(path, &format!("-wal.of-another-file-{number}")),
    };
    (1..).map(name).find(|path| !path.exists()).unwrap_or_else(|| name(1))
}

/// Whether this journal was written upon this file, as far as one can tell.
fn is_its_own(path: &Path, journal: &[u8]) -> bool {
    let mut head = [0; 100];
    match File::open(path).and_then(|mut file| file.read_exact(&mut head)) {
        // SQLite would throw the journal away.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof) => {
            return false;
        }
        // What is wrong with it will be told.
        Err(_) => return true,
        Ok(()) => {}
    }
    if !head.starts_with(b"SQLite format 3\0") {
        return true;
    }
    if !has_journal(&head) {
        // A copy that `backup` or a migration has made.
        return false;
    }
    let Some((root, epoch)) = told_without_journal(path) else { return true };
    let written = epochs(journal, root);
    // A ledger of an older version has none, nor has its journal.
    epoch.is_none_or(|epoch| written.is_empty() || written.contains(&epoch))
}

/// Whether a file that begins so is written by way of a journal.
pub(super) fn has_journal(head: &[u8]) -> bool {
    head.get(WRITTEN_AT) == Some(&WITH_JOURNAL)
}

/// The epochs in the journal's copies of this page, which is the one that has all of `meta`. The format:
/// <https://www.sqlite.org/fileformat2.html#the_write_ahead_log>
fn epochs(journal: &[u8], root: u32) -> Vec<String> {
    let Some(size) = number(journal, 8).filter(|size| (512..=65_536).contains(size)) else {
        return Vec::new();
    };
    let frames = journal.get(JOURNAL_HEAD..).unwrap_or_default().chunks(FRAME_HEAD + size);
    let pages = frames.filter(|frame| number(frame, 0) == Some(root as usize));
    let mut found = Vec::new();
    for page in pages.filter_map(|frame| frame.get(FRAME_HEAD..)) {
        for epoch in epochs_of(page) {
            if !found.contains(&epoch) {
                found.push(epoch);
            }
        }
    }
    found
}

/// The epochs in a page that has all of `meta`.
pub(super) fn epochs_of(page: &[u8]) -> impl Iterator<Item = String> {
    cells(page).filter_map(epoch_in)
}

/// What is in the cells of a leaf of a table without row ids; what was there before may still lie between them.
fn cells(page: &[u8]) -> impl Iterator<Item = &[u8]> {
    let short = |at: usize| Some(usize::from(u16::from_be_bytes([*page.get(at)?, *page.get(at + 1)?])));
    let count = if page.first() == Some(&LEAF) { short(3).unwrap_or(0) } else { 0 };
    (0..count).filter_map(move |nth| {
        let cell = page.get(short(LEAF_HEAD + 2 * nth)?..)?;
        // Its length, of one byte or two: a longer one would not fit.
        let (length, from) = match (*cell.first()?, *cell.get(1)?) {
            (high, low) if high >= 0x80 => (usize::from(high & 0x7f) << 7 | usize::from(low), 2),
            (length, _) => (usize::from(length), 1),
        };
        cell.get(from..from + length)
    })
}

fn epoch_in(cell: &[u8]) -> Option<String> {
    let at = memchr::memmem::find(cell, SIGN.as_bytes())?;
    String::from_utf8(cell.get(at..)?.to_vec()).ok()
}

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let four: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
    usize::try_from(u32::from_be_bytes(four)).ok()
}

/// What the file says by itself: the page that has its `meta`, and its epoch.
fn told_without_journal(path: &Path) -> Option<(u32, Option<String>)> {
    let mut conn = without_journal(path)?;
    let mut first = |query: &str| Some(words(&mut conn, query).ok()?.into_iter().next());
    let root = first("SELECT CAST(rootpage AS TEXT) AS word FROM sqlite_schema WHERE name = 'meta'")??;
    Some((root.parse().ok()?, first(&format!("SELECT value AS word FROM meta WHERE name = '{EPOCH}'"))?))
}

/// Which manager's start the file tells of. Not while this process has the file open: closing it would give SQLite's
/// locks back.
pub(super) fn holder(path: &Path) -> Option<String> {
    let query = format!("SELECT value AS word FROM meta WHERE name = '{HOLDER}'");
    words(&mut without_journal(path)?, &query).ok()?.pop()
}

/// A connection that reads the file alone, and takes no locks.
fn without_journal(path: &Path) -> Option<SqliteConnection> {
    let mut url = String::from(if cfg!(windows) { "file:///" } else { "file:" });
    for letter in path.to_str()?.chars() {
        match letter {
            '\\' if cfg!(windows) => url.push('/'),
            '%' => url.push_str("%25"),
            '?' => url.push_str("%3f"),
            '#' => url.push_str("%23"),
            _ => url.push(letter),
        }
    }
    url.push_str("?immutable=1");
    let mut conn = SqliteConnection::establish(&url).ok()?;
    conn.batch_execute("PRAGMA query_only = ON").ok()?;
    Some(conn)
}

/// Begins an epoch, if all that was written before can be brought into the file: nobody else may be reading.
pub(super) fn begin(location: &Location) -> Result<(), StoreError> {
    let Location::File(path) = location else { return Ok(()) };
    let mut db = connect(location, ConnectionRole::Setup)?;
    // Whoever has been reading for long holds up no start.
    let empties = "PRAGMA busy_timeout = 200; PRAGMA wal_checkpoint(TRUNCATE); PRAGMA busy_timeout = 5000;";
    // A copy that was put back has another mode.
    db.run("PRAGMA journal_mode = WAL")?;
    db.run(empties)?;
    if fs::metadata(beside(path, "-wal")).map_or(0, |meta| meta.len()) > 0 {
        return Ok(());
    }
    let former = db.words(&format!("SELECT value AS word FROM meta WHERE name = '{EPOCH}'"))?;
    // Nobody has had it before.
    let epoch = format!("{SIGN}{:016x}", RandomState::new().build_hasher().finish());
    db.transact(|db| {
        db.set_meta(EPOCH, &epoch)?;
        db.set_meta(HOLDER, &own_name())
    })?;
    db.run(empties)?;
    let in_file = fs::metadata(beside(path, "-wal")).map_or(0, |meta| meta.len()) == 0;
    // Somebody has come to read meanwhile, and the file still has the former one.
    match former.into_iter().next().filter(|_| !in_file) {
        Some(former) => db.transact(|db| db.set_meta(EPOCH, &former)),
        None => Ok(()),
    }
}

/// Puts the page with the epoch into the journal, by the connection that keeps it: what is written as it was isn't written,
/// so it is a time.
pub(super) fn mark(db: &mut Db, now: Micros) -> Result<(), StoreError> {
    db.transact(|db| db.set_meta("opened_us", &now.to_string()))
}

pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
