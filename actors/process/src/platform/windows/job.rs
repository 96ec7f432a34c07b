//! Job Objects: whatever a member starts is a member, and the system ends them all when the last handle closes.

use std::io;
use std::os::windows::io::OwnedHandle;
use std::os::windows::process::CommandExt;
use std::process::Command;
use std::sync::{Arc, OnceLock};

use llm_manager_policy::system::ENDED_BY_MANAGER;
use windows_sys::Win32::System::Threading::CREATE_SUSPENDED;

use super::super::{ProcessInfo, Signal};
use super::{QUIET, console, process, sys};
use crate::tree::Signalled;

/// What holds the processes of one run together.
#[derive(Clone, Debug)]
pub(crate) struct Enclosure {
    job: Arc<OwnedHandle>,
}

impl Enclosure {
    /// An empty one. Its processes end with the last clone of it, and with this process, however that ends.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { job: Arc::new(sys::new_job()?) })
    }

    /// The child must not run before [`Enclosure::admit`]: what it started until then would be outside.
    pub(crate) fn prepare(&self, command: &mut Command) {
        command.creation_flags(QUIET | CREATE_SUSPENDED);
    }

    /// Takes the child in and lets it run.
    pub(crate) fn admit(&self, child: &tokio::process::Child) -> io::Result<()> {
        let (Some(handle), Some(pid)) = (child.raw_handle(), child.id()) else {
            return Err(io::Error::other("it was gone before it could be put into its job"));
        };
        sys::assign(&self.job, handle)?;
        sys::resume(pid)
    }

    /// Its living processes; `None` where the process table has to be searched for them.
    pub(crate) fn members(&self) -> io::Result<Option<Vec<ProcessInfo>>> {
        let pids = sys::job_pids(&self.job)?;
        let mut found = Vec::new();
        for pid in pids {
            found.extend(process(pid)?.filter(|info| info.alive));
        }
        Ok(Some(found))
    }

    /// Kills all that is in it.
    pub(crate) fn end(&self, _leader: u32) {
        // It ends with its last handle anyway.
        let _ = sys::terminate_job(&self.job, ENDED_BY_MANAGER);
    }

    /// From now on its processes outlive it; they end with the manager.
    pub(crate) fn release(&self) -> io::Result<()> {
        sys::limit_job(&self.job, 0)
    }

    /// Asks its processes to end, or ends them all at once: none can start another one in between.
    pub(crate) fn signal(&self, processes: &[ProcessInfo], signal: Signal) -> Signalled {
        let pids: Vec<u32> = processes.iter().map(|info| info.id.pid).collect();
        let done = match signal {
            _ if pids.is_empty() => Ok(()),
            Signal::Terminate => console::ask_to_end(&pids),
            Signal::Kill => sys::terminate_job(&self.job, ENDED_BY_MANAGER),
        };
        done.map_err(|error| (processes.to_vec(), error))
    }
}

/// Puts this process into a job of its own, so that what it starts ends with it, even what was not yet put into
/// the job of its run. The handle is never closed: the system does it when the process is gone.
pub fn contain_this_process() -> io::Result<()> {
    static JOB: OnceLock<OwnedHandle> = OnceLock::new();
    if JOB.get().is_none() {
        let job = sys::new_job()?;
        sys::assign(&job, sys::this_process())?;
        // Another thread can't be here: it is called once, when the program starts.
        let _ = JOB.set(job);
    }
    Ok(())
}
