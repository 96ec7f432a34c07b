//! The names of the cells of the lifecycle's table.

use llm_manager_policy::lifecycle::{Event, Phase, Urgency};

pub(crate) fn kind_of_phase(phase: &Phase) -> &'static str {
    match phase {
        Phase::Stopped => "Stopped",
        Phase::Queued { .. } => "Queued",
        Phase::Starting { .. } => "Starting",
        Phase::Ready { .. } => "Ready",
        Phase::Draining { .. } => "Draining",
        Phase::Stopping { .. } => "Stopping",
        Phase::Failed { .. } => "Failed",
    }
}

/// Another event than those of `ALL_EVENTS` does not compile here: add it there too.
pub(crate) fn kind_of_event(event: Event) -> &'static str {
    match event {
        Event::Acquire => "Acquire",
        Event::Start => "Start",
        Event::Stop(Urgency::Drain) => "Stop(Drain)",
        Event::Stop(Urgency::Now) => "Stop(Now)",
        Event::Stop(Urgency::Kill) => "Stop(Kill)",
        Event::Restart => "Restart",
        Event::Evict => "Evict",
        Event::Yield => "Yield",
        Event::Stay => "Stay",
        Event::Renew => "Renew",
        Event::Reserved { .. } => "Reserved",
        Event::Denied { .. } => "Denied",
        Event::Launched { .. } => "Launched",
        Event::Queued { .. } => "Queued",
        Event::Placed { .. } => "Placed",
        Event::ProbeSucceeded { .. } => "ProbeSucceeded",
        Event::ProbeRefused { .. } => "ProbeRefused",
        Event::Broken { .. } => "Broken",
        Event::Hung { .. } => "Hung",
        Event::Doubted { .. } => "Doubted",
        Event::CheckFailed { .. } => "CheckFailed",
        Event::Gone { .. } => "Gone",
        Event::OutOfMemory { .. } => "OutOfMemory",
        Event::Unreachable { .. } => "Unreachable",
        Event::Closed(_) => "Closed",
        Event::InUse(_) => "InUse",
        Event::LeaseFreed => "LeaseFreed",
        Event::Deadline => "Deadline",
    }
}

pub(crate) const ALL_PHASES: [&str; 7] =
    ["Stopped", "Queued", "Starting", "Ready", "Draining", "Stopping", "Failed"];
pub(crate) const ALL_EVENTS: [&str; 28] = [
    "Acquire",
    "Start",
    "Stop(Drain)",
    "Stop(Now)",
    "Stop(Kill)",
    "Restart",
    "Evict",
    "Yield",
    "Stay",
    "Renew",
    "Reserved",
    "Denied",
    "Launched",
    "Queued",
    "Placed",
    "ProbeSucceeded",
    "ProbeRefused",
    "Broken",
    "Hung",
    "Doubted",
    "CheckFailed",
    "Gone",
    "OutOfMemory",
    "Unreachable",
    "Closed",
    "InUse",
    "LeaseFreed",
    "Deadline",
];
