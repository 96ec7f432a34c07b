//! A file that was put in the place of a ledger whose manager was killed: it gets no journal but its own.

use crate::testing::{MARCH, SECOND, raw, row};
use crate::{Company, KeySource, LedgerEvent, LedgerFileHandle, Location, StoreError, Writer, backup, open};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// As a manager opens it.
fn begun(location: &Location) -> Writer {
    open(location, "test", MARCH).unwrap();
    Writer::open_held(location, None, Company::Alone).unwrap()
}

fn write(writer: &mut Writer, from: i64, count: i64) {
    let keys = KeySource::new();
    let rows =
        (from..from + count).map(|nth| LedgerEvent::Request(Box::new(row(&keys, "m", MARCH + nth * SECOND))));
    writer.write(&rows.collect::<Vec<_>>(), false).unwrap();
}

fn rows(location: &Location) -> i64 {
    raw(location).number("SELECT COUNT(*) AS number FROM requests").unwrap()
}

fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// What `kill -9` leaves behind: the file and its journal, as they are.
fn killed(live: &Path, to: &Path) {
    for suffix in ["", "-wal"] {
        fs::copy(suffixed(live, suffix), suffixed(to, suffix)).unwrap();
    }
    assert!(fs::metadata(suffixed(to, "-wal")).unwrap().len() > 0);
}

#[test]
fn a_copy_does_not_get_the_journal_of_the_file_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let live = dir.path().join("live #1 50%.db");
    let location = Location::File(live.clone());
    let mut writer = begun(&location);
    write(&mut writer, 0, 10);
    let older = dir.path().join("older.db");
    backup(&location, &older).unwrap();
    drop(writer);
    // As the system copies it, after a good end: the same epoch as a living one, but not the next one's.
    let plain = dir.path().join("plain.db");
    fs::copy(&live, &plain).unwrap();
    let mut writer = begun(&location);
    write(&mut writer, 10, 300);
    for (nth, copy) in [older, plain].iter().enumerate() {
        let path = dir.path().join(format!("there-{nth}.db"));
        killed(&live, &path);
        fs::copy(copy, &path).unwrap();
        let there = Location::File(path.clone());
        let again = open(&there, "test", MARCH).unwrap();
        let aside = again.stray_journal.expect("it is told");
        assert!(fs::metadata(&aside).unwrap().len() > 0, "nothing is thrown away");
        assert_eq!(rows(&there), 10, "{}", copy.display());
        // With its own file it is whole.
        let former = dir.path().join(format!("former-{nth}.db"));
        fs::copy(&live, &former).unwrap();
        fs::rename(&aside, suffixed(&former, "-wal")).unwrap();
        let former = Location::File(former);
        assert_eq!(open(&former, "test", MARCH).unwrap().stray_journal, None);
        assert_eq!(rows(&former), 310);
    }
}

#[test]
fn after_a_crash_a_ledger_has_its_newest_rows() {
    let dir = tempfile::tempdir().unwrap();
    let live = Location::File(dir.path().join("live.db"));
    let mut writer = begun(&live);
    for life in 0..4 {
        write(&mut writer, life * 10, 10);
        // The whole folder may be moved.
        let path = dir.path().join(format!("moved-{life}.db"));
        let Location::File(from) = &live else { unreachable!() };
        killed(from, &path);
        let moved = Location::File(path);
        let again = open(&moved, "test", MARCH + life).unwrap();
        assert_eq!((again.stray_journal, rows(&moved)), (None, (life + 1) * 10));
        if life == 1 {
            drop(writer);
            writer = begun(&live);
        }
    }
}

#[test]
fn a_journal_whose_file_is_gone_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let live = dir.path().join("live.db");
    let mut writer = begun(&Location::File(live.clone()));
    write(&mut writer, 0, 10);
    let path = dir.path().join("there.db");
    killed(&live, &path);
    fs::remove_file(&path).unwrap();
    let again = open(&Location::File(path), "test", MARCH).unwrap();
    assert!(fs::metadata(again.stray_journal.unwrap()).unwrap().len() > 0);
}

fn watched(location: &Location) -> Writer {
    let Location::File(path) = location else { unreachable!() };
    open(location, "test", MARCH).unwrap();
    Writer::open_held(location, Some(&Arc::new(LedgerFileHandle::new(path.clone()))), Company::Alone).unwrap()
}

fn one_more(writer: &mut Writer, nth: i64) -> Result<(), StoreError> {
    let row = row(&KeySource::new(), "m", MARCH + nth * SECOND);
    writer.write(&[LedgerEvent::Request(Box::new(row))], false).map(drop)
}

#[test]
fn a_copy_within_one_life_is_told_from_the_ledger() {
    let dir = tempfile::tempdir().unwrap();
    let live = dir.path().join("live.db");
    let location = Location::File(live.clone());
    drop(watched(&location));
    let earlier = dir.path().join("earlier.db");
    fs::copy(&live, &earlier).unwrap();
    let mut writer = watched(&location);
    let backed_up = dir.path().join("backed-up.db");
    backup(&location, &backed_up).unwrap();
    // One that was changed more often, as by a manager elsewhere.
    let elsewhere = dir.path().join("elsewhere.db");
    fs::copy(&earlier, &elsewhere).unwrap();
    let mut other = watched(&Location::File(elsewhere.clone()));
    for nth in 0..5 {
        write(&mut other, nth * 500, 500);
        other.checkpoint().unwrap();
    }
    drop(other);
    for copy in [earlier, backed_up, elsewhere] {
        one_more(&mut writer, 1).unwrap();
        fs::copy(&copy, &live).unwrap();
        let lost = one_more(&mut writer, 2);
        assert!(matches!(lost, Err(StoreError::Lost(_))), "{}: {lost:?}", copy.display());
        let kept = writer.part().expect("the journal is kept");
        assert!(fs::metadata(kept).unwrap().len() > 0);
        writer = watched(&location);
    }
}

#[test]
fn a_journal_that_was_cut_off_does_not_get_into_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let location = Location::File(dir.path().join("live.db"));
    let mut writer = watched(&location);
    write(&mut writer, 0, 500);
    writer.checkpoint().unwrap();
    one_more(&mut writer, 1000).unwrap();
    fs::File::options().write(true).open(dir.path().join("live.db-wal")).unwrap().set_len(0).unwrap();
    let lost = one_more(&mut writer, 1001);
    assert!(matches!(lost, Err(StoreError::Lost(_))), "{lost:?}");
    writer.part();
    // What was in the file is whole; what the journal had is written again by the caller.
    assert_eq!(rows(&location), 500);
    let mut writer = watched(&location);
    one_more(&mut writer, 1002).unwrap();
    assert_eq!(rows(&location), 501);
}

#[test]
fn who_else_works_at_the_ledger_is_not_taken_for_cp() {
    let dir = tempfile::tempdir().unwrap();
    let location = Location::File(dir.path().join("live.db"));
    let mut writer = watched(&location);
    let works = [
        "PRAGMA wal_checkpoint(TRUNCATE)",
        "VACUUM",
        "CREATE TABLE notes (text TEXT)",
        "PRAGMA incremental_vacuum",
    ];
    for (nth, work) in works.into_iter().cycle().take(12).enumerate() {
        write(&mut writer, nth as i64 * 500, 500);
        let mut other = raw(&location);
        let _ = other.run(work);
        other.run("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        one_more(&mut writer, 100_000 + nth as i64).unwrap();
    }
    assert_eq!(rows(&location), 12 * 501);
}
