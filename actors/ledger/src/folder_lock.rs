//! One manager per folder and per database: a second one would take the first one's runs for left over, and its rows
//! for its own.

use super::db::{Db, Location};
use super::error::{OpenError, StoreError};
use super::file_watch::{LedgerFileHandle, pause};
use super::journal;
use super::manager_name::own_name;
#[cfg(feature = "postgres")]
use super::manager_name::{HOLDER, own_mark};
use std::fs::{File, OpenOptions};
use std::io::{Seek, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A predecessor that was killed may need a moment to be gone.
const PATIENCE: Duration = Duration::from_secs(3);

/// A folder that is this manager's alone, until it is dropped.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
    /// The folder in which the ledger truly lies, if its name here is a link.
    _linked: Option<Box<Self>>,
    /// The ledger's file itself, which may have another name in another folder (a hard link).
    ledger: Option<Arc<LedgerFileHandle>>,
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        if let Some(eye) = &self.ledger {
            eye.let_go();
        }
    }
}

impl FolderLock {
    /// Takes the folder, or says who has it. Blocks.
    pub fn take(folder: &Path) -> Result<Self, OpenError> {
        let path = folder.join("manager.lock");
        let wrong = |error: std::io::Error| OpenError::Failed {
            place: path.display().to_string(),
            detail: error.to_string(),
        };
        std::fs::create_dir_all(folder).map_err(wrong)?;
        let deadline = Instant::now() + PATIENCE;
        let mut file = loop {
            match hold_file(&path).map_err(wrong)? {
                Some(file) => break file,
                None if Instant::now() < deadline => pause(),
                None => {
                    let holder = std::fs::read_to_string(&path).unwrap_or_default();
                    let place = format!("the folder {}", folder.display());
                    return Err(OpenError::Taken { place, holder: holder.trim().to_owned() });
                }
            }
        };
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", own_name()))
            .map_err(wrong)?;
        Ok(Self { _file: file, _linked: None, ledger: None })
    }

    /// Who has the folder now: a manager's pid, host and start. `None`: nobody, as far as one can see. Blocks for a moment.
    pub fn holder(folder: &Path) -> Option<String> {
        let path = folder.join("manager.lock");
        let is_held = path.exists() && matches!(hold_file(&path), Ok(None));
        let name = is_held.then(|| std::fs::read_to_string(&path).ok()).flatten()?;
        Some(name.trim().to_owned()).filter(|name| !name.is_empty())
    }

    /// Takes the folder of the manager's state, the one in which the ledger's file truly lies, and that file. Blocks.
    pub fn take_with(
        folder: &Path,
        ledger: &Location,
        eye: Option<&Arc<LedgerFileHandle>>,
    ) -> Result<Self, OpenError> {
        let mut hold = Self::take(folder)?;
        // One that isn't there yet is made where its name is.
        if let Location::File(path) = ledger
            && let (Ok(real), Ok(here)) = (path.canonicalize(), folder.canonicalize())
            && let Some(there) = real.parent().filter(|there| *there != here)
        {
            hold._linked = Some(Box::new(Self::take(there)?));
        }
        if let (Location::File(path), Some(eye)) = (ledger, eye) {
            let deadline = Instant::now() + PATIENCE;
            while !eye.claim() {
                if Instant::now() >= deadline {
                    let place = format!("{ledger}, a file that has more than one name (hard links),");
                    let holder = journal::holder(path).unwrap_or_else(|| "its name is not known".to_owned());
                    return Err(OpenError::Taken { place, holder });
                }
                pause();
            }
            hold.ledger = Some(Arc::clone(eye));
        }
        Ok(hold)
    }
}

/// Opens the file and locks it; `None`: somebody else has.
#[cfg(unix)]
fn hold_file(path: &Path) -> std::io::Result<Option<File>> {
    use std::fs::TryLockError;
    let file = open_private(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        // A file system without locks: better alone by good faith than not at all.
        Err(TryLockError::Error(error)) => {
            log::warn!(
                "{}: it can't be locked ({error}); a second manager here would not be noticed",
                path.display()
            );
            Ok(Some(file))
        }
    }
}

/// Opens the file so that nobody else can open it to write; `None`: somebody else has. What is locked can't be read
/// by others on Windows, and the one who is refused wants to read a name.
#[cfg(windows)]
fn hold_file(path: &Path) -> std::io::Result<Option<File>> {
    use std::os::windows::fs::OpenOptionsExt;
    const FILE_SHARE_READ: u32 = 1;
    const ERROR_SHARING_VIOLATION: i32 = 32;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).share_mode(FILE_SHARE_READ);
    match options.open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.raw_os_error() == Some(ERROR_SHARING_VIOLATION) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Its owner's alone: it names the host, and whoever may open it could hold the lock.
#[cfg(unix)]
fn open_private(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    // An earlier version made it for everybody. Somebody else's file stays as it is.
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        let _ = file.set_permissions(std::fs::Permissions::from_mode(0o600));
    }
    Ok(file)
}

/// Whether a database is one manager's alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Company {
    /// No other may have it.
    #[default]
    Alone,
    /// Others may that share it, too.
    Shared,
}

/// Takes the database for this process, for as long as the connection lasts. SQLite's file is in a folder that is held.
pub(super) fn hold(db: &mut Db, company: Company) -> Result<(), StoreError> {
    match db {
        Db::Sqlite(_) if company == Company::Shared => {
            Err(StoreError::Refused("only a ledger in PostgreSQL can be shared".into()))
        }
        Db::Sqlite(_) => Ok(()),
        #[cfg(feature = "postgres")]
        Db::Postgres(_) => hold_postgres(db, company),
    }
}

#[cfg(feature = "postgres")]
fn hold_postgres(db: &mut Db, company: Company) -> Result<(), StoreError> {
    // The name finds connections of ours that were given up and may still hold the lock.
    let name = format!("llm-manager {}", own_mark());
    db.run(&format!("SET application_name = '{name}'"))?;
    let own = format!(
        "SELECT COUNT(pg_terminate_backend(pid)) AS number FROM pg_stat_activity \
         WHERE application_name = '{name}' AND pid <> pg_backend_pid() AND datname = current_database()"
    );
    let way = if company == Company::Shared { "pg_try_advisory_lock_shared" } else { "pg_try_advisory_lock" };
    let take = format!("SELECT CAST({way}(1280134476, 2) AS INTEGER)::BIGINT AS number");
    let deadline = Instant::now() + PATIENCE;
    while db.number(&take)? == 0 {
        if Instant::now() > deadline {
            let found = db.words(&format!("SELECT value AS word FROM meta WHERE name = '{HOLDER}'"));
            return Err(StoreError::Taken(found.ok().and_then(|mut found| found.pop()).unwrap_or_default()));
        }
        db.number(&own)?;
        db.run("SELECT pg_sleep(0.05)")?;
    }
    if db.number("SELECT COUNT(to_regclass('meta')) AS number")? > 0 {
        db.transact(|db| db.set_meta(HOLDER, &own_name()))?;
    }
    Ok(())
}
