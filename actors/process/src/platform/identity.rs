//! Processes by who they are.

use std::io;

use super::{ProcessId, process};

/// This process.
pub(in super::super) fn this_process() -> io::Result<Option<ProcessId>> {
    Ok(process(std::process::id())?.map(|info| info.id))
}

/// Whether it still runs.
pub(in super::super) fn is_alive(id: ProcessId) -> io::Result<bool> {
    Ok(process(id.pid)?.is_some_and(|info| info.id == id && info.alive))
}
