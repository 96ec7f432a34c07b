//! How the manager has ended.

/// How a manager ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManagerExit {
    /// It shall stay away.
    Stopped,
    /// It shall start again with the file as it now is.
    Restart,
}
