//! Opening what is no ledger of this version: newer, older, damaged, foreign.

use super::migrations::layout;
use crate::db::Db;
use crate::migrate::SQLITE;
use crate::testing::{MARCH, TestDatabase, events, everywhere, opened, raw, row};
use crate::{KeySource, Location, OpenError, open};
use diesel_migrations::MigrationHarness;
use std::fs;

#[test]
fn a_newer_ledger_is_refused_and_left_alone() {
    everywhere(|place| {
        drop(opened(&place.location));
        raw(&place.location)
            .run("INSERT INTO __diesel_schema_migrations (version) VALUES ('20991231000000')")
            .unwrap();
        let before = layout(&mut raw(&place.location));
        let error = open(&place.location, "test", MARCH).unwrap_err();
        assert!(
            matches!(&error, OpenError::Newer { version, .. } if version == "20991231000000"),
            "{error:?}"
        );
        assert!(error.to_string().contains("newer version"), "{error}");
        assert_eq!(layout(&mut raw(&place.location)), before);
        let runs = raw(&place.location).number("SELECT COUNT(*) AS number FROM program_runs").unwrap();
        assert_eq!(runs, 1, "nothing was written to it");
    });
}

#[test]
fn an_older_ledger_is_copied_before_it_is_migrated() {
    let place = TestDatabase::sqlite();
    let (_, mut writer) = opened(&place.location);
    let keys = KeySource::new();
    writer.write(&events(&[row(&keys, "m", MARCH)]), false).unwrap();
    let now = layout(&mut raw(&place.location));
    let older = |place: &TestDatabase| match &mut raw(&place.location) {
        Db::Sqlite(conn) => conn.revert_last_migration(SQLITE).unwrap().to_string(),
        #[cfg(feature = "postgres")]
        Db::Postgres(_) => unreachable!(),
    };
    let version = older(&place);
    let before = layout(&mut raw(&place.location));
    assert_ne!(before, now);
    let backup = open(&place.location, "test", MARCH).unwrap().backup.unwrap();
    assert_eq!(backup, place.dir.path().join(format!("ledger.db.before-{version}")));
    assert_eq!(layout(&mut raw(&place.location)), now);
    let mut copy = raw(&Location::File(backup.clone()));
    assert_eq!(layout(&mut copy), before);
    assert_eq!(copy.number("SELECT COUNT(*) AS number FROM requests").unwrap(), 1);
    // The next one does not replace it.
    older(&place);
    let second = open(&place.location, "test", MARCH).unwrap().backup.unwrap();
    assert_ne!(second, backup);
    assert!(backup.exists() && second.exists());
    // When it cannot be made, nothing is migrated.
    older(&place);
    drop(writer);
    let taken = place.dir.path().join(format!("ledger.db.before-{version}-3.part"));
    fs::create_dir(&taken).unwrap();
    let error = open(&place.location, "test", MARCH).unwrap_err();
    assert!(matches!(error, OpenError::Backup { .. }), "{error:?}");
    assert_eq!(layout(&mut raw(&place.location)), before);
}

#[test]
fn a_damaged_file_is_refused_and_not_touched() {
    let place = TestDatabase::sqlite();
    let (opening, mut writer) = opened(&place.location);
    let keys = KeySource::new();
    let rows: Vec<_> = (0..3000).map(|n| row(&keys, "m", MARCH + n)).collect();
    for chunk in rows.chunks(1000) {
        writer.write(&events(chunk), false).unwrap();
    }
    writer.checkpoint().unwrap();
    drop((opening, writer));
    let whole = fs::read(place.file()).unwrap();
    let damage = |at: usize, length: usize| {
        let mut bytes = whole.clone();
        bytes[at..at + length].fill(0xa5);
        bytes
    };
    let cases = [
        ("no header", damage(0, 100)),
        ("the table of tables", damage(100, 3000)),
        ("pages in the middle", damage(whole.len() / 2, 40_000)),
        ("cut off", whole[..whole.len() / 3].to_vec()),
        (
            "text",
            b"this is not a database at all, but somebody's letter to somebody else; a long one, too long\n"
                .repeat(3),
        ),
        ("short", b"SQLite".to_vec()),
    ];
    for (case, bytes) in cases {
        let _ = fs::remove_file(place.dir.path().join("ledger.db-wal"));
        let _ = fs::remove_file(place.dir.path().join("ledger.db-shm"));
        fs::write(place.file(), &bytes).unwrap();
        let error = open(&place.location, "test", MARCH).unwrap_err();
        assert!(matches!(error, OpenError::Corrupt { .. }), "{case}: {error:?}");
        assert!(fs::read(place.file()).unwrap() == bytes, "{case}: the file was changed");
    }
}

#[test]
fn another_programs_database_is_refused() {
    let place = TestDatabase::sqlite();
    {
        let mut db = raw(&place.location);
        db.run("CREATE TABLE bookmarks (url TEXT)").unwrap();
    }
    let bytes = fs::read(place.file()).unwrap();
    let error = open(&place.location, "test", MARCH).unwrap_err();
    assert!(error.to_string().contains("another program"), "{error}");
    assert!(fs::read(place.file()).unwrap() == bytes);
}
