//! Watches a file: it has changed when it was another one, and the same at two looks.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How often a watched file is looked at. It is read when it has been the same at two looks: an editor may still write.
const LOOK: Duration = Duration::from_secs(1);

/// Sees a file change.
pub(super) struct ConfigWatch {
    path: PathBuf,
    /// As it was when it was last read.
    read: Option<(SystemTime, u64)>,
}

impl ConfigWatch {
    pub(super) async fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), read: look(path).await }
    }

    /// Resolves when the file is another one, and stays so.
    pub(super) async fn changed(&self) {
        let mut before = self.read;
        loop {
            tokio::time::sleep(LOOK).await;
            let now = look(&self.path).await;
            // One that is away is being replaced.
            if now.is_some() && now == before && now != self.read {
                return;
            }
            before = now;
        }
    }

    /// Called before it is read: what is written after that is another change.
    pub(super) async fn seen(&mut self) {
        self.read = look(&self.path).await;
    }
}

async fn look(path: &Path) -> Option<(SystemTime, u64)> {
    let path = path.to_owned();
    let looked = actix_web::rt::task::spawn_blocking(move || {
        let meta = std::fs::metadata(path).ok()?;
        Some((meta.modified().ok()?, meta.len()))
    });
    looked.await.ok()?
}
