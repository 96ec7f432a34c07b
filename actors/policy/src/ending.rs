//! Ending: what a backend's exit shows, what follows from it for its model, and one word for the history.

use crate::lifecycle::{Event, Phase, StopCause};

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndCause {
    /// Nobody used it for its `alive_time`.
    Idle,
    /// Another model needed its memory.
    Evicted,
    /// An operator stopped it.
    Operator,
    /// An operator wanted a fresh one.
    Restart,
    /// The manager ended.
    Shutdown,
    /// A start that was given up before it was ready.
    Aborted,
    /// It died or was refused before it was ready.
    StartFailed,
    /// It was not ready in time.
    StartTimeout,
    /// It lacked memory before it was ready.
    OutOfMemory,
    /// Nothing was heard of it at its address.
    Unreachable,
    /// The time limit of its job was over.
    TimeLimit,
    /// Its time limit was near, and it had made way for its successor.
    Renewed,
    /// A job with a higher claim took its place.
    Preempted,
    /// The node that it ran on is lost.
    NodeLost,
    /// Somebody else cancelled its job.
    Cancelled,
    /// It died while it served.
    Crashed,
    /// It served errors, or nothing at all, and was restarted.
    Unresponsive,
    /// It died while it was parked, or could not be woken.
    ParkLost,
}

/// Why a backend has no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Away {
    /// Whoever gave it one took it away: the same may be tried at once.
    Taken(EndCause),
    /// Nobody gives it one: another variant is to be tried.
    Refused,
}

/// What is known of the end of a life that its phase doesn't say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signs {
    /// Its last words were of missing memory, and somebody could know of other memory.
    pub out_of_memory: bool,
    /// Nothing is heard of it at its address.
    pub unreachable: bool,
    /// Whoever gave it its place took it away.
    pub taken: Option<EndCause>,
}

impl Signs {
    /// What an exit shows, beside what was known before, of a model that was in this phase. What was to end shows nothing, but for who
    /// has taken its place away.
    pub fn of_exit(self, phase: &Phase, away: Option<Away>, lacked_memory: bool) -> Self {
        let is_starting = matches!(phase, Phase::Starting { .. });
        let is_told = |away: &Away| matches!(away, Away::Taken(_)) && is_being_taken(phase);
        let away = away.filter(|away| is_starting || matches!(phase, Phase::Ready { .. }) || is_told(away));
        Self {
            out_of_memory: self.out_of_memory || (is_starting && lacked_memory),
            unreachable: self.unreachable || away == Some(Away::Refused),
            taken: match away {
                Some(Away::Taken(cause)) => Some(cause),
                _ => self.taken,
            },
        }
    }

    /// What the end of such a life is for the lifecycle.
    pub fn event(self, epoch: u64) -> Event {
        match self {
            Self { out_of_memory: true, .. } => Event::OutOfMemory { epoch },
            Self { unreachable: true, .. } | Self { taken: Some(_), .. } => Event::Unreachable { epoch },
            _ => Event::Gone { epoch },
        }
    }
}

/// Whether it goes because its place is being taken away.
fn is_being_taken(phase: &Phase) -> bool {
    matches!(
        phase,
        Phase::Draining { cause: StopCause::Taken, .. } | Phase::Stopping { cause: StopCause::Taken, .. }
    )
}

/// Whether nobody wanted a backend to end that ended in this phase: its last words are worth keeping.
pub fn is_untimely(phase: &Phase) -> bool {
    let lives = matches!(phase, Phase::Starting { .. } | Phase::Ready { .. });
    let sleeps = matches!(phase, Phase::Parking { .. } | Phase::Parked { .. } | Phase::Waking { .. });
    lives || sleeps || phase.is_crash() || is_being_taken(phase)
}

/// What the phase does not know about an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Circumstances {
    /// It had become ready.
    pub was_ready: bool,
    /// What is known of the end.
    pub signs: Signs,
    /// The manager is ending.
    pub shutting_down: bool,
}

impl EndCause {
    /// Every cause there is.
    pub const ALL: [Self; 18] = [
        Self::Idle,
        Self::Evicted,
        Self::Operator,
        Self::Restart,
        Self::Shutdown,
        Self::Aborted,
        Self::StartFailed,
        Self::StartTimeout,
        Self::OutOfMemory,
        Self::Unreachable,
        Self::TimeLimit,
        Self::Renewed,
        Self::Preempted,
        Self::NodeLost,
        Self::Cancelled,
        Self::Crashed,
        Self::Unresponsive,
        Self::ParkLost,
    ];

    /// Why a run ended whose last process went while its model was in this phase.
    pub fn of(phase: &Phase, seen: Circumstances) -> Self {
        let living = matches!(phase, Phase::Starting { .. } | Phase::Ready { .. });
        if let Some(cause) = seen.signs.taken.filter(|_| living) {
            return cause;
        }
        let asked = match phase {
            Phase::Draining { cause, .. } | Phase::Stopping { cause, .. } => *cause,
            Phase::Starting { .. } | Phase::Ready { .. } if seen.signs.unreachable => {
                return Self::Unreachable;
            }
            Phase::Starting { .. } if seen.signs.out_of_memory => return Self::OutOfMemory,
            Phase::Ready { .. } => return Self::Crashed,
            Phase::Parking { .. } | Phase::Parked { .. } | Phase::Waking { .. } => return Self::ParkLost,
            _ => return Self::StartFailed,
        };
        match asked {
            StopCause::Idle => Self::Idle,
            StopCause::Evicted => Self::Evicted,
            StopCause::Restart => Self::Restart,
            StopCause::StartTimeout => Self::StartTimeout,
            StopCause::ProbeRefused => Self::StartFailed,
            StopCause::Crashed => Self::Crashed,
            StopCause::Hung | StopCause::Unwell => Self::Unresponsive,
            StopCause::Lost => Self::ParkLost,
            StopCause::Park => Self::Operator,
            StopCause::Renewed => Self::Renewed,
            // Nobody has said who it was.
            StopCause::Taken => seen.signs.taken.unwrap_or(Self::Cancelled),
            StopCause::Operator if seen.shutting_down => Self::Shutdown,
            StopCause::Operator if !seen.was_ready => Self::Aborted,
            StopCause::Operator => Self::Operator,
        }
    }

    /// Whether the backend, not somebody's will, ended the run.
    pub fn is_failure(self) -> bool {
        matches!(
            self,
            Self::StartFailed
                | Self::StartTimeout
                | Self::OutOfMemory
                | Self::Unreachable
                | Self::Crashed
                | Self::Unresponsive
        )
    }

    /// The word for it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Evicted => "evicted",
            Self::Operator => "operator",
            Self::Restart => "restart",
            Self::Shutdown => "shutdown",
            Self::Aborted => "aborted",
            Self::StartFailed => "start_failed",
            Self::StartTimeout => "start_timeout",
            Self::OutOfMemory => "out_of_memory",
            Self::Unreachable => "unreachable",
            Self::TimeLimit => "time_limit",
            Self::Renewed => "renewed",
            Self::Preempted => "preempted",
            Self::NodeLost => "node_lost",
            Self::Cancelled => "cancelled",
            Self::Crashed => "crashed",
            Self::Unresponsive => "unresponsive",
            Self::ParkLost => "park_lost",
        }
    }

    /// The cause with that word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.text() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::Ending;
    use std::time::Duration;

    const NO_SIGNS: Signs = Signs { out_of_memory: false, unreachable: false, taken: None };
    const LACKED: Signs = Signs { out_of_memory: true, ..NO_SIGNS };
    const SILENT: Signs = Signs { unreachable: true, ..NO_SIGNS };
    const TAKEN: Signs = Signs { taken: Some(EndCause::Preempted), ..NO_SIGNS };
    const QUIET: Circumstances = Circumstances { was_ready: true, signs: NO_SIGNS, shutting_down: false };

    #[test]
    fn every_end_has_its_word() {
        let stopping = |cause| Phase::Stopping { ending: Ending::Stuck, cause };
        let starting = Phase::Starting { deadline: Duration::ZERO };
        let ready = Phase::Ready { since: Duration::ZERO };
        let drain = Phase::Draining { deadline: None, cause: StopCause::Evicted };
        let young = Circumstances { was_ready: false, ..QUIET };
        let cases = [
            (stopping(StopCause::Idle), QUIET, "idle"),
            (stopping(StopCause::Evicted), QUIET, "evicted"),
            (drain, QUIET, "evicted"),
            (stopping(StopCause::Operator), QUIET, "operator"),
            (stopping(StopCause::Operator), young, "aborted"),
            (stopping(StopCause::Operator), Circumstances { shutting_down: true, ..young }, "shutdown"),
            (stopping(StopCause::Restart), QUIET, "restart"),
            (stopping(StopCause::StartTimeout), young, "start_timeout"),
            (stopping(StopCause::ProbeRefused), young, "start_failed"),
            (starting.clone(), young, "start_failed"),
            (starting, Circumstances { signs: LACKED, ..young }, "out_of_memory"),
            (ready.clone(), QUIET, "crashed"),
            (ready.clone(), Circumstances { signs: SILENT, ..QUIET }, "unreachable"),
            (ready, Circumstances { signs: TAKEN, ..QUIET }, "preempted"),
            (Phase::Parked { until: None }, QUIET, "park_lost"),
            (stopping(StopCause::Lost), QUIET, "park_lost"),
            (stopping(StopCause::Park), QUIET, "operator"),
            (stopping(StopCause::Renewed), QUIET, "renewed"),
            (stopping(StopCause::Taken), QUIET, "cancelled"),
            (stopping(StopCause::Taken), Circumstances { signs: TAKEN, ..QUIET }, "preempted"),
        ];
        for (phase, seen, word) in cases {
            assert_eq!(EndCause::of(&phase, seen).text(), word, "{phase:?}");
        }
    }

    #[test]
    fn an_exit_shows_something_only_while_nobody_wanted_it() {
        let starting = Phase::Starting { deadline: Duration::ZERO };
        let ready = Phase::Ready { since: Duration::ZERO };
        let stopping = Phase::Stopping { ending: Ending::Stuck, cause: StopCause::Operator };
        let crashed = Phase::Stopping { ending: Ending::Stuck, cause: StopCause::Crashed };
        let parked = Phase::Parked { until: None };
        let leaves = Phase::Draining { deadline: None, cause: StopCause::Taken };
        let taken = Some(Away::Taken(EndCause::Preempted));
        let cases = [
            // Phase, place, lacked memory: what it shows, and whether it was untimely.
            (&starting, None, false, NO_SIGNS, true),
            (&starting, None, true, LACKED, true),
            (&starting, Some(Away::Refused), false, SILENT, true),
            (&starting, taken, false, TAKEN, true),
            // Once it has served, memory is not what it lacked.
            (&ready, None, true, NO_SIGNS, true),
            (&ready, Some(Away::Refused), false, SILENT, true),
            (&ready, taken, false, TAKEN, true),
            (&parked, taken, true, NO_SIGNS, true),
            (&stopping, taken, true, NO_SIGNS, false),
            (&stopping, Some(Away::Refused), false, NO_SIGNS, false),
            // Who takes its place away says so at the end only.
            (&leaves, taken, true, TAKEN, true),
            (&leaves, Some(Away::Refused), false, NO_SIGNS, true),
            (&crashed, None, false, NO_SIGNS, true),
        ];
        for (phase, away, lacked, shown, untimely) in cases {
            assert_eq!(NO_SIGNS.of_exit(phase, away, lacked), shown, "{phase:?} {away:?} {lacked}");
            assert_eq!(is_untimely(phase), untimely, "{phase:?}");
            assert!(SILENT.of_exit(phase, away, lacked).unreachable, "what was known before stays");
        }
    }

    #[test]
    fn missing_memory_goes_before_silence_and_both_before_a_failure() {
        let epoch = 7;
        let cases = [
            (NO_SIGNS, Event::Gone { epoch }),
            (SILENT, Event::Unreachable { epoch }),
            (TAKEN, Event::Unreachable { epoch }),
            (LACKED, Event::OutOfMemory { epoch }),
            (Signs { out_of_memory: true, ..SILENT }, Event::OutOfMemory { epoch }),
        ];
        for (signs, event) in cases {
            assert_eq!(signs.event(epoch), event, "{signs:?}");
        }
    }

    #[test]
    fn a_word_is_its_cause() {
        for cause in EndCause::ALL {
            assert_eq!(EndCause::parse(cause.text()), Some(cause));
        }
        assert_eq!(EndCause::parse("old age"), None);
    }
}
