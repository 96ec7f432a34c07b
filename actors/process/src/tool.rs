//! Programs of the system that are asked something once, such as `systemctl`.

use std::ffi::OsStr;
use std::io;
use std::process::{Command, Stdio};

/// What such a program said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolOutput {
    /// It ended with exit code 0.
    pub success: bool,
    /// Standard output and then standard error, without blanks at the end.
    pub text: String,
}

/// Runs a program to its end. Blocks: for the command line only, where no arbiter runs.
///
/// # Errors
/// It can't be started.
#[expect(clippy::disallowed_methods, reason = "the command line has no arbiter to block")]
pub fn run_tool<S: AsRef<OsStr>>(program: &str, arguments: &[S]) -> io::Result<ToolOutput> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output()?;
    let said = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&said).trim_end().to_owned();
    Ok(ToolOutput { success: output.status.success(), text })
}
