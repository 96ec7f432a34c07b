//! Linux: /proc, the parent death signal, pidfds and subreapers. What any Unix has is in `unix`.

use std::fs::File;
use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use nix::errno::Errno;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal as UnixSignal, kill};
use nix::sys::wait::{Id as WaitId, WaitPidFlag, waitid, waitpid};
use nix::unistd::{Pid, getpid, getppid};
use procfs::net::TcpState;
use procfs::process::{FDTarget, Process, Stat};
use procfs::{FromRead as _, ProcError};
use rustix::process::{PidfdFlags, pidfd_open, pidfd_send_signal};

use super::before_exec::before_exec;
use super::{Environment, ProcessId, ProcessInfo};

/// Whether backends can be run on this system.
pub(crate) fn supported() -> io::Result<()> {
    match process(std::process::id())? {
        Some(_) => Ok(()),
        None => Err(io::Error::other("/proc can't be read, so no process can be watched; mount it")),
    }
}

/// The file of this program, even if it was replaced: the new one is meant then, and the kernel calls the old one
/// deleted.
pub(crate) fn own_program() -> io::Result<PathBuf> {
    let exe = std::env::current_exe()?;
    let replaced = exe.to_str().and_then(|exe| exe.strip_suffix(" (deleted)")).map(PathBuf::from);
    Ok(replaced.unwrap_or(exe))
}

/// All processes that may be seen. One that can't be looked at for want of files or memory is an error: nobody
/// may take it for gone.
pub(crate) fn processes() -> io::Result<Vec<ProcessInfo>> {
    let mut found = Vec::new();
    let mut line = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit())) {
            line.clear();
            // One file, and no more questions about it than it takes: there may be thousands of them.
            let read = File::open(entry.path().join("stat")).and_then(|mut stat| stat.read_to_end(&mut line));
            let stat = read.map_err(ProcError::from).and_then(|_| Stat::from_read(line.as_slice()));
            found.extend(seen(stat)?.map(info));
        }
    }
    Ok(found)
}

/// One process; `None` if there is none with this number, or it may not be seen.
pub(crate) fn process(pid: u32) -> io::Result<Option<ProcessInfo>> {
    let Ok(pid) = i32::try_from(pid) else { return Ok(None) };
    Ok(seen(Process::new(pid).and_then(|process| process.stat()))?.map(info))
}

/// What isn't there, or isn't ours to see, is told from what couldn't be looked at.
fn seen<T>(looked: Result<T, ProcError>) -> io::Result<Option<T>> {
    match looked {
        Ok(found) => Ok(Some(found)),
        Err(ProcError::NotFound(_) | ProcError::PermissionDenied(_)) => Ok(None),
        Err(error) => {
            let error = cause(error);
            if is_gone(&error) { Ok(None) } else { Err(error) }
        }
    }
}

fn cause(error: ProcError) -> io::Error {
    match error {
        ProcError::Io(error, _) => error,
        ProcError::NotFound(_) => io::ErrorKind::NotFound.into(),
        ProcError::PermissionDenied(_) => io::ErrorKind::PermissionDenied.into(),
        other => io::Error::other(other.to_string()),
    }
}

/// A process may end between two steps of looking at it.
fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(Errno::ESRCH as i32)
}

fn info(stat: Stat) -> ProcessInfo {
    // The main thread may be gone while others go on: `Z`, and yet alive.
    let alive = !matches!(stat.state, 'Z' | 'X' | 'x') || stat.num_threads > 1;
    ProcessInfo {
        id: ProcessId { pid: stat.pid.cast_unsigned(), start_time: stat.starttime },
        parent: stat.ppid.cast_unsigned(),
        group: stat.pgrp.cast_unsigned(),
        session: stat.session.cast_unsigned(),
        alive,
        name: stat.comm,
    }
}

/// The sockets that listen on `port`, by address and inode.
pub(crate) fn listening(port: u16) -> Vec<(SocketAddr, u64)> {
    // Without IPv6 its table isn't there.
    let tables = [procfs::net::tcp(), procfs::net::tcp6()].into_iter().flatten().flatten();
    tables
        .filter(|entry| entry.state == TcpState::Listen && entry.local_address.port() == port)
        .map(|entry| (entry.local_address, entry.inode))
        .collect()
}

/// Whether `root` and what grew from it hold all of these sockets; false if that can't be seen.
pub(crate) fn hold_sockets(root: u32, mut inodes: Vec<u64>) -> bool {
    const MOST: usize = 64;
    let mut pids = vec![root];
    let mut next = 0;
    while let Some(pid) = pids.get(next).copied().filter(|_| !inodes.is_empty()) {
        next += 1;
        let Some(process) = i32::try_from(pid).ok().and_then(|pid| Process::new(pid).ok()) else { continue };
        let held = process.fd().into_iter().flatten().filter_map(|fd| match fd.ok()?.target {
            FDTarget::Socket(inode) => Some(inode),
            _ => None,
        });
        held.for_each(|held| inodes.retain(|inode| *inode != held));
        if inodes.is_empty() || pids.len() > MOST {
            break;
        }
        for task in process.tasks().into_iter().flatten().flatten() {
            pids.extend(task.children().into_iter().flatten());
        }
    }
    inodes.is_empty()
}

/// The environment of a process; empty when it may not be read, or is gone.
pub(crate) fn environment(pid: u32) -> io::Result<Environment> {
    match std::fs::read(format!("/proc/{pid}/environ")) {
        Ok(bytes) => Ok(Environment(bytes)),
        Err(error) if is_gone(&error) || error.kind() == io::ErrorKind::PermissionDenied => {
            Ok(Environment::default())
        }
        Err(error) => Err(error),
    }
}

/// A child by a name that never becomes another's. None where the kernel has no such thing: its number is exact until
/// somebody has waited for it.
#[derive(Debug)]
pub(super) struct Held(Option<OwnedFd>);

impl Held {
    pub(super) fn hold(pid: Pid) -> Self {
        let pid = rustix::process::Pid::from_raw(pid.as_raw());
        Self(pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()))
    }

    /// Signals the child, which nobody has waited for.
    pub(super) fn signal(&self, pid: Pid, signal: UnixSignal) -> nix::Result<()> {
        let Some(fd) = &self.0 else { return kill(pid, signal) };
        let signal = rustix::process::Signal::from_named_raw(signal as i32).ok_or(Errno::EINVAL)?;
        pidfd_send_signal(fd, signal).map_err(|error| Errno::from_raw(error.raw_os_error()))
    }
}

/// Tells this life of the machine from others; start times repeat after a reboot. Empty where there is none.
pub(crate) fn boot_id() -> io::Result<String> {
    match std::fs::read_to_string("/proc/sys/kernel/random/boot_id") {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error),
    }
}

/// Puts the child into a group of its own and has the kernel kill it when this thread ends.
pub fn die_with_this_thread(command: &mut Command) {
    command.process_group(0);
    let parent = getpid();
    before_exec(command, move || die_with(parent));
}

/// Has the kernel kill this process, which is about to call exec, when the thread of its parent ends that made it.
pub(super) fn die_with(parent: Pid) -> io::Result<()> {
    set_pdeathsig(UnixSignal::SIGKILL)?;
    // The parent may have died before the line above: then no signal will ever come.
    if getppid() == parent { Ok(()) } else { Err(Errno::ESRCH.into()) }
}

/// Has orphans of backends become children of this process, so that they can be seen and waited for.
pub(crate) fn adopt_orphans() -> io::Result<()> {
    nix::sys::prctl::set_child_subreaper(true).map_err(io::Error::from)
}

/// A child that has ended and that nobody has waited for yet.
pub(crate) fn ended_child() -> Option<u32> {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    waitid(WaitId::All, flags).ok()?.pid().map(|pid| pid.as_raw().cast_unsigned())
}

/// Waits for a child that has ended.
pub(crate) fn bury(pid: u32) {
    // Somebody else may have been quicker.
    let _ = waitpid(Pid::from_raw(pid.cast_signed()), Some(WaitPidFlag::WNOHANG));
}

/// The program that a process runs; `None` when it can't be told.
pub(crate) fn program(pid: u32) -> Option<PathBuf> {
    std::fs::read_link(format!("/proc/{pid}/exe")).ok()
}
