//! What can go wrong with the ledger, sorted by what can be done about it.

use diesel::result::{DatabaseErrorKind, Error as DieselError};
use libsqlite3_sys as ffi;
use std::fmt;
use std::path::PathBuf;

/// Why something could not be written or read.
///
/// Only `Constraint` and `Other` may be the fault of the row that was written; the writer finds out which
/// (`Writer::is_fault_of`). All others are the database's state, and the same is tried again later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// Another process holds a lock: try again.
    Locked(String),
    /// No room on the disk, or it may not be written: try again later.
    Full(String),
    /// The file is damaged, or isn't the ledger any more.
    Corrupt(String),
    /// The connection is lost: open a new one.
    Gone(String),
    /// The file isn't the ledger any more: deleted, replaced, emptied.
    Lost(String),
    /// No answer within the time that it may take.
    Silent(String),
    /// Another manager has the ledger.
    Taken(String),
    /// A row like this is there already.
    Duplicate(String),
    /// A rule of the tables was broken.
    Constraint(String),
    /// What was asked for makes no sense; the text says why.
    Refused(String),
    /// Asked for while it contradicts what is in the ledger; the text says why.
    Conflict(String),
    /// Anything else.
    Other(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked(text) => write!(f, "the ledger is locked by another process: {text}"),
            Self::Full(text) => write!(f, "the ledger cannot be written: {text}"),
            Self::Corrupt(text) => write!(f, "the ledger is damaged: {text}"),
            Self::Gone(text) => write!(f, "the connection to the ledger is lost: {text}"),
            Self::Silent(text) => write!(f, "the ledger does not answer: {text}"),
            Self::Lost(text) => write!(f, "the ledger is lost: {text}"),
            Self::Taken(text)
            | Self::Duplicate(text)
            | Self::Constraint(text)
            | Self::Refused(text)
            | Self::Conflict(text)
            | Self::Other(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for StoreError {}

impl From<DieselError> for StoreError {
    /// By the kinds that diesel makes of PostgreSQL's SQLSTATE and of SQLite's codes; never by PostgreSQL's words, which
    /// are in the language of the server.
    fn from(error: DieselError) -> Self {
        use DatabaseErrorKind as Kind;
        let text = error.to_string();
        match &error {
            DieselError::DatabaseError(Kind::UniqueViolation, _) => Self::Duplicate(text),
            DieselError::DatabaseError(Kind::ClosedConnection | Kind::UnableToSendCommand, _)
            | DieselError::BrokenTransactionManager => Self::Gone(text),
            DieselError::DatabaseError(Kind::SerializationFailure, _) => Self::Locked(text),
            DieselError::DatabaseError(Kind::ReadOnlyTransaction, _) => Self::Full(text),
            DieselError::DatabaseError(
                Kind::NotNullViolation
                | Kind::CheckViolation
                | Kind::ForeignKeyViolation
                | Kind::RestrictViolation
                | Kind::ExclusionViolation,
                _,
            ) => Self::Constraint(text),
            _ => Self::of_sqlite(text),
        }
    }
}

type Kind = fn(String) -> StoreError;

/// SQLite's result codes and what they mean here. Diesel passes on the text of a code without its number; the texts
/// are those of `sqlite3_errstr` (a test compares them), the same in every language. PostgreSQL has none like them.
const SQLITE: [(i32, &str, Kind); 12] = [
    (ffi::SQLITE_BUSY, "database is locked", StoreError::Locked),
    (ffi::SQLITE_LOCKED, "database table is locked", StoreError::Locked),
    (ffi::SQLITE_PROTOCOL, "locking protocol", StoreError::Locked),
    (ffi::SQLITE_SCHEMA, "database schema has changed", StoreError::Locked),
    (ffi::SQLITE_FULL, "database or disk is full", StoreError::Full),
    (ffi::SQLITE_IOERR, "disk I/O error", StoreError::Full),
    (ffi::SQLITE_READONLY, "attempt to write a readonly database", StoreError::Full),
    (ffi::SQLITE_NOMEM, "out of memory", StoreError::Full),
    (ffi::SQLITE_INTERRUPT, "interrupted", StoreError::Locked),
    (ffi::SQLITE_CORRUPT, "database disk image is malformed", StoreError::Corrupt),
    (ffi::SQLITE_NOTADB, "file is not a database", StoreError::Corrupt),
    (ffi::SQLITE_CANTOPEN, "unable to open database file", StoreError::Gone),
];

impl StoreError {
    /// By SQLite's result code.
    pub(super) fn of_sqlite(text: String) -> Self {
        let code = SQLITE.iter().find(|(_, words, _)| {
            text.strip_prefix(words).is_some_and(|rest| rest.is_empty() || rest.starts_with(": "))
        });
        match code {
            Some((_, _, kind)) => kind(text),
            // `sqlite3_open` puts this before the code's own words.
            None if text.contains("unable to open database file") => Self::Gone(text),
            None => Self::Other(text),
        }
    }

    /// From the operating system.
    pub(super) fn of_io(place: &std::path::Path, error: &std::io::Error) -> Self {
        use std::io::ErrorKind as Kind;
        let text = format!("{}: {error}", place.display());
        match error.kind() {
            Kind::StorageFull | Kind::QuotaExceeded | Kind::ReadOnlyFilesystem | Kind::FileTooLarge => {
                Self::Full(text)
            }
            _ => Self::Other(text),
        }
    }

    /// The database itself refused what was to be written, for a reason that may be in the row.
    pub fn may_be_the_row(&self) -> bool {
        matches!(self, Self::Constraint(_) | Self::Other(_))
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
    /// Another manager has it.
    Taken {
        /// What both want.
        place: String,
        /// Who has it.
        holder: String,
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
                 use that version, put a copy from before its migration back (`llm-manager restore FILE`; it has left one \
                 beside the ledger, `*.before-{version}`), or use another `program.database`"
            ),
            Self::Taken { place, holder } => write!(
                f,
                "{place} is in use by another manager ({holder}); stop that one, or use another `program.database`"
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CStr;

    #[test]
    fn the_words_of_sqlites_codes_are_those_of_the_library_that_is_linked_in() {
        for (code, words, kind) in SQLITE {
            #[expect(unsafe_code, reason = "a test of the library's own texts")]
            // SAFETY: the library answers a static text for every number.
            let said = unsafe { CStr::from_ptr(ffi::sqlite3_errstr(code)) }.to_str().unwrap();
            assert_eq!(said, words, "code {code}");
            let expected = kind(words.to_owned());
            assert_eq!(StoreError::of_sqlite(words.to_owned()), expected);
            let more = StoreError::of_sqlite(format!("{words}: main.requests"));
            assert_eq!(std::mem::discriminant(&more), std::mem::discriminant(&expected));
        }
        // What a row says about itself is never taken for the state of the database.
        for text in
            ["CHECK constraint failed: database is locked", "database is locked up", "disk I/O errors"]
        {
            assert!(matches!(StoreError::of_sqlite(text.to_owned()), StoreError::Other(_)), "{text}");
        }
    }
}
