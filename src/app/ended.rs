//! How the manager has ended.

/// How a manager ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It shall stay away.
    Stopped,
    /// It shall start again with the file as it now is.
    Restart,
}
