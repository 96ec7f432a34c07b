//! Systems of Unix that nobody has ported to, such as macOS: all that a port has to write. Until then backends are
//! refused; whatever else the program does works.

use std::io;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use nix::sys::signal::{Signal as UnixSignal, kill};
use nix::unistd::Pid;

use super::{Environment, ProcessInfo};

fn not_yet<T>() -> io::Result<T> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "running backends isn't supported on this system yet; use Linux, Windows or WSL 2",
    ))
}

/// A port answers `Ok` once the rest of this file is written.
pub(crate) fn supported() -> io::Result<()> {
    not_yet()
}

pub(crate) fn own_program() -> io::Result<PathBuf> {
    std::env::current_exe()
}

/// macOS: `proc_listallpids` and `proc_pidinfo` tell number, start time, parent, group and state.
pub(crate) fn processes() -> io::Result<Vec<ProcessInfo>> {
    not_yet()
}

pub(crate) fn process(_pid: u32) -> io::Result<Option<ProcessInfo>> {
    Ok(None)
}

/// macOS: `sysctl` with `KERN_PROCARGS2`, of processes of the same user.
pub(crate) fn environment(_pid: u32) -> io::Result<Environment> {
    Ok(Environment::default())
}

/// macOS: `proc_pidpath`.
pub(crate) fn program(_pid: u32) -> Option<PathBuf> {
    None
}

/// A shortcut; without it `port::holders` asks the system.
pub(crate) fn listening(_port: u16) -> Vec<(SocketAddr, u64)> {
    Vec::new()
}

pub(crate) fn hold_sockets(_root: u32, _inodes: Vec<u64>) -> bool {
    false
}

/// A child has no other name than its number.
#[derive(Debug)]
pub(super) struct Held;

impl Held {
    pub(super) fn hold(_pid: Pid) -> Self {
        Self
    }

    pub(super) fn signal(&self, pid: Pid, signal: UnixSignal) -> nix::Result<()> {
        kill(pid, signal)
    }
}

/// Start times are dates here, so no life of the machine needs a name.
pub(crate) fn boot_id() -> io::Result<String> {
    Ok(String::new())
}

/// Orphans go to the first process: a run knows them by their marks alone.
pub(crate) fn adopt_orphans() -> io::Result<()> {
    Ok(())
}

pub(crate) fn ended_child() -> Option<u32> {
    None
}

pub(crate) fn bury(_pid: u32) {}

/// There is no parent death signal: that the child ends with its manager is left to the guard alone.
pub fn die_with_this_thread(command: &mut Command) {
    command.process_group(0);
}
