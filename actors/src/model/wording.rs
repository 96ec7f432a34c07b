//! What a Model says of itself: the ends of its log lines, and its refusals.

use super::actor::Model;
use super::messages::{By, Refused, RefusedReason};
use llm_manager_policy::duration_text::DurationText;
use llm_manager_policy::lifecycle::{Event, Phase, Refusal, StopCause};
use std::time::Duration;

impl Model {
    /// The end of the log line of a transition.
    pub(super) fn reason(&self, event: Event) -> String {
        let spec = &self.spec;
        let asked_by = match (event, &self.ordered_by) {
            (Event::Acquire, _) => " for a request".to_owned(),
            (Event::Start | Event::Restart, Some(by)) => format!(" requested by {}", by.words),
            (Event::Start | Event::Restart, None) => " requested by `auto_start`".to_owned(),
            (Event::Gone { .. } | Event::Deadline, _) => " for waiting requests".to_owned(),
            _ => String::new(),
        };
        if let Some(words) = self.words_of_sleep(event) {
            return words;
        }
        let run = self.run();
        let run_words = run.map_or_else(String::new, |run| match (run.pid, &run.place) {
            (Some(pid), _) => format!(" (variant {}, pid {pid})", run.variant),
            (None, Some(place)) => format!(" (variant {}, {place})", run.variant),
            (None, None) => format!(" (variant {})", run.variant),
        });
        match &self.state.phase {
            Phase::Queued { .. } => format!(": waits for memory{asked_by}"),
            Phase::Starting { .. } => format!("{run_words}{asked_by}"),
            Phase::Ready { .. } => {
                let took = run.map(|run| self.handle.origin.elapsed().saturating_sub(run.launched));
                format!(" in {}{run_words}", DurationText(took.unwrap_or_default()))
            }
            Phase::Draining { cause: cause @ (StopCause::Hung | StopCause::Unwell), .. } => {
                format!(": {}", self.why_stopping(*cause))
            }
            Phase::Draining { deadline: None, cause: cause @ StopCause::Taken } => {
                format!(": {}; {} may finish first", self.why_stopping(*cause), responses(self.seen_leases()))
            }
            Phase::Draining { deadline: None, cause: StopCause::Restart } => format!(
                ": its launch has changed in the configuration; {} may finish first",
                responses(self.seen_leases())
            ),
            Phase::Draining { deadline: None, cause: StopCause::Renewed } => {
                format!(": {}; {} may finish first", self.words_of_the_end(), responses(self.seen_leases()))
            }
            Phase::Draining { deadline: None, cause: StopCause::Park } => {
                format!(": to be parked; {} may finish first", responses(self.seen_leases()))
            }
            Phase::Draining { deadline: None, .. } => format!(
                ": makes room for {}; {} may finish first",
                self.evictor(),
                responses(self.seen_leases())
            ),
            Phase::Draining { .. } => format!(
                ": {} may take {} s more",
                responses(self.seen_leases()),
                self.limits.drain_timeout.as_secs()
            ),
            Phase::Stopping { cause, .. } => format!(": {}", self.why_stopping(*cause)),
            Phase::Failed { retry_at } => {
                let pause = retry_at.saturating_sub(self.handle.origin.elapsed());
                let error = self.past.error.as_deref().unwrap_or("");
                format!(" (the next try is allowed in {:.0} s): {error}", pause.as_secs_f64())
            }
            Phase::Stopped => {
                let exit = self.past.exit.as_deref().unwrap_or("no process");
                let port = spec.port.filter(|_| self.last_was_here());
                let port = port.map_or_else(String::new, |port| format!(", port {port} is free again"));
                format!(" ({exit}{port})")
            }
            Phase::Parking { .. } | Phase::Parked { .. } | Phase::Waking { .. } => String::new(),
        }
    }

    fn why_stopping(&self, cause: StopCause) -> String {
        match cause {
            StopCause::Idle => {
                let minutes = self.alive_time().unwrap_or_default().as_secs_f64() / 60.0;
                format!("idle for {minutes:.2} min")
            }
            StopCause::Operator => match &self.ordered_by {
                Some(by) => format!("stopped by {}", by.words),
                None => "stopped by an operator, or the manager is shutting down".to_owned(),
            },
            StopCause::Restart => {
                format!("restarted by {}", self.orderer("a changed configuration"))
            }
            StopCause::Evicted => {
                format!("makes room for {}", self.evictor())
            }
            StopCause::Park => "it could not be parked".to_owned(),
            StopCause::Renewed => self.words_of_the_end(),
            // The whole of it follows when the process is gone.
            StopCause::StartTimeout
            | StopCause::ProbeRefused
            | StopCause::Crashed
            | StopCause::Hung
            | StopCause::Lost
            | StopCause::Taken
            | StopCause::Unwell => {
                let error = self.past.error.as_deref().and_then(|error| error.lines().next());
                error.unwrap_or("it can't become ready").to_owned()
            }
        }
    }

    fn words_of_the_end(&self) -> String {
        let ends = self.run().and_then(|run| run.ends).and_then(|ends| self.wall_time(ends));
        let ends = ends.map_or_else(String::new, |at| format!(", at {at:.0}"));
        format!("its time limit is near{ends}, and another backend is there or comes")
    }

    /// Words for a client who is refused.
    pub(super) fn refused(&self, refusal: Refusal) -> Refused {
        let name = &self.spec.name;
        let error = self.past.error.as_deref().unwrap_or("no reason is known");
        let (reason, message, retry_after) = match refusal {
            Refusal::Stopped => (
                RefusedReason::Stopped,
                match &self.ordered_by {
                    Some(By { words, .. }) => {
                        format!(
                            "model `{name}` was stopped by an operator ({words}) while this request waited"
                        )
                    }
                    None => format!("model `{name}` was stopped by an operator while this request waited"),
                },
                None,
            ),
            Refusal::Failed { retry_after } => (
                RefusedReason::StartFailed,
                format!("model `{name}` failed: {error}"),
                Some(retry_after.max(Duration::from_secs(1))),
            ),
            Refusal::StartTimeout => {
                (RefusedReason::StartTimeout, format!("model `{name}` failed: {error}"), None)
            }
            Refusal::NoMemory => (
                RefusedReason::NoMemory,
                format!("no room for model `{name}`: {error}"),
                Some(self.past.room_in.unwrap_or(Duration::from_secs(5))),
            ),
        };
        Refused { reason, message: message.into(), retry_after }
    }
}

/// A count of responses, in words.
fn responses(count: u32) -> String {
    if count == 1 { "1 response".to_owned() } else { format!("{count} responses") }
}
