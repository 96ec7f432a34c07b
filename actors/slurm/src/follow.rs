//! The output of a job, read while it is written, where the nodes share the state folder.

use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use tokio::sync::{mpsc, watch};

use llm_manager_policy::cluster::next_read;
use llm_manager_process::AlreadyKept;
use llm_manager_process::far::{ReadPosition, aside};

/// The most that is read at once, and the pieces that may wait for whoever takes them.
const PIECE: u64 = 64 * 1024;
pub(crate) const PIECES: usize = 4;
/// Of what an earlier manager has read, so much is shown again.
pub(crate) const TAIL: u64 = 64 * 1024;

/// What an earlier manager has read, and what the next one is told.
pub(crate) struct Past {
    pub mark: ReadPosition,
    /// There may have been an earlier manager.
    pub adopted: bool,
    /// What that one has kept is not kept again.
    pub again: AlreadyKept,
}

/// How far was read: where the last line begins that isn't read to its end, for half a line isn't kept.
pub(crate) struct Reach(watch::Sender<Option<u64>>);

impl Past {
    /// How far an earlier manager has read, if that is known. From now on it is noted for the next one.
    pub(crate) async fn open(&self) -> (Option<u64>, Reach) {
        let before = if self.adopted { self.mark.found().await } else { Some(0) };
        let (reached, of_reached) = watch::channel(before);
        tokio::task::spawn_local(self.mark.clone().note(of_reached));
        (before, Reach(reached))
    }

    /// It is read from here on, before the first piece is handed on.
    pub(crate) fn begins_at(&self, begin: u64, before: Option<u64>) {
        self.again.add(before.unwrap_or_default().saturating_sub(begin));
    }
}

impl Reach {
    /// All up to there has been handed on.
    pub(crate) fn advance(&self, line: Option<u64>) {
        if line.is_some() {
            self.0.send_replace(line);
        }
    }
}

/// Where the last line begins that begins in these bytes.
pub(crate) fn last_line(position: u64, bytes: &[u8]) -> Option<u64> {
    let end = bytes.iter().rposition(|byte| *byte == b'\n')?;
    Some(position + end as u64 + 1)
}

/// Reads the file from now on; the channel ends when all is read after `over` has become true.
pub(crate) fn follow(file: PathBuf, past: Past, over: watch::Receiver<bool>) -> mpsc::Receiver<Vec<u8>> {
    let (sender, pieces) = mpsc::channel(PIECES);
    tokio::task::spawn_local(read(file, past, over, sender));
    pieces
}

async fn read(file: PathBuf, past: Past, mut over: watch::Receiver<bool>, sender: mpsc::Sender<Vec<u8>>) {
    let (before, reach) = past.open().await;
    let (mut position, mut silent) = (None, 0_u32);
    loop {
        let ended = *over.borrow();
        let path = file.clone();
        let read = aside(move || piece(&path, position, before)).await;
        match read {
            Ok((next, bytes)) if !bytes.is_empty() => {
                let begin = next.saturating_sub(bytes.len() as u64);
                if position.is_none() {
                    past.begins_at(begin, before);
                }
                (position, silent) = (Some(next), 0);
                let line = last_line(begin, &bytes);
                if sender.send(bytes).await.is_err() {
                    return;
                }
                reach.advance(line);
                continue;
            }
            Ok((next, _)) => position = Some(next),
            // Not there yet; one that can't be read is as good as empty.
            Err(_) => {}
        }
        if ended || sender.is_closed() {
            return;
        }
        // Whoever knows of the end may be gone.
        let _ = tokio::time::timeout(next_read(silent), over.wait_for(|over| *over)).await;
        silent = silent.saturating_add(1);
        if over.has_changed().is_err() && !*over.borrow() {
            return;
        }
    }
}

/// Where to begin with what an earlier manager has read up to `before`.
pub(crate) fn begin(before: u64) -> u64 {
    before.saturating_sub(TAIL)
}

/// What stands at a position, and where it ends; without one, what an earlier manager has read `before` counts, or the end if nobody knows that.
fn piece(path: &Path, position: Option<u64>, before: Option<u64>) -> io::Result<(u64, Vec<u8>)> {
    let mut file = std::fs::File::open(path)?;
    let length = file.metadata()?.len();
    let position = position.unwrap_or_else(|| begin(before.unwrap_or(length)));
    // A file that became shorter is another one.
    let position = if position > length { 0 } else { position };
    file.seek(SeekFrom::Start(position))?;
    let mut bytes = Vec::new();
    file.take(PIECE).read_to_end(&mut bytes)?;
    Ok((position + bytes.len() as u64, bytes))
}
