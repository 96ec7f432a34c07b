//! Windows: Job Objects, which hold a run's processes together, and a console per run, through which it is asked
//! to end.

mod console;
mod desktop;
mod job;
mod sys;

use std::io;
use std::os::windows::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitStatus};

use llm_manager_policy::system;
use windows_sys::Win32::System::Threading::{
    CREATE_NEW_PROCESS_GROUP, CREATE_NO_WINDOW, PROCESS_QUERY_LIMITED_INFORMATION, PROCESS_SYNCHRONIZE,
    PROCESS_TERMINATE,
};

use super::{Environment, ProcessId, ProcessInfo, Signal};

pub use console::ctrl_break_main;
pub use desktop::{leave_own_console, pump_messages, speaks_chinese, starts_at_login};
pub(crate) use job::Enclosure;
pub use job::contain_this_process;
pub(crate) use sys::decode_oem as decode;
pub use sys::log_into;

/// Whether [`start_again`] works here.
pub const STARTS_AGAIN: bool = false;
/// Backends are in a job that ends with the manager; see [`contain_this_process`].
pub const NEEDS_GUARD: bool = false;
/// How a backend is asked to end, in log lines.
pub(crate) const ASK: &str = "Ctrl-Break";
/// How it is ended by force.
pub(crate) const FORCE: &str = "TerminateJobObject";

/// Whether backends can be run on this system.
pub(crate) fn supported() -> io::Result<()> {
    match super::this_process()? {
        Some(_) => Ok(()),
        None => Err(io::Error::other("this process can't look at itself, so no process can be watched")),
    }
}

/// Windows can't put another program into a process; the caller serves anew in this one.
pub fn start_again() -> io::Error {
    io::Error::other("a process of Windows can't become another program")
}

/// All processes that may be seen.
pub(crate) fn processes() -> io::Result<Vec<ProcessInfo>> {
    let mut all: Vec<ProcessInfo> = sys::snapshot()?.into_iter().map(entry).collect();
    // The number of a parent that is gone may be another process by now: one that is younger than its child.
    let started: std::collections::HashMap<u32, u64> =
        all.iter().map(|info| (info.id.pid, info.id.start_time)).collect();
    for info in &mut all {
        if started.get(&info.parent).is_none_or(|parent| *parent > info.id.start_time) {
            info.parent = 0;
        }
    }
    Ok(all)
}

fn entry(entry: sys::ProcessEntry) -> ProcessInfo {
    // Of processes that belong to the system nothing may be read, nor are they ever ours.
    let start_time = sys::open(entry.pid, PROCESS_QUERY_LIMITED_INFORMATION)
        .and_then(|handle| sys::creation_time(&handle))
        .unwrap_or(0);
    ProcessInfo {
        id: ProcessId { pid: entry.pid, start_time },
        parent: entry.parent,
        // There are no groups that outlive their leader: the job stands for them.
        group: entry.pid,
        session: entry.pid,
        alive: true,
        name: entry.name,
    }
}

/// One process; its parent isn't looked for.
pub(crate) fn process(pid: u32) -> io::Result<Option<ProcessInfo>> {
    // What may not be opened is never ours.
    let Ok(handle) = sys::open(pid, PROCESS_QUERY_LIMITED_INFORMATION | PROCESS_SYNCHRONIZE) else {
        return Ok(None);
    };
    Ok(Some(ProcessInfo {
        id: ProcessId { pid, start_time: sys::creation_time(&handle)? },
        parent: 0,
        group: pid,
        session: pid,
        alive: sys::is_running(&handle),
        name: sys::image_name(&handle),
    }))
}

/// Not told of other processes; what belongs to a run is known by its job.
pub(crate) fn environment(_pid: u32) -> io::Result<Environment> {
    Ok(Environment::default())
}

/// The job reaches everybody without looking at anything.
#[derive(Debug)]
pub(crate) struct GroupLeader;

impl GroupLeader {
    pub(crate) fn hold(_pid: u32) -> Self {
        Self
    }

    pub(crate) fn ask(&self) -> bool {
        false
    }

    pub(crate) fn has_group(&self) -> bool {
        false
    }

    pub(crate) fn signal(&self, _signal: Signal, _waited: bool) -> io::Result<()> {
        Ok(())
    }
}

/// Ends a process, unless the pid belongs to another one by now. Only a console can ask one to end.
pub(crate) fn send(id: ProcessId, signal: Signal) -> io::Result<()> {
    if signal == Signal::Terminate {
        return console::ask_to_end(&[id.pid]);
    }
    let access = PROCESS_QUERY_LIMITED_INFORMATION | PROCESS_TERMINATE | PROCESS_SYNCHRONIZE;
    match sys::open(id.pid, access) {
        // The handle keeps the number from being given away, so this is still the same process below.
        Ok(handle) if sys::creation_time(&handle)? == id.start_time && sys::is_running(&handle) => {
            sys::terminate(&handle, system::ENDED_BY_MANAGER)
        }
        Ok(_) => Ok(()),
        Err(error) if sys::says_no_such_process(&error) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Start times are absolute here, so no life of the machine needs a name.
pub(crate) fn boot_id() -> io::Result<String> {
    Ok("windows".to_owned())
}

/// Nobody is orphaned here: the job of a run holds all of it.
pub(crate) fn adopt_orphans() -> io::Result<()> {
    Ok(())
}

pub(crate) fn ended_child() -> Option<u32> {
    None
}

pub(crate) fn bury(_pid: u32) {}

pub(crate) fn program(_pid: u32) -> Option<std::path::PathBuf> {
    None
}

/// Whether the file may be started by its path.
pub(crate) fn is_executable(path: &Path) -> bool {
    path.is_file()
}

/// `exit code 1` or `exit code 0xC0000005 (STATUS_ACCESS_VIOLATION: ...)`.
pub(crate) fn exit_text(status: ExitStatus) -> String {
    status
        .code()
        .map_or_else(|| "ended in an unknown way".to_owned(), |code| system::exit_code(code.cast_unsigned()))
}

/// Gives the child a console of its own that nobody sees: a window would pop up on the user's screen, and
/// Ctrl-C in the manager's console would end its backends. The manager's job ends it with the manager.
pub fn die_with_this_thread(command: &mut Command) {
    command.creation_flags(QUIET);
}

/// A program of consoles gets a window of its own if its parent has none: a service, or the tray.
pub(crate) fn without_window(command: &mut Command) {
    command.creation_flags(CREATE_NO_WINDOW);
}

/// The file of this program.
pub(crate) fn own_program() -> io::Result<std::path::PathBuf> {
    std::env::current_exe()
}

const QUIET: u32 = CREATE_NO_WINDOW | CREATE_NEW_PROCESS_GROUP;

/// The guard isn't needed where a job ends with its manager.
pub(crate) fn own_session(command: &mut Command) {
    command.creation_flags(QUIET);
}

/// There are no signals to block.
pub(crate) fn block_end_signals() -> io::Result<()> {
    Ok(())
}

/// Who listens is asked of the system by `port::holders` alone.
pub(crate) fn listening(_port: u16) -> Vec<(std::net::SocketAddr, u64)> {
    Vec::new()
}

pub(crate) fn hold_sockets(_root: u32, _inodes: Vec<u64>) -> bool {
    false
}
