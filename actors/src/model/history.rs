//! What a Model keeps of its lives when they are over.

use super::status::RunRecord;
use llm_manager_policy::readiness::PastStarts;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

const REMEMBERED_RUNS: usize = 20;

#[derive(Default)]
pub(super) struct ModelHistory {
    /// The newest first.
    pub(super) runs: VecDeque<RunRecord>,
    /// How the backend of the last life ended; `None`: it had none.
    pub(super) exit: Option<String>,
    /// What last went wrong.
    pub(super) error: Option<Arc<str>>,
    /// What the last start said that lacked memory.
    pub(super) out_of_memory: Option<Arc<str>>,
    /// When there may be room, as the last refusal for want of it said.
    pub(super) room_in: Option<Duration>,
    /// Without a Scheduler: variants whose address didn't answer, and when.
    pub(super) left_out: HashMap<usize, Duration>,
    /// What the last start of each variant has shown, by its position.
    pub(super) lessons: HashMap<usize, PastStarts>,
    /// How often in a row it could not be sent to sleep, or woken.
    pub(super) sleepless: u32,
}

impl ModelHistory {
    pub(super) fn remember(&mut self, run: RunRecord) {
        self.runs.push_front(run);
        self.runs.truncate(REMEMBERED_RUNS);
    }

    /// It serves: what went wrong before it did is no news any more.
    pub(super) fn forgive(&mut self) {
        self.error = None;
        self.out_of_memory = None;
    }
}
