//! A child that begins its life in a cgroup. To move one that lives has to wait for the kernel, for 7 to 17 ms as a rule.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};

use nix::libc;
use nix::unistd::{Pid as UnixPid, getpid, setpgid};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, kill_process, pidfd_open, pidfd_send_signal, waitpid,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::before_exec::before_exec;
use super::linux::die_with;

/// Says which process was born inside, once a command has been spawned.
#[derive(Debug)]
pub(crate) struct Cradle {
    number: OwnedFd,
}

impl Cradle {
    /// Has the process that `command` forks beget the backend inside the cgroup `folder`, as a child of this process, and
    /// end. Where the kernel doesn't do that it moves there by itself, through `door`.
    pub(super) fn prepare(command: &mut Command, folder: OwnedFd, door: OwnedFd) -> io::Result<Self> {
        let (number, tell) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        let parent = getpid();
        before_exec(command, move || match beget(&folder) {
            // What doesn't come with birth: the command has given it to the one in between alone.
            Some(0) => {
                setpgid(UnixPid::from_raw(0), UnixPid::from_raw(0))?;
                die_with(parent)
            }
            Some(pid) => {
                let told = rustix::io::write(&tell, &pid.to_ne_bytes());
                leave(i32::from(told.is_err()))
            }
            None => {
                let _ = rustix::io::write(&door, b"0");
                Ok(())
            }
        });
        Ok(Self { number })
    }

    /// Its number, once the spawn has returned; `None`: what was spawned is the backend itself.
    pub(crate) fn born(&self) -> Option<u32> {
        let mut bytes = [0; 4];
        let count = rustix::io::read(&self.number, &mut bytes).ok()?;
        (count == bytes.len()).then(|| u32::from_ne_bytes(bytes))
    }
}

/// What the kernel's `struct clone_args` holds since 5.7: flags, eight fields that are not needed here, the size of a set
/// of numbers, and the cgroup.
type CloneArguments = [u64; 11];

/// The new process begins in the given cgroup. (The constant of libc is cut off.)
const INTO_CGROUP: u64 = 0x2_0000_0000;
/// Its parent is that of the caller.
const SAME_PARENT: u64 = 0x8000;

/// The number of the new process, or 0 in it; `None` where that can't be.
fn beget(folder: &OwnedFd) -> Option<u32> {
    let mut arguments = CloneArguments::default();
    let [flags, .., cgroup] = &mut arguments;
    *flags = INTO_CGROUP | SAME_PARENT;
    *cgroup = u64::from(folder.as_raw_fd().cast_unsigned());
    #[expect(unsafe_code, reason = "the call has no safe form")]
    // SAFETY: the kernel reads as many bytes as there are. Without CLONE_VM the new process has memory of its own, as after
    // fork, and goes on with what may run between fork and exec.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, arguments.as_ptr(), size_of::<CloneArguments>()) };
    u32::try_from(pid).ok()
}

/// Ends without a word: what the manager registered for its own end is not for this process.
fn leave(code: i32) -> ! {
    #[expect(unsafe_code, reason = "the call has no safe form")]
    // SAFETY: it does nothing but end the process.
    unsafe {
        libc::_exit(code)
    }
}

/// Waits for one that was born and couldn't become the backend: it is about to end.
pub(crate) fn bury_stillborn(pid: u32) {
    if let Some(pid) = number(pid) {
        let _ = waitpid(Some(pid), WaitOptions::empty());
    }
}

fn number(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

/// Becomes readable when the process has ended.
fn watched(process: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    #[expect(unsafe_code, reason = "the call has no safe form that isn't deprecated")]
    // SAFETY: an `OwnedFd` is the same descriptor until it is dropped, and nothing else closes it.
    let watched = unsafe { AsyncFd::register_with_interest(process, Interest::READABLE) };
    watched.map_err(io::Error::from)
}

/// A child of this process that none of its commands has spawned. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Born {
    pid: Pid,
    end: AsyncFd<OwnedFd>,
    ended: Option<ExitStatus>,
}

impl Born {
    /// Takes care of it; it is killed if that can't be.
    pub(crate) fn adopt(pid: u32) -> io::Result<Self> {
        let pid = number(pid).ok_or(io::ErrorKind::InvalidInput)?;
        let held = pidfd_open(pid, PidfdFlags::NONBLOCK).map_err(io::Error::from);
        match held.and_then(watched) {
            Ok(end) => Ok(Self { pid, end, ended: None }),
            Err(error) => {
                let _ = kill_process(pid, Signal::KILL);
                let _ = waitpid(Some(pid), WaitOptions::empty());
                Err(error)
            }
        }
    }

    /// Its number, until somebody has waited for it.
    pub(crate) fn id(&self) -> Option<u32> {
        self.ended.is_none().then(|| self.pid.as_raw_nonzero().get().cast_unsigned())
    }

    /// Returns when it has ended.
    pub(crate) async fn wait(&mut self) -> io::Result<ExitStatus> {
        loop {
            if let Some(status) = self.ended {
                return Ok(status);
            }
            let mut ready = self.end.readable().await?;
            match waitpid(Some(self.pid), WaitOptions::NOHANG)? {
                Some((_, status)) => self.ended = Some(ExitStatus::from_raw(status.as_raw())),
                None => ready.clear_ready(),
            }
        }
    }
}

impl Drop for Born {
    fn drop(&mut self) {
        if self.ended.is_none() {
            let _ = pidfd_send_signal(self.end.get_ref(), Signal::KILL);
            // If it takes a moment, it is waited for like any orphan.
            let _ = waitpid(Some(self.pid), WaitOptions::NOHANG);
        }
    }
}
