//! The connection to a ledger: SQLite or PostgreSQL behind one type, and how each is opened.

use super::error::{OpenError, StoreError};
use diesel::connection::SimpleConnection;
use diesel::{Connection, QueryableByName, RunQueryDsl, SqliteConnection, sql_query, sql_types};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// "LMML": tells our SQLite files from those of other programs.
pub(super) const APPLICATION_ID: i64 = 0x4c4d_4d4c;

/// A connection.
#[derive(diesel::MultiConnection)]
pub(crate) enum Db {
    Sqlite(SqliteConnection),
    #[cfg(feature = "postgres")]
    Postgres(diesel::PgConnection),
}

/// Does the same on either connection, where diesel's `MultiConnection` cannot.
macro_rules! either {
    ($db:expr, $conn:ident => $body:expr) => {
        match $db {
            $crate::db::Db::Sqlite($conn) => $body,
            #[cfg(feature = "postgres")]
            $crate::db::Db::Postgres($conn) => $body,
        }
    };
}
pub(super) use either;

/// Where a ledger is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// An SQLite file.
    File(PathBuf),
    /// A `postgres://` address.
    Postgres(String),
}

impl Location {
    /// From `program.database`.
    pub fn parse(database: &str) -> Self {
        if database.starts_with("postgres://") || database.starts_with("postgresql://") {
            Self::Postgres(database.to_owned())
        } else {
            Self::File(database.into())
        }
    }

    pub(super) fn failed(&self, detail: impl fmt::Display) -> OpenError {
        OpenError::Failed { place: self.to_string(), detail: detail.to_string() }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            // Without the password.
            Self::Postgres(address) => match (address.find("://"), address.rfind('@')) {
                (Some(scheme), Some(at)) => {
                    write!(f, "postgres://{}", address.get(at + 1..).unwrap_or(&address[..scheme]))
                }
                _ => f.write_str(address),
            },
        }
    }
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Migrations.
    Setup,
    /// The one writer.
    Write,
    /// Reports.
    Read,
}

impl Role {
    /// How long it waits for another process' lock.
    fn patience(self) -> Duration {
        match self {
            Self::Setup | Self::Read => Duration::from_secs(5),
            // The rows that wait meanwhile are at risk: better into the overflow file than here.
            Self::Write => Duration::from_millis(100),
        }
    }
}

/// Opens a connection; an SQLite file is made when there is none, except for readers.
pub(crate) fn connect(location: &Location, role: Role) -> Result<Db, StoreError> {
    match location {
        Location::File(path) => connect_file(path, role),
        Location::Postgres(address) => connect_postgres(address, role),
    }
}

fn connect_file(path: &Path, role: Role) -> Result<Db, StoreError> {
    let text = path.to_str().ok_or_else(|| StoreError::Other("its path is not UTF-8".into()))?;
    if role != Role::Setup && !path.exists() {
        return Err(StoreError::Gone(format!("{} is not there any more", path.display())));
    }
    let mut conn =
        SqliteConnection::establish(text).map_err(|error| StoreError::of_text(error.to_string()))?;
    let patience = role.patience().as_millis();
    conn.batch_execute(&format!("PRAGMA busy_timeout = {patience}; PRAGMA foreign_keys = ON;"))?;
    match role {
        Role::Setup => (),
        Role::Write => conn.batch_execute(
            "PRAGMA synchronous = NORMAL; PRAGMA cache_size = -8192; PRAGMA wal_autocheckpoint = 4000; \
             PRAGMA journal_size_limit = 67108864;",
        )?,
        Role::Read => conn.batch_execute(
            "PRAGMA query_only = ON; PRAGMA cache_size = -32768; PRAGMA mmap_size = 268435456;",
        )?,
    }
    Ok(Db::Sqlite(conn))
}

#[cfg(feature = "postgres")]
fn connect_postgres(address: &str, role: Role) -> Result<Db, StoreError> {
    let mut conn =
        diesel::PgConnection::establish(address).map_err(|error| StoreError::Gone(error.to_string()))?;
    let patience = role.patience().as_millis();
    // The same promise as SQLite's synchronous = NORMAL: a crash of the machine may cost the last moments.
    conn.batch_execute(&format!(
        "SET lock_timeout = {patience}; SET synchronous_commit = off; SET client_min_messages = warning;"
    ))?;
    if role == Role::Read {
        conn.batch_execute("SET default_transaction_read_only = on; SET jit = off;")?;
    }
    Ok(Db::Postgres(conn))
}

#[cfg(not(feature = "postgres"))]
fn connect_postgres(_: &str, _: Role) -> Result<Db, StoreError> {
    Err(StoreError::Refused("this program was built without PostgreSQL (cargo feature `postgres`)".into()))
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = sql_types::BigInt)]
    number: i64,
}

#[derive(QueryableByName)]
struct Word {
    #[diesel(sql_type = sql_types::Text)]
    word: String,
}

impl Db {
    /// The one number of a query that calls it `number`.
    pub(crate) fn number(&mut self, query: &str) -> Result<i64, StoreError> {
        Ok(sql_query(query).get_result::<Number>(self)?.number)
    }

    /// The texts of a query that calls them `word`.
    pub(crate) fn words(&mut self, query: &str) -> Result<Vec<String>, StoreError> {
        Ok(sql_query(query).load::<Word>(self)?.into_iter().map(|row| row.word).collect())
    }

    /// Statements without an answer.
    pub(crate) fn run(&mut self, statements: &str) -> Result<(), StoreError> {
        Ok(self.batch_execute(statements)?)
    }

    /// True for SQLite.
    pub(super) fn is_sqlite(&self) -> bool {
        matches!(self, Self::Sqlite(_))
    }

    /// Does all of it or nothing. SQLite's write lock is taken first, so that it is waited for only there.
    pub(super) fn transact<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.run(if self.is_sqlite() { "BEGIN IMMEDIATE" } else { "BEGIN" })?;
        let done = work(self).and_then(|value| self.run("COMMIT").map(|()| value));
        if done.is_err() {
            // Fails where the database has rolled back by itself.
            let _ = self.run("ROLLBACK");
        }
        done
    }
}
