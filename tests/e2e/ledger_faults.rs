//! The ledger is pulled away under a manager that runs: no row may vanish, and nothing may stand still.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::postgres::Postgres;
use crate::support::{Config, Manager, Model, PATIENCE, wait_until};

fn data(manager: &Manager) -> PathBuf {
    manager.path("data")
}

/// Files of the ledger's folder whose names contain this.
fn named(manager: &Manager, part: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(data(manager)).unwrap().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.to_string_lossy().contains(part)).collect()
}

/// Request ids in the overflow files.
fn in_overflow(manager: &Manager, id: &str) -> bool {
    named(manager, "overflow").iter().any(|path| {
        fs::read_to_string(path).is_ok_and(|text| text.contains(&format!("\"request_id\":\"{id}\"")))
    })
}

fn chat(manager: &Manager, id: &str) {
    manager.chat("chat").header("x-request-id", id).send().ok();
}

#[test]
fn a_deleted_ledger_is_noticed_and_rows_go_into_the_overflow_file() {
    let mut manager = Manager::start(&Config::with(Model::chat("chat")));
    chat(&manager, "before");
    wait_until("it is written", PATIENCE, || manager.api("/api/usage/summary")["total"]["requests"] == 1);
    for file in named(&manager, "llm-manager.db") {
        fs::remove_file(file).unwrap();
    }
    chat(&manager, "after");
    wait_until("the row is in the overflow file", PATIENCE, || in_overflow(&manager, "after"));
    wait_until("so is one that was written a moment before the file was gone", PATIENCE, || {
        in_overflow(&manager, "before")
    });
    wait_until("it is told", PATIENCE, || manager.log().contains("is not there any more"));
    let text = manager.get("/metrics").send().ok().text();
    assert!(text.contains("llm_manager_ledger_writable 0"), "{text}");
    assert!(text.contains("llm_manager_model_state{"), "{text}");
    manager.get("/api/usage/summary").send().error(503, "ledger_unavailable");
    // The next start begins a new ledger and has them all.
    manager.stop();
    manager.launch();
    wait_until("both rows are in the new ledger", PATIENCE, || {
        manager.api("/api/usage/summary")["total"]["requests"] == 2
    });
}

#[test]
fn an_emptied_ledger_crashes_nothing() {
    let manager = Manager::start(&Config::with(Model::chat("chat")));
    chat(&manager, "before");
    wait_until("it is written", PATIENCE, || manager.api("/api/usage/summary")["total"]["requests"] == 1);
    fs::OpenOptions::new().write(true).truncate(true).open(data(&manager).join("llm-manager.db")).unwrap();
    manager.get("/api/usage/summary").send();
    manager.get("/metrics").send().ok();
    chat(&manager, "after");
    wait_until("the row is in the overflow file", PATIENCE, || in_overflow(&manager, "after"));
    assert_eq!(manager.state("chat"), "ready");
}

/// SQLite maps the index of its journal into memory.
#[test]
fn an_index_that_was_cut_off_ends_nobody_and_loses_nothing() {
    let manager = Manager::start(&Config::with(Model::chat("chat")));
    chat(&manager, "first");
    let rows = || manager.api("/api/usage/summary")["total"]["requests"].as_u64().unwrap();
    wait_until("it is written", PATIENCE, || rows() == 1);
    let cuts = [(0, true), (0, false), (4096, true), (4096, false)];
    for (written, (size, reads_first)) in (1..).zip(cuts) {
        let index = fs::OpenOptions::new().write(true).open(data(&manager).join("llm-manager.db-shm"));
        index.unwrap().set_len(size).unwrap();
        if reads_first {
            assert_eq!(rows(), written, "{size}");
        }
        chat(&manager, &format!("{size}-{reads_first}"));
        wait_until("it is written, too", PATIENCE, || rows() == written + 1);
    }
    assert!(manager.log().contains("was cut off by another program: it is made anew"));
}

#[test]
fn a_journal_that_was_cut_off_costs_no_row_of_the_last_seconds() {
    let manager = Manager::start(&Config::with(Model::chat("chat")));
    let rows = || manager.get("/api/usage/summary").send();
    chat(&manager, "first");
    wait_until("it is written", PATIENCE, || rows().ok().json()["total"]["requests"] == 1);
    let journal = fs::OpenOptions::new().write(true).open(data(&manager).join("llm-manager.db-wal"));
    journal.unwrap().set_len(0).unwrap();
    chat(&manager, "second");
    wait_until("both are in the ledger", PATIENCE, || {
        let told = rows();
        told.status == 200 && told.json()["total"]["requests"] == 2
    });
    assert!(manager.log().contains("llm-manager.db-wal was cut off by another program"));
}

#[test]
fn a_folder_that_was_moved_away_gets_a_successor_for_the_rows() {
    let manager = Manager::start(&Config::with(Model::chat("chat")));
    chat(&manager, "first");
    wait_until("it is written", PATIENCE, || manager.api("/api/usage/summary")["total"]["requests"] == 1);
    fs::rename(data(&manager), manager.path("moved")).unwrap();
    chat(&manager, "second");
    wait_until("its row is in the overflow file", PATIENCE, || {
        data(&manager).exists() && in_overflow(&manager, "second")
    });
}

#[test]
fn another_ledger_in_its_place_gets_the_rows() {
    let manager = Manager::start(&Config::with(Model::chat("chat")));
    manager.cli_ok(&["backup", &manager.word("copy.db")]);
    chat(&manager, "before");
    fs::rename(manager.path("copy.db"), data(&manager).join("llm-manager.db")).unwrap();
    chat(&manager, "after");
    // As soon as the pause after the first failure is over.
    wait_until("the rows are in the ledger that has the name now", PATIENCE, || {
        manager.get("/api/requests?limit=10").send().text().contains("\"after\"")
    });
    assert!(manager.log().contains("was replaced by another file"), "{}", manager.log());
}

#[test]
fn a_ledger_that_cp_puts_in_its_place_is_noticed_and_gets_the_rows() {
    let mut manager = Manager::start(&Config::with(Model::chat("chat")));
    let ledger = data(&manager).join("llm-manager.db");
    let has = |manager: &Manager, ids: &[&str]| {
        let rows = manager.get("/api/requests?limit=10").send().text();
        ids.iter().all(|id| rows.contains(&format!("\"{id}\"")))
    };
    let noticed = |manager: &Manager| manager.log().matches("was emptied or overwritten").count();
    chat(&manager, "long-ago");
    wait_until("it is written", PATIENCE, || has(&manager, &["long-ago"]));
    // As the system copies it between two lives, which no count of changes tells from the one of now.
    manager.stop();
    fs::copy(&ledger, manager.path("plain.db")).unwrap();
    manager.launch();
    chat(&manager, "first");
    wait_until("it is written", PATIENCE, || has(&manager, &["first"]));
    fs::copy(manager.path("plain.db"), &ledger).unwrap();
    chat(&manager, "second");
    wait_until("they are in the ledger that is there now", PATIENCE, || {
        noticed(&manager) == 1 && has(&manager, &["long-ago", "first", "second"])
    });
    assert_eq!(named(&manager, "-wal.of-another-file").len(), 1, "nothing is thrown away");
    // The file is whole: a start looks at all of it.
    manager.stop();
    manager.launch();
    assert!(has(&manager, &["long-ago", "first", "second"]));
}

#[test]
fn rows_that_came_back_are_remembered_like_any_other() {
    let mut manager = Manager::start(&Config::with(Model::chat("chat")));
    let ledger = data(&manager).join("llm-manager.db");
    let has = |manager: &Manager, ids: &[&str]| {
        let rows = manager.get("/api/requests?limit=10").send().text();
        ids.iter().all(|id| rows.contains(&format!("\"{id}\"")))
    };
    let noticed = |manager: &Manager| manager.log().matches("rows are written again").count();
    manager.cli_ok(&["backup", &manager.word("copy.db")]);
    let put_back = || fs::copy(manager.path("copy.db"), &ledger).unwrap();
    chat(&manager, "first");
    wait_until("it is written", PATIENCE, || has(&manager, &["first"]));
    put_back();
    chat(&manager, "second");
    wait_until("both have come back", PATIENCE, || {
        noticed(&manager) == 1 && has(&manager, &["first", "second"])
    });
    wait_until("they are in the file itself", PATIENCE, || {
        named(&manager, "overflow").is_empty()
            && fs::read(&ledger).unwrap() != fs::read(manager.path("copy.db")).unwrap()
    });
    put_back();
    chat(&manager, "third");
    wait_until("all have come back", PATIENCE, || {
        noticed(&manager) == 2 && has(&manager, &["first", "second", "third"])
    });
    manager.stop();
    manager.launch();
    assert!(has(&manager, &["first", "second", "third"]));
}

#[test]
fn the_ledger_is_its_owners_alone() {
    let manager = Manager::start(&Config::with(Model::chat("chat")));
    chat(&manager, "one");
    manager.cli_ok(&["backup", &manager.word("copy.db")]);
    let mut files = named(&manager, "llm-manager.db");
    assert!(files.len() >= 2, "{files:?}");
    files.push(manager.path("copy.db"));
    files.push(data(&manager).join("manager.lock"));
    for file in files {
        let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", file.display());
    }
}

#[test]
fn a_second_manager_of_the_same_folder_is_refused_by_name() {
    let manager = Manager::start(&Config::with(Model::chat("chat")));
    let text = fs::read_to_string(manager.path("config.yaml")).unwrap();
    let port = crate::support::free_port();
    let other: String = text
        .lines()
        .map(|line| {
            if line.trim_start().starts_with("port:") && line.starts_with("  port") {
                format!("  port: {port}\n")
            } else {
                format!("{line}\n")
            }
        })
        .collect();
    fs::write(manager.path("other.yaml"), other).unwrap();
    let output = manager.cli_with("other.yaml", &["serve"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(told.contains(&format!("pid {}", manager.pid())) && told.contains("another manager"), "{told}");
}

#[test]
fn a_second_manager_of_a_linked_ledger_is_refused_by_name() {
    let manager = Manager::start(&Config::with(Model::chat("chat")));
    let other = Manager::prepare(&Config::with(Model::chat("chat")).program("database: \"link.db\""));
    std::os::unix::fs::symlink(manager.path("data/llm-manager.db"), other.path("link.db")).unwrap();
    let output = other.cli(&["serve"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains(&format!("pid {}", manager.pid())) && told.contains("another manager"), "{told}");
}

#[test]
fn a_second_manager_of_a_hard_linked_ledger_is_refused_by_name() {
    let manager = Manager::start(&Config::with(Model::chat("chat")));
    let mut other = Manager::prepare(&Config::with(Model::chat("chat")).program("database: \"link.db\""));
    fs::hard_link(manager.path("data/llm-manager.db"), other.path("link.db")).unwrap();
    let output = other.cli(&["serve"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{told}");
    for wanted in ["another manager", "hard links", &format!("pid {} on", manager.pid())] {
        assert!(told.contains(wanted), "{wanted}: {told}");
    }
    chat(&manager, "one");
    wait_until("it writes on", PATIENCE, || manager.api("/api/usage/summary")["total"]["requests"] == 1);
    // Once the first one has ended, the second one may have it.
    drop(manager);
    other.launch();
    assert_eq!(other.api("/api/usage/summary?from=2000-01-01T00:00:00Z")["total"]["requests"], 1);
}

#[test]
fn a_second_manager_of_one_postgres_is_refused_by_name_and_touches_nothing() {
    let Some(postgres) = Postgres::start() else { return };
    let config =
        || Config::with(Model::chat("chat")).program(&format!("database: \"{}\"", postgres.address()));
    let manager = Manager::start(&config());
    chat(&manager, "one");
    let run = "SELECT id, heartbeat_us FROM runs WHERE ended_us IS NULL";
    wait_until("its run is in the ledger", PATIENCE, || !postgres.ask(run).is_empty());
    // Another folder, another port, the same database.
    let other = Manager::prepare(&config());
    let output = other.cli(&["serve"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{told}");
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    for wanted in ["another manager", &format!("pid {} on {}", manager.pid(), host.trim())] {
        assert!(told.contains(wanted), "{wanted}: {told}");
    }
    assert!(!postgres.ask(run).is_empty(), "the first one's run goes on");
    chat(&manager, "two");
    wait_until("it writes on", PATIENCE, || manager.api("/api/usage/summary")["total"]["requests"] == 2);
    // Once the first one has ended, the second one may have it.
    drop(manager);
    let mut other = other;
    other.launch();
    assert_eq!(other.api("/api/usage/summary?from=2000-01-01T00:00:00Z")["total"]["requests"], 2);
}

#[test]
fn a_postgres_that_is_frozen_holds_nobody_up() {
    let Some(postgres) = Postgres::start() else { return };
    let config = Config::with(Model::chat("chat")).program(&format!("database: \"{}\"", postgres.address()));
    let mut manager = Manager::start(&config);
    chat(&manager, "before");
    let rows = || postgres.ask("SELECT COUNT(*) FROM requests");
    wait_until("it is written", PATIENCE, || rows() == "1");
    postgres.freeze(true);
    chat(&manager, "during");
    // Promised are one second for the row and two for a report; the rest is for busy machines.
    let slack = Duration::from_secs(4);
    wait_until("its row is in the overflow file", slack, || in_overflow(&manager, "during"));
    let asked = Instant::now();
    manager.get("/metrics").send().ok();
    assert!(asked.elapsed() < slack, "/metrics took {:?}", asked.elapsed());
    let asked = Instant::now();
    manager.get("/api/usage/summary").send().error(503, "ledger_unavailable");
    assert!(asked.elapsed() < slack, "a report took {:?}", asked.elapsed());
    manager.signal(Signal::SIGTERM);
    assert!(manager.wait_exit(Duration::from_secs(10)).success());
    postgres.freeze(false);
    manager.launch();
    wait_until("both are written", PATIENCE, || rows() == "2");
}

#[test]
fn a_row_that_was_put_aside_can_be_replayed() {
    let mut manager = Manager::start(&Config::with(Model::chat("chat")));
    chat(&manager, "one");
    wait_until("it is written", PATIENCE, || manager.api("/api/usage/summary")["total"]["requests"] == 1);
    assert!(manager.cli_ok(&["ledger", "replay"]).starts_with("0 rows"));
    manager.cli_ok(&["ledger", "retain", "--now"]);
    assert_eq!(manager.api("/api/usage/summary")["total"]["requests"], 1, "it is young");
    manager.signal(Signal::SIGTERM);
    assert!(manager.wait_exit(PATIENCE).success());
}
