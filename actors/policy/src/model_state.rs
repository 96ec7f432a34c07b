//! The states of a model by their names: what everybody outside sees of a `Phase`.

use crate::lifecycle::Phase;
use std::fmt;

/// One of the names that the API, the metrics, the log and the command line have for what a model does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ModelState {
    /// No process, and none wanted.
    #[default]
    Stopped,
    /// Waits for memory.
    Queued,
    /// Its process is being launched, or loads.
    Starting,
    /// It serves.
    Ready,
    /// It serves nobody new; running answers end.
    Draining,
    /// Its process has been asked to end.
    Stopping,
    /// Its last start or run failed.
    Failed,
    /// It is being sent to sleep.
    Parking,
    /// It sleeps: its process lives, most of its memory is free.
    Parked,
    /// It is being woken, or waits for the memory that it needs awake.
    Waking,
}

impl ModelState {
    /// All of them, in the order of a life.
    pub const ALL: [Self; 10] = [
        Self::Stopped,
        Self::Queued,
        Self::Starting,
        Self::Ready,
        Self::Draining,
        Self::Stopping,
        Self::Failed,
        Self::Parking,
        Self::Parked,
        Self::Waking,
    ];

    /// The state of this name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.text() == text)
    }

    /// Its name.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Queued => "queued",
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Draining => "draining",
            Self::Stopping => "stopping",
            Self::Failed => "failed",
            Self::Parking => "parking",
            Self::Parked => "parked",
            Self::Waking => "waking",
        }
    }
}

impl From<&Phase> for ModelState {
    fn from(phase: &Phase) -> Self {
        match phase {
            Phase::Stopped => Self::Stopped,
            Phase::Queued { .. } => Self::Queued,
            Phase::Starting { .. } => Self::Starting,
            Phase::Ready { .. } => Self::Ready,
            Phase::Draining { .. } => Self::Draining,
            Phase::Stopping { .. } => Self::Stopping,
            Phase::Failed { .. } => Self::Failed,
            Phase::Parking { .. } => Self::Parking,
            Phase::Parked { .. } => Self::Parked,
            Phase::Waking { .. } => Self::Waking,
        }
    }
}

impl fmt::Display for ModelState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_there_once_and_no_two_share_a_name() {
        for (place, state) in ModelState::ALL.into_iter().enumerate() {
            assert_eq!(state as usize, place);
            assert_eq!(ModelState::ALL.iter().filter(|other| other.text() == state.text()).count(), 1);
        }
    }
}
