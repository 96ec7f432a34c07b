//! Processes by who they are.

use super::{ProcessId, process};

/// This process.
pub(in super::super) fn this_process() -> Option<ProcessId> {
    process(std::process::id()).map(|info| info.id)
}

/// Whether it still runs.
pub(in super::super) fn is_alive(id: ProcessId) -> bool {
    process(id.pid).is_some_and(|info| info.id == id && info.alive)
}
