//! The ledger cannot be written: locked, full, damaged, gone. Rows take the way around.

use super::super::SetPlan;
use super::*;
use llm_manager_ledger::{PlanSource, StoreError};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn overflow(place: &TestDatabase) -> PathBuf {
    place.dir.path().join("ledger.db.overflow")
}

#[test]
fn a_locked_ledger_costs_nothing() {
    run(async {
        let place = TestDatabase::sqlite();
        let running = Running::start(&place);
        running.ledger.record(request("m", 0));
        running.flush().await;
        let mut other = SideConnection::connect(&place.location);
        other.run("BEGIN IMMEDIATE").unwrap();
        for n in 1..=3000 {
            let before = Instant::now();
            running.ledger.record(request("m", n));
            assert!(before.elapsed() < Duration::from_millis(20), "the recording waits for the lock");
            if n % 500 == 0 {
                actix_rt::time::sleep(Duration::from_millis(60)).await;
            }
        }
        // Safe all the same.
        running.flush().await;
        let status = running.ledger.status();
        assert!(status.spilled == 3000 && status.failures > 0, "{status:?}");
        assert!(status.last_error.as_ref().is_some_and(|error| error.contains("locked")), "{status:?}");
        assert_eq!(status.state, "backoff");
        assert_eq!(running.count().await, 1, "reports are answered meanwhile");
        let set = SetPlan { model: name("m"), plan: None, valid_from: None, source: PlanSource::Api };
        let billing = running.addr().await;
        let (answer, ()) = futures_util::future::join(billing.send(set), async {
            actix_rt::time::sleep(Duration::from_millis(300)).await;
            drop(other);
        })
        .await;
        assert!(matches!(answer.unwrap(), Ok(_) | Err(StoreError::Locked(_))));
        running.counted(3001).await;
        until(|| running.ledger.status().last_error.is_none() && running.ledger.status().replayed == 3000)
            .await;
        let status = running.ledger.status();
        assert_eq!((status.lost, status.duplicates), (0, 0), "{status:?}");
        running.close().await;
        assert_rollups_are_sums_of_rows(&place.location);
        assert!(!overflow(&place).exists());
    });
}

#[test]
fn closing_while_it_is_locked_keeps_the_rows_for_the_next_start() {
    run(async {
        let place = TestDatabase::sqlite();
        let running = Running::start(&place);
        running.flush().await;
        let mut other = SideConnection::connect(&place.location);
        other.run("BEGIN IMMEDIATE").unwrap();
        for n in 0..1500 {
            running.ledger.record(request("m", n));
        }
        let closed = running.addr().await.send(CloseLedger).await.unwrap();
        assert!(matches!(closed, Err(StoreError::Locked(_))), "{closed:?}");
        assert!(overflow(&place).exists());
        drop((running, other));
        let again = Running::start(&place);
        again.counted(1500).await;
        again.close().await;
        assert_rollups_are_sums_of_rows(&place.location);
    });
}

/// A file system of its own with little room, if one may be mounted.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path) -> Option<Self> {
        fs::create_dir(at).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=16m", "tmpfs"]).arg(at).stderr(Stdio::null());
        mount.status().is_ok_and(|status| status.success()).then(|| Self(at.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_stops_nothing_and_what_fits_in_memory_is_written_later() {
    let place = TestDatabase::sqlite();
    let Some(disk) = SmallDisk::mount(&place.dir.path().join("disk")) else {
        eprintln!("skipped: a small file system may not be mounted here");
        return;
    };
    let ballast = disk.0.join("ballast");
    let location = Location::File(disk.0.join("ledger.db"));
    run(async {
        let mut settings = settings(&place);
        settings.location = location.clone();
        let running = Running::with(&settings);
        running.ledger.record(request("m", 0));
        running.flush().await;
        // To the last byte.
        let mut file = fs::File::create(&ballast).unwrap();
        let mut size = 1 << 16;
        while size > 0 {
            if file.write_all(&vec![0; size]).is_err() {
                size /= 2;
            }
        }
        // What was reserved is given back: the first rows are kept, whatever happens to the manager.
        assert!(disk.0.join("ledger.db.reserve").exists());
        (1..=500).for_each(|n| running.ledger.record(request("m", n)));
        running.flush().await;
        assert!(!disk.0.join("ledger.db.reserve").exists());
        for n in 501..=12_000 {
            running.ledger.record(request("m", n));
            if n % 200 == 0 {
                actix_rt::time::sleep(Duration::from_millis(30)).await;
            }
        }
        let room = running.ledger.0.overflow.room().await.unwrap();
        assert!(room.is_err(), "a full disk has no room, whatever rows it takes");
        let flushed = running.addr().await.send(Flush).await.unwrap();
        assert!(matches!(flushed, Err(StoreError::Full(_))), "{flushed:?} {:?}", running.ledger.status());
        let status = running.ledger.status();
        assert!(status.last_error.is_some() && status.failures > 0, "{status:?}");
        drop(file);
        fs::remove_file(&ballast).unwrap();
        let room = running.ledger.0.overflow.room().await.unwrap();
        assert_eq!(room, Ok(()));
        assert!(!disk.0.join("ledger.db.overflow.room").exists(), "the trial is taken away");
        assert!(disk.0.join("ledger.db.reserve").exists(), "it is reserved again");
        running.counted(12_001).await;
        let status = running.ledger.status();
        assert_eq!((status.lost, status.rejected), (0, 0), "{status:?}");
        running.close().await;
    });
    assert_rollups_are_sums_of_rows(&location);
    drop(disk);
}

#[test]
fn a_database_that_is_full_fills_the_overflow_file_instead() {
    run(async {
        let place = TestDatabase::sqlite();
        let running = Running::start(&place);
        running.flush().await;
        SideConnection::connect(&place.location)
            .run(
                "CREATE TRIGGER full BEFORE INSERT ON request_rows \
                 BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END",
            )
            .unwrap();
        for n in 0..100 {
            running.ledger.record(request("m", n));
        }
        running.flush().await;
        // On a busy machine the rows are safe before the database has said why it doesn't take them.
        until(|| running.ledger.status().last_error.is_some()).await;
        let status = running.ledger.status();
        assert_eq!(status.spilled, 100, "{status:?}");
        SideConnection::connect(&place.location).run("DROP TRIGGER full").unwrap();
        running.counted(100).await;
        running.close().await;
        assert_rollups_are_sums_of_rows(&place.location);
    });
}

#[test]
fn a_row_that_the_database_does_not_take_is_put_aside() {
    run(async {
        let place = TestDatabase::sqlite();
        let running = Running::start(&place);
        running.flush().await;
        SideConnection::connect(&place.location)
            .run(
                "CREATE TRIGGER picky BEFORE INSERT ON request_rows WHEN NEW.request_id = 'r7' \
                 BEGIN SELECT RAISE(ABORT, 'not this one'); END",
            )
            .unwrap();
        for n in 0..20 {
            running.ledger.record(request("m", n));
        }
        running.counted(19).await;
        until(|| running.ledger.status().rejected == 1).await;
        let aside = fs::read_to_string(place.dir.path().join("ledger.db.overflow.rejected")).unwrap();
        assert!(aside.lines().count() == 1 && aside.contains("\"r7\""), "{aside}");
        running.ledger.record(request("m", 100));
        running.counted(20).await;
        assert_rollups_are_sums_of_rows(&place.location);
    });
}

#[test]
fn rows_for_a_ledger_that_was_damaged_meanwhile_are_kept() {
    run(async {
        let place = TestDatabase::sqlite();
        let running = Running::start(&place);
        for n in 0..500 {
            running.ledger.record(request("m", n));
        }
        running.close().await;
        drop(running);
        let running = Running::start(&place);
        running.flush().await;
        // Somebody writes over it, from the first page on.
        let size = fs::metadata(place.file()).unwrap().len();
        let garbage = vec![0x5a_u8; size as usize];
        OpenOptions::new().write(true).open(place.file()).unwrap().write_all(&garbage).unwrap();
        OpenOptions::new().write(true).truncate(true).open(place.dir.path().join("ledger.db-wal")).unwrap();
        for n in 0..50 {
            running.ledger.record(request("m", n));
        }
        until(|| running.ledger.status().spilled == 50 && running.ledger.status().last_error.is_some()).await;
        drop(running);
        // And the next start refuses it.
        assert!(start(&settings(&place), "test").is_err());
        let kept = fs::read_dir(place.dir.path()).unwrap().flatten();
        assert!(kept.into_iter().any(|file| file.file_name().to_string_lossy().contains("overflow")));
    });
}

#[test]
fn torn_and_damaged_lines_spoil_no_others() {
    run(async {
        let place = TestDatabase::sqlite();
        let running = Running::start(&place);
        running.flush().await;
        let mut other = SideConnection::connect(&place.location);
        other.run("BEGIN IMMEDIATE").unwrap();
        for n in 0..30 {
            running.ledger.record(request("m", n));
        }
        let _ = running.addr().await.send(CloseLedger).await.unwrap();
        drop((running, other));
        let mut bytes = fs::read(overflow(&place)).unwrap();
        let breaks: Vec<usize> =
            bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at).collect();
        assert_eq!(breaks.len(), 60);
        // One bit within a line, and the last one is torn.
        bytes[breaks[20] + 40] ^= 1;
        bytes.truncate(bytes.len() - 20);
        fs::write(overflow(&place), &bytes).unwrap();
        let again = Running::start(&place);
        again.counted(28).await;
        until(|| place.dir.path().join("ledger.db.overflow.00000001.damaged").exists()).await;
        assert_eq!(again.count().await, 28);
        again.close().await;
    });
}

#[test]
fn a_postgres_that_cuts_all_connections_is_found_again() {
    everywhere(|place| {
        if matches!(place.location, Location::File(_)) {
            return;
        }
        run(async {
            let running = Running::start(place);
            running.ledger.record(request("m", 0));
            running.flush().await;
            assert_eq!(running.count().await, 1);
            SideConnection::connect(&place.location)
                .words(
                    "SELECT CAST(pg_terminate_backend(pid) AS TEXT) AS word FROM pg_stat_activity \
                     WHERE pid <> pg_backend_pid() AND datname = current_database()",
                )
                .unwrap();
            running.ledger.record(request("m", 1));
            running.flush().await;
            running.counted(2).await;
            assert_eq!(running.ledger.status().lost, 0);
            running.close().await;
        });
        assert_rollups_are_sums_of_rows(&place.location);
    });
}
