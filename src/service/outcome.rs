//! What came of an order about the service.

/// How it went: whether `status` found it running, and what to print.
pub(crate) struct ServiceOutcome {
    pub(crate) success: bool,
    pub(crate) text: String,
}

impl ServiceOutcome {
    pub(super) fn well(text: impl Into<String>) -> Self {
        Self { success: true, text: text.into() }
    }
}
