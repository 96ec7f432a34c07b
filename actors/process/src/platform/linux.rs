//! Linux: /proc, process groups and the parent death signal.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus};

use nix::errno::Errno;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal as UnixSignal, kill};
use nix::unistd::{Pid, getpid, getppid, setsid};
use procfs::process::{Process, Stat};

use super::{Environment, ProcessId, ProcessInfo, Signal};

/// Whether backends can be run on this system.
pub(crate) fn supported() -> io::Result<()> {
    match process(std::process::id()) {
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

/// All processes that may be seen.
pub(crate) fn processes() -> io::Result<Vec<ProcessInfo>> {
    let all = procfs::process::all_processes().map_err(|error| io::Error::other(error.to_string()))?;
    // Whoever ends between two lines of the listing is simply not there.
    Ok(all.filter_map(|process| Some(info(process.ok()?.stat().ok()?))).collect())
}

/// One process.
pub(crate) fn process(pid: u32) -> Option<ProcessInfo> {
    Some(info(Process::new(i32::try_from(pid).ok()?).ok()?.stat().ok()?))
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

/// The environment of a process; empty when it may not be read.
pub(crate) fn environment(pid: u32) -> Environment {
    Environment(std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default())
}

/// Sends a signal, unless the pid belongs to another process by now.
pub(crate) fn send(id: ProcessId, signal: Signal) -> io::Result<()> {
    let Ok(raw) = i32::try_from(id.pid) else { return Ok(()) };
    if process(id.pid).is_none_or(|info| info.id != id) {
        return Ok(());
    }
    let pid = Pid::from_raw(raw);
    let sent = match signal {
        Signal::Kill => kill(pid, UnixSignal::SIGKILL),
        // A stopped process would not see the request before somebody wakes it.
        Signal::Terminate => kill(pid, UnixSignal::SIGTERM).and_then(|()| kill(pid, UnixSignal::SIGCONT)),
    };
    match sent {
        Err(Errno::ESRCH) => Ok(()),
        other => other.map_err(io::Error::from),
    }
}

/// Tells this life of the machine from others; start times repeat after a reboot.
pub(crate) fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
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

fn before_exec(command: &mut Command, hook: impl FnMut() -> io::Result<()> + Send + Sync + 'static) {
    #[expect(unsafe_code, reason = "both hooks above make system calls only: no allocation, no lock")]
    // SAFETY: between fork and exec only async-signal-safe functions may run, and only those do.
    unsafe {
        command.pre_exec(hook);
    }
}
