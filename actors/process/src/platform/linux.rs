//! Linux: /proc, process groups and the parent death signal.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus};

use nix::errno::Errno;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal as UnixSignal, kill, killpg};
use nix::sys::wait::{Id as WaitId, WaitPidFlag, waitid, waitpid};
use nix::unistd::{Pid, getpgid, getpid, getppid, setsid};
use procfs::ProcError;
use procfs::net::TcpState;
use procfs::process::{FDTarget, Process, Stat};
use rustix::process::{PidfdFlags, pidfd_open, pidfd_send_signal};

use super::{Environment, ProcessId, ProcessInfo, Signal};

/// Whether backends can be run on this system.
pub(crate) fn supported() -> io::Result<()> {
    match process(std::process::id())? {
        Some(_) => Ok(()),
        None => Err(io::Error::other("/proc can't be read, so no process can be watched; mount it")),
    }
}

/// Becomes the same program again, with the same arguments and the same pid. Whoever comes back from it has failed.
pub fn start_again() -> io::Error {
    let exe = match std::env::current_exe() {
        Ok(exe) => exe,
        Err(error) => return error,
    };
    // So the kernel calls a program that was replaced meanwhile: the new one is meant.
    let exe = match exe.to_str().and_then(|exe| exe.strip_suffix(" (deleted)")) {
        Some(replaced) => std::path::PathBuf::from(replaced),
        None => exe,
    };
    Command::new(exe).args(std::env::args_os().skip(1)).exec()
}

/// All processes that may be seen. One that can't be looked at for want of files or memory is an error: nobody
/// may take it for gone.
pub(crate) fn processes() -> io::Result<Vec<ProcessInfo>> {
    let mut found = Vec::new();
    for process in procfs::process::all_processes().map_err(cause)? {
        found.extend(seen(process.and_then(|process| process.stat()))?.map(info));
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

/// Sends a signal, unless the pid belongs to another process by now.
pub(crate) fn send(id: ProcessId, signal: Signal) -> io::Result<()> {
    let Ok(raw) = i32::try_from(id.pid) else { return Ok(()) };
    if process(id.pid)?.is_none_or(|info| info.id != id) {
        return Ok(());
    }
    let pid = Pid::from_raw(raw);
    send_with(signal, |signal| kill(pid, signal))
}

fn send_with(signal: Signal, send: impl Fn(UnixSignal) -> nix::Result<()>) -> io::Result<()> {
    let sent = match signal {
        Signal::Kill => send(UnixSignal::SIGKILL),
        // A stopped process would not see the request before somebody wakes it.
        Signal::Terminate => send(UnixSignal::SIGTERM).and_then(|()| send(UnixSignal::SIGCONT)),
    };
    match sent {
        Err(Errno::ESRCH) => Ok(()),
        other => other.map_err(io::Error::from),
    }
}

/// A child that leads a group of its own, held so that it can be signalled without opening a file.
#[derive(Debug)]
pub(crate) struct Leader {
    pid: Pid,
    /// Names the process for good. `None` where the kernel has no such thing; its number is exact until somebody
    /// has waited for it.
    fd: Option<OwnedFd>,
    /// Its group had members at every look so far. While it has, nobody else gets its number.
    peopled: Cell<bool>,
}

impl Leader {
    /// Takes hold of a child that nobody has waited for yet.
    pub(crate) fn hold(pid: u32) -> Self {
        let raw = i32::try_from(pid).unwrap_or(0);
        let fd =
            rustix::process::Pid::from_raw(raw).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        Self { pid: Pid::from_raw(raw), fd, peopled: Cell::new(true) }
    }

    /// Whether its group has members, zombies included; asked as soon as somebody has waited for the child, and then
    /// again and again: a group that was empty once may be another's later.
    pub(crate) fn has_group(&self) -> bool {
        let peopled =
            self.peopled.get() && self.pid.as_raw() > 1 && killpg(self.pid, None) != Err(Errno::ESRCH);
        self.peopled.set(peopled);
        peopled
    }

    /// Signals the child and its group by number; `waited`: somebody has waited for it, so that the number is its
    /// group's as long as that has members, and may be another's then.
    pub(crate) fn signal(&self, signal: Signal, waited: bool) -> io::Result<()> {
        if self.pid.as_raw() <= 1 {
            return Ok(());
        }
        if waited {
            return if self.has_group() {
                send_with(signal, |signal| killpg(self.pid, signal))
            } else {
                Ok(())
            };
        }
        // One signal each: the leader is in its group unless it has gone elsewhere.
        let in_group = getpgid(Some(self.pid)).is_ok_and(|group| group == self.pid);
        send_with(signal, |signal| killpg(self.pid, signal))?;
        match &self.fd {
            _ if in_group => Ok(()),
            Some(fd) => send_with(signal, |signal| {
                let signal = rustix::process::Signal::from_named_raw(signal as i32).ok_or(Errno::EINVAL)?;
                pidfd_send_signal(fd, signal).map_err(|error| Errno::from_raw(error.raw_os_error()))
            }),
            None => send_with(signal, |signal| kill(self.pid, signal)),
        }
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

/// Whether the file may be started by its path.
pub(crate) fn is_executable(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

/// `exit code 1` or `killed by SIGSEGV (core dumped)`.
pub(crate) fn exit_text(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(number)) => {
            let name = UnixSignal::try_from(number).map_or_else(|_| number.to_string(), |s| s.to_string());
            let core = if status.core_dumped() { " (core dumped)" } else { "" };
            format!("killed by {name}{core}")
        }
        (None, None) => "ended in an unknown way".to_owned(),
    }
}

/// Puts the child into a group of its own and has the kernel kill it when this thread ends.
pub fn die_with_this_thread(command: &mut Command) {
    command.process_group(0);
    let parent = getpid();
    before_exec(command, move || {
        set_pdeathsig(UnixSignal::SIGKILL)?;
        // The parent may have died before the line above: then no signal will ever come.
        if getppid() == parent { Ok(()) } else { Err(Errno::ESRCH.into()) }
    });
}

/// Takes the child out of the terminal's reach: Ctrl-C ends the manager, not its guard.
pub(crate) fn own_session(command: &mut Command) {
    before_exec(command, || {
        setsid()?;
        // The mask lasts beyond exec, so there is no moment in which the guard could be caught.
        end_signals().thread_block()?;
        Ok(())
    });
}

/// Leaves SIGINT, SIGTERM and SIGHUP unheard by this thread.
pub(crate) fn block_end_signals() -> io::Result<()> {
    end_signals().thread_block().map_err(io::Error::from)
}

fn end_signals() -> SigSet {
    [UnixSignal::SIGINT, UnixSignal::SIGTERM, UnixSignal::SIGHUP].into_iter().collect()
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
pub(crate) fn program(pid: u32) -> Option<std::path::PathBuf> {
    std::fs::read_link(format!("/proc/{pid}/exe")).ok()
}

pub(super) fn before_exec(
    command: &mut Command,
    hook: impl FnMut() -> io::Result<()> + Send + Sync + 'static,
) {
    #[expect(unsafe_code, reason = "the hooks make system calls only: no allocation, no lock")]
    // SAFETY: between fork and exec only async-signal-safe functions may run, and only those do.
    unsafe {
        command.pre_exec(hook);
    }
}
