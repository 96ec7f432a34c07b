//! What a Model knows of its present life.

use super::trace::Trace;
use crate::memory::Holding;
use actix::SpawnHandle;
use jiff::Timestamp;
use llm_manager_policy::queue::MadeRoom;
use std::sync::Arc;
use std::time::Duration;

/// The one timer of a model.
#[derive(Default)]
pub(super) struct Timer(pub(super) Option<SpawnHandle>);

/// What is known of the present run.
pub(super) struct CurrentRun {
    /// Its number in the ledger, and in the names of its logs.
    pub(super) id: i64,
    /// Who began it, as the ledger keeps it.
    pub(super) started_by: Arc<str>,
    pub(super) queued_at: Timestamp,
    pub(super) started_at: Timestamp,
    pub(super) launched: Duration,
    pub(super) ready_at: Option<Timestamp>,
    pub(super) ready_moment: Option<Duration>,
    pub(super) variant: Arc<str>,
    pub(super) pid: Option<u32>,
    pub(super) port: Option<u16>,
    /// Where it is, if not on this machine.
    pub(super) place: Option<Arc<str>>,
    /// When that is over, as far as it is known.
    pub(super) ends: Option<Duration>,
    pub(super) trace: Trace,
    /// The trace is in the log.
    pub(super) traced: bool,
}

/// The Scheduler's answer to the demand of the present life.
#[derive(Default)]
pub(super) struct Grant {
    /// Position among the variants.
    pub(super) variant: usize,
    /// What is reserved; `None` without a Scheduler.
    pub(super) holding: Option<Holding>,
    /// Variables that tell the backend which cards it may see.
    pub(super) visible: Vec<(String, String)>,
    /// Why this variant.
    pub(super) why: Option<Arc<str>>,
    /// When those that went for it were gone, and when their memory was free.
    pub(super) made_room: Option<MadeRoom>,
}
