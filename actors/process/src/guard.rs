//! A tiny process that outlives a manager which is killed, just long enough to end its backends.
//!
//! The kernel ends a backend together with its manager, but not the backend's children. The guard does:
//! it holds the reading end of a pipe whose other end is the manager's, and a pipe can't be forgotten.

use std::ffi::OsStr;
use std::io::{self, BufRead};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin};

use super::leftovers::{LeftoverScope, Reaped, reap};
use super::tree::marker;
use super::{platform, records};

/// The line by which a manager that has ended everything itself sends its guard home.
const BYE: &str = "bye";
const BYE_LIMIT: Duration = Duration::from_secs(2);

/// Reads standard input until the manager says `bye` or is gone; then kills what it left, and says what
/// that was. Blocks, and is all that its process does.
pub fn guard_main(state_dir: &Path, instance: &str) -> io::Result<Vec<Reaped>> {
    // Also when somebody starts it without `spawn_guard`.
    platform::block_end_signals()?;
    let state_dir = records::canonical(state_dir);
    let mut line = String::new();
    let mut input = io::stdin().lock();
    loop {
        line.clear();
        match input.read_line(&mut line) {
            Ok(0) => break,
            Ok(_) if line.trim() == BYE => return Ok(Vec::new()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {}
            // A pipe that can't be read says no more than one that has ended.
            Err(_) => break,
        }
    }
    let reaped = reap(&LeftoverScope::Instance { state_dir: &state_dir, instance });
    for run in &reaped {
        log::warn!("the manager is gone. {run}");
    }
    Ok(reaped)
}

/// The manager's end of the pipe. Dropping it without [`GuardHandle::bye`] has the guard kill everything.
#[derive(Debug)]
pub struct GuardHandle {
    child: Child,
    /// Not in `child`, whose `wait` would close it, and the guard would take that for the end.
    pipe: Option<ChildStdin>,
}

/// Starts `program` with `arguments`, which must come to [`guard_main`].
pub fn spawn_guard<I, S>(program: &Path, arguments: I) -> io::Result<GuardHandle>
where
    I: IntoIterator<Item = S>,
    S: AsRef<OsStr>,
{
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::inherit());
    for name in marker::ALL {
        // A manager may itself be the backend of another one; its guard is nobody's backend.
        command.env_remove(name);
    }
    platform::own_session(&mut command);
    let mut child = tokio::process::Command::from(command).spawn()?;
    let pipe = child.stdin.take();
    Ok(GuardHandle { child, pipe })
}

impl GuardHandle {
    /// Its process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Resolves when the guard has ended, which it should not do: start another one.
    pub async fn ended(&mut self) -> String {
        self.child.wait().await.map_or_else(|error| error.to_string(), platform::exit_text)
    }

    /// Sends it home, and says whether it went. Only after every run has ended.
    pub async fn bye(mut self) -> bool {
        let gone = async {
            if let Some(pipe) = &mut self.pipe {
                pipe.write_all(format!("{BYE}\n").as_bytes()).await?;
                pipe.flush().await?;
            }
            self.child.wait().await
        };
        match tokio::time::timeout(BYE_LIMIT, gone).await {
            Ok(Ok(_)) => return true,
            Ok(Err(error)) => log::warn!("the guard had already exited: {error}"),
            Err(_) => log::warn!("the guard did not exit within {} s", BYE_LIMIT.as_secs()),
        }
        false
    }
}
