//! A run that is used here and recorded by another manager of the same ledger, which owns it, until this one takes it over.

/// Whose a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct BorrowedRun {
    /// The number by which its owner, or its first one, has recorded it, once that is known.
    pub(super) theirs: Option<i64>,
    /// This manager owns it now.
    pub(super) ours: bool,
}
