//! The index of SQLite's journal (`-shm`). SQLite maps it into memory: reading one that another program has cut off would
//! end the process (SIGBUS).

use super::error::StoreError;
use std::path::Path;

/// Gives the index of this ledger back the size that it had, if it has become smaller than `known`, or than any that is in
/// use. Nothing is in it then, and SQLite makes it anew from the journal. Answers what is known now, or, while another thread
/// is at it, that the ledger is locked.
#[cfg(target_os = "linux")]
pub(super) fn mend(ledger: &Path, known: u64) -> Result<u64, StoreError> {
    use super::journal::beside;
    use std::sync::atomic::{AtomicBool, Ordering};

    /// One that is in use has at least this page.
    const PAGE: u64 = 32 << 10;
    /// More than any journal of ours needs; what nobody writes takes no room on the disk.
    const WHOLE: i64 = 1 << 20;
    /// Whoever comes second must not take away what the first one's SQLite has already made anew.
    static MENDING: AtomicBool = AtomicBool::new(false);

    let path = beside(ledger, "-shm");
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |meta| meta.len());
    // One that was deleted is open still, and whole.
    let is_cut = || path.exists() && size(&path) < known.max(PAGE);
    if !is_cut() || size(&beside(ledger, "-wal")) == 0 {
        return Ok(known.max(size(&path)));
    }
    if MENDING.swap(true, Ordering::AcqRel) {
        return Err(StoreError::Locked("its index is being made anew".into()));
    }
    if is_cut() {
        log::warn!("billing: {} was cut off by another program: it is made anew", path.display());
        // By its name: closing a handle of it would give SQLite's locks back. First to nothing, so that nothing old is
        // taken for the truth.
        for size in [0, WHOLE] {
            if let Err(error) = nix::unistd::truncate(&path, size) {
                log::error!("billing: {} can't be made anew: {error}", path.display());
            }
        }
    }
    MENDING.store(false, Ordering::Release);
    Ok(known.max(size(&path)))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn mend(_: &Path, known: u64) -> Result<u64, StoreError> {
    Ok(known)
}
