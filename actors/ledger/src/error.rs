//! What can go wrong with the ledger, sorted by what can be done about it.

use diesel::result::{DatabaseErrorKind, Error as DieselError};
use std::fmt;
use std::path::PathBuf;

/// Why something could not be written or read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// Another process holds the write lock: try again.
    Locked(String),
    /// No room on the disk: try again when there is some.
    Full(String),
    /// The file is damaged.
    Corrupt(String),
    /// The connection is lost: open a new one.
    Gone(String),
    /// A row like this is there already.
    Duplicate(String),
    /// What was asked for makes no sense; the text says why.
    Refused(String),
    /// Anything else.
    Other(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked(text) => write!(f, "the ledger is locked by another process: {text}"),
            Self::Full(text) => write!(f, "no room for the ledger: {text}"),
            Self::Corrupt(text) => write!(f, "the ledger is damaged: {text}"),
            Self::Gone(text) => write!(f, "the connection to the ledger is lost: {text}"),
            Self::Duplicate(text) | Self::Refused(text) | Self::Other(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for StoreError {}

impl From<DieselError> for StoreError {
    fn from(error: DieselError) -> Self {
        let text = error.to_string();
        match &error {
            DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => Self::Duplicate(text),
            DieselError::DatabaseError(DatabaseErrorKind::ClosedConnection, _) => Self::Gone(text),
            _ => Self::of_text(text),
        }
    }
}

impl StoreError {
    /// SQLite's and PostgreSQL's own words.
    pub(super) fn of_text(text: String) -> Self {
        let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
        if has(&["database is locked", "database table is locked", "locking protocol"]) {
            Self::Locked(text)
        } else if has(&[
            "is full",
            "disk I/O error",
            "No space left",
            "could not extend file",
            "readonly database",
        ]) {
            Self::Full(text)
        } else if has(&["malformed", "not a database"]) {
            Self::Corrupt(text)
        } else if has(&[
            "server closed the connection",
            "connection to server",
            "terminating connection",
            "no connection to",
        ]) {
            Self::Gone(text)
        } else {
            Self::Other(text)
        }
    }
}

/// Why a ledger was not opened. Nothing has been written then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// Written by a newer version of the program.
    Newer {
        /// Where it is.
        place: String,
        /// The migration that this program does not know.
        version: String,
    },
    /// Damaged, or not a ledger at all.
    Corrupt {
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// The older ledger could not be backed up, so it was not migrated.
    Backup {
        /// Where the backup should have gone.
        path: PathBuf,
        /// Why not.
        detail: String,
    },
    /// Anything else.
    Failed {
        /// Where it is.
        place: String,
        /// What happened.
        detail: String,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newer { place, version } => write!(
                f,
                "the ledger {place} was written by a newer version of this program (it has migration {version}); \
                 use that version, or another `program.database`"
            ),
            Self::Corrupt { path, detail } => write!(
                f,
                "the ledger {} is damaged: {detail}; it is left as it is: move it aside to begin a new one, or put a \
                 backup in its place",
                path.display()
            ),
            Self::Backup { path, detail } => write!(
                f,
                "the ledger is of an older version and could not be backed up to {}: {detail}; nothing was changed",
                path.display()
            ),
            Self::Failed { place, detail } => write!(f, "the ledger {place}: {detail}"),
        }
    }
}

impl std::error::Error for OpenError {}
