//! Looks whether the ledger's file is still the one that was opened: a row that is written into a deleted file is lost,
//! and nobody tells.

use super::db::{APPLICATION_ID, Db};
use super::error::StoreError;
use super::journal::beside;
use super::{journal, journal_index};
use arc_swap::ArcSwapOption;
use llm_manager_policy::ledger_file::{FileCheck, FileHead, FileIdentity, FileOwner, is_suspicious, judge};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The first bytes that tell what a file is.
const HEAD: usize = 100;
/// A byte that is locked for as long as a manager has the file: the first one behind those that SQLite locks.
#[cfg(target_os = "linux")]
const OWN_BYTE: nix::libc::off_t = 0x4000_0200;

/// A longer journal is shortened once it is in the file (`journal_size_limit`).
const JOURNAL: u64 = 64 << 20;
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(50);

#[expect(clippy::disallowed_methods, reason = "before anything is served, or on a thread of its own")]
pub(super) fn pause() {
    std::thread::sleep(PAUSE);
}

/// Reads the ledger's file, and holds it by whatever name, for as long as the program runs.
///
/// The file stays open: closing any handle of a file gives back all locks that this process holds on it, SQLite's
/// own among them.
#[derive(Debug)]
pub struct LedgerFileHandle {
    path: PathBuf,
    file: ArcSwapOption<(FileIdentity, File)>,
}

impl LedgerFileHandle {
    /// For the ledger of this name.
    pub fn new(path: PathBuf) -> Self {
        Self { path, file: ArcSwapOption::empty() }
    }

    fn print(&self) -> Option<FileIdentity> {
        fs::metadata(&self.path).ok().filter(fs::Metadata::is_file).map(|meta| print_of(&meta))
    }

    /// The file that now has the name.
    fn held(&self, now: &FileIdentity) -> Option<Arc<(FileIdentity, File)>> {
        let known = self.file.load_full();
        let same = known.filter(|known| (known.0.device, known.0.inode) == (now.device, now.inode));
        if same.is_some() {
            return same;
        }
        // Only what may be written can be locked.
        let both = OpenOptions::new().read(true).write(true).open(&self.path);
        let file = both.or_else(|_| File::open(&self.path)).ok()?;
        let print = print_of(&file.metadata().ok()?);
        let held = Arc::new((print, file));
        self.file.store(Some(Arc::clone(&held)));
        Some(held)
    }

    /// The head of the file that now has the name; `None`: it isn't that of a ledger.
    fn head(&self, now: &FileIdentity, known: Option<&Mark>) -> Option<FileHead> {
        let held = self.held(now)?;
        let mut bytes = [0; HEAD];
        read_at(&held.1, &mut bytes, 0).ok()?;
        let head = head_of(&bytes)?;
        Some(FileHead {
            whose: known.map_or(FileOwner::Unknown, |known| known.whose(&bytes, &held.1)),
            ..head
        })
    }

    /// What this start's file says of itself.
    fn mark(&self, now: &FileIdentity, root: i64) -> Option<Mark> {
        let held = self.held(now)?;
        let mut bytes = [0; HEAD];
        read_at(&held.1, &mut bytes, 0).ok()?;
        let root = u64::try_from(root).ok().filter(|root| *root > 0)?;
        let mut epochs = epochs_at(&held.1, root, page_size(&bytes)?);
        // Of two nobody could say which one is now.
        (journal::has_journal(&bytes) && epochs.len() == 1).then(|| Mark { root, epoch: epochs.remove(0) })
    }

    /// Takes the file that has the name now for this manager, whatever other names it has; `false`: another manager
    /// has it. Without a file there is nothing to take.
    pub(super) fn claim(&self) -> bool {
        self.print().and_then(|now| self.held(&now)).is_none_or(|held| lock(&held.1, true))
    }

    /// Another manager may have it.
    pub(super) fn let_go(&self) {
        if let Some(held) = self.file.load_full() {
            lock(&held.1, false);
        }
    }
}

/// Locks the file by its handle, or gives it back. Not by the process: SQLite does that, and whoever closes any handle
/// of the file would give those locks back.
#[cfg(target_os = "linux")]
fn lock(file: &File, wanted: bool) -> bool {
    use nix::errno::Errno;
    use nix::fcntl::{FcntlArg, fcntl};
    use nix::libc::{F_UNLCK, F_WRLCK, SEEK_SET, c_short, flock};
    let short = |number: i32| c_short::try_from(number).unwrap_or_default();
    let kind = short(if wanted { F_WRLCK } else { F_UNLCK });
    let range = flock { l_type: kind, l_whence: short(SEEK_SET), l_start: OWN_BYTE, l_len: 1, l_pid: 0 };
    match fcntl(file, FcntlArg::F_OFD_SETLK(&range)) {
        Ok(_) => true,
        Err(Errno::EAGAIN | Errno::EACCES) => false,
        // A file system without locks, or a file that may only be read: that will be told where it matters.
        Err(error) => {
            log::debug!("billing: the ledger's file can't be locked: {error}");
            true
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn lock(_: &File, _: bool) -> bool {
    true
}

/// What tells this start's file from every other: no two starts have the same epoch, and where it stands is the same in
/// all ledgers.
#[derive(Debug)]
struct Mark {
    /// The page that has all of `meta`.
    root: u64,
    epoch: String,
}

impl Mark {
    /// Says "another's" only if that is written there: whatever can't be read says nothing.
    fn whose(&self, head: &[u8; HEAD], file: &File) -> FileOwner {
        if !journal::has_journal(head) {
            // A copy that `backup` has made; while the ledger is open nobody can change that in it.
            return FileOwner::Anothers;
        }
        match page_size(head).map(|page| epochs_at(file, self.root, page)) {
            Some(found) if found.contains(&self.epoch) => FileOwner::Ours,
            Some(found) if !found.is_empty() => FileOwner::Anothers,
            _ => FileOwner::Unknown,
        }
    }
}

fn epochs_at(file: &File, root: u64, size: usize) -> Vec<String> {
    let mut page = vec![0; size];
    match read_at(file, &mut page, (root - 1) * size as u64) {
        Ok(()) => journal::epochs_of(&page).collect(),
        Err(_) => Vec::new(),
    }
}

fn page_size(bytes: &[u8; HEAD]) -> Option<usize> {
    let page = u16::from_be_bytes([*bytes.get(16)?, *bytes.get(17)?]);
    Some(if page == 1 { 65_536 } else { usize::from(page) })
}

fn head_of(bytes: &[u8; HEAD]) -> Option<FileHead> {
    let number = |at: usize| {
        let four: Option<[u8; 4]> = bytes.get(at..at + 4)?.try_into().ok();
        four.map(u32::from_be_bytes)
    };
    let ours = bytes.starts_with(b"SQLite format 3\0") && number(68).map(i64::from) == Some(APPLICATION_ID);
    let page = page_size(bytes)? as u64;
    let changes = number(24)?;
    // The size is right only if it was written with the last change.
    let pages = if number(92) == Some(changes) { number(28)? } else { 0 };
    ours.then_some(FileHead { changes, size: u64::from(pages) * page, whose: FileOwner::Unknown })
}

#[cfg(unix)]
fn print_of(meta: &fs::Metadata) -> FileIdentity {
    use std::os::unix::fs::MetadataExt;
    let changed = i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec());
    FileIdentity { device: meta.dev(), inode: meta.ino(), size: meta.size(), changed }
}

#[cfg(not(unix))]
fn print_of(meta: &fs::Metadata) -> FileIdentity {
    let changed = meta.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    let changed = changed.map_or(0, |time| i128::try_from(time.as_nanos()).unwrap_or(0));
    FileIdentity { size: meta.len(), changed, ..FileIdentity::default() }
}

#[cfg(unix)]
fn read_at(file: &File, into: &mut [u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, into, at)
}

#[cfg(not(unix))]
fn read_at(mut file: &File, into: &mut [u8], at: u64) -> io::Result<()> {
    use std::io::{Read, Seek, SeekFrom};
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(into)
}

/// Of one connection: whether its file is still the one of that name.
#[derive(Debug)]
pub(super) struct FileWatch {
    eye: Arc<LedgerFileHandle>,
    print: FileIdentity,
    changes: u32,
    mark: Option<Mark>,
    /// The journal's number and its size.
    journal: Option<u64>,
    journal_size: u64,
    /// The size of the journal's index.
    index: u64,
    lost: Option<FileCheck>,
}

impl FileWatch {
    /// For a connection that was just opened.
    pub(super) fn new(eye: Arc<LedgerFileHandle>, db: &mut Db) -> Result<Self, StoreError> {
        let print = eye.print().ok_or_else(|| missing(&eye.path))?;
        let root = db.number("SELECT rootpage AS number FROM sqlite_schema WHERE name = 'meta'")?;
        let mark = eye.mark(&print, root);
        // A ledger that is being made is still empty.
        let changes = eye.head(&print, None).map_or(0, |head| head.changes);
        let journal = inode(&beside(&eye.path, "-wal"));
        let index = journal_index::mend(&eye.path, 0)?;
        let journal_size = size(&beside(&eye.path, "-wal"));
        Ok(Self { eye, print, changes, mark, journal, journal_size, index, lost: None })
    }

    /// Looks. A few system calls as long as the file is untouched.
    pub(super) fn check(&mut self) -> Result<(), StoreError> {
        self.index = journal_index::mend(&self.eye.path, self.index)?;
        let now = self.eye.print();
        if now.is_some_and(|now| !is_suspicious(&self.print, &now)) {
            return self.check_journal();
        }
        let mut looked = self.look(now);
        if looked.0 != FileCheck::Same {
            // Somebody may have been writing just then: what is said to be lost must be lost.
            pause();
            looked = self.look(self.eye.print());
        }
        let (verdict, now, head) = looked;
        match verdict {
            FileCheck::Same => {
                (self.print, self.changes) =
                    (now.unwrap_or(self.print), head.map_or(self.changes, |head| head.changes));
                let journal = beside(&self.eye.path, "-wal");
                self.journal = self.journal.or_else(|| inode(&journal));
                self.journal_size = size(&journal);
                Ok(())
            }
            verdict => {
                self.lost = Some(verdict);
                let path = self.eye.path.display();
                let what = match verdict {
                    FileCheck::Missing => return Err(missing(&self.eye.path)),
                    FileCheck::Other => "was replaced by another file",
                    FileCheck::CutOff => "was cut off by another program",
                    _ => "was emptied or overwritten by another program",
                };
                Err(StoreError::Lost(format!("{path} {what} while the manager runs")))
            }
        }
    }

    /// What is in the journal is brought into the file before the journal becomes shorter. If it has and the file is
    /// untouched, somebody else has cut it off, and what it had is gone: it must not get into the file as zeros.
    fn check_journal(&mut self) -> Result<(), StoreError> {
        let path = beside(&self.eye.path, "-wal");
        let now = size(&path);
        if now >= self.journal_size.min(JOURNAL) || inode(&path) != self.journal {
            self.journal_size = now;
            return Ok(());
        }
        self.lost = Some(FileCheck::Overwritten);
        let path = path.display();
        Err(StoreError::Lost(format!("{path} was cut off by another program while the manager runs")))
    }

    /// The journal was brought into the file, and emptied.
    pub(super) fn journal_is_empty(&mut self) {
        self.journal_size = 0;
    }

    fn look(&self, now: Option<FileIdentity>) -> (FileCheck, Option<FileIdentity>, Option<FileHead>) {
        let head = now.and_then(|now| self.eye.head(&now, self.mark.as_ref()));
        (judge(&self.print, self.changes, now.as_ref(), head.as_ref()), now, head)
    }

    /// True where the file's content was replaced: what the journal has belongs to a ledger that isn't there any more.
    pub(super) fn is_overwritten(&self) -> bool {
        self.lost == Some(FileCheck::Overwritten)
    }

    /// Takes the journal away from the old ledger, before the connection is closed: closing would write it into
    /// whatever has the file's place now. Answers where a copy of it is: it has the newest rows of a file that may still be
    /// somewhere.
    pub(super) fn empty_journal(&self) -> Option<PathBuf> {
        let path = beside(&self.eye.path, "-wal");
        if self.journal.is_none() || inode(&path) != self.journal {
            return None;
        }
        let aside = journal::aside(&self.eye.path);
        let kept = fs::copy(&path, &aside).is_ok_and(|bytes| bytes > 0);
        if !kept {
            let _ = fs::remove_file(&aside);
        }
        let _ = OpenOptions::new().write(true).truncate(true).open(path);
        kept.then_some(aside)
    }

    /// Removes the old ledger's journal, after the connection was closed, so that the new file doesn't get it.
    pub(super) fn remove_journal(&self) {
        let path = beside(&self.eye.path, "-wal");
        if self.journal.is_some() && inode(&path) == self.journal {
            let _ = fs::remove_file(path);
            let _ = fs::remove_file(beside(&self.eye.path, "-shm"));
        }
    }
}

fn missing(path: &Path) -> StoreError {
    let path = path.display();
    StoreError::Lost(format!(
        "{path} is not there any more: it was deleted or renamed while the manager runs"
    ))
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |meta| meta.len())
}

fn inode(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().map(|meta| print_of(&meta).inode)
}
