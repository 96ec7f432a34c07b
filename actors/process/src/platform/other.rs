//! Systems on which backends can't be run yet. Windows would put a Job Object here.

use std::io;
use std::path::Path;
use std::process::{Command, ExitStatus};

use super::{Environment, ProcessId, ProcessInfo, Signal};

fn not_yet<T>() -> io::Result<T> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "running backends isn't supported on this system yet; use Linux or WSL 2",
    ))
}

pub(crate) fn supported() -> io::Result<()> {
    not_yet()
}

pub fn start_again() -> io::Error {
    io::Error::other("starting again isn't supported on this system")
}

pub(crate) fn processes() -> io::Result<Vec<ProcessInfo>> {
    not_yet()
}

pub(crate) fn process(_pid: u32) -> io::Result<Option<ProcessInfo>> {
    Ok(None)
}

pub(crate) fn listening(_port: u16) -> Vec<(std::net::SocketAddr, u64)> {
    Vec::new()
}

pub(crate) fn hold_sockets(_root: u32, _inodes: Vec<u64>) -> bool {
    false
}

pub(crate) fn environment(_pid: u32) -> io::Result<Environment> {
    Ok(Environment::default())
}

#[derive(Debug)]
pub(crate) struct Leader;

impl Leader {
    pub(crate) fn hold(_pid: u32) -> Self {
        Self
    }

    pub(crate) fn has_group(&self) -> bool {
        false
    }

    pub(crate) fn signal(&self, _signal: Signal, _waited: bool) -> io::Result<()> {
        not_yet()
    }
}

pub(crate) fn send(_id: ProcessId, _signal: Signal) -> io::Result<()> {
    not_yet()
}

pub(crate) fn boot_id() -> io::Result<String> {
    Ok(String::new())
}

pub(crate) fn adopt_orphans() -> io::Result<()> {
    not_yet()
}

pub(crate) fn ended_child() -> Option<u32> {
    None
}

pub(crate) fn bury(_pid: u32) {}

pub(crate) fn program(_pid: u32) -> Option<std::path::PathBuf> {
    None
}

pub(crate) fn is_executable(path: &Path) -> bool {
    path.is_file()
}

pub(crate) fn exit_text(status: ExitStatus) -> String {
    status.to_string()
}

pub fn die_with_this_thread(_command: &mut Command) {}

pub(crate) fn own_session(_command: &mut Command) {}

pub(crate) fn block_end_signals() -> io::Result<()> {
    not_yet()
}
