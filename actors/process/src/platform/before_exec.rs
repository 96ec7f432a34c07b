//! What a child does between fork and exec.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

pub(super) fn before_exec(
    command: &mut Command,
    hook: impl FnMut() -> io::Result<()> + Send + Sync + 'static,
) {
    #[expect(unsafe_code, reason = "the hooks make system calls only: no allocation, no lock")]
    // SAFETY: between fork and exec only async-signal-safe functions may run, and only those do.
    unsafe {
        command.pre_exec(hook);
    }
}
