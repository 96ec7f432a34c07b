//! Who has started or stopped a Model: for the audit, by which rule of its own; for a run, whoever it was.

use super::actor::Model;
use llm_manager_ledger::AuditRow;
use llm_manager_policy::ending::EndCause;
use llm_manager_policy::lifecycle::{Event, Phase, StopCause};
use llm_manager_policy::model_state::ModelState;
use std::sync::Arc;

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
            (Phase::Parking { cause: StopCause::Evicted, .. }, _) => {
                ("park", format!("eviction for {}", self.evictor()), None)
            }
            (Phase::Waking { .. }, Event::Acquire | Event::Parked { .. }) => {
                ("wake", "request".to_owned(), None)
            }
            (Phase::Stopping { cause: StopCause::Idle, .. }, _) if from == ModelState::Parked => {
                ("stop", "keep_parked".to_owned(), None)
            }
            (Phase::Stopping { cause: StopCause::Lost, .. }, _) => {
                ("stop", "park".to_owned(), self.past.error.as_deref())
            }
            (Phase::Stopping { cause: StopCause::Idle, .. }, _) => ("stop", "idle timer".to_owned(), None),
            (Phase::Stopping { cause: StopCause::Renewed, .. }, _) => {
                ("stop", "renew_before".to_owned(), None)
            }
            (Phase::Stopping { cause: StopCause::Evicted, .. }, _) => {
                ("stop", format!("eviction for {}", self.evictor()), None)
            }
            (Phase::Stopping { cause: StopCause::Hung | StopCause::Unwell, .. }, _) => {
                ("restart", "liveness".to_owned(), self.past.error.as_deref())
            }
            (Phase::Failed { .. }, _) => ("fail", "backend".to_owned(), self.past.error.as_deref()),
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

    /// Who gave the last order, in words.
    pub(super) fn orderer<'a>(&'a self, otherwise: &'a str) -> &'a str {
        self.ordered_by.as_ref().map_or(otherwise, |by| &by.words)
    }

    /// Who ordered it, or which rule of the manager's own it was, as the ledger keeps it.
    fn mark_of_order(&self, rule: &str) -> Arc<str> {
        let by = self.ordered_by.as_ref();
        by.map_or_else(|| format!("rule:{rule}").into(), |by| Arc::clone(&by.mark))
    }

    /// Remembers who begins the life that this event may begin.
    pub(super) fn note_who_begins(&mut self, event: Event) {
        let goes = match &self.state.phase {
            Phase::Stopped | Phase::Failed { .. } => None,
            Phase::Draining { cause, .. } | Phase::Stopping { cause, .. } => Some(*cause),
            _ => return,
        };
        self.begun_by = match event {
            Event::Start => self.mark_of_order("auto_start"),
            Event::Acquire if goes != Some(StopCause::Restart) && !self.waiters.any_standing() => {
                "rule:request".into()
            }
            // What comes after the end was ordered before it, or comes for those who wait.
            Event::Gone { .. } | Event::Deadline if goes == Some(StopCause::Restart) => {
                self.mark_of_order("changed configuration")
            }
            Event::Gone { .. } | Event::Deadline if !self.waiters.any_standing() => "rule:request".into(),
            _ => return,
        };
    }

    /// Who has ended a run, as the ledger keeps it; `None`: nobody and no rule, it ended by itself.
    pub(super) fn who_ended(&self, cause: EndCause, evicted_for: Option<&str>) -> Option<Arc<str>> {
        match cause {
            EndCause::Idle => Some("rule:idle timer".into()),
            EndCause::Evicted => {
                Some(format!("rule:eviction for {}", evicted_for.unwrap_or("another model")).into())
            }
            EndCause::Operator | EndCause::Aborted => self.ordered_by.as_ref().map(|by| Arc::clone(&by.mark)),
            EndCause::Restart => Some(self.mark_of_order("changed configuration")),
            EndCause::Unresponsive => Some("rule:liveness".into()),
            _ => None,
        }
    }
}
