//! A request that is being kept, on its way to the thread.

use super::capture::{Capture, CaptureHead, CaptureSelection, CapturedBody};
use crossbeam_channel::{Sender, TrySendError};
use llm_manager_ledger::{Micros, RequestRow};
use llm_manager_policy::capture::CaptureBounds;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use tokio::sync::oneshot;

/// Bytes of bodies that are in memory: of running requests, and of those that wait for the thread.
pub(super) const HELD: usize = 64 << 20;

/// What the thread is told.
pub(super) enum CaptureCommand {
    Keep(Box<CaptureDraft>),
    Read(String, Option<Micros>, oneshot::Sender<Option<Capture>>),
    Known(HashSet<(String, Micros)>, oneshot::Sender<HashSet<(String, Micros)>>),
    Forget(CaptureSelection, oneshot::Sender<usize>),
    Bounds(CaptureBounds),
    Mark(oneshot::Sender<()>),
}

/// What is counted.
#[derive(Default)]
pub(super) struct CaptureCounters {
    pub(super) body_bytes: AtomicUsize,
    pub(super) held: AtomicUsize,
    pub(super) missed: AtomicU64,
    pub(super) files: AtomicUsize,
    pub(super) bytes: AtomicU64,
}

impl CaptureCounters {
    pub(super) fn miss(&self, why: &str) {
        let missed = self.missed.fetch_add(1, Ordering::Relaxed) + 1;
        // One line for the first, then one for each doubling.
        if missed.is_power_of_two() {
            log::warn!("captures: {missed} requests so far are not kept ({why})");
        }
    }
}

/// A request that is being kept.
pub struct CaptureDraft {
    pub(super) orders: Sender<CaptureCommand>,
    pub(super) shared: Arc<CaptureCounters>,
    limit: usize,
    /// Bytes that were counted for it.
    held: usize,
    pub(super) head: CaptureHead,
    pub(super) request: Vec<u8>,
    pub(super) answer: Vec<u8>,
}

impl CaptureDraft {
    /// Begins to keep a request; `None`: there is no memory for it now.
    pub(super) fn begin(
        orders: &Sender<CaptureCommand>,
        shared: &Arc<CaptureCounters>,
        head: CaptureHead,
        body: &[u8],
    ) -> Option<Box<Self>> {
        let limit = shared.body_bytes.load(Ordering::Relaxed);
        let (orders, shared) = (orders.clone(), Arc::clone(shared));
        let mut draft =
            Self { orders, shared, limit, held: 0, head, request: Vec::new(), answer: Vec::new() };
        let kept = body.get(..limit).unwrap_or(body);
        if !draft.grow(kept.len()) {
            draft.shared.miss("too much is being kept at once");
            return None;
        }
        draft.head.request.bytes = body.len() as u64;
        draft.request = kept.to_vec();
        Some(Box::new(draft))
    }

    fn grow(&mut self, bytes: usize) -> bool {
        let held = &self.shared.held;
        let fits = held.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) <= HELD;
        if fits {
            self.held += bytes;
        } else {
            held.fetch_sub(bytes, Ordering::Relaxed);
        }
        fits
    }

    /// The backend answers; the request may have gone to another one before.
    pub fn answered(&mut self, headers: Vec<(String, String)>) {
        self.answer.clear();
        self.head.answer = CapturedBody { headers, ..CapturedBody::default() };
    }

    /// More of the backend's answer.
    pub fn push(&mut self, bytes: &[u8]) {
        let is_whole = self.answer.len() as u64 == self.head.answer.bytes;
        self.head.answer.bytes += bytes.len() as u64;
        let room = self.limit.saturating_sub(self.answer.len());
        let kept = bytes.get(..room).unwrap_or(bytes);
        // What follows a gap would be read as if it stood there.
        if is_whole && !kept.is_empty() && self.grow(kept.len()) {
            self.answer.extend_from_slice(kept);
        }
    }

    /// The backend's answer is whole.
    pub fn ended(&mut self) {
        self.head.ended = true;
    }

    /// Hands it over, with what became of the request. Never waits.
    pub fn finish(mut self: Box<Self>, row: &RequestRow) {
        self.head.status = row.status;
        self.head.outcome = row.outcome.text().into_owned();
        self.head.error.clone_from(&row.error);
        let orders = self.orders.clone();
        if let Err(
            TrySendError::Full(CaptureCommand::Keep(draft))
            | TrySendError::Disconnected(CaptureCommand::Keep(draft)),
        ) = orders.try_send(CaptureCommand::Keep(self))
        {
            draft.shared.miss("the disk does not keep up");
        }
    }
}

impl Drop for CaptureDraft {
    fn drop(&mut self) {
        self.shared.held.fetch_sub(self.held, Ordering::Relaxed);
    }
}
