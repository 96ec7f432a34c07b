//! What a person does to the ledger by hand, with or without a manager that runs. All of it blocks.

use super::overflow::with_suffix;
use super::start::overflow_path;
use llm_manager_ledger::{JobProgress, LedgerEvent, Location, Micros, StoreError, Writer, now_us};
use llm_manager_policy::clock;
use llm_manager_process::private_files;
use std::fs;
use std::io::Write;
use std::path::Path;

/// What became of the rows that were put aside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// They are in the ledger now.
    pub written: usize,
    /// They were there already.
    pub duplicates: usize,
    /// The database refuses them still; they stay aside.
    pub refused: usize,
    /// Why it refuses the last of them.
    pub reason: Option<String>,
}

/// Tries the rows again that the database has refused.
pub fn replay_rejected(location: &Location, state_dir: &Path) -> Result<Replayed, StoreError> {
    let path = with_suffix(&overflow_path(location, state_dir), ".rejected");
    let taken = with_suffix(&path, ".replaying");
    let io = |error: std::io::Error| StoreError::Other(format!("{}: {error}", path.display()));
    // One that broke off has left the file: its rows come first, and are written once.
    if !taken.exists() {
        match fs::rename(&path, &taken) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Replayed::default()),
            renamed => renamed.map_err(io)?,
        }
    }
    let text = fs::read_to_string(&taken).map_err(io)?;
    let (mut done, mut left, mut trouble) = (Replayed::default(), Vec::new(), None);
    let mut writer = Writer::open(location).inspect_err(|_| drop(fs::rename(&taken, &path)))?;
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let event: Result<LedgerEvent, _> = serde_json::from_str(line);
        let written = match (&trouble, event) {
            (Some(_), _) => Err(None),
            (None, Err(error)) => Err(Some(format!("a line can't be read: {error}"))),
            (None, Ok(event)) => match writer.write(&[event], true) {
                Ok(written) => Ok(written),
                Err(error) if error.may_be_the_row() => Err(Some(error.to_string())),
                Err(error) => {
                    trouble = Some(error);
                    Err(None)
                }
            },
        };
        match written {
            Ok(written) => {
                done.written += written.requests;
                done.duplicates += written.duplicates;
            }
            Err(reason) => {
                done.refused += 1;
                done.reason = reason.or(done.reason.take());
                left.extend_from_slice(line.as_bytes());
                left.push(b'\n');
            }
        }
    }
    if !left.is_empty() {
        let file = private_files::file().append(true).create(true).open(&path);
        file.and_then(|mut file| file.write_all(&left).and_then(|()| file.sync_data())).map_err(io)?;
    }
    fs::remove_file(&taken).map_err(io)?;
    trouble.map_or(Ok(done), Err)
}

/// Deletes rows that are this many days old by the system's clock, which a person vouches for. Answers how many.
pub fn retain_now(location: &Location, days: u32) -> Result<i64, StoreError> {
    let mut writer = Writer::open(location)?;
    let now: Micros = now_us();
    writer.trust_clock(now)?;
    let before = writer.rows()?;
    while writer.retain(clock::cutoff(now, now, days))? == JobProgress::More {}
    Ok(before - writer.rows()?)
}
