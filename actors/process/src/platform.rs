//! What differs between operating systems: spawning, listing, signalling.
//!
//! Everything here blocks for at most some milliseconds; who calls it from an arbiter goes through
//! `spawn_blocking`. Every look can fail (files run out), and says so: what can't be looked at isn't gone.

#[cfg(unix)]
mod before_exec;
#[cfg(target_os = "linux")]
mod born_inside;
#[cfg(target_os = "linux")]
pub(super) mod cgroup;
#[cfg(not(target_os = "linux"))]
#[path = "platform/no_cgroup.rs"]
pub(super) mod cgroup;
mod heap;
mod identity;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(any(target_os = "linux", windows)))]
mod other;
#[cfg(unix)]
mod unenclosed;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use serde::{Deserialize, Serialize};

pub use heap::{give_memory_back, limit_arenas};
pub(super) use identity::{is_alive, this_process};
#[cfg(unix)]
pub use unix::FILE_TOO_LARGE;

// Three questions, and who answers them: what holds a run together, how processes are told something, which there are.
#[cfg(target_os = "linux")]
use linux as system;
#[cfg(not(any(target_os = "linux", windows)))]
use other as system;
#[cfg(unix)]
use {unenclosed as fence, unix as telling};
#[cfg(windows)]
use {windows as fence, windows as system, windows as telling};

pub(super) use fence::{Enclosure, decode, without_window};
pub use fence::{contain_this_process, ctrl_break_main};
pub use system::die_with_this_thread;
pub(super) use system::{
    adopt_orphans, boot_id, bury, ended_child, environment, hold_sockets, listening, own_program, process,
    processes, program, supported,
};
pub(super) use telling::{
    ASK, FORCE, GroupLeader, block_end_signals, exit_text, is_executable, own_session, send,
};
pub use telling::{NEEDS_GUARD, STARTS_AGAIN, start_again};
#[cfg(windows)]
pub use windows::{leave_own_console, log_into, pump_messages, speaks_chinese, starts_at_login};

/// What a pipe holds when it was widened, in bytes.
pub(super) const WIDE: usize = 512 * 1024;

/// Has a pipe hold `WIDE` bytes; false: it can't, or not here.
#[cfg(target_os = "linux")]
pub(super) fn widen(pipe: &impl std::os::fd::AsFd) -> bool {
    rustix::pipe::fcntl_setpipe_size(pipe, WIDE).is_ok()
}

#[cfg(not(target_os = "linux"))]
pub(super) fn widen<R>(_pipe: &R) -> bool {
    false
}

/// A process beyond doubt: a pid comes back after a while, a pid with its start time doesn't.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct ProcessId {
    pub(super) pid: u32,
    /// In the clock ticks of the system, since it came up.
    pub(super) start_time: u64,
}

/// A line of the process table.
#[derive(Clone, Debug)]
pub(super) struct ProcessInfo {
    pub(super) id: ProcessId,
    pub(super) parent: u32,
    pub(super) group: u32,
    pub(super) session: u32,
    /// False for a zombie: it holds no memory, no port and no pipe.
    pub(super) alive: bool,
    pub(super) name: String,
}

impl std::fmt::Display for ProcessInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "pid {} ({})", self.id.pid, self.name)
    }
}

/// What a process may be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// Please end.
    Terminate,
    /// End now.
    Kill,
}

/// The environment with which a process was started.
#[derive(Clone, Debug, Default)]
pub(super) struct Environment(pub(super) Vec<u8>);

impl Environment {
    /// The value of a variable.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.split(|byte| *byte == 0).find_map(|entry| {
            let value = entry.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
            std::str::from_utf8(value).ok()
        })
    }
}
