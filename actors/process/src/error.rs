//! What may go wrong with a launch, in words that name the thing, the cause and the way out.

use std::fmt;
use std::ops::RangeInclusive;

/// Why a backend could not be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LaunchError {
    /// Somebody else listens on the model's port.
    PortTaken {
        port: u16,
        /// `pid 77 (llama-server)`; `None` when it can't be seen, such as another user's process.
        by: Option<String>,
    },
    /// The system keeps the model's port to itself (Windows).
    PortReserved {
        port: u16,
        /// The ports that it keeps, if it says so.
        range: Option<RangeInclusive<u16>>,
    },
    /// No port is free, or none may be opened.
    NoFreePort {
        /// What the system said.
        cause: String,
    },
    /// The program, its script or its folder isn't there.
    NotFound {
        /// What was looked for.
        program: String,
        /// What is missing.
        cause: String,
        /// What to do.
        hint: String,
    },
    /// The program is there but can't be started.
    CannotSpawn {
        /// What was to be started.
        program: String,
        /// What the system said.
        cause: String,
        /// What to do.
        hint: String,
    },
    /// What is needed to ask a server elsewhere isn't there.
    NoWay {
        /// Which server.
        place: String,
        /// What is missing.
        why: String,
    },
    /// The slot was closed: the model is being removed.
    SlotClosed { model: String },
}

impl fmt::Display for LaunchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PortTaken { port, by: Some(by) } => {
                write!(f, "port {port} is taken by {by}: end that process, or give the model another `port`")
            }
            Self::PortTaken { port, by: None } => write!(
                f,
                "port {port} is taken by a process that can't be seen (another user's, or in a container): \
                 end it, or give the model another `port`"
            ),
            Self::PortReserved { port, range: Some(range) } => write!(
                f,
                "port {port} is in the range {} to {} that Windows keeps for Hyper-V, WSL or Docker: give the model \
                 another `port`, or none (netsh interface ipv4 show excludedportrange protocol=tcp lists the ranges)",
                range.start(),
                range.end()
            ),
            Self::PortReserved { port, range: None } => {
                write!(f, "port {port} may not be opened: give the model another `port`, or none")
            }
            Self::NoFreePort { cause } => write!(
                f,
                "no free port was found on 127.0.0.1: {cause}; close programs that hold many ports, or give \
                 the model a `port`"
            ),
            Self::NotFound { program, cause, hint } | Self::CannotSpawn { program, cause, hint } => {
                write!(f, "can't start `{program}`: {cause}; {hint}")
            }
            Self::NoWay { place, why } => write!(f, "{place} can't be used: {why}"),
            Self::SlotClosed { model } => {
                write!(f, "`{model}` was not started: it is being removed; request another model")
            }
        }
    }
}

impl std::error::Error for LaunchError {}

/// Somebody who isn't part of the run answers on its port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stranger {
    pub port: u16,
    /// `pid 77 (llama-server)`; `None` when nobody could be seen.
    pub by: Option<String>,
}

impl fmt::Display for Stranger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = self.port;
        match &self.by {
            Some(by) => write!(f, "port {port} is answered by {by}, which this model did not start")?,
            None => write!(f, "no process of this model is seen to listen on port {port}")?,
        }
        write!(f, ": end the other process, give the model another `port`, or set `foreign_listener: true`")?;
        write!(f, " if it is meant (a container's port proxy, for example)")
    }
}

impl std::error::Error for Stranger {}
