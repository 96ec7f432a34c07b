//! The output of a job, read while it is written, where the nodes share the state folder.

use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use tokio::sync::{mpsc, watch};

use llm_manager_policy::cluster::next_read;
use llm_manager_process::far::aside;

/// The most that is read at once, and the pieces that may wait for whoever takes them.
const PIECE: u64 = 64 * 1024;
pub(crate) const PIECES: usize = 4;
/// Where an earlier manager's reader may have been: of a job that is taken over, so much is shown again.
pub(crate) const TAIL: u64 = 64 * 1024;

/// Reads the file from now on; the channel ends when all is read after `over` has become true.
/// With `from_end`, an older part of it is left out.
pub fn follow(file: PathBuf, from_end: bool, over: watch::Receiver<bool>) -> mpsc::Receiver<Vec<u8>> {
    let (sender, pieces) = mpsc::channel(PIECES);
    tokio::task::spawn_local(read(file, from_end, over, sender));
    pieces
}

async fn read(file: PathBuf, from_end: bool, mut over: watch::Receiver<bool>, sender: mpsc::Sender<Vec<u8>>) {
    let (mut position, mut silent) = (None, 0_u32);
    loop {
        let ended = *over.borrow();
        let path = file.clone();
        let read = aside(move || piece(&path, position, from_end)).await;
        match read {
            Ok((next, bytes)) if !bytes.is_empty() => {
                (position, silent) = (Some(next), 0);
                if sender.send(bytes).await.is_err() {
                    return;
                }
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

/// What stands at a position, and where it ends.
fn piece(path: &Path, position: Option<u64>, from_end: bool) -> io::Result<(u64, Vec<u8>)> {
    let mut file = std::fs::File::open(path)?;
    let length = file.metadata()?.len();
    let position = position.unwrap_or(if from_end { length.saturating_sub(TAIL) } else { 0 });
    // A file that became shorter is another one.
    let position = if position > length { 0 } else { position };
    file.seek(SeekFrom::Start(position))?;
    let mut bytes = Vec::new();
    file.take(PIECE).read_to_end(&mut bytes)?;
    Ok((position + bytes.len() as u64, bytes))
}
