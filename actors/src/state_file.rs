//! Small files that outlive the manager: replaced as a whole, on another thread, in the order in which they were handed over.

use arc_swap::ArcSwapOption;
use llm_manager_process::private_files;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// One file. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub(crate) struct StateFile(Arc<Inner>);

struct Inner {
    path: PathBuf,
    /// What nobody will know if it can't be written.
    loss: &'static str,
    /// The newest text that isn't written yet; older ones need not be.
    waiting: ArcSwapOption<String>,
    /// Somebody writes.
    writing: AtomicBool,
}

impl StateFile {
    /// `loss`: the end of the sentence that says that it could not be written.
    pub(crate) fn new(path: PathBuf, loss: &'static str) -> Self {
        let (waiting, writing) = (ArcSwapOption::empty(), AtomicBool::new(false));
        Self(Arc::new(Inner { path, loss, waiting, writing }))
    }

    /// Has it replaced by this text. Doesn't wait.
    pub(crate) fn replace(&self, text: String) {
        self.0.waiting.store(Some(Arc::new(text)));
        if !self.0.writing.swap(true, Ordering::AcqRel) {
            let inner = Arc::clone(&self.0);
            actix_rt::task::spawn_blocking(move || inner.write());
        }
    }
}

impl Inner {
    fn write(&self) {
        loop {
            while let Some(text) = self.waiting.swap(None) {
                if let Err(error) = private_files::write(&self.path, text.as_bytes()) {
                    log::warn!("{}: {error}; {}", self.path.display(), self.loss);
                }
            }
            self.writing.store(false, Ordering::Release);
            // One that came since the last look has found somebody who writes.
            if self.waiting.load().is_none() || self.writing.swap(true, Ordering::AcqRel) {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_rt::test]
    async fn the_last_text_is_the_one_that_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        let file = StateFile::new(path.clone(), "it is a test");
        for turn in 0..200 {
            // Of different lengths: two that write at once would leave a mixture.
            file.replace(format!("{turn} ").repeat(turn + 1));
            if turn % 7 == 0 {
                actix_rt::task::yield_now().await;
            }
        }
        let last = "199 ".repeat(200);
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while std::fs::read_to_string(&path).ok().as_deref() != Some(&last) {
            assert!(std::time::Instant::now() < deadline, "{:?}", std::fs::read_to_string(&path));
            actix_rt::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        assert!(!path.with_extension("new").exists());
    }
}
