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
    /// The connection broke before the answer's head was there: the request may be sent once more, to a
    /// fresh backend.
    BeforeAnswer(String),
    /// What came is not an answer in HTTP/1.1, or its head is too large. Asking again will not help.
    BadAnswer(String),
    /// The request cannot be written down in HTTP/1.1; nothing was sent.
    BadRequest(String),
}

impl fmt::Display for UpstreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => write!(f, "the backend is not reachable: {error}"),
            Self::BeforeAnswer(why) | Self::Stale(why) => {
                write!(f, "the backend broke the connection before an answer: {why}")
            }
            Self::BadAnswer(why) => write!(f, "the backend's answer is not understood: {why}"),
            Self::BadRequest(why) => write!(f, "the request cannot be passed on: {why}"),
        }
    }
}

impl std::error::Error for UpstreamError {}
