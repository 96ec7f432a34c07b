//! What every Unix has: signals, process groups, sessions, exec. The system itself (`linux`, or `other`, which stands for
//! those that nobody has ported to) says who the processes are.

use std::cell::Cell;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus};

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal as UnixSignal, kill, killpg};
use nix::unistd::{Pid, getpgid, setsid};

use super::before_exec::before_exec;
use super::{ProcessId, Signal, system};

/// Whether [`start_again`] works here.
pub const STARTS_AGAIN: bool = true;
/// Whether backends could outlive a manager that is killed.
pub const NEEDS_GUARD: bool = true;
/// How a backend is asked to end, in log lines.
pub(crate) const ASK: &str = "SIGTERM";
/// How it is ended by force.
pub(crate) const FORCE: &str = "SIGKILL";

/// Becomes the same program again, with the same arguments and the same pid. A return is a failure.
pub fn start_again() -> io::Error {
    match system::own_program() {
        Ok(program) => Command::new(program).args(std::env::args_os().skip(1)).exec(),
        Err(error) => error,
    }
}

/// Sends a signal, unless the pid belongs to another process by now.
pub(crate) fn send(id: ProcessId, signal: Signal) -> io::Result<()> {
    let Ok(raw) = i32::try_from(id.pid) else { return Ok(()) };
    if system::process(id.pid)?.is_none_or(|info| info.id != id) {
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
pub(crate) struct GroupLeader {
    pid: Pid,
    held: system::Held,
    /// Its group had members at every look so far. While it has, nobody else gets its number.
    peopled: Cell<bool>,
}

impl GroupLeader {
    /// Takes hold of a child that nobody has waited for yet.
    pub(crate) fn hold(pid: u32) -> Self {
        let pid = Pid::from_raw(i32::try_from(pid).unwrap_or(0));
        Self { pid, held: system::Held::hold(pid), peopled: Cell::new(true) }
    }

    /// Asks the child to end, which nobody has waited for yet. False: it couldn't be asked.
    pub(crate) fn ask(&self) -> bool {
        send_with(Signal::Terminate, |signal| self.held.signal(self.pid, signal)).is_ok()
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
        if in_group {
            return Ok(());
        }
        send_with(signal, |signal| self.held.signal(self.pid, signal))
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

/// Takes the child out of the terminal's reach: Ctrl-C ends the manager, not its guard.
pub(crate) fn own_session(command: &mut Command) {
    before_exec(command, || {
        setsid()?;
        // The mask lasts beyond exec, so there is no moment in which the guard could be caught.
        end_signals().thread_block()?;
        Ok(())
    });
}

/// The signal that ends a process whose file would grow beyond `ulimit -f`.
pub const FILE_TOO_LARGE: i32 = UnixSignal::SIGXFSZ as i32;

/// Leaves SIGINT, SIGTERM and SIGHUP unheard by this thread.
pub(crate) fn block_end_signals() -> io::Result<()> {
    end_signals().thread_block().map_err(io::Error::from)
}

fn end_signals() -> SigSet {
    [UnixSignal::SIGINT, UnixSignal::SIGTERM, UnixSignal::SIGHUP].into_iter().collect()
}
