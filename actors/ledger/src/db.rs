//! The connection to a ledger: SQLite or PostgreSQL behind one type, and how each is opened.

use super::address;
use super::error::{OpenError, StoreError};
use diesel::connection::SimpleConnection;
use diesel::{Connection, QueryableByName, RunQueryDsl, SqliteConnection, sql_query, sql_types};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// "LMML": tells our SQLite files from those of other programs.
pub(super) const APPLICATION_ID: i64 = 0x4c4d_4d4c;

/// The second number tells this lock from that of the manager (`hold`).
const BEGIN_POSTGRES: &str = "BEGIN; SELECT pg_advisory_xact_lock(1280134476, 1)";

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
#[derive(Clone, PartialEq, Eq)]
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

    /// What is wrong with a `program.database` that is no `postgres://` address and no path either, and how to write it. None of it
    /// repeats the address: it may hold a password. A file of such a name would be made without a word.
    pub fn misread(database: &str) -> Option<(String, &'static str)> {
        const KINDS: &str = "write the path of an SQLite file, or a postgres:// address";
        let (scheme, rest) = database.split_once(':').unwrap_or_default();
        // One letter is a drive of Windows.
        let is_scheme = scheme.len() > 1
            && scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme
                .chars()
                .all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '+' | '-' | '.'));
        match scheme {
            "postgres" | "postgresql" if rest.starts_with("//") => None,
            "postgres" | "postgresql" => {
                Some(("this is no address of PostgreSQL".to_owned(), "write postgres:// with two slashes"))
            }
            _ if is_scheme => Some((format!("no database of the kind {scheme:?} is known"), KINDS)),
            _ if database == ":memory:" => {
                Some(("a ledger in memory would be gone with the manager".to_owned(), KINDS))
            }
            _ if ["dbname=", "host="].iter().any(|word| database.contains(word)) => Some((
                "these are the words of a connection, not an address".to_owned(),
                "write postgres://USER:PASSWORD@HOST/NAME",
            )),
            _ => None,
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
            Self::Postgres(address) => f.write_str(&address::shown(address)),
        }
    }
}

/// As it is displayed: settings are printed by tests and by panics, and the address may hold a password.
impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnectionRole {
    /// Migrations.
    Setup,
    /// The one writer.
    Write,
    /// Reports.
    Read,
}

impl ConnectionRole {
    /// How long it waits for another process' lock.
    fn patience(self) -> Duration {
        match self {
            Self::Setup => Duration::from_secs(5),
            // Whoever asks for a report wants to hear within two seconds that there is none now.
            Self::Read => Duration::from_millis(1500),
            // The rows that wait meanwhile are at risk: better into the overflow file than here.
            Self::Write => Duration::from_millis(100),
        }
    }
}

/// Opens a connection; an SQLite file is made when there is none, except for readers.
pub(crate) fn connect(location: &Location, role: ConnectionRole) -> Result<Db, StoreError> {
    match location {
        Location::File(path) => connect_file(path, role),
        Location::Postgres(address) => connect_postgres(address, role),
    }
}

fn connect_file(path: &Path, role: ConnectionRole) -> Result<Db, StoreError> {
    let text = path.to_str().ok_or_else(|| StoreError::Other("its path is not UTF-8".into()))?;
    if role == ConnectionRole::Setup {
        make_private(path).map_err(|error| StoreError::Other(error.to_string()))?;
    } else if !path.exists() {
        return Err(StoreError::Gone(format!("{} is not there any more", path.display())));
    }
    let mut conn =
        SqliteConnection::establish(text).map_err(|error| StoreError::of_sqlite(error.to_string()))?;
    let patience = role.patience().as_millis();
    // A migration that rebuilds a table drops the old one: with foreign keys on, its children would go with it.
    let foreign_keys = if role == ConnectionRole::Setup { "OFF" } else { "ON" };
    conn.batch_execute(&format!("PRAGMA busy_timeout = {patience}; PRAGMA foreign_keys = {foreign_keys};"))?;
    match role {
        ConnectionRole::Setup => (),
        ConnectionRole::Write => conn.batch_execute(
            // A backup that was put back is in another mode.
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -8192; PRAGMA wal_autocheckpoint = 4000; \
             PRAGMA journal_size_limit = 67108864;",
        )?,
        // Not mapped into memory: reading a mapped file that somebody has cut off ends the process (SIGBUS).
        ConnectionRole::Read => conn.batch_execute("PRAGMA query_only = ON; PRAGMA cache_size = -32768;")?,
    }
    Ok(Db::Sqlite(conn))
}

/// Makes the file, readable by its owner alone, if it isn't there: SQLite gives its journal the same rights.
/// Of an older ledger that everybody may read, others lose that right; what a group was given on purpose stays.
#[cfg(unix)]
fn make_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    let mut options = std::fs::OpenOptions::new();
    match options.write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        made => return made.map(drop),
    }
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        let Ok(meta) = std::fs::metadata(&name) else { continue };
        if meta.is_file() && meta.permissions().mode() & 0o004 != 0 {
            // Somebody else's file stays as it is.
            let _ = std::fs::set_permissions(&name, std::fs::Permissions::from_mode(0o600));
        }
    }
    Ok(())
}

#[cfg(not(unix))]
fn make_private(_: &Path) -> std::io::Result<()> {
    Ok(())
}

#[cfg(feature = "postgres")]
fn connect_postgres(address: &str, role: ConnectionRole) -> Result<Db, StoreError> {
    let mut conn = diesel::PgConnection::establish(&address::with_deadlines(address))
        .map_err(|error| StoreError::Gone(address::masked(address, &error.to_string())))?;
    let patience = role.patience().as_millis();
    // The same promise as SQLite's synchronous = NORMAL: a crash of the machine may cost the last moments.
    // A connection that was given up must not hold locks for hours, should the network be cut.
    conn.batch_execute(&format!(
        "SET lock_timeout = {patience}; SET synchronous_commit = off; SET client_min_messages = warning; \
         SET idle_in_transaction_session_timeout = 60000; SET tcp_keepalives_idle = 10; \
         SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3;"
    ))?;
    if role == ConnectionRole::Read {
        conn.batch_execute(
            "SET default_transaction_read_only = on; SET jit = off; SET statement_timeout = 60000;",
        )?;
    }
    Ok(Db::Postgres(conn))
}

#[cfg(not(feature = "postgres"))]
fn connect_postgres(_: &str, _: ConnectionRole) -> Result<Db, StoreError> {
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

/// The texts of a query that calls them `word`, on SQLite alone.
pub(super) fn words(conn: &mut SqliteConnection, query: &str) -> Result<Vec<String>, StoreError> {
    Ok(sql_query(query).load::<Word>(conn)?.into_iter().map(|row| row.word).collect())
}

impl Db {
    /// Undoes what was tried.
    pub(super) fn undone<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut outcome = None;
        let ended = self.transact(|db| -> Result<(), StoreError> {
            outcome = Some(work(db));
            Err(StoreError::Refused("a trial".into()))
        });
        match (outcome, ended) {
            (Some(outcome), _) => outcome,
            (None, ended) => ended.and(Err(StoreError::Other("nothing was tried".into()))),
        }
    }

    /// Notes a word of the ledger's own.
    pub(super) fn set_meta(&mut self, name: &str, value: &str) -> Result<(), StoreError> {
        sql_query("INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value")
            .bind::<sql_types::Text, _>(name)
            .bind::<sql_types::Text, _>(value)
            .execute(self)?;
        Ok(())
    }

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

    /// Does all of it or nothing. The right to write is taken first, so that it is waited for only there: in PostgreSQL
    /// by a lock of its own, for a connection that was given up may still be at work.
    pub(super) fn transact<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if let Err(error) = self.run(if self.is_sqlite() { "BEGIN IMMEDIATE" } else { BEGIN_POSTGRES }) {
            let _ = self.run("ROLLBACK");
            return Err(error);
        }
        let done = work(self).and_then(|value| self.run("COMMIT").map(|()| value));
        if done.is_err() {
            // Fails where the database has rolled back by itself.
            let _ = self.run("ROLLBACK");
        }
        done
    }
}
