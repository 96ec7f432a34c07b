//! A ledger that takes its time to open: systemd waits on, a signal is heard, the log says what goes on.

use std::os::unix::net::UnixDatagram;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::sqlite::{Lock, make_older};
use crate::support::{Config, Manager, Model, PATIENCE, assert_says};

#[test]
fn a_signal_ends_a_manager_whose_ledger_is_still_being_opened() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut manager = Manager::start(&Config::with(Model::chat("m")));
    manager.stop();
    let lock = Lock::take(&manager.path("data/llm-manager.db"));
    manager.set_env("NOTIFY_SOCKET", path.to_str().unwrap());
    let mut waits = manager.cli_spawn(&["serve"]);
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer).unwrap();
    let told = String::from_utf8_lossy(&buffer[..length]);
    assert_says(&told, &["EXTEND_TIMEOUT_USEC=30000000", "STATUS=opening the ledger"]);
    kill(Pid::from_raw(waits.id().cast_signed()), Signal::SIGTERM).unwrap();
    assert_eq!(waits.wait().unwrap().code(), Some(0));
    drop(lock);
    manager.launch();
}

#[test]
fn a_ledger_that_is_brought_up_to_date_says_so() {
    let mut manager = Manager::prepare(&Config::with(Model::chat("m")));
    std::fs::create_dir(manager.path("data")).unwrap();
    make_older(&manager.path("data/llm-manager.db"));
    manager.launch();
    assert_says(
        &manager.log(),
        &[
            "is of an older version: it is brought up to date (1 of ",
            "is kept as ",
            ".before-",
            "the ledger is up to date, after ",
        ],
    );
    manager.stop();
    let log = manager.log();
    manager.launch();
    assert!(!manager.log()[log.len()..].contains("up to date"), "{}", manager.log());
}
