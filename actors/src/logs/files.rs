//! LogFiles: what backends print, in files that outlive the manager. One log a run, all of them bounded.
//!
//! A thread of its own writes. The way to it is a queue with a bound that nobody waits for: if the disk is slower than
//! the backend, output is left out of the file, and the file says how much. Nobody is slowed down by it.
//!
//! A file is what the backend printed, whole lines of either stream, with a line of ours whenever the stream or the second
//! changes: `== 2026-11-29T00:36:22.123Z stdout ==`. The first line says whose log it is. A log that outgrows its share goes
//! on in a second file and forgets the oldest: `RUN_MODEL.older.log`, then `RUN_MODEL.log`.

mod store;
mod surge;

use super::mask::Mask;
pub(in crate::logs) use store::{LOG, OLDER, files as all_files};

use llm_manager_policy::log_files::LogBounds;
use llm_manager_policy::system::no_thread;
use llm_manager_process::{Keeper, Pipe};
use std::cell::Cell;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;
use store::{LogFileCommand, LogFileStore};

/// Pieces that may wait.
const PIECES: usize = 8192;
/// Bytes that may wait.
const BYTES: usize = 16 << 20;

/// The way to the thread. Cheap to clone.
#[derive(Clone)]
pub struct LogFiles {
    queue: SyncSender<LogFileCommand>,
    waiting: Arc<AtomicUsize>,
    folder: Arc<Path>,
}

impl LogFiles {
    /// Makes the folder and starts the thread. Blocks for a moment.
    pub fn start(folder: &Path, bounds: LogBounds, mask: Arc<Mask>) -> io::Result<Self> {
        let disk = LogFileStore::open(folder, bounds, mask)?;
        let (queue, items) = sync_channel(PIECES);
        let waiting = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&waiting);
        std::thread::Builder::new()
            .name("log files".to_owned())
            .spawn(move || disk.run(&items, &counted))
            .map_err(|error| io::Error::new(error.kind(), no_thread(&error)))?;
        Ok(Self { queue, waiting, folder: folder.into() })
    }

    /// Where the files are.
    pub fn folder(&self) -> PathBuf {
        self.folder.to_path_buf()
    }

    /// Begins the log of a run.
    pub fn open(&self, run: i64, model: &str, variant: &str) -> RunLog {
        let item = LogFileCommand::Open { run, model: model.to_owned(), variant: variant.to_owned() };
        let opened = self.queue.try_send(item).is_ok();
        if !opened {
            log::warn!("models/{model}: the disk is too slow: the output of run {run} is not kept in a file");
        }
        RunLog { files: self.clone(), run, opened, missing: Cell::new(0) }
    }

    /// Waits until what was handed over is written, but no longer than `limit`. Blocks.
    pub fn drain(&self, limit: Duration) {
        let (written, reached) = sync_channel(1);
        if self.queue.try_send(LogFileCommand::Mark(written)).is_ok() {
            // Too slow: what is left goes on being written until the program ends.
            let _ = reached.recv_timeout(limit);
        }
    }
}

/// The log of one run.
pub struct RunLog {
    files: LogFiles,
    run: i64,
    opened: bool,
    /// Bytes that found no room in the queue since the last ones that did.
    missing: Cell<u64>,
}

impl Keeper for RunLog {
    fn keep(&self, pipe: Pipe, bytes: Arc<[u8]>) {
        if !self.opened {
            return;
        }
        let (size, waiting) = (bytes.len(), &self.files.waiting);
        let missing = self.missing.take();
        let (run, time) = (self.run, jiff::Timestamp::now());
        let fits = waiting.fetch_add(size, Ordering::Relaxed) + size <= BYTES;
        if !fits
            || self.files.queue.try_send(LogFileCommand::Piece { run, pipe, time, bytes, missing }).is_err()
        {
            waiting.fetch_sub(size, Ordering::Relaxed);
            self.missing.set(missing + size as u64);
        }
    }
}

impl Drop for RunLog {
    fn drop(&mut self) {
        // A queue that is full now leaves the file open, and that is all.
        let _ =
            self.files.queue.try_send(LogFileCommand::Close { run: self.run, missing: self.missing.get() });
    }
}
