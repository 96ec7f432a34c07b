//! What can be asked of a Model, and how it says no.

use super::lease::Lease;
use actix::{Message, MessageResponse};
use llm_manager_policy::lifecycle::StopUrgency;
use llm_manager_policy::spec::{Class, ModelSpec};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// Asks for a lease. Sent by `ModelHandle::lease` when the gate does not let it in; answered when the
/// backend is ready, or with a refusal.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Acquire {
    pub(super) answer: oneshot::Sender<Result<Lease, Refused>>,
    /// When its turn comes.
    pub(super) class: Class,
    /// Whose it is.
    pub(super) client: WaitingClient,
}

/// A request as people are told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingClient {
    pub id: Arc<str>,
    /// The name of its key; empty: none is wanted.
    pub api_key: Arc<str>,
    /// Tokens that it may take: by these, keys take turns.
    pub cost: u64,
}

/// Who waits for a model, in the order in which they are served.
#[derive(Message)]
#[rtype(result = "WaitingRequests")]
pub struct GetWaiting;

/// Those who wait, the first in line first.
#[derive(Debug, Default, MessageResponse)]
pub struct WaitingRequests(pub Vec<WaitingRequest>);

/// A request that waits.
#[derive(Clone, Debug)]
pub struct WaitingRequest {
    /// Whose it is.
    pub client: WaitingClient,
    pub class: Class,
    /// How long it has waited.
    pub waited: Duration,
}

/// Refuses a request that waits; false: none of this id does.
#[derive(Message)]
#[rtype(result = "bool")]
pub struct Cancel {
    pub id: Arc<str>,
    /// Who orders it, in words.
    pub by: Arc<str>,
}

/// An operator's order. Answered when it is done, or with a refusal.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Operate {
    /// What to do.
    pub verb: Verb,
    /// Who wants to hear of the end; `None`: nobody, and the order stands all the same.
    pub answer: Option<oneshot::Sender<Result<(), Refused>>>,
    /// Who orders it; `None`: the manager itself.
    pub by: Option<By>,
}

/// Who gives an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct By {
    /// In a sentence: `alice at the command line`.
    pub words: Arc<str>,
    /// As the ledger keeps it, kind and name: `local:alice`.
    pub mark: Arc<str>,
}

impl By {
    /// A rule of the manager's own.
    pub fn rule(name: impl Into<Arc<str>>) -> Self {
        let words = name.into();
        Self { mark: format!("rule:{words}").into(), words }
    }
}

/// What an operator may order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Make it ready.
    Start,
    /// Make it stopped, and refuse those who wait.
    Stop(StopUrgency),
    /// Make it ready, if no other model has to go for it; as `auto_start` does.
    Boot,
    /// Make it ready with a fresh backend.
    Restart,
    /// Send it to sleep, once its running answers have ended.
    Park,
}

/// The present run is stopped after this time without a lease; `None`: never.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct SetKeepAlive(pub(super) Option<Duration>);

/// The last request of its class that waited has gone.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Abandoned;

/// Limits that are the same for all models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// How long running answers may go on when the model is to stop.
    pub drain: Duration,
    /// Longest wait for memory.
    pub queue: Duration,
}

/// The configuration has changed. What is not the launch of the present backend changes at once; otherwise the backend
/// is replaced when its running answers have ended, and requests that come meanwhile wait.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Reconfigure {
    /// The new one.
    pub spec: Arc<ModelSpec>,
    /// Limits that are the same for all models.
    pub timeouts: Timeouts,
    /// Variants, by their former names, that are launched otherwise now or are gone.
    pub relaunched: Arc<[String]>,
}

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
    /// An operator has cancelled the request.
    Cancelled,
    /// It can't be parked, or has not been.
    NotParked,
}
