//! Programs of the system that are asked something once, such as `systemctl`.

use std::ffi::OsStr;
use std::io;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::line_splitter::decode;
use super::platform;

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
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    platform::without_window(&mut command);
    let output = command.output()?;
    let said = [output.stdout, output.stderr].concat();
    let text = decode(&said).trim_end().to_owned();
    Ok(ToolOutput { success: output.status.success(), text })
}

/// What a helper said: this program itself, started for calls that may never come back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HelperOutput {
    /// Its exit code; `None`: a signal ended it.
    pub code: Option<i32>,
    /// The last line of standard output.
    pub answer: String,
    /// The last line of standard error.
    pub trouble: String,
}

/// Runs this program with these arguments, without these variables. It is killed when the limit is over, when the future is
/// dropped, and when the manager dies; nobody waits for one that even that doesn't end.
///
/// # Errors
/// It can't be started, or takes longer: in words.
pub async fn run_self(
    arguments: &[String],
    without: &[&str],
    limit: Duration,
) -> Result<HelperOutput, String> {
    let program =
        platform::own_program().map_err(|error| format!("this program can't find itself: {error}"))?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    for name in without {
        command.env_remove(name);
    }
    platform::die_with_this_thread(&mut command);
    let mut command = tokio::process::Command::from(command);
    command.kill_on_drop(true);
    let output = match tokio::time::timeout(limit, command.output()).await {
        Err(_) => return Err(format!("no answer within {:.0} s", limit.as_secs_f64())),
        Ok(output) => output.map_err(|error| format!("no helper can be started: {error}"))?,
    };
    let code = output.status.code();
    Ok(HelperOutput { code, answer: last_line(&output.stdout), trouble: last_line(&output.stderr) })
}

pub(super) fn last_line(text: &[u8]) -> String {
    let text = decode(text);
    text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().to_owned()
}
