//! Who runs, on disk: so that a manager that comes up after a crash finds what the former one left.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::platform::{self, ProcessId};

/// One run, as `runs/<model>-<epoch>-<instance>.json` in the state folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ProcessRecord {
    pub(super) instance: String,
    pub(super) manager: ProcessId,
    /// Also the number of its process group.
    pub(super) leader: ProcessId,
    pub(super) boot: String,
    pub(super) model: String,
    pub(super) epoch: u64,
    /// The cgroup of the run, if it has one.
    #[serde(default)]
    pub(super) room: Option<PathBuf>,
    /// Variables of the manager that may steer its engine, for a person who looks for the cause of something.
    #[serde(default)]
    pub(super) inherited: Vec<String>,
    /// Descendants seen so far: they are found even if they have lost every sign of where they came from.
    #[serde(default)]
    pub(super) members: Vec<ProcessId>,
}

impl ProcessRecord {
    /// Where it is kept.
    pub(super) fn file(&self, state_dir: &Path) -> PathBuf {
        let name = format!("{}-{}-{}.json", file_name(&self.model), self.epoch, file_name(&self.instance));
        state_dir.join("runs").join(name)
    }
}

/// The same folder under the same name, however it was written; it is made if need be.
pub(super) fn canonical(state_dir: &Path) -> PathBuf {
    if let Err(error) = std::fs::create_dir_all(state_dir) {
        log::error!("can't create the state folder {}: {error}", state_dir.display());
    }
    std::fs::canonicalize(state_dir).unwrap_or_else(|_| state_dir.to_owned())
}

/// Letters that every file system takes; distinct names stay distinct.
fn file_name(name: &str) -> String {
    const LONGEST: usize = 80;
    let mut safe = String::new();
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' => safe.push(char::from(byte)),
            other => safe.push_str(&format!("%{other:02x}")),
        }
    }
    if safe.len() > LONGEST {
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        safe.truncate(LONGEST);
        safe.push_str(&format!("%{hash:016x}"));
    }
    safe
}

/// Writes a record beside the arbiter. A run without a record is still found by its environment.
pub(super) async fn write(file: PathBuf, record: ProcessRecord) {
    let path = file.display().to_string();
    let done = tokio::task::spawn_blocking(move || write_blocking(&file, &record)).await;
    if let Err(error) = done.unwrap_or_else(|error| Err(io::Error::other(error))) {
        log::error!("the record {path} can't be written: {error}");
    }
}

fn write_blocking(file: &Path, record: &ProcessRecord) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    // Never half a record: the rename puts all of it there at once.
    let draft = file.with_extension("tmp");
    std::fs::write(&draft, serde_json::to_vec(record)?)?;
    std::fs::rename(&draft, file)
}

/// Removes a record beside the arbiter, and before it the cgroup of the run, if it has one.
pub(super) async fn close(file: PathBuf, room: Option<PathBuf>) {
    let closing = move || {
        room.iter().for_each(|room| platform::cgroup::close(room));
        remove_blocking(&file);
    };
    let done = tokio::task::spawn_blocking(closing).await;
    if let Err(error) = done {
        log::error!("a record can't be removed: {error}");
    }
}

pub(super) fn remove_blocking(file: &Path) {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            log::error!("the record {} can't be removed: {error}", file.display());
        }
        _ => {}
    }
}

/// All records of a state folder. A file that isn't one is left where it is and named; one that can't be read is an
/// error.
pub(super) fn list(state_dir: &Path) -> io::Result<Vec<(PathBuf, ProcessRecord)>> {
    let entries = match std::fs::read_dir(state_dir.join("runs")) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let file = entry?.path();
        if file.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        match std::fs::read(&file).map(|bytes| serde_json::from_slice(&bytes)) {
            Ok(Ok(record)) => found.push((file, record)),
            Ok(Err(error)) => log::warn!("{} is not a record of a run: {error}", file.display()),
            // Its run has just ended.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            // Another user's: not one of ours.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                log::warn!("can't read {}: {error}", file.display());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}
