//! Brings a ledger to the version of this program when it is opened, or refuses to touch it.
//!
//! A newer ledger is refused. An older one is copied first (SQLite). A damaged file, or one that is not a
//! ledger, is left exactly as it is.

use super::db::{APPLICATION_ID, ConnectionRole, Db, Location, connect, either, words};
use super::error::{OpenError, StoreError};
use super::folder_lock::Company;
use diesel::connection::SimpleConnection;
use diesel::migration::{Migration, MigrationSource};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use llm_manager_policy::duration_text::DurationText;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Instant;

pub(super) const SQLITE: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");
#[cfg(feature = "postgres")]
pub(super) const POSTGRES: EmbeddedMigrations = embed_migrations!("../../migrations/postgres");

const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// Files up to this size are checked as a whole at each start; larger ones would take too long.
const CHECKED_SIZE: u64 = 256 << 20;

/// Makes the ledger ready for use; answers the backup that was made, if one was.
pub(super) fn prepare(location: &Location, company: Company) -> Result<Option<PathBuf>, OpenError> {
    if let Location::File(path) = location {
        look_at(path)?;
    }
    let fresh =
        matches!(location, Location::File(path) if fs::metadata(path).map_or(0, |meta| meta.len()) == 0);
    let mut db = connect(location, ConnectionRole::Setup).map_err(|error| judge(location, error))?;
    super::folder_lock::hold(&mut db, company).map_err(|error| judge(location, error))?;
    if company == Company::Shared {
        // Two may begin at once: the second one finds everything made.
        db.number("SELECT COUNT(pg_advisory_lock(1280134476, 4)) AS number")
            .map_err(|error| judge(location, error))?;
    }
    if let Location::File(path) = location {
        if fresh {
            set_up(&mut db).map_err(|error| judge(location, error))?;
        } else {
            check(&mut db, path)?;
        }
    }
    migrate(&mut db, location)
}

/// A damaged file is told from all other trouble.
fn judge(location: &Location, error: StoreError) -> OpenError {
    match (location, error) {
        (Location::File(path), StoreError::Corrupt(detail)) => {
            OpenError::Corrupt { path: path.clone(), detail }
        }
        (_, StoreError::Taken(holder)) => OpenError::Taken { place: location.to_string(), holder },
        (_, error) => location.failed(error),
    }
}

/// Before SQLite gets to see it: its journal would be played into a file that is not one.
pub(super) fn look_at(path: &Path) -> Result<(), OpenError> {
    let wrong = |error: std::io::Error| Location::File(path.to_owned()).failed(error);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(wrong)?;
    }
    let mut file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(wrong(error)),
    };
    let size = file.metadata().map_err(wrong)?.len();
    if size == 0 {
        return Ok(());
    }
    let mut head = [0; 100];
    let corrupt = |detail: &str| OpenError::Corrupt { path: path.to_owned(), detail: detail.to_owned() };
    file.read_exact(&mut head).map_err(|_| corrupt("it is too short to be an SQLite file"))?;
    if !head.starts_with(MAGIC) {
        return Err(corrupt("it is not an SQLite file"));
    }
    Ok(())
}

fn set_up(db: &mut Db) -> Result<(), StoreError> {
    // In this order: neither can be changed once there is a page. Space is given back in small steps later.
    db.run(&format!(
        "PRAGMA page_size = 4096; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA application_id = {APPLICATION_ID}; \
         PRAGMA journal_mode = WAL;"
    ))
}

fn check(db: &mut Db, path: &Path) -> Result<(), OpenError> {
    let corrupt = |detail: String| OpenError::Corrupt { path: path.to_owned(), detail };
    let failed = |error: StoreError| judge(&Location::File(path.to_owned()), error);
    let id = db.number("SELECT application_id AS number FROM pragma_application_id").map_err(failed)?;
    let tables = db.number("SELECT COUNT(*) AS number FROM sqlite_schema").map_err(failed)?;
    if id != APPLICATION_ID && tables > 0 {
        return Err(corrupt("it is an SQLite file of another program".into()));
    }
    if tables == 0 {
        // The start was broken off before the first migration.
        return set_up(db).map_err(failed);
    }
    if fs::metadata(path).map_or(0, |meta| meta.len()) <= CHECKED_SIZE {
        let found = db.words("SELECT quick_check AS word FROM pragma_quick_check LIMIT 3").map_err(failed)?;
        if found.iter().any(|word| word != "ok") {
            return Err(corrupt(found.join("; ")));
        }
    }
    Ok(())
}

fn migrate(db: &mut Db, location: &Location) -> Result<Option<PathBuf>, OpenError> {
    let failed = |error: &MigrationTrouble| judge(location, of_migration(error));
    let (known, applied) = match db {
        Db::Sqlite(conn) => (versions::<diesel::sqlite::Sqlite>(&SQLITE), conn.applied_migrations()),
        #[cfg(feature = "postgres")]
        Db::Postgres(conn) => (versions::<diesel::pg::Pg>(&POSTGRES), conn.applied_migrations()),
    };
    let applied = applied.map_err(|error| failed(&error))?;
    let applied: Vec<String> = applied.iter().map(ToString::to_string).collect();
    if let Some(unknown) = applied.iter().find(|version| !known.contains(version)) {
        return Err(OpenError::Newer { place: location.to_string(), version: unknown.clone() });
    }
    let Some(target) = known.iter().rfind(|version| !applied.contains(version)) else { return Ok(None) };
    let pending = known.iter().filter(|version| !applied.contains(version)).count();
    let is_old = !applied.is_empty();
    let began = Instant::now();
    if is_old {
        log::info!(
            "the ledger {location} is of an older version: it is brought up to date ({pending} of {} steps) before anything is \
             served, which takes about 12 s for each million requests",
            known.len()
        );
    }
    let mut backup = None;
    if let (Location::File(path), true) = (location, is_old) {
        let copy = back_up(db, path, target)?;
        log::info!("the ledger as it was is kept as {}", copy.display());
        backup = Some(copy);
    }
    if db.is_sqlite() {
        // Sums of millions of rows are made with more than the usual 2 MiB; this connection is closed afterwards.
        db.run("PRAGMA cache_size = -65536").map_err(|error| judge(location, error))?;
    }
    run_pending(db).map_err(|error| {
        let error = of_migration(&error);
        if matches!(error, StoreError::Full(_)) {
            let path = backup
                .as_ref()
                .map_or_else(String::new, |path| format!(" (a copy of it is {})", path.display()));
            let text = format!(
                "bringing it up to date needs more room on its disk; it is as it was before{path}: {error}"
            );
            return location.failed(text);
        }
        judge(location, error)
    })?;
    if is_old {
        log::info!("the ledger is up to date, after {}", DurationText(began.elapsed()));
    }
    Ok(backup)
}

/// Refuses what isn't a whole ledger of this version or an older one; `path` is what messages call it.
pub(super) fn is_ours(db: &mut Db, path: &Path) -> Result<(), OpenError> {
    let corrupt = |detail: String| OpenError::Corrupt { path: path.to_owned(), detail };
    let failed = |error: StoreError| judge(&Location::File(path.to_owned()), error);
    let id = db.number("SELECT application_id AS number FROM pragma_application_id").map_err(failed)?;
    if id != APPLICATION_ID {
        return Err(corrupt("it is an SQLite file of another program".into()));
    }
    let bytes = db
        .number("SELECT page_count * page_size AS number FROM pragma_page_count, pragma_page_size")
        .map_err(failed)?;
    let mut found = Vec::new();
    if bytes <= CHECKED_SIZE.cast_signed() {
        found = db.words("SELECT quick_check AS word FROM pragma_quick_check LIMIT 3").map_err(failed)?;
    }
    if found.iter().any(|word| word != "ok") {
        return Err(corrupt(found.join("; ")));
    }
    let known = versions::<diesel::sqlite::Sqlite>(&SQLITE);
    let applied = db
        .words("SELECT version AS word FROM __diesel_schema_migrations ORDER BY version")
        .map_err(failed)?;
    match applied.iter().find(|version| !known.contains(version)) {
        Some(unknown) => {
            Err(OpenError::Newer { place: path.display().to_string(), version: unknown.clone() })
        }
        None => Ok(()),
    }
}

/// The same as `is_current`, by reading alone.
pub(super) fn reads_as_current(db: &mut Db) -> Result<(), StoreError> {
    let known = match db {
        Db::Sqlite(_) => versions::<diesel::sqlite::Sqlite>(&SQLITE),
        #[cfg(feature = "postgres")]
        Db::Postgres(_) => versions::<diesel::pg::Pg>(&POSTGRES),
    };
    let applied = db.words("SELECT version AS word FROM __diesel_schema_migrations ORDER BY version")?;
    if applied == known {
        return Ok(());
    }
    Err(StoreError::Other("its tables are those of another version".into()))
}

/// Refuses what isn't a ledger of exactly this version.
pub(super) fn is_current(db: &mut Db) -> Result<(), StoreError> {
    let (known, applied) = match db {
        Db::Sqlite(conn) => {
            let id = words(conn, "SELECT CAST(application_id AS TEXT) AS word FROM pragma_application_id")?;
            if id != [APPLICATION_ID.to_string()] {
                return Err(StoreError::Other("it was made by another program, or is empty".into()));
            }
            (versions::<diesel::sqlite::Sqlite>(&SQLITE), conn.applied_migrations())
        }
        #[cfg(feature = "postgres")]
        Db::Postgres(conn) => (versions::<diesel::pg::Pg>(&POSTGRES), conn.applied_migrations()),
    };
    let applied = applied.map_err(|error| of_migration(&error))?;
    let same =
        applied.len() == known.len() && applied.iter().all(|version| known.contains(&version.to_string()));
    if same { Ok(()) } else { Err(StoreError::Other("its tables are those of another version".into())) }
}

type MigrationTrouble = Box<dyn std::error::Error + Send + Sync>;

/// The database's own error within that of a migration, whose type is diesel's secret.
fn of_migration(error: &MigrationTrouble) -> StoreError {
    if let Some(error) = error.downcast_ref::<StoreError>() {
        return error.clone();
    }
    let text = error.to_string();
    match StoreError::of_sqlite(text.rsplit(" with: ").next().unwrap_or(&text).to_owned()) {
        StoreError::Other(_) => StoreError::Other(text),
        known => known,
    }
}

fn versions<DB: diesel::backend::Backend>(source: &EmbeddedMigrations) -> Vec<String> {
    let migrations: Vec<Box<dyn Migration<DB>>> = source.migrations().unwrap_or_default();
    let mut versions: Vec<String> =
        migrations.iter().map(|migration| migration.name().version().to_string()).collect();
    versions.sort();
    versions
}

fn run_pending(db: &mut Db) -> diesel::migration::Result<()> {
    match db {
        Db::Sqlite(conn) => run_all(conn, SQLITE, check_foreign_keys),
        // It checks foreign keys itself, at every statement.
        #[cfg(feature = "postgres")]
        Db::Postgres(conn) => run_all(conn, POSTGRES, |_| Ok(())),
    }
}

/// Each migration and the check after it are one transaction.
fn run_all<C>(
    conn: &mut C,
    source: EmbeddedMigrations,
    check: impl Fn(&mut C) -> Result<(), StoreError>,
) -> diesel::migration::Result<()>
where
    C: diesel::Connection + MigrationHarness<C::Backend>,
{
    let pending = conn.pending_migrations(source)?;
    for migration in pending {
        conn.transaction(|conn| -> diesel::migration::Result<()> {
            conn.run_migration(&migration)?;
            Ok(check(conn)?)
        })?;
    }
    Ok(())
}

/// Rows that refer to nothing: foreign keys are off while a migration runs.
fn check_foreign_keys(conn: &mut diesel::SqliteConnection) -> Result<(), StoreError> {
    let query = "SELECT \"table\" || ' -> ' || parent AS word FROM pragma_foreign_key_check LIMIT 3";
    let broken = words(conn, query)?;
    if broken.is_empty() {
        return Ok(());
    }
    Err(StoreError::Other(format!("rows refer to others that are not there ({})", broken.join(", "))))
}

/// Beside the ledger, under a name that is not taken.
fn back_up(db: &mut Db, path: &Path, version: &str) -> Result<PathBuf, OpenError> {
    let name = |number: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".before-{version}"));
        if number > 1 {
            name.push(format!("-{number}"));
        }
        PathBuf::from(name)
    };
    let free = (1..).map(name).find(|path| !path.exists()).unwrap_or_else(|| name(1));
    copy_into(db, &free)
        .map_err(|error| OpenError::Backup { path: free.clone(), detail: error.to_string() })?;
    Ok(free)
}

#[cfg(unix)]
pub(super) fn private_file(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map(drop)
}

#[cfg(not(unix))]
pub(super) fn private_file(path: &Path) -> std::io::Result<()> {
    fs::File::create_new(path).map(drop)
}

/// A consistent copy of a live SQLite database; the name appears when the copy is complete and on the disk.
pub(super) fn copy_into(db: &mut Db, target: &Path) -> Result<(), StoreError> {
    if !db.is_sqlite() {
        return Err(StoreError::Refused("a ledger in PostgreSQL is backed up with its own `pg_dump`".into()));
    }
    if target.exists() {
        return Err(StoreError::Refused(format!("{} is there already", target.display())));
    }
    let mut part = target.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let quoted = part
        .to_str()
        .ok_or_else(|| StoreError::Refused("the backup's path is not UTF-8".into()))?
        .replace('\'', "''");
    let io = |error: std::io::Error| StoreError::of_io(target, &error);
    // What an earlier, broken-off backup has left.
    if part.exists() {
        fs::remove_file(&part).map_err(io)?;
    }
    // Empty, and readable by its owner alone, as the ledger is.
    private_file(&part).map_err(io)?;
    let copied = either!(db, conn => conn.batch_execute(&format!("VACUUM INTO '{quoted}'")))
        .map_err(StoreError::from)
        .and_then(|()| fs::File::open(&part).and_then(|file| file.sync_all()).map_err(io))
        // Not a rename: that would replace what has come there meanwhile.
        .and_then(|()| fs::hard_link(&part, target).map_err(io));
    let _ = fs::remove_file(&part);
    copied
}
