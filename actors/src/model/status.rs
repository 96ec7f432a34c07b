//! Status: what a Model says of itself whenever its phase changes.

use super::start_trace::StartTrace;
use crate::probe::RemoteModel;
use jiff::Timestamp;
use llm_manager_policy::ending::EndCause;
use llm_manager_policy::model_state::ModelState;
use std::sync::Arc;
use std::time::Duration;

/// A snapshot; leases, waiting requests and the idle time left are read from the handle, for they change
/// without the actor.
#[derive(Clone, Debug)]
pub struct ModelStatus {
    /// What it does.
    pub state: ModelState,
    /// Since when.
    pub since: Timestamp,
    /// The same on the clock that never jumps, from the origin of all moments.
    pub moment: Duration,
    /// When the present run became ready, on that clock.
    pub ready_moment: Option<Duration>,
    /// Counts the model's lives.
    pub epoch: u64,
    /// The launch variant of the present run.
    pub variant: Option<Arc<str>>,
    /// Why that variant, as the scheduler had it.
    pub chosen: Option<Arc<str>>,
    /// Of the backend's first process.
    pub pid: Option<u32>,
    /// Where the backend listens, or will.
    pub port: Option<u16>,
    /// Where the present run is, if not on this machine.
    pub place: Option<Arc<str>>,
    /// When that is over, as far as it is known, on the clock that never jumps.
    pub ends: Option<Duration>,
    /// The same for people.
    pub ends_at: Option<Timestamp>,
    /// What another manager says of its model, while requests wait for it there.
    pub there: Option<RemoteModel>,
    /// When the present run was launched.
    pub started_at: Option<Timestamp>,
    /// When it became ready.
    pub ready_at: Option<Timestamp>,
    /// Of a failed model: when the next try is allowed.
    pub retry_at: Option<Timestamp>,
    /// Of a starting model: what it waits for.
    pub waits_for: Option<Arc<str>>,
    /// What went wrong last.
    pub last_error: Option<Arc<str>>,
    /// Failures since the last stable run.
    pub failures: u32,
    /// The number of the present run in the ledger.
    pub run_id: Option<i64>,
    /// How far its start has come.
    pub trace: Option<StartTrace>,
    /// Former runs, newest first.
    pub runs: Arc<[RunRecord]>,
}

impl ModelStatus {
    pub(super) fn stopped() -> Self {
        Self {
            state: ModelState::Stopped,
            since: Timestamp::now(),
            moment: Duration::ZERO,
            ready_moment: None,
            epoch: 0,
            variant: None,
            chosen: None,
            pid: None,
            port: None,
            place: None,
            ends: None,
            ends_at: None,
            there: None,
            started_at: None,
            ready_at: None,
            retry_at: None,
            waits_for: None,
            last_error: None,
            failures: 0,
            run_id: None,
            trace: None,
            runs: Arc::from([]),
        }
    }

    pub(super) fn failed() -> Self {
        Self { state: ModelState::Failed, ..Self::stopped() }
    }
}

impl ModelStatus {
    /// What whoever waits is told that the model does: a model of another manager that is queued there is queued.
    pub fn shown(&self) -> (ModelState, Option<&Arc<str>>) {
        match &self.there {
            Some(there) => (there.state, Some(&there.waits_for)),
            None => (self.state, self.waits_for.as_ref()),
        }
    }
}

/// One life of a backend that has ended.
#[derive(Clone, Debug)]
pub struct RunRecord {
    /// Its number in the ledger.
    pub id: Option<i64>,
    /// How far its start came.
    pub trace: StartTrace,
    /// The launch variant.
    pub variant: Arc<str>,
    /// Of its first process.
    pub pid: Option<u32>,
    /// When it was first wanted; until it was launched it waited for memory.
    pub queued_at: Timestamp,
    /// When it was launched.
    pub started_at: Timestamp,
    /// When it became ready, if it did.
    pub ready_at: Option<Timestamp>,
    /// When its last process was gone.
    pub ended_at: Timestamp,
    /// How it ended, such as `exit code 1`.
    pub exit: String,
    /// Why it ended.
    pub cause: EndCause,
    /// Of an evicted one: the model that needed its memory.
    pub evicted_for: Option<Arc<str>>,
    /// Who began it, as `By::mark`.
    pub started_by: Arc<str>,
    /// Who ended it, if somebody or a rule did.
    pub ended_by: Option<Arc<str>>,
}
