//! When the ground shakes: files run out, nobody reads the log, clients stop reading.

use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::{Config, Manager, Model, PATIENCE, wait_until};

/// Sets the limit of open files of the running manager; answers the one before.
fn limit_files(manager: &Manager, files: u64) -> u64 {
    // The manager has raised its limit to the hard one, which is ours, too.
    let maximum = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
    let limit = rustix::process::Rlimit { current: Some(files), maximum };
    let pid = rustix::process::Pid::from_raw(manager.pid().as_raw()).unwrap();
    let before = rustix::process::prlimit(Some(pid), rustix::process::Resource::Nofile, limit).unwrap();
    before.current.unwrap_or(1 << 20)
}

#[test]
fn a_backend_is_stopped_though_no_file_can_be_opened() {
    let config = Config::with(Model::chat("chat").line("alive_time: 0.02")).program("stop_timeout: 1");
    let manager = Manager::start(&config);
    manager.chat("chat").send().ok();
    // Nothing can be looked at any more: no /proc, no port, no record.
    let before = limit_files(&manager, 3);
    wait_until("the backend is gone", PATIENCE, || manager.processes().is_empty());
    limit_files(&manager, before);
    manager.wait_state("chat", "stopped");
    assert!(manager.log().contains("can't look at its processes"), "it is said that nothing could be seen");
    manager.chat("chat").send().ok();
}

#[test]
fn sigterm_ends_the_manager_though_no_file_can_be_opened() {
    let config =
        Config::with(Model::chat("chat").flags(&["--fork-children", "2"])).program("stop_timeout: 1");
    let mut manager = Manager::start(&config);
    manager.chat("chat").send().ok();
    limit_files(&manager, 3);
    manager.signal(Signal::SIGTERM);
    manager.wait_exit(Duration::from_secs(60));
    manager.wait_no_processes();
}

#[test]
fn too_few_files_are_told_in_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("config.yaml"), "program: {port: 1}\nLocal-Models: {}\n").unwrap();
    let output = Command::new("sh")
        .args(["-c", "ulimit -n 24; exec \"$0\"", env!("CARGO_BIN_EXE_llm-manager")])
        .current_dir(dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("the limit of open files is 24") && !said.contains("panicked"), "{said}");
}

#[test]
fn a_log_that_nobody_reads_stops_nobody() {
    let mut manager = Manager::start(&Config::with(Model::chat("chat")));
    manager.stop();
    let unread = manager.launch_with(Stdio::piped());
    manager.chat("chat").send().ok();
    // A pipe holds 64 KiB; each refusal is a line.
    for _ in 0..1000 {
        manager.chat("unknown").send().error(404, "model_not_found");
    }
    manager.chat("chat").send().ok();
    manager.stop();
    drop(unread);
}
