//! The way from one database into another, and the way back to a copy.

use crate::testing::{
    MARCH, SECOND, TestDatabase, assert_rollups_are_sums_of_rows, events, everything, everywhere, opened,
    pause, raw, row,
};
use crate::{
    FolderLock, KeySource, LedgerEvent, Location, OpenError, RequestRow, RunRow, Writer, backup, copy, open,
    restore,
};
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Rows with texts that a literal could trip over.
fn filled(location: &Location) -> Writer {
    let (_, mut writer) = opened(location);
    let keys = KeySource::new();
    let rows = (0..2500).map(|nth| RequestRow {
        error: (nth % 3 == 0).then(|| format!("it's \\ \"{nth}\"; -- 'x'\n\tend, 模型")),
        replayed: nth % 2 == 0,
        status: if nth % 5 == 0 { 500 } else { 200 },
        ..row(&keys, ["m", "o'model", "模型"][nth as usize % 3], MARCH + nth * SECOND)
    });
    writer.write(&events(&rows.collect::<Vec<_>>()), false).unwrap();
    let run = RunRow {
        id: 77,
        model: "m".into(),
        variant: "v".into(),
        started_us: MARCH,
        heartbeat_us: MARCH + SECOND,
        bill_loading: true,
        ..RunRow::default()
    };
    writer.write(&[LedgerEvent::Run(Box::new(run))], false).unwrap();
    writer
}

/// Every row of a table, the same text in either database.
fn dump(location: &Location, table: &str, order: &str) -> Vec<String> {
    let mut db = raw(location);
    let flag = |name: &str| format!("CASE WHEN {name} THEN 1 ELSE 0 END");
    let shown = match table {
        "request_rows" => format!(
            "id || ' ' || tag || ' ' || facet_id || ' ' || request_id || ' ' || status || ' ' || {} || ' ' || COALESCE(error, '-')",
            flag("replayed")
        ),
        "requests" => {
            "ended_us || ' ' || request_id || ' ' || outcome || ' ' || usage_source || ' ' || pricing"
                .to_owned()
        }
        "runs" => format!("id || ' ' || model_id || ' ' || variant || ' ' || {}", flag("bill_loading")),
        "models" => "id || ' ' || name".to_owned(),
        _ => "level || ' ' || start_us || ' ' || facet_id || ' ' || requests || ' ' || input".to_owned(),
    };
    db.words(&format!("SELECT {shown} AS word FROM {table} ORDER BY {order}")).unwrap()
}

fn assert_same(one: &Location, other: &Location) {
    for (table, order) in [
        ("request_rows", "id"),
        ("requests", "id"),
        ("runs", "id"),
        ("models", "id"),
        ("rollups", "level, start_us, facet_id"),
    ] {
        let rows = dump(one, table, order);
        assert!(!rows.is_empty());
        assert_eq!(rows, dump(other, table, order), "{table}");
    }
}

#[test]
fn a_ledger_goes_into_the_other_database_and_back() {
    everywhere(|target| {
        let (source, back) = (TestDatabase::sqlite(), TestDatabase::sqlite());
        drop(filled(&source.location));
        let copied = copy(&source.location, &target.location).unwrap();
        assert_eq!((copied.requests, copied.runs), (2500, 1));
        assert_same(&source.location, &target.location);
        copy(&target.location, &back.location).unwrap();
        assert_same(&source.location, &back.location);
        // Numbers go on behind those that were copied.
        for place in [&target.location, &back.location] {
            let opened = open(place, "test", MARCH).unwrap();
            let mut writer = Writer::open(place).unwrap();
            writer.write(&events(&[row(&KeySource::new(), "new", MARCH)]), false).unwrap();
            assert_eq!(everything(&opened).total.requests, 2501);
            assert_rollups_are_sums_of_rows(place);
        }
        let error = copy(&source.location, &target.location).unwrap_err().to_string();
        assert!(error.contains("rows in it already"), "{error}");
        let error = copy(&source.location, &source.location).unwrap_err().to_string();
        assert!(error.contains("the ledger itself"), "{error}");
    });
}

#[test]
fn what_is_written_meanwhile_is_in_the_copy_as_a_whole_or_not_at_all() {
    everywhere(|source| {
        let mut writer = filled(&source.location);
        let (stop, copies) = (AtomicBool::new(false), [TestDatabase::sqlite(), TestDatabase::sqlite()]);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let keys = KeySource::new();
                for nth in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let rows: Vec<RequestRow> =
                        (0..20).map(|one| row(&keys, "busy", MARCH + (nth * 20 + one) * SECOND)).collect();
                    // A lock that takes longer than the writer waits is tried again, as the manager does.
                    while writer.write(&events(&rows), false).is_err() {
                        pause(Duration::from_millis(5));
                    }
                }
            });
            for place in &copies {
                let copied = copy(&source.location, &place.location);
                if copied.is_err() {
                    stop.store(true, Ordering::Relaxed);
                }
                assert!(copied.unwrap().requests >= 2500);
            }
            stop.store(true, Ordering::Relaxed);
        });
        for place in &copies {
            assert_rollups_are_sums_of_rows(&place.location);
            let mut db = raw(&place.location);
            // Each transaction had twenty.
            let busy = "SELECT COUNT(*) AS number FROM requests WHERE facet_id IN (SELECT facets.id FROM facets \
                        JOIN models ON models.id = model_id WHERE name = 'busy')";
            assert_eq!(db.number(busy).unwrap() % 20, 0);
            let doubled =
                "SELECT COUNT(*) - COUNT(DISTINCT facet_id || ' ' || request_id) AS number FROM requests";
            assert_eq!(db.number(doubled).unwrap(), 0);
        }
    });
}

#[test]
fn a_backup_under_load_is_one_moment_of_the_ledger() {
    let place = TestDatabase::sqlite();
    let mut writer = filled(&place.location);
    let stop = AtomicBool::new(false);
    let files: Vec<_> = (0..6).map(|nth| place.dir.path().join(format!("copy-{nth}.db"))).collect();
    let done = std::thread::scope(|scope| {
        scope.spawn(|| {
            let keys = KeySource::new();
            for nth in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let rows: Vec<RequestRow> =
                    (0..20).map(|one| row(&keys, "busy", MARCH + (nth * 20 + one) * SECOND)).collect();
                while writer.write(&events(&rows), false).is_err() {
                    pause(Duration::from_millis(5));
                }
                // The journal is brought into the file while it is copied.
                if nth % 3 == 0 {
                    let _ = writer.checkpoint();
                }
            }
        });
        // By a program of its own in real life. Here the writer's locks on the file may go, which nobody else asks for.
        let done: Vec<_> = files.iter().map(|file| backup(&place.location, file)).collect();
        stop.store(true, Ordering::Relaxed);
        done
    });
    for (file, done) in files.into_iter().zip(done) {
        done.unwrap();
        assert!(!file.with_extension("db-wal").exists());
        let copied = Location::File(file);
        let mut db = raw(&copied);
        assert_eq!(db.words("SELECT quick_check AS word FROM pragma_quick_check").unwrap(), ["ok"]);
        assert_eq!(db.number("SELECT (COUNT(*) - 2500) % 20 AS number FROM requests").unwrap(), 0);
        assert_eq!(
            db.number(
                "SELECT COUNT(*) - COUNT(DISTINCT facet_id || ' ' || request_id) AS number FROM requests"
            )
            .unwrap(),
            0
        );
        drop(db);
        assert_rollups_are_sums_of_rows(&copied);
    }
    assert!(backup(&place.location, &file(&place)).unwrap_err().to_string().contains("is there already"));
}

fn file(place: &TestDatabase) -> std::path::PathBuf {
    let Location::File(path) = &place.location else { panic!("it is a file") };
    path.clone()
}

#[test]
fn a_copy_becomes_the_ledger_again_and_the_former_one_is_kept() {
    let place = TestDatabase::sqlite();
    let ledger = file(&place);
    let folder = ledger.parent().unwrap();
    let copied = folder.join("copy.db");
    let mut writer = filled(&place.location);
    backup(&place.location, &copied).unwrap();
    writer.write(&events(&[row(&KeySource::new(), "later", MARCH)]), false).unwrap();
    drop(writer);
    let restored = restore(folder, &ledger, &copied).unwrap();
    assert_eq!(restored.rows, 2500);
    assert_eq!(everything(&open(&place.location, "test", MARCH).unwrap()).total.requests, 2500);
    let former = Location::File(restored.former.unwrap());
    assert_eq!(raw(&former).number("SELECT COUNT(*) AS number FROM requests").unwrap(), 2501);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&ledger).unwrap().permissions().mode() & 0o077, 0);
    }
    // Into an empty folder, too.
    let fresh = tempfile::tempdir().unwrap();
    let new = fresh.path().join("data/ledger.db");
    assert!(restore(&fresh.path().join("data"), &new, &copied).unwrap().former.is_none());
    assert_eq!(raw(&Location::File(new)).number("SELECT COUNT(*) AS number FROM requests").unwrap(), 2500);
}

#[test]
fn what_is_no_copy_of_a_ledger_changes_nothing() {
    let place = TestDatabase::sqlite();
    drop(filled(&place.location));
    let ledger = file(&place);
    let folder = ledger.parent().unwrap();
    let before = fs::read(&ledger).unwrap();
    let other = folder.join("other.db");
    let refused = |other: &std::path::Path, word: &str| {
        let error = restore(folder, &ledger, other).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
        assert_eq!(fs::read(&ledger).unwrap(), before);
        assert!(!folder.join("ledger.db.restored.part").exists());
    };
    refused(&other, "no such file");
    refused(&ledger, "the ledger itself");
    fs::write(&other, "rows, rows, rows: not really ".repeat(50)).unwrap();
    refused(&other, "not an SQLite file");
    fs::write(&other, &before[..before.len() / 2]).unwrap();
    refused(&other, "other.db");
    fs::remove_file(&other).unwrap();
    backup(&place.location, &other).unwrap();
    // From a newer version.
    raw(&Location::File(other.clone()))
        .run("INSERT INTO __diesel_schema_migrations (version) VALUES ('29990101000000')")
        .unwrap();
    let error = restore(folder, &ledger, &other).unwrap_err();
    assert!(
        matches!(&error, OpenError::Newer { .. }) && error.to_string().contains("llm-manager restore"),
        "{error}"
    );
    let hold = FolderLock::take(folder).unwrap();
    assert!(matches!(restore(folder, &ledger, &other), Err(OpenError::Taken { .. })));
    drop(hold);
}
