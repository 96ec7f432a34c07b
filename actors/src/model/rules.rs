//! What a Model does without anybody's order, for the audit: by which rule it was started or stopped.

use super::actor::Model;
use llm_manager_ledger::AuditRow;
use llm_manager_policy::lifecycle::{Event, Phase, StopCause};
use llm_manager_policy::model_state::ModelState;

impl Model {
    /// Notes a change of the state, if a rule has made it. Orders are noted where they come in.
    pub(super) fn note_rule(&self, from: ModelState, to: ModelState, event: Event) {
        let begins = matches!(from, ModelState::Stopped | ModelState::Failed)
            && matches!(to, ModelState::Queued | ModelState::Starting);
        let (action, rule, detail) = match (&self.state.phase, event) {
            (_, Event::Acquire) if begins => ("start", "request".to_owned(), None),
            (_, Event::Start) if begins && self.ordered_by.is_none() => {
                ("start", "auto_start".to_owned(), None)
            }
            (_, Event::Gone { .. } | Event::Deadline) if begins => {
                ("start", "waiting requests".to_owned(), None)
            }
            (Phase::Parking { cause: StopCause::Idle, .. }, _) => ("park", "idle timer".to_owned(), None),
            (Phase::Parking { cause: StopCause::Evicted, .. }, _) => (
                "park",
                format!("eviction for {}", self.evicted_for.as_deref().unwrap_or("another model")),
                None,
            ),
            (Phase::Waking { .. }, Event::Acquire | Event::Parked { .. }) => {
                ("wake", "request".to_owned(), None)
            }
            (Phase::Stopping { cause: StopCause::Idle, .. }, _) if from == ModelState::Parked => {
                ("stop", "keep_parked".to_owned(), None)
            }
            (Phase::Stopping { cause: StopCause::Lost, .. }, _) => {
                ("stop", "park".to_owned(), self.last_error.as_deref())
            }
            (Phase::Stopping { cause: StopCause::Idle, .. }, _) => ("stop", "idle timer".to_owned(), None),
            (Phase::Stopping { cause: StopCause::Renewed, .. }, _) => {
                ("stop", "renew_before".to_owned(), None)
            }
            (Phase::Stopping { cause: StopCause::Evicted, .. }, _) => (
                "stop",
                format!("eviction for {}", self.evicted_for.as_deref().unwrap_or("another model")),
                None,
            ),
            (Phase::Stopping { cause: StopCause::Hung | StopCause::Unwell, .. }, _) => {
                ("restart", "liveness".to_owned(), self.last_error.as_deref())
            }
            (Phase::Failed { .. }, _) => ("fail", "backend".to_owned(), self.last_error.as_deref()),
            _ => return,
        };
        let first_line = |text: &str| text.lines().next().unwrap_or_default().to_owned();
        self.env.ledger.audit(AuditRow {
            kind: "rule".to_owned(),
            who: rule,
            action: action.to_owned(),
            subject: Some(self.spec.name.clone()),
            detail: detail.map(first_line),
            ..AuditRow::default()
        });
    }
}
