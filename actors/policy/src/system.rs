//! What differs between operating systems, as far as it can be decided from texts and numbers.
//!
//! Nothing here asks which system it runs on: the caller says so, and both are tested on either.

use std::fmt::Display;

mod exit_code;
mod path;
mod ports;
mod script;
#[cfg(test)]
mod tests;

pub use exit_code::{ENDED_BY_MANAGER, exit_code};
pub use path::plain_path;
pub use ports::excluded_ports;
pub use script::{Runner, Unrunnable, check_arguments, runner};

/// What is said where a thread can't be started.
#[must_use]
pub fn no_thread(cause: &dyn Display) -> String {
    format!(
        "a thread can't be started: {cause}; raise the limit of processes (`ulimit -u`, `TasksMax=` of the service, \
         `--pids-limit` of the container)"
    )
}

/// An operating system, as far as launching is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OsFamily {
    /// Linux, and what behaves like it.
    Unix,
    Windows,
}

impl OsFamily {
    /// The one that this program was built for.
    pub const HERE: Self = if cfg!(windows) { Self::Windows } else { Self::Unix };

    /// Its key in a `script_path` that has a script for each system.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Unix => "linux",
            Self::Windows => "windows",
        }
    }

    /// Its name in a sentence.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unix => "Linux",
            Self::Windows => "Windows",
        }
    }
}
