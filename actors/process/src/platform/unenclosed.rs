//! Unix, on which nothing but its marks and its parents holds a run together.

use std::io;
use std::process::Command;

use super::{ProcessInfo, Signal};
use crate::tree::Signalled;

/// What would hold the processes of one run together.
#[derive(Clone, Debug)]
pub(crate) struct Enclosure;

impl Enclosure {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self)
    }

    pub(crate) fn prepare(&self, _command: &mut Command) {}

    pub(crate) fn admit(&self, _child: &tokio::process::Child) -> io::Result<()> {
        Ok(())
    }

    /// `None`: the process table has to be searched for them.
    pub(crate) fn members(&self) -> io::Result<Option<Vec<ProcessInfo>>> {
        Ok(None)
    }

    /// Kills the group of this leader. Nobody left in it is the usual case.
    pub(crate) fn end(&self, leader: u32) {
        if let Ok(pid) = i32::try_from(leader) {
            let _ = nix::sys::signal::killpg(nix::unistd::Pid::from_raw(pid), nix::sys::signal::SIGKILL);
        }
    }

    pub(crate) fn release(&self) -> io::Result<()> {
        Ok(())
    }

    /// Signals each of them.
    pub(crate) fn signal(&self, processes: &[ProcessInfo], signal: Signal) -> Signalled {
        crate::tree::signal_all(processes, signal)
    }
}

/// The guard does what a job would do.
pub fn contain_this_process() -> io::Result<()> {
    Ok(())
}

/// Output is UTF-8, or nothing that could be known.
pub(crate) fn decode(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// No program opens a window by itself here.
pub(crate) fn without_window(_command: &mut Command) {}

pub fn ctrl_break_main(_pids: &[u32]) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "Ctrl-Break is a matter of Windows"))
}
