//! What can be asked of a Model, and how it says no.

use super::lease::Lease;
use actix::Message;
use llm_manager_policy::lifecycle::Urgency;
use llm_manager_policy::spec::Class;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// Asks for a lease. Sent by `ModelHandle::lease` when the gate does not let it in; answered when the
/// backend is ready, or with a refusal.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Acquire {
    pub(super) answer: oneshot::Sender<Result<Lease, Refused>>,
    /// Whom it may pass in the line.
    pub(super) class: Class,
}

/// An operator's order. Answered when it is done, or with a refusal.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Operate {
    /// What to do.
    pub verb: Verb,
    /// Who wants to hear of the end; `None`: nobody, and the order stands all the same.
    pub answer: Option<oneshot::Sender<Result<(), Refused>>>,
    /// Who orders it, in words; `None`: the manager itself.
    pub by: Option<Arc<str>>,
}

/// What an operator may order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Make it ready.
    Start,
    /// Make it stopped, and refuse those who wait.
    Stop(Urgency),
    /// Make it ready with a fresh backend.
    Restart,
}

/// The present run is stopped after this time without a lease; `None`: never.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct KeepAlive(pub(super) Option<Duration>);

/// The last request that waited has gone.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Abandoned;

/// A refusal, with words for the client.
#[derive(Clone, Debug)]
pub struct Refused {
    /// What kind of refusal.
    pub reason: RefusedReason,
    /// What to tell the client; shared, for there may be thousands.
    pub message: Arc<str>,
    /// When it is worth trying again.
    pub retry_after: Option<Duration>,
}

/// The kinds of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedReason {
    /// An operator stopped the model while the request waited.
    Stopped,
    /// The backend could not be started, or its actor is down.
    StartFailed,
    /// The backend was not ready in time.
    StartTimeout,
    /// No memory for it.
    NoMemory,
    /// Too many wait already.
    Overloaded,
    /// Its end was ordered and doesn't come.
    StopFailed,
}
