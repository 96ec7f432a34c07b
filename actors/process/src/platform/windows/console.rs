//! Ctrl-Break, which is how a program of Windows is asked to end.
//!
//! It reaches the processes of the sender's console only. The manager may have none (as a service), or one that
//! it must keep, so a helper that has none attaches itself to that of the run.

use std::collections::BTreeSet;
use std::io;
use std::os::windows::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use windows_sys::Win32::System::Threading::DETACHED_PROCESS;

use super::sys;

/// The subcommand of this program that does it.
const HELPER: &str = "ctrl-break";
/// It needs some milliseconds.
const HELPER_LIMIT: Duration = Duration::from_secs(10);

/// Starts the helper for these processes. What becomes of it is told in the log only: who doesn't end is ended by
/// force after `stop_timeout`.
pub(super) fn ask_to_end(pids: &[u32]) -> io::Result<()> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .arg(HELPER)
        .args(pids.iter().map(u32::to_string))
        .creation_flags(DETACHED_PROCESS)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut command = tokio::process::Command::from(command);
    let helper = command.kill_on_drop(true).spawn()?;
    let pids = pids.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
    actix_rt::spawn(async move {
        let why = match tokio::time::timeout(HELPER_LIMIT, helper.wait_with_output()).await {
            Ok(Ok(output)) if output.status.success() => return,
            Ok(Ok(output)) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("the helper has not ended within {} s", HELPER_LIMIT.as_secs()),
        };
        log::warn!(
            "Ctrl-Break did not reach pid {pids}: {why}; what doesn't end is killed after stop_timeout"
        );
    });
    Ok(())
}

/// The helper: sends Ctrl-Break to the console of each of these processes, once per console.
pub fn ctrl_break_main(pids: &[u32]) -> io::Result<()> {
    sys::ignore_ctrl_events()?;
    let mut seen = BTreeSet::new();
    let mut reached = false;
    let mut last = Err(io::Error::other("no process was named"));
    for pid in pids {
        if seen.contains(pid) {
            continue;
        }
        // Its own console, should it have been started in one.
        sys::free_console();
        last = sys::attach_console(*pid).and_then(|()| {
            seen.extend(sys::console_pids());
            sys::send_ctrl_break()
        });
        reached |= last.is_ok();
    }
    sys::free_console();
    if reached { Ok(()) } else { last }
}
