//! The file itself, for those who edit it from afar: what it holds now, and how it is replaced.
//!
//! Everything here blocks. A new text is put in place by one rename, so that a reader or a crash finds either the
//! old file or the new one, and the old one stays beside it as a backup.

use super::{ConfigReport, LoadedConfig, load, parse};
use jiff::{Timestamp, tz::TimeZone};
use llm_manager_policy::system::{OsFamily, plain_path};
use sha2::{Digest, Sha256};
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// So many backups are kept, the newest.
const BACKUPS: usize = 10;

/// The file as it is.
pub struct Present {
    pub text: String,
    /// Changes with the text.
    pub version: String,
    /// Whether it can be replaced.
    pub writable: bool,
}

/// Why a text was not saved.
pub enum SaveError {
    /// Somebody else has changed the file.
    Changed,
    /// The new text has errors.
    Invalid(ConfigReport),
    /// The system refused; the words name the file.
    Failed(String),
}

/// What stands for a text: the same for the same text, whether or not it starts with a byte order mark.
pub fn version(text: &str) -> String {
    let digest = Sha256::digest(text.trim_start_matches('\u{feff}').as_bytes());
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Without links and `..`, as people write it.
pub(crate) fn real(path: &Path) -> io::Result<PathBuf> {
    let real = fs::canonicalize(path)?;
    Ok(match real.to_str() {
        Some(text) => plain_path(OsFamily::HERE, text).into(),
        None => real,
    })
}

/// Reads the file.
///
/// # Errors
/// It can't be read, or is no text.
pub fn read(path: &Path) -> Result<Present, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let bytes = fs::read(path).map_err(|error| wrong(&error))?;
    let text =
        String::from_utf8(bytes).map_err(|_| wrong(&"is not UTF-8; save it as UTF-8 with an editor"))?;
    let real = real(path).map_err(|error| wrong(&error))?;
    let writable = may_write(&real) && real.parent().is_some_and(may_write);
    Ok(Present { version: version(&text), text, writable })
}

/// Puts `text` in the place of the text whose version is `known`; the path of the backup.
///
/// # Errors
/// Nothing was changed then, but that a backup may have been made.
pub fn save(path: &Path, text: &str, known: &str) -> Result<PathBuf, SaveError> {
    let present = read(path).map_err(SaveError::Failed)?;
    if present.version != known {
        return Err(SaveError::Changed);
    }
    let checked: Result<LoadedConfig, ConfigReport> = parse(text.as_bytes(), path);
    checked.map_err(SaveError::Invalid)?;
    replace(path, &present.text, text).map_err(|error| {
        let way_out = "can this user write to its folder? (a single mounted file can't be replaced)";
        SaveError::Failed(format!("{}: {error}; {way_out}", path.display()))
    })
}

/// Whether the file as it is could be served.
///
/// # Errors
/// Everything that is wrong with it.
pub fn check(path: &Path) -> Result<(), ConfigReport> {
    load(path).map(drop)
}

fn replace(path: &Path, old: &str, new: &str) -> io::Result<PathBuf> {
    // A link stays a link: what it leads to is replaced.
    let real = real(path)?;
    let meta = fs::metadata(&real)?;
    let name = real.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let folder = real.parent().map(Path::to_owned).unwrap_or_default();
    let stamp = Timestamp::now().to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%S.%6fZ").to_string();
    let backup = folder.join(format!("{name}.{stamp}.bak"));
    let fresh = folder.join(format!(".{name}.{stamp}.new"));
    write_like(&backup, old, &meta)?;
    let placed = write_like(&fresh, new, &meta).and_then(|()| fs::rename(&fresh, &real));
    if let Err(error) = placed {
        // Neither is of use now; what can't be removed is found by its name.
        let _ = fs::remove_file(&fresh);
        let _ = fs::remove_file(&backup);
        return Err(error);
    }
    // The rename itself must survive a power cut; not every file system lets a folder be synced.
    let _ = File::open(&folder).and_then(|folder| folder.sync_all());
    if let Err(error) = prune(&folder, &name) {
        log::warn!("old backups of {} were not removed: {error}", real.display());
    }
    Ok(backup)
}

/// A new file with the owner and the mode of another; it may hold secrets from its first byte on.
fn write_like(path: &Path, text: &str, like: &Metadata) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| keep_owner(&file, like))
        .and_then(|()| file.set_permissions(like.permissions()))
        .and_then(|()| file.sync_all());
    written.inspect_err(|_| drop(fs::remove_file(path)))
}

#[cfg(unix)]
fn keep_owner(file: &File, like: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, fchown};
    let own = file.metadata()?;
    if (own.uid(), own.gid()) == (like.uid(), like.gid()) {
        return Ok(());
    }
    fchown(file, Some(like.uid()), Some(like.gid()))
        .map_err(|error| io::Error::new(error.kind(), format!("its owner can't be kept: {error}")))
}

#[cfg(not(unix))]
fn keep_owner(_file: &File, _like: &Metadata) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn may_write(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok()
}

#[cfg(not(unix))]
fn may_write(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.is_dir() || !meta.permissions().readonly())
}

/// Removes all but the newest backups. Only names that this module makes are touched.
fn prune(folder: &Path, name: &str) -> io::Result<()> {
    let is_stamp = |stamp: &str| {
        stamp.len() == "20260102T030405.123456Z".len()
            && stamp.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'T' | b'.' | b'Z'))
    };
    let mut backups: Vec<PathBuf> = fs::read_dir(folder)?
        .flatten()
        .filter(|entry| {
            let file = entry.file_name();
            let stamp = file
                .to_str()
                .and_then(|file| file.strip_prefix(name)?.strip_prefix('.')?.strip_suffix(".bak"));
            stamp.is_some_and(is_stamp)
        })
        .map(|entry| entry.path())
        .collect();
    backups.sort();
    let too_many = backups.len().saturating_sub(BACKUPS);
    backups.iter().take(too_many).try_for_each(fs::remove_file)
}
