//! Captures: what clients sent and backends answered, kept for a while where a model says `capture: true`.
//!
//! A request gathers its own (`CaptureDraft`), in memory that is counted; a thread of its own writes it when the request has ended,
//! one file each. Nobody waits for it: what finds no room is left out and counted. Files are their owner's alone, have
//! bounds (each body, all together, time), and hold no headers that are secrets.

mod capture;
mod draft;
mod store;
#[cfg(test)]
#[cfg(unix)]
mod tests;

use crate::logs::mask::Mask;
pub use capture::{Capture, CaptureHead, CaptureSelection, CapturedBody};
use crossbeam_channel::{Sender, TrySendError, bounded};
pub use draft::CaptureDraft;
use draft::{CaptureCommand, CaptureCounters};
use llm_manager_ledger::Micros;
use llm_manager_policy::capture::CaptureBounds;
use llm_manager_policy::system::no_thread;
use std::collections::HashSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use store::CaptureStore;
use tokio::sync::oneshot;

/// Drafts and questions that may wait for the thread.
const ORDERS: usize = 256;
/// How long a question waits for a place, and how often it looks.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The way to the thread. Cheap to clone.
#[derive(Clone)]
pub struct Captures {
    orders: Sender<CaptureCommand>,
    shared: Arc<CaptureCounters>,
}

/// How it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CaptureStatus {
    /// Requests that are kept.
    pub files: usize,
    /// Bytes that they take.
    pub bytes: u64,
    /// Requests that should have been kept, and were not.
    pub missed: u64,
}

/// The thread does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unanswered;

impl Captures {
    /// Starts the thread. The folder is made for the first one that is kept.
    pub fn start(folder: PathBuf, bounds: CaptureBounds, mask: Arc<Mask>) -> io::Result<Self> {
        let (orders, inbox) = bounded(ORDERS);
        let shared = Arc::new(CaptureCounters::default());
        shared.body_bytes.store(bounds.body_bytes, Ordering::Relaxed);
        let disk = CaptureStore::new(folder, bounds, mask, Arc::clone(&shared));
        std::thread::Builder::new()
            .name("captures".to_owned())
            .spawn(move || disk.run(&inbox))
            .map_err(|error| io::Error::new(error.kind(), no_thread(&error)))?;
        Ok(Self { orders, shared })
    }

    /// Begins to keep a request; `None`: there is no memory for it now.
    pub fn begin(&self, head: CaptureHead, body: &[u8]) -> Option<Box<CaptureDraft>> {
        CaptureDraft::begin(&self.orders, &self.shared, head, body)
    }

    /// From now on these bounds hold.
    pub async fn reconfigure(&self, bounds: CaptureBounds) {
        self.shared.body_bytes.store(bounds.body_bytes, Ordering::Relaxed);
        if self.order(CaptureCommand::Bounds(bounds)).await.is_err() {
            log::error!("captures: the thread doesn't answer; its bounds stay as they were");
        }
    }

    /// The newest one of a request's id, or that of the request that began then.
    pub async fn read(
        &self,
        request_id: &str,
        started_us: Option<Micros>,
    ) -> Result<Option<Capture>, Unanswered> {
        self.ask(|reply| CaptureCommand::Read(request_id.to_owned(), started_us, reply)).await
    }

    /// Which of these requests are kept, by id and beginning.
    pub async fn known(
        &self,
        wanted: HashSet<(String, Micros)>,
    ) -> Result<HashSet<(String, Micros)>, Unanswered> {
        if wanted.is_empty() || self.shared.files.load(Ordering::Relaxed) == 0 {
            return Ok(HashSet::new());
        }
        self.ask(|reply| CaptureCommand::Known(wanted, reply)).await
    }

    /// Deletes some; how many there were.
    pub async fn forget(&self, which: CaptureSelection) -> Result<usize, Unanswered> {
        self.ask(|reply| CaptureCommand::Forget(which, reply)).await
    }

    /// Returns when all that was handed over before is written.
    pub async fn drain(&self) -> Result<(), Unanswered> {
        self.ask(CaptureCommand::Mark).await
    }

    /// How it stands.
    pub fn status(&self) -> CaptureStatus {
        let shared = &self.shared;
        CaptureStatus {
            files: shared.files.load(Ordering::Relaxed),
            bytes: shared.bytes.load(Ordering::Relaxed),
            missed: shared.missed.load(Ordering::Relaxed),
        }
    }

    async fn ask<T>(
        &self,
        question: impl FnOnce(oneshot::Sender<T>) -> CaptureCommand,
    ) -> Result<T, Unanswered> {
        let (reply, answer) = oneshot::channel();
        self.order(question(reply)).await?;
        answer.await.map_err(|_| Unanswered)
    }

    /// Drafts that are being written may fill the queue for a moment.
    async fn order(&self, mut order: CaptureCommand) -> Result<(), Unanswered> {
        let mut waited = Duration::ZERO;
        loop {
            order = match self.orders.try_send(order) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Full(order)) if waited < PATIENCE => order,
                Err(_) => return Err(Unanswered),
            };
            actix_rt::time::sleep(LOOK_AGAIN).await;
            waited += LOOK_AGAIN;
        }
    }
}
