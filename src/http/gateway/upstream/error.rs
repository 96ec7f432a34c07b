//! Why there is no answer.

use std::io;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpstreamError {
    /// The backend is not reachable; nothing was sent.
    #[error("the backend is not reachable: {0}")]
    Connect(io::Error),
    /// A kept connection ended without a word, after the backend may have read some of the request: it may be sent
    /// once more, on a fresh connection.
    #[error("the backend broke the connection before an answer: {0}")]
    Stale(String),
    /// The same, before it can have read any of the request: it is sent again, and nobody need know.
    #[error("the backend closed a kept connection")]
    Unsent,
    /// The connection broke before the answer's head was there: the request may be sent once more, to a
    /// fresh backend.
    #[error("the backend broke the connection before an answer: {0}")]
    BeforeAnswer(String),
    /// What came is not an answer in HTTP/1.1, or its head is too large. Asking again will not help.
    #[error("the backend's answer is not understood: {0}")]
    BadAnswer(String),
    /// The request cannot be written down in HTTP/1.1; nothing was sent.
    #[error("the request cannot be passed on: {0}")]
    BadRequest(String),
    /// The Gateway that had it crashed.
    #[error("the manager's gateway crashed; the manager's log says why")]
    Crashed,
}
