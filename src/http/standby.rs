//! What was ordered of the manager as a whole: to start no model now, or to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio_util::sync::CancellationToken;

/// Whether starts are paused, and whether it is to end.
#[derive(Clone, Debug, Default)]
pub struct Standby {
    paused: Arc<AtomicBool>,
    /// Cancelled when the manager is to end.
    pub(crate) shutdown: CancellationToken,
}

impl Standby {
    /// Whether requests start no model now.
    pub(crate) fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Relaxed)
    }

    /// Pauses starts, or allows them again.
    pub(crate) fn set(&self, paused: bool) {
        if self.paused.swap(paused, Ordering::Relaxed) != paused {
            let what = if paused { "paused: requests start no model" } else { "no longer paused" };
            log::info!("starts are {what}");
        }
    }
}
