//! What is kept of a request.

use llm_manager_ledger::Micros;
use serde::{Deserialize, Serialize};

/// All of a request but its bodies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaptureHead {
    /// The id that the client was told.
    pub request_id: String,
    /// The model's name.
    pub model: String,
    /// The endpoint, as the ledger has it.
    pub endpoint: String,
    /// The client's method.
    pub method: String,
    /// The client's path, with its query.
    pub path: String,
    /// As the ledger has it.
    pub started_us: Micros,
    /// As the ledger has it.
    pub status: u16,
    /// As the ledger has it.
    pub outcome: String,
    /// As the ledger has it.
    pub error: Option<String>,
    /// The backend's answer came to its end.
    pub ended: bool,
    /// What the client sent.
    pub request: CapturedBody,
    /// What the backend answered.
    pub answer: CapturedBody,
}

/// One of the two.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapturedBody {
    /// Without what is secret in them.
    pub headers: Vec<(String, String)>,
    /// Of the whole body.
    pub bytes: u64,
    /// Of them, those that are kept.
    pub kept: usize,
}

/// One that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture {
    /// All but the bodies.
    pub head: CaptureHead,
    /// The beginning of what the client sent.
    pub request: Vec<u8>,
    /// The beginning of what the backend answered.
    pub answer: Vec<u8>,
    /// When it is deleted at the latest.
    pub due_us: Micros,
}

/// Which are to be deleted.
#[derive(Clone, Debug)]
pub enum CaptureSelection {
    /// Those of the request with this id.
    Request(String),
    /// Those of models with these names.
    Models(Vec<String>),
}
