//! Looks whether the ledger's file is still the one that was opened: a row that is written into a deleted file is lost,
//! and nobody tells.

use super::db::APPLICATION_ID;
use super::error::StoreError;
use arc_swap::ArcSwapOption;
use llm_manager_policy::ledger_file::{Head, Print, Verdict, is_suspicious, judge};
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The first bytes that tell what a file is.
const HEAD: usize = 100;

/// Reads the head of the ledger's file, for as long as the program runs.
///
/// The file stays open: closing any handle of a file gives back all locks that this process holds on it, SQLite's
/// own among them.
#[derive(Debug)]
pub struct Eye {
    path: PathBuf,
    file: ArcSwapOption<(Print, File)>,
}

impl Eye {
    /// For the ledger of this name.
    pub fn new(path: PathBuf) -> Self {
        Self { path, file: ArcSwapOption::empty() }
    }

    fn print(&self) -> Option<Print> {
        std::fs::metadata(&self.path).ok().filter(std::fs::Metadata::is_file).map(|meta| print_of(&meta))
    }

    /// The head of the file that now has the name; `None`: it isn't that of a ledger.
    fn head(&self, now: &Print) -> Option<Head> {
        let known = self.file.load_full();
        let same = known.filter(|known| (known.0.device, known.0.inode) == (now.device, now.inode));
        let held = match same {
            Some(held) => held,
            None => {
                let file = File::open(&self.path).ok()?;
                let print = print_of(&file.metadata().ok()?);
                let held = Arc::new((print, file));
                self.file.store(Some(Arc::clone(&held)));
                held
            }
        };
        let mut bytes = [0; HEAD];
        read_first(&held.1, &mut bytes).ok()?;
        head_of(&bytes)
    }
}

fn head_of(bytes: &[u8; HEAD]) -> Option<Head> {
    let number = |at: usize| {
        let four: Option<[u8; 4]> = bytes.get(at..at + 4)?.try_into().ok();
        four.map(u32::from_be_bytes)
    };
    let ours = bytes.starts_with(b"SQLite format 3\0") && number(68).map(i64::from) == Some(APPLICATION_ID);
    let page = u16::from_be_bytes([*bytes.get(16)?, *bytes.get(17)?]);
    let page = if page == 1 { 65_536 } else { u64::from(page) };
    let changes = number(24)?;
    // The size is right only if it was written with the last change.
    let pages = if number(92) == Some(changes) { number(28)? } else { 0 };
    ours.then_some(Head { changes, size: u64::from(pages) * page })
}

#[cfg(unix)]
fn print_of(meta: &std::fs::Metadata) -> Print {
    use std::os::unix::fs::MetadataExt;
    let changed = i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec());
    Print { device: meta.dev(), inode: meta.ino(), size: meta.size(), changed }
}

#[cfg(not(unix))]
fn print_of(meta: &std::fs::Metadata) -> Print {
    let changed = meta.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    let changed = changed.map_or(0, |time| i128::try_from(time.as_nanos()).unwrap_or(0));
    Print { size: meta.len(), changed, ..Print::default() }
}

#[cfg(unix)]
fn read_first(file: &File, into: &mut [u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, into, 0)
}

#[cfg(not(unix))]
fn read_first(mut file: &File, into: &mut [u8]) -> io::Result<()> {
    use std::io::{Read, Seek, SeekFrom};
    file.seek(SeekFrom::Start(0))?;
    file.read_exact(into)
}

/// Of one connection: whether its file is still the one of that name.
#[derive(Debug)]
pub(super) struct Watch {
    eye: Arc<Eye>,
    print: Print,
    changes: u32,
    /// The journal's number.
    journal: Option<u64>,
    lost: Option<Verdict>,
}

impl Watch {
    /// For a connection that was just opened.
    pub(super) fn new(eye: Arc<Eye>) -> Result<Self, StoreError> {
        let print = eye.print().ok_or_else(|| missing(&eye.path))?;
        // A ledger that is being made is still empty.
        let changes = eye.head(&print).map_or(0, |head| head.changes);
        let journal = inode(&with_suffix(&eye.path, "-wal"));
        Ok(Self { eye, print, changes, journal, lost: None })
    }

    /// Looks. One system call as long as the file is untouched.
    pub(super) fn check(&mut self) -> Result<(), StoreError> {
        let now = self.eye.print();
        if now.is_some_and(|now| !is_suspicious(&self.print, &now)) {
            return Ok(());
        }
        let head = now.and_then(|now| self.eye.head(&now));
        match judge(&self.print, self.changes, now.as_ref(), head.as_ref()) {
            Verdict::Same => {
                (self.print, self.changes) =
                    (now.unwrap_or(self.print), head.map_or(self.changes, |head| head.changes));
                self.journal = self.journal.or_else(|| inode(&with_suffix(&self.eye.path, "-wal")));
                Ok(())
            }
            verdict => {
                self.lost = Some(verdict);
                let path = self.eye.path.display();
                let what = match verdict {
                    Verdict::Missing => return Err(missing(&self.eye.path)),
                    Verdict::Other => "was replaced by another file",
                    Verdict::CutOff => "was cut off by another program",
                    _ => "was emptied or overwritten by another program",
                };
                Err(StoreError::Lost(format!("{path} {what} while the manager runs")))
            }
        }
    }

    /// True where the file's content was replaced: what the journal has belongs to a ledger that isn't there any more.
    pub(super) fn is_overwritten(&self) -> bool {
        self.lost == Some(Verdict::Overwritten)
    }

    /// Takes the journal away from the old ledger, before the connection is closed: closing would write it into
    /// whatever has the file's place now.
    pub(super) fn empty_journal(&self) {
        let path = with_suffix(&self.eye.path, "-wal");
        if self.journal.is_some() && inode(&path) == self.journal {
            let _ = OpenOptions::new().write(true).truncate(true).open(path);
        }
    }

    /// Removes the old ledger's journal, after the connection was closed, so that the new file doesn't get it.
    pub(super) fn remove_journal(&self) {
        let path = with_suffix(&self.eye.path, "-wal");
        if self.journal.is_some() && inode(&path) == self.journal {
            let _ = std::fs::remove_file(path);
            let _ = std::fs::remove_file(with_suffix(&self.eye.path, "-shm"));
        }
    }
}

fn missing(path: &Path) -> StoreError {
    let path = path.display();
    StoreError::Lost(format!(
        "{path} is not there any more: it was deleted or renamed while the manager runs"
    ))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn inode(path: &Path) -> Option<u64> {
    std::fs::metadata(path).ok().map(|meta| print_of(&meta).inode)
}
