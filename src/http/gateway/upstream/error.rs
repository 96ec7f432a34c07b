//! Why there is no answer.

use std::{fmt, io};

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum UpstreamError {
    /// The backend is not reachable; nothing was sent.
    Connect(io::Error),
    /// A kept connection ended without a word, after the backend may have read some of the request: it may be sent
    /// once more, on a fresh connection.
    Stale(String),
    /// The same, before it can have read any of the request: it is sent again, and nobody need know.
    Unsent,
    /// The connection broke before the answer's head was there: the request may be sent once more, to a
    /// fresh backend.
    BeforeAnswer(String),
    /// What came is not an answer in HTTP/1.1, or its head is too large. Asking again will not help.
    BadAnswer(String),
    /// The request cannot be written down in HTTP/1.1; nothing was sent.
    BadRequest(String),
    /// The Gateway that had it crashed.
    Crashed,
}

impl fmt::Display for UpstreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => write!(f, "the backend is not reachable: {error}"),
            Self::BeforeAnswer(why) | Self::Stale(why) => {
                write!(f, "the backend broke the connection before an answer: {why}")
            }
            Self::Unsent => f.write_str("the backend closed a kept connection"),
            Self::Crashed => f.write_str("the manager's gateway crashed; the manager's log says why"),
            Self::BadAnswer(why) => write!(f, "the backend's answer is not understood: {why}"),
            Self::BadRequest(why) => write!(f, "the request cannot be passed on: {why}"),
        }
    }
}

impl std::error::Error for UpstreamError {}
