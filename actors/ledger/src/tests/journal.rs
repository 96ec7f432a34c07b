//! A file that was put in the place of a ledger whose manager was killed: it gets no journal but its own.

use crate::testing::{MARCH, SECOND, raw, row};
use crate::{Company, Event, KeySource, Location, Writer, backup, open};
use std::fs;
use std::path::{Path, PathBuf};

/// As a manager opens it.
fn begun(location: &Location) -> Writer {
    open(location, "test", MARCH).unwrap();
    Writer::open_held(location, None, Company::Alone).unwrap()
}

fn write(writer: &mut Writer, from: i64, count: i64) {
    let keys = KeySource::new();
    let rows =
        (from..from + count).map(|nth| Event::Request(Box::new(row(&keys, "m", MARCH + nth * SECOND))));
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
